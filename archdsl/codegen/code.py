"""Small pieces of Python: expressions, blocks of lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INDENT = "    "
LINE = 84
"""How long an expression may get before a part of it gets a name."""


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

    @property
    def words(self) -> set[str]:
        """All names that it reads, and attributes besides."""
        return set(re.findall(r"[A-Za-z_]\w*", self.text))


def block(head: str, body: Iterable[str]) -> list[str]:
    """A compound statement: `if x:` and its lines, one step further in."""
    return [head, *(f"{INDENT}{line}" if line else line for line in body)]


def join(parts: Iterable[str]) -> str:
    return ", ".join(parts)


ALONE = re.compile(r"(?<=[(,])( ?)\{(\w+)\}(?=[,)])")
"""An argument that has a place between brackets or commas to itself."""


def fill(template: str, args: Sequence[Expr], access: str, tight: bool) -> Expr:
    """An operation's expression with its arguments in place."""
    whole = {str(i): arg.text for i, arg in enumerate(args)}
    whole |= {"self": access, "all": join(whole.values())}
    parts = whole | {str(i): arg.operand for i, arg in enumerate(args)}
    # Brackets of the template itself, as in `({0}) / 2`, are left to those who wrote them.
    text = ALONE.sub(lambda found: found[1] + whole[found[2]], template)
    text = re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], text)
    called = template.rstrip().endswith(")") and tight
    depth = max((arg.depth for arg in args), default=0)
    return Expr(text, tight=tight, depth=depth + (1 if called else 0))
