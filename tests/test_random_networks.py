"""Three hundred random networks, before and after the passes; `make fuzz` has many more."""

from __future__ import annotations

from collections import Counter

import pytest

from archdsl.ops import OPERATIONS
from archdsl.passes.driver import DEPLOYMENT, optimise
from tests.fuzz_rewrites import Found, counted, device, laws, program, run
from tests.random_networks import DRAWS, JOINS
from tests.random_programs import network

COUNT, DRAWN = 300, 1_000
BATCH = 100


@pytest.mark.parametrize("first", range(0, COUNT, BATCH))
def test_rewritten_networks_are_equal(first: int) -> None:
    found = run(first, first + BATCH)
    assert not found.wrong, "\n\n".join(found.wrong)
    assert found.hard <= 0.05 * BATCH


def test_every_law_fires_and_every_operation_occurs() -> None:
    fired: Counter[str] = Counter()
    found = Found()
    for number in range(0, DRAWN, 2):
        happened: set[str] = set()
        for level in (1, DEPLOYMENT):
            passes = counted(happened)
            optimise(program(number), level, device=device(number), passes=passes)
        fired.update(happened)
    found.networks, found.fired = DRAWN // 2, fired
    assert not {name: fired[name] for name in laws() if fired[name] < 5}


def test_every_operation_can_be_drawn() -> None:
    assert set(DRAWS) | set(JOINS) == set(OPERATIONS)


def test_a_number_is_one_network() -> None:
    assert network(7) == network(7) != network(8)
