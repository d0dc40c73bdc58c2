"""Text with places where it may be broken, fitted to a width (after Wadler and Oppen).

A group is set on one line if it fits, and else every break that is directly in it becomes a new
line. Setting works with stacks of its own, so that deep texts need no deep recursion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Break:
    """A new line in a broken group, `flat` in one that fits."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class IfBroken:
    """Text that is there only where the group is broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Forced:
    """Breaks every group around it."""


@dataclass(frozen=True, slots=True)
class Nest:
    """Text whose new lines begin two columns further in."""

    inside: Layout


@dataclass(frozen=True, slots=True)
class Group:
    inside: Layout


Layout: TypeAlias = str | Break | IfBroken | Forced | Nest | Group | Sequence["Layout"]

SPACE = Break(" ")
SOFT = Break("")
FORCED = Forced()
INDENT = 2

Piece = tuple[int, bool, Layout]
"""Indentation, whether the group around is flat, and what to set."""


def join(separator: Layout, parts: Iterable[Layout]) -> list[Layout]:
    result: list[Layout] = []
    for part in parts:
        if result:
            result.append(separator)
        result.append(part)
    return result


def set_lines(layout: Layout, indent: int, width: int = WIDTH) -> str:
    """The text of a layout, from a line that is already `indent` columns in."""
    output: list[str] = []
    column = indent
    todo: list[Piece] = [(indent, False, layout)]
    while todo:
        at, flat, piece = todo.pop()
        match piece:
            case str():
                output.append(piece)
                column += len(piece)
            case Break(text):
                if flat:
                    output.append(text)
                    column += len(text)
                else:
                    output.append("\n" + " " * at)
                    column = at
            case Group(inside):
                fits = flat or _fits(inside, todo, width - column)
                todo.append((at, fits, inside))
            case _:
                todo += _parts(piece, at, flat)
    return "\n".join(line.rstrip() for line in "".join(output).split("\n"))


def _parts(piece: IfBroken | Forced | Nest | Sequence[Layout], at: int, flat: bool) -> list[Piece]:
    """What is set in place of a piece, the last first."""
    match piece:
        case IfBroken(text):
            return [] if flat else [(at, flat, text)]
        case Forced():
            return []
        case Nest(inside):
            return [(at + INDENT, flat, inside)]
        case Sequence():
            return [(at, flat, part) for part in reversed(piece)]
    assert_never(piece)


def _fits(inside: Layout, after: list[Piece], room: int) -> bool:
    """Whether a group, and what follows it up to the next new line, fits into `room` columns."""
    todo: list[Piece] = [(0, True, inside)]
    behind = len(after)
    while room >= 0:
        if not todo:
            if not behind:
                return True
            behind -= 1
            todo.append(after[behind])
        at, flat, piece = todo.pop()
        match piece:
            case str():
                room -= len(piece)
            case Break(text):
                if not flat:
                    return True
                room -= len(text)
            case Forced() if flat:
                return False
            case Group(inner):
                todo.append((at, flat, inner))
            case _:
                todo += _parts(piece, at, flat)
    return False
