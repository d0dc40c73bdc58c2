"""Whether a row of a ledger is as archdsl writes it: the file may be anybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archdsl.syntax.errors import ArchError, fault

if TYPE_CHECKING:
    from archdsl.run.ledger import Entry


def sound(entry: Entry) -> bool:
    """Whether a row is as archdsl writes it; others may hold anything."""
    written = ((entry.step, int), (entry.epoch, int), (entry.kind, str), (entry.text, str))
    if not all(isinstance(value, type_) for value, type_ in written):
        return False
    if not (entry.reward is None or number(entry.reward)):
        return False
    if entry.detail is None:
        return True
    return isinstance(entry.detail, dict) and all(
        check(entry.detail[name]) for name, check in DETAILS.items() if name in entry.detail
    )


def lacks(step: int, what: str) -> ArchError:
    """The error for a row without something that archdsl writes beside a reward: E0807."""
    return fault(
        "E0807",
        f"row {step} of the ledger is not what archdsl wrote",
        found=f"nothing under {what}",
        expected="a reward with what was measured, or how it failed",
        hint="move the folder away to begin anew",
    )


def number(value: object) -> bool:
    """Whether it is a number, with room to reckon with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(number, value))


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _batch(value: Any) -> bool:
    """Whether it is how many of how many images."""
    return _numbers(value) and len(value) == 2 and value[1] > 0


DETAILS: Mapping[str, Callable[[Any], bool]] = {
    "loss": lambda value: isinstance(value, int | float),
    "hits": lambda value: isinstance(value, list) and all(map(_batch, value)) and bool(value),
    "gates": lambda value: isinstance(value, dict) and all(map(_numbers, value.values())),
    "values": lambda value: isinstance(value, dict) and all(map(number, value.values())),
    "left": lambda value: isinstance(value, dict) and all(map(_strings, value.values())),
    "failed": lambda value: isinstance(value, str),
    "message": lambda value: isinstance(value, str),
}
"""What stands beside a reward, and whether it is that."""
