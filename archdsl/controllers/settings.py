"""The numbers of a method, and whether they mean anything."""

from __future__ import annotations

from typing import ClassVar, Protocol

from archdsl.ops.base import OperationError


class Settings(Protocol):
    """`keyword` is the name of the method."""

    keyword: ClassVar[str]


MOST = 1_000_000
"""No setting is larger, so that none takes all memory or all time by itself."""


def check_command(keyword: str, command: str) -> None:
    """Raise OperationError for a command that starts nothing."""
    if not command.strip():
        raise OperationError(
            f"{keyword}: the command is empty", found='command=""', expected="a program"
        )


def within(settings: Settings, least: float, *names: str, most: float = MOST) -> None:
    """Raise OperationError for a setting out of range; the caller adds the place."""
    for name in names:
        value = getattr(settings, name)
        if not least <= value <= most:
            raise OperationError(
                f"{settings.keyword}: {name} cannot be {value}",
                found=f"{name}={value}",
                expected=f"from {least} to {most:,}",
            )
