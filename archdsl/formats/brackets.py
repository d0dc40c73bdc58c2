"""The brackets of a literal: whether all are closed, and the first that has no partner."""

from __future__ import annotations

import re
from dataclasses import dataclass

CLOSERS = {")": "(", "]": "[", "}": "{"}
OPENERS = {opener: closer for closer, opener in CLOSERS.items()}

_TEXT = r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""
_PART = re.compile(rf"(?P<skipped>{_TEXT}|#[^\n]*)|[][(){{}}]")
"""A bracket, or what may hold some that mean nothing: a text in quotes, a comment."""

GOES_ON = frozenset(",([{:=")
GOES_ON_WITH = frozenset(",)]}:=")
"""Between two items of a literal stands one of these, at the end of a line or at the beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaired:
    """A bracket without a partner, and where that shows; `shows` is the length at the end."""

    at: int
    shows: int
    wanted: str
    """The bracket that would close it; empty for one that closes nothing."""


def unpaired(text: str) -> Unpaired | None:
    """The first bracket of a text that has no partner: one never closed, or one too many."""
    open_ones: list[int] = []
    for part in _PART.finditer(text):
        bracket = part.group()
        if part["skipped"]:
            continue
        if bracket in OPENERS:
            open_ones.append(part.start())
        elif open_ones and text[open_ones[-1]] == CLOSERS[bracket]:
            open_ones.pop()
        elif any(text[at] == CLOSERS[bracket] for at in open_ones):
            return _never_closed(text, open_ones[-1], part.start())
        else:
            return Unpaired(at=part.start(), shows=part.start(), wanted="")
    return _never_closed(text, open_ones[-1], len(text)) if open_ones else None


def _never_closed(text: str, at: int, shows: int) -> Unpaired:
    return Unpaired(at=at, shows=shows, wanted=OPENERS[text[at]])


def depth(line: str) -> int:
    """How many more brackets a line opens than it closes."""
    brackets = [part.group() for part in _PART.finditer(line) if not part["skipped"]]
    return sum(1 if bracket in OPENERS else -1 for bracket in brackets)


def goes_on(before: str, line: str) -> bool:
    """Whether a line can go on with a literal whose brackets are open at the end of another.

    Items are separated, so where neither line has a separator something was left open: a line
    that follows is not a part of it.
    """
    last = _PART.sub(lambda part: "" if part.group()[0] == "#" else part.group(), before).rstrip()
    line = line.lstrip()
    return last[-1:] in GOES_ON or line[:1] in GOES_ON_WITH or line[:1] in ("", "#")
