"""Holes whose alternatives depend on an earlier hole: paths through a lattice."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
import torch

from archdsl.controllers.policy import Policy
from archdsl.ir.cost import cost
from archdsl.ir.graph import Apply
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from tests.shipped import shipped, written

LATTICE = """archdsl 1
space s(layers=4, levels=4, size=32) {
  net n(image: 3 x size x size) {
    level[0] = 0
    x[0] = image -> conv(2, k=3)
    for l in 1..layers {
      level[l] = {max(0, level[l-1] - 1)..min(levels - 1, level[l-1] + 1)}
      c = 2 * 2 ^ level[l]
      x[l] = x[l-1] -> resize(size // 2 ^ level[l]) -> conv(c) -> bn -> relu
    }
    return x[layers] -> global_pool -> linear(3)
  }
}
"""


def lattice(**parameters: int) -> SearchSpace:
    return written(LATTICE, **parameters)


def levels(text: str) -> list[int]:
    return [0, *map(int, text.split("[")[1].rstrip("]").split("; "))]


def test_every_path_is_there_once_and_none_leaves_the_lattice() -> None:
    space = lattice()
    made = [space.unrank(number) for number in range(space.size)]
    assert space.size == len({a.text for a in made}) == 34
    assert [space.rank(a) for a in made] == list(range(34))
    assert all(space.parse(a.text) == a for a in made)
    for a in made:
        assert all(abs(first - second) <= 1 for first, second in pairwise(levels(a.text)))


def test_paths_are_counted_without_listing_them() -> None:
    assert lattice(layers=11).size == 28_657  # Auto-DeepLab, section 3.2: 2.9e4
    assert lattice(layers=60, levels=2).size == 2**60


def test_samples_are_uniform() -> None:
    space, rng = lattice(layers=3), Random(1)
    drawn = Counter(space.sample(rng).text for _ in range(13 * 300))
    assert len(drawn) == 13
    assert min(drawn.values()) > 200


def test_changes_stay_in_the_lattice() -> None:
    space, rng = lattice(layers=8), Random(2)
    one = space.sample(rng)
    for _ in range(100):
        one = space.crossover(space.mutate(one, rng), space.sample_tokens(rng), rng)
        assert space.parse(one.text) == one
    around = list(space.neighbours(one))
    assert around
    assert all(space.parse(a.text) == a for a in around)


def test_a_step_too_far_is_told_with_what_leads_to_it() -> None:
    space = lattice()
    with pytest.raises(ArchError) as error:
        space.parse("s/n[0; 1; 3; 2]")
    (found,) = error.value.diagnostics
    assert (found.code, found.found, found.expected) == ("E0618", "3", "0, 1 or 2")
    assert found.hint == "level 2 takes 1"
    with pytest.raises(ArchError, match="cannot take"):
        space.build([(0,), (1,), (3,), (2,)])


def test_tokens_lead_through_the_lattice() -> None:
    space = lattice()
    assert space.legal("s/n[1;") == ("0", "1", "2")
    assert space.legal("s/n[1; 2; 3;") == ("2", "3")


def test_a_policy_gives_no_probability_to_what_is_closed() -> None:
    space = lattice(layers=8)
    policy, rng = Policy(space, torch.Generator().manual_seed(1)), Random(1)
    for _ in range(20):
        walk = policy.walk(lambda _, sets: sets.sample(rng))
        assert space.build(walk.choices)
        assert walk.log_probability.isfinite().all()
        assert walk.entropy.isfinite().all()


def test_weights_belong_to_pairs_of_levels_and_to_levels() -> None:
    space = lattice(layers=2)
    kept = (n for n in space.program.net.nodes if isinstance(n.kind, Apply))
    convs = [n.path for n in kept if n.kind.operation.keyword in ("conv", "bn")]  # type: ignore[union-attr]
    assert len(convs) == len(set(convs)) == 1 + 2 * 2 + (2 * 3 + 3)


def test_auto_deeplab_is_as_large_as_its_paper_says() -> None:
    """28,657 paths, and 5 blocks of two of 2, 3, ... inputs, each with one of 8 operations."""
    cells = (2 * 3 * 4 * 5 * 6) ** 2 * 8**10
    assert shipped("auto_deeplab").size == 28_657 * cells


def test_sizes_level_by_level_know_what_is_closed() -> None:
    space = lattice(layers=3)
    assert space.size_above(1) == space.size == 13
    paths = [levels(space.unrank(number).text)[1:] for number in range(13)]
    for first in (0, 1):
        for last in range(4):
            expected = sum(path[0] == first and path[2] == last for path in paths)
            assert space.size_under([(first,), None, (last,)]) == expected


def test_bounds_on_costs_hold_in_a_lattice() -> None:
    space = written(LATTICE.replace("net n", "where params <= 900\n  net n"))
    drawn = {space.sample(Random(seed)).text for seed in range(20)}
    assert drawn
    assert all(cost(space.resolve(space.parse(text))).params <= 900 for text in drawn)
