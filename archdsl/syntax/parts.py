"""Pieces of rules that are no nodes of their own, and how builders find them again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a rule that is no node of its own; `kind` is the rule's name."""

    kind: str
    values: tuple[Any, ...]


def part(children: Iterable[Any], kind: str) -> tuple[Any, ...]:
    """The values of the part of that kind, or none."""
    for child in children:
        if isinstance(child, Part) and child.kind == kind:
            return child.values
    return ()


def each(children: Iterable[Any], kind: type[Found]) -> tuple[Found, ...]:
    return tuple(child for child in children if isinstance(child, kind))
