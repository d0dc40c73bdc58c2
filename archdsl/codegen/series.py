"""Members of a list that repeat, or that count up, as comprehensions.

`A(8), A(8), A(8)` is `A(8) for _ in range(3)`; `A(8), A(12), A(16), A(20)` counts by 4, so it is
`A(8 + 4 * i) for i in range(4)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBER = re.compile(r"(?:(?<=\()|(?<==)|(?<=, ))\d+(?=[,)])")
"""An integer that is a whole argument, not a part of a sum or product."""
SHORTEST = 4
"""Fewer members that only count up are easier to read one by one."""


def runs(written: Sequence[str]) -> list[tuple[str, int, str]]:
    """The members as runs: what is written once, how often, and the variable that counts."""
    found: list[tuple[str, int, str]] = []
    place = 0
    while place < len(written):
        equal = _equal(written, place)
        counted = _counting(written, place)
        if equal > 1 or counted < SHORTEST:
            found.append((written[place], equal, "_"))
            place += equal
        else:
            found.append((_formula(written[place], written[place + 1]), counted, "i"))
            place += counted
    return found


def _equal(written: Sequence[str], place: int) -> int:
    """How many members from here on are the same."""
    end = place + 1
    while end < len(written) and written[end] == written[place]:
        end += 1
    return end - place


def _counting(written: Sequence[str], place: int) -> int:
    """How many members from here on differ in integers that grow by the same steps."""
    if re.search(r"\bi\b", written[place]):
        return 1
    steps: list[int] | None = None
    end = place + 1
    while end < len(written):
        before, after = written[end - 1], written[end]
        if NUMBER.sub("#", before) != NUMBER.sub("#", after):
            break
        step = [b - a for a, b in zip(_numbers(before), _numbers(after), strict=True)]
        if not any(step) or (steps is not None and step != steps):
            break
        steps = step
        end += 1
    return end - place


def _numbers(text: str) -> list[int]:
    return [int(number) for number in NUMBER.findall(text)]


def _formula(first: str, second: str) -> str:
    """The member as a function of i, of which these are the first two."""
    pairs = iter(zip(_numbers(first), _numbers(second), strict=True))

    def counted(number: re.Match[str]) -> str:
        start, following = next(pairs)
        step = following - start
        if step == 0:
            return number[0]
        sign, size = ("+", step) if step > 0 else ("-", -step)
        grown = "i" if size == 1 else f"{size} * i"
        return f"{start} {sign} {grown}" if start or step < 0 else grown

    return NUMBER.sub(counted, first)
