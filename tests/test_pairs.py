"""Timed pairs: the ratio of two ways to do one thing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.networks import check
from benchmarks.pairs import in_turn, ratio, training_step


def test_ratio_of_known_times() -> None:
    first = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.0]
    found = ratio(first, [2 * seconds for seconds in first])
    assert found.ratio == pytest.approx(2)
    assert found.low == pytest.approx(2) == found.high
    assert found.seconds == pytest.approx((1.0, 2.0))


def test_one_disturbed_pair_does_not_spoil_the_bound() -> None:
    found = ratio([1.0] * 20, [1.0] * 19 + [50.0])
    assert found.high < 1.03


def test_every_work_is_timed_in_every_round() -> None:
    done: list[int] = []
    times = in_turn([lambda: done.append(0), lambda: done.append(1)], 4)
    assert [len(column) for column in times] == [4, 4]
    rounds = [tuple(done[i : i + 2]) for i in range(4, len(done), 2)]
    assert len(rounds) == 4 and set(rounds) == {(0, 1), (1, 0)}


def test_a_training_step_changes_weights() -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    training_step(layer, (torch.ones(4, 3),))()
    assert not layer.weight.equal(before)


def test_networks_that_differ_are_not_compared() -> None:
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    check(one, (one,), torch.ones(1, 3))
    with pytest.raises(AssertionError, match="differ"):
        check(one, (other,), torch.ones(1, 3))
