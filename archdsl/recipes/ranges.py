"""Whether the numbers of a recipe mean anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

from archdsl.ops.base import OperationError


class Part(Protocol):
    """A part of a recipe; `keyword` is its name in the text."""

    keyword: ClassVar[str]


def at_least(part: Part, least: float, names: Iterable[str]) -> None:
    """Raise OperationError for a number that is too small; the caller adds the place."""
    for name in names:
        value = getattr(part, name)
        if value < least:
            raise _refused(part, name, value, f"at least {least}")


def between(part: Part, least: float, most: float, names: Iterable[str]) -> None:
    """Raise OperationError for a number out of a range; the caller adds the place."""
    for name in names:
        value = getattr(part, name)
        if not least <= value <= most:
            raise _refused(part, name, value, f"from {least} to {most}")


def share(part: Part, names: Iterable[str]) -> None:
    """Raise OperationError for what is no share of one: from 0 to below 1."""
    for name in names:
        value = getattr(part, name)
        if not 0 <= value < 1:
            raise _refused(part, name, value, "from 0 to below 1")


def _refused(part: Part, name: str, value: float, expected: str) -> OperationError:
    return OperationError(
        f"{part.keyword}: {name} cannot be {value}", found=f"{name} = {value}", expected=expected
    )
