"""Small pieces of Python: expressions, blocks of lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

INDENT = "    "


@dataclass(frozen=True, slots=True)
class Expr:
    """An expression. `tight`: it needs no parentheses inside another; `depth`: nested calls.

    `value` is the value that it names, where it is a variable.
    """

    text: str
    tight: bool = True
    depth: int = 0
    plain: bool = False

    @property
    def operand(self) -> str:
        """As part of a larger expression."""
        return self.text if self.tight else f"({self.text})"


def block(head: str, body: Iterable[str]) -> list[str]:
    """A compound statement: `if x:` and its lines, one step further in."""
    return [head, *(f"{INDENT}{line}" if line else line for line in body)]


def join(parts: Iterable[str]) -> str:
    return ", ".join(parts)
