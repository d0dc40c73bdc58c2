"""The view of spaces that are written as text: from the parser to a resolved architecture."""

from __future__ import annotations

from random import Random

import pytest
from scipy.stats import chisquare

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Apply, Static
from archdsl.ir.scopes import decisions
from archdsl.resources import PACKAGE
from archdsl.space.view import SearchSpace
from archdsl.syntax.parse import parse
from tests.space_programs import every_filling

NET = """
  net network(image: 3 x 8 x 8) {
    x = image -> conv(8, k=3)
    %s
    return y -> global_pool -> linear(10)
  }
}
"""


def text(definitions: str, body: str) -> str:
    return f"archdsl 1\nspace s() {{\n{definitions}\n" + NET % body


DARTS = text(
    """cell normal(a, b) {
    n[0] = a
    n[1] = b
    for i in 2..4 { n[i] = sum(2 of {n[j] -> {conv(8, k=3) | id | none} for j in 0..i-1}) }
    return n[4]
  }""",
    "y = normal(normal(x, x), x)",
)
DEPTHS = text(
    """cell deep(x) { return x -> {id | conv(8, k=3)} }
  block layer(x) { return x -> {plain = conv(8, k=3) | wide = conv(8, k={5 | 7})} }""",
    "z = x -> {two = layer^2 | three = layer^3 | deep}\n    y = z -> layer",
)
MACRO = text(
    "",
    """n[0] = x
    n[1] = x -> conv(8, k=3)
    for i in 2..3 {
      old = any of {n[j] -> conv(8, k=1) for j in 0..i-2}
      n[i] = sum(n[i-1] -> {conv(8, k=3) | avg_pool(3)}, old)
    }
    y = n[3]""",
)
NESTED_CELLS = text(
    """cell inner(x) { return x -> {id | conv(8, k=3)} }
  cell outer(x) { return x -> {id | inner} }""",
    "y = x -> {outer | id} -> outer",
)
TEXTS = {
    # pairs of 2, 3 and 4 sources with three operations each
    "darts": (DARTS, (1 * 9) * (3 * 9) * (6 * 9)),
    # layers: 3 each; 2 or 3 of them or the cell with 2; one more layer
    "depths": (DEPTHS, (3**2 + 3**3 + 2) * 3),
    "macro": (MACRO, (2 * 2) * (2 * 4)),
    # inner is decided once, whenever outer takes it, wherever outer stands
    "nested cells": (NESTED_CELLS, 2 * (1 + 2)),
}


def written(source: str, **parameters: Static) -> SearchSpace:
    (space,) = parse(source).spaces
    return SearchSpace(elaborate(space, parameters))


def shipped(name: str, **parameters: Static) -> SearchSpace:
    path = PACKAGE / "spaces" / f"{name}.arch"
    return written(path.read_text(encoding="utf-8"), **parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "size"),
    [
        ("metaformer_nas", {}, 96),
        ("metaformer_nas", {"nodes": 7}, 92_160),
        ("metaformer_nas", {"nodes": 7, "semantics": "as_intended"}, 92_160),
        ("nas_bench_201", {}, 15_625),
    ],
)
def test_sizes_of_the_shipped_spaces(
    name: str, parameters: dict[str, int | str], size: int
) -> None:
    space = shipped(name, **parameters)
    assert space.size == size
    rng = Random(0)
    for _ in range(200):
        a = space.sample(rng)
        assert space.parse(a.text) == a == space.unrank(space.rank(a))
    assert space.resolve(a).genotype == a.text


def test_sampling_a_shipped_space_is_uniform() -> None:
    space, rng = shipped("metaformer_nas"), Random(5)
    counts = [0] * space.size
    for _ in range(100 * space.size):
        counts[space.rank(space.sample(rng))] += 1
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(("source", "size"), TEXTS.values(), ids=list(TEXTS))
def test_sizes_of_texts(source: str, size: int) -> None:
    space = written(source)
    assert space.size == size
    if size <= 500:
        fillings = {tuple(sorted(f.items())) for f in every_filling(space.program)}
        made = [space.unrank(i) for i in range(size)]
        assert {tuple(sorted(a.assignment.items())) for a in made} == fillings
        assert all(space.parse(a.text) == a for a in made)


@pytest.mark.parametrize("source", [source for source, _ in TEXTS.values()], ids=list(TEXTS))
def test_every_architecture_resolves(source: str) -> None:
    space, rng = written(source), Random(1)
    for _ in range(20):
        a = space.sample(rng)
        program = space.resolve(a)
        assert program.genotype == a.text
        assert not decisions(program)
        assert SearchSpace(program).size == 1


def test_a_cell_that_two_holes_may_use_is_always_decided() -> None:
    source = text("cell c(x) { return x -> {id | conv(8, k=3)} }", "y = x -> {c | id} -> {c | id}")
    space = written(source)
    assert space.size == 2**3
    unused = space.parse(f"{space.program.space}/network[id id]/c[id]")
    assert unused.text.endswith("/network[id id]/c[id]")


def test_a_block_in_a_cell_that_two_holes_may_use_follows_its_own_hole() -> None:
    inner = "block b(x) = x -> {relu | gelu}\ncell c(x) = x -> {b | id}"
    assert written(text(inner, "y = x -> {c | id} -> {c | id}")).size == 2 * 2 * 3


def test_a_family_uses_its_own_members() -> None:
    motif = "cell m[l](x) = x -> (if l == 1 then {relu | gelu} else {id | a = m[l-1] -> m[l-1]})"
    assert written(text(motif, "y = x -> m[3]")).size == 1 + 1 + 2


def test_leaves_of_some_values_in_a_family() -> None:
    """`n[1]` joins the output only where `n[2]` took `n[0]` instead."""
    body = (
        "n[0] = x -> relu n[1] = x -> gelu n[2] = {a = n[0] -> silu | b = n[1] -> silu} "
        "y = sum(n[2], leaves(n[1], n))"
    )
    space = written(text("", body))
    sums = [
        len(node.args)
        for number in range(2)
        for node in space.resolve(space.unrank(number)).net.nodes
        if isinstance(node.kind, Apply) and node.kind.operation.keyword == "sum"
    ]
    assert sums == [2, 1]
