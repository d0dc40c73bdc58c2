"""Decisions inside decisions: counted and drawn from the outside in."""

from __future__ import annotations

from random import Random

import pytest

from archdsl.space.view import SearchSpace
from tests.shipped import shipped, written

NESTED = """archdsl 1
space s {
  block layer(x) = x -> {
    a = relu
    | b = relu -> {gelu | more = silu -> {id | tanh}}
    | c = sum(id, 2 of {gelu | relu | tanh})
  }
  net network(image: 3 x 4 x 4) = image -> layer^2
}
"""


def nested() -> SearchSpace:
    return written(NESTED)


def test_levels_of_glit_are_those_of_the_paper() -> None:
    """Level one: four kinds of layer. Level two, given level one: nine details each."""
    space = shipped("glit_tiny")
    assert space.size_above(1) == 4**12
    assert set(space.levels) == {0, 1}
    for seed in range(5):
        kinds = space.outer(space.sample(Random(seed)), 1)
        assert space.size_under(kinds) == 9**12
    assert space.size == 4**12 * 9**12


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_counts_are_those_of_the_list(level: int) -> None:
    space = nested()
    every = [space.unrank(i) for i in range(space.size)]
    outsides = {space.outer(a, level) for a in every}
    assert space.size_above(level) == len(outsides)
    for outside in outsides:
        inside = [a for a in every if space.outer(a, level) == outside]
        assert space.size_under(outside) == len(inside)


def test_what_is_fixed_stays_and_the_rest_is_uniform() -> None:
    space = nested()
    a = next(a for a in map(space.unrank, range(space.size)) if "b" in a.text)
    fixed, rng = space.outer(a, 1), Random(0)
    drawn = [space.complete(fixed, rng) for _ in range(2_000)]
    assert {space.outer(b, 1) for b in drawn} == {fixed}
    counts = [drawn.count(b) for b in set(drawn)]
    assert len(counts) == space.size_under(fixed)
    expected = len(drawn) / len(counts)
    assert all(abs(count - expected) < 6 * expected**0.5 for count in counts)


def test_open_decisions_leave_everything() -> None:
    for space in (nested(), shipped("nas_bench_201")):
        open_ = [None] * len(space.decisions)
        assert space.size_under(open_) == space.size == space.size_above(9)
        assert space.size_above(0) == 1


def test_one_choice_at_a_time_adds_up() -> None:
    """The parts that one decision makes of a space add up to the whole."""
    space = nested()
    for i, level in enumerate(space.levels):
        if level:
            continue
        hole = space.decisions[i].hole
        parts = [(j,) for j in range(len(hole.labels))]
        choices = [
            [part if k == i else None for k in range(len(space.decisions))] for part in parts
        ]
        assert sum(map(space.size_under, choices)) == space.size
