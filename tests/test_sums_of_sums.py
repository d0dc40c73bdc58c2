"""Sums of sums: a term that is taken 2^n times is one term and a number.

Sizes of what is compared stand for time, so that a busy machine changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from archdsl.compiler import Options, network_code
from archdsl.ir.graph import Program
from archdsl.passes import terms
from archdsl.passes.canonical import Certificate, Vertex, certificate
from archdsl.passes.figures import figures
from archdsl.passes.identity import identity
from archdsl.passes.many import Many
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from tests.shipped import written

STEPS = {
    "doubled": "y[i-1] + y[i-1]",
    "searched": "sum(x, any of {y[j] for j in 0..i-1})",
    "mixed": "(y[i-1] + (y[i-1] -> relu)) + (y[i-1] -> none) + y[i-1]",
}


def space(body: str) -> SearchSpace:
    return written(f"archdsl 1\nspace made {{ net network(x: 3) {{ {body} }} }}\n")


def repeated(step: str, count: int) -> tuple[SearchSpace, Architecture]:
    """A value made from those before it, over and over; every source is taken."""
    made = space(
        f"y[0] = x\n for i in 1..{count} {{ y[i] = {step} }}\n return y[{count}] -> linear(5)"
    )
    every = tuple(tuple(range(len(decision.hole.labels))) for decision in made.decisions)
    return made, made.build(made.forest.fill(every, made.forest.least))


def program(name: str, count: int) -> Program:
    made, one = repeated(STEPS[name], count)
    return made.resolve(one)


def value(body: str) -> str:
    return identity(space(f"a = x -> linear(3)\n b = x -> linear(3) -> relu\n {body}").program)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many arguments and numbers each canonical form was made of."""
    found: list[int] = []

    def measured(vertices: Sequence[Vertex], outputs: Sequence[int]) -> Certificate:
        made = certificate(vertices, outputs)
        found.append(len(made) + sum(len(vertex.args) for vertex in vertices))
        return made

    monkeypatch.setattr(terms, "certificate", measured)
    return found


@pytest.mark.parametrize("name", STEPS)
def test_work_grows_as_sums_are_wide(name: str, work: list[int]) -> None:
    for count in (8, 16):
        identity(program(name, count))
    assert work[1] < 5 * work[0]  # before this was so, 2^8 times as much
    made, one = repeated(STEPS[name], 60)
    network = made.resolve(one)
    assert Many(made).identity(one) == identity(network)
    assert max(work) < 60 * work[0]
    assert figures(network)["params"] == 20


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("level", [0, 1])
def test_values_that_are_taken_twice_have_names_in_code(name: str, level: int) -> None:
    small, large = (
        len(network_code(program(name, count), Options(level=level, format=False)))
        for count in (15, 60)
    )
    assert large < 16 * small


def test_how_often_a_term_is_taken_tells_apart() -> None:
    flat = value("return a + a + b + b")
    assert value("return (a + b) + (a + b)") == flat
    assert value("c = a + b\n return c + c") == flat
    assert value("return b + (a + (b + a))") == flat
    others = ["a + b", "a + a + b", "a + b + b", "a + a + a + b", "a + a + b + b + b"]
    assert len({flat, *(value(f"return {other}") for other in others)}) == 6


def test_numbers_of_any_size_tell_apart() -> None:
    """Around what 64 bits hold, and beyond what Python writes in digits."""
    counts = (1, 2, 3, 63, 64, 65, 127, 128, 129)
    assert len({identity(program("doubled", count)) for count in counts}) == len(counts)
    identity(program("doubled", 15_000))


def test_a_sum_with_numbers_is_the_sum_written_out() -> None:
    """Random graphs: equal with numbers where equal without, in any order of terms."""
    rng = random.Random(2)
    flat_of: dict[Certificate, Certificate] = {}
    of_flat: dict[Certificate, Certificate] = {}
    for _ in range(3000):
        graph = _random(rng)
        output = [len(graph) - 1]
        made, flat = certificate(graph, output), certificate(_flat(graph), output)
        assert flat_of.setdefault(made, flat) == flat
        assert of_flat.setdefault(flat, made) == made
        assert certificate(_shuffled(graph, rng), output) == made
    assert len(flat_of) > 500


def _random(rng: random.Random) -> list[Vertex]:
    """Values of which each is read, some by sums that take them several times."""
    vertices = [Vertex(1)]
    for _ in range(rng.randrange(2, 6)):
        size = len(vertices)
        if rng.random() < 0.5:
            tie = rng.choice((-1, -1, 0))
            vertices.append(Vertex(2 + rng.randrange(2), (rng.randrange(size),), tie=tie))
        else:
            vertices.append(_sum(rng, rng.sample(range(size), min(size, rng.randrange(1, 4)))))
    read = {argument for vertex in vertices for argument in vertex.args}
    return [*vertices, _sum(rng, [i for i in range(len(vertices)) if i not in read])]


def _sum(rng: random.Random, args: Sequence[int]) -> Vertex:
    times = tuple(rng.choice((1, 1, 2, 3)) for _ in args)
    return Vertex(9, tuple(args), ordered=False, times=times if max(times) > 1 else ())


def _flat(graph: Sequence[Vertex]) -> list[Vertex]:
    return [
        vertex._replace(
            args=tuple(a for a, t in zip(vertex.args, vertex.times, strict=True) for _ in range(t)),
            times=(),
        )
        if vertex.times
        else vertex
        for vertex in graph
    ]


def _shuffled(graph: Sequence[Vertex], rng: random.Random) -> list[Vertex]:
    result = []
    for vertex in graph:
        order = rng.sample(range(len(vertex.args)), len(vertex.args))
        args = tuple(vertex.args[i] for i in order)
        times = tuple(vertex.times[i] for i in order) if vertex.times else ()
        result.append(vertex if vertex.ordered else vertex._replace(args=args, times=times))
    return result
