"""Slips of passes are noticed among random networks: every second one, `make fuzz` has all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archdsl.passes.driver import PIPELINE
from tests.wrong_passes import MOST, SLIPS, Slip, needed, slipped


@pytest.mark.parametrize("slip", SLIPS[::2], ids=lambda slip: slip.name.replace(" ", "_"))
def test_noticed(slip: Slip, record_property: Callable[[str, object], None]) -> None:
    count = needed(slip)
    assert count is not None, f"not noticed within {MOST} networks"
    record_property("networks", count)
    print(f"noticed after {count} networks")


def test_slips_are_distinct_and_undone() -> None:
    assert len({slip.name for slip in SLIPS}) == len(SLIPS) >= 25
    before = PIPELINE
    for slip in SLIPS:
        right = [getattr(owner, name) for owner, name, _ in slip.changes]
        with slipped(slip):
            now = [getattr(owner, name) for owner, name, _ in slip.changes]
            assert all(a is not b for a, b in zip(right, now, strict=True))
        assert [getattr(owner, name) for owner, name, _ in slip.changes] == right
    assert before is PIPELINE
