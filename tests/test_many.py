"""Many architectures at once: figures, ids and readings equal those one by one."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

import archdsl
from archdsl.passes.figures import figures
from archdsl.passes.identity import identity
from archdsl.passes.many import FEW, Many
from archdsl.resources import shipped_spaces
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse_genotype
from tests.shipped import written
from tests.space_programs import random_program
from tests.verify_spaces import tiny

BODIES = {
    "holes under holes": """
        cell f(x) = x -> {a = conv({4 | 8}, k={1 | 3}) -> {relu | id} -> conv(4) | none | pool}
        net network(x: 4 x 8 x 8) { y = (x -> f) + (x -> f) return y + (y -> f) }""",
    "blocks decide at every use": """
        block f(x) { y = x -> {conv(4) | relu | none} return y * (x -> {gelu | id | none}) }
        net network(x: 4 x 8 x 8) = x -> f^3 -> {f | id}""",
    "sets and products": """
        cell f(x) {
          n[0] = x -> conv(4)
          for i in 1..3 {
            n[i] = sum(n[i-1], any of {n[j] -> {relu | conv(4)} for j in 0..i-1})
          }
          return mean(2 of {n[j] -> {bn | none | id} for j in 0..3}) * n[3]
        }
        net network(x: 4 x 8 x 8) = x -> f -> global_pool -> linear(3)""",
    "ties": """
        cell f(x) {
          y = (x -> {conv(4)@w | relu | none}) + (x -> relu -> {conv(4)@w | pool})
          return y -> {bn | id}
        }
        net network(x: 4 x 8 x 8) = x -> f@a -> f@a -> f""",
    "families": """
        cell motif[m](x) = (x -> {conv(4) | relu}) + (x -> {none | conv(4) | id})
        net network(x: 4 x 8 x 8) = x -> {m[i] = motif[i] for i in 1..3} -> motif[2] -> motif[4]""",
    "numbers and depths": """
        block f(x; c) = x -> conv(c, k={1 | 3}) -> {relu | gelu}
        net network(x: 4 x 8 x 8) = x -> f(c={4 | 8}) -> (conv(8) -> relu)^{1..3} -> f(c=4)""",
    "inputs unread, zeros and parts": """
        cell f(x, y) { z = y -> conv(4) return x -> {none | relu | id}, z -> {none | id} }
        net network(x: 4 x 8 x 8) {
          a = f(x, x -> conv(4))
          b = f(a[0], a[1])
          return b[0] + (b[1] -> {quiet = none -> bn | id})
        }""",
}


def spaces() -> list[SearchSpace]:
    texts = [f"archdsl 1\nspace made {{ {body} }}\n" for body in BODIES.values()]
    return [written(text) for text in texts]


def check(space: SearchSpace, count: int) -> None:
    rng, known = Random(7), Many(space)
    drawn = [space.sample(rng) for _ in range(max(count, FEW + 1))]
    some = list({one.text: one for one in drawn}.values())[:count]
    # Priced together with as many others as it takes to be priced together.
    costs = dict(zip((one.text for one in drawn), known.costs(drawn), strict=True))
    for one in some:
        network = space.resolve(one)
        assert costs[one.text] == figures(network), one.text
        assert known.identity(one) == identity(network), one.text


@pytest.mark.parametrize("name", shipped_spaces())
def test_shipped_spaces(name: str) -> None:
    check(tiny(name), 25)


@pytest.mark.parametrize("body", BODIES)
def test_constructs(body: str) -> None:
    check(written(f"archdsl 1\nspace made {{ {BODIES[body]} }}\n"), 120)


def test_ids_tell_apart_and_merge_as_one_by_one() -> None:
    """A seventh of a small space: two ways to the same classes."""
    space = written(f"archdsl 1\nspace made {{ {BODIES['blocks decide at every use']} }}\n")
    known, every = Many(space), [space.unrank(i) for i in range(0, space.size, 7)]
    assert [known.identity(one) for one in every] == [identity(space.resolve(o)) for o in every]
    assert 1 < len({known.identity(one) for one in every}) < len(every)


# ---- reading -------------------------------------------------------------------------------------


def outcome(space: SearchSpace, text: str, *, quick: bool) -> object:
    try:
        return space.parse(text) if quick else space.parse(parse_genotype(text))
    except ArchError as error:
        return [(d.code, d.message, d.span, d.found, d.expected) for d in error.diagnostics]


def broken(text: str, rng: Random) -> str:
    """A string with one slip: something left out, doubled, moved or put in."""
    at, to = rng.randrange(len(text)), rng.randrange(len(text))
    piece = text[at : at + rng.choice((1, 1, 2, 5))]
    match rng.randrange(4):
        case 0:
            return text[:at] + text[at + len(piece) :]
        case 1:
            return text[:at] + piece + text[at:]
        case 2:
            return text[:to] + piece + text[to:]
        case _:
            put = rng.choice([*" ;+-()[]/.0123456789", "none", "; ", "()", "-1", "\t", "a", "é"])
            return text[:at] + put + text[at + rng.randrange(2) :]


@pytest.mark.parametrize("name", shipped_spaces())
def test_shipped_spaces_are_read_as_by_the_grammar(name: str) -> None:
    read_alike(tiny(name), Random(name), 6, 5)


def test_spaces_of_all_constructs_are_read_as_by_the_grammar() -> None:
    rng = Random(11)
    for space in spaces():
        read_alike(space, rng, 10, 8)
    for _ in range(25):
        with suppress(ArchError):  # made at random, some programs are refused as a whole
            read_alike(SearchSpace(random_program(rng)), rng, 3, 6)


def read_alike(space: SearchSpace, rng: Random, count: int, slips: int) -> None:
    for _ in range(count):
        text = space.sample(rng).text
        assert outcome(space, text, quick=True) == outcome(space, text, quick=False)
        for _ in range(slips):
            wrong = broken(text, rng)
            if rng.randrange(3) == 0:
                wrong = broken(wrong or text, rng)
            assert outcome(space, wrong, quick=True) == outcome(space, wrong, quick=False), wrong


# ---- from Python ---------------------------------------------------------------------------------


def test_costs_and_ids_from_python() -> None:
    space = archdsl.Space("nas_bench_201", cells=1, width=4)
    drawn = space.samples(100, seed=1)
    texts = [one.text for one in drawn]
    assert space.parse_many(texts) == drawn
    assert archdsl.costs(space, texts) == archdsl.costs(space, drawn)
    assert archdsl.costs(space, texts)[3] == archdsl.cost(drawn[3])
    assert archdsl.ids(space, texts)[3] == archdsl.identity(drawn[3])
    with pytest.raises(ArchError):
        archdsl.ids(space, [texts[0], texts[1][:-3]])
