"""What a format is, and the cursor that readers of foreign strings share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Source, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One foreign format: `read` takes theirs and gives ours, `write` the other way.

    Both raise an `ArchError` with a place for a string that is not one of theirs, or of ours.
    """

    about: str
    read: Callable[[str], str]
    write: Callable[[str], str]


class Cursor:
    """A place in a foreign string, moved on by what is expected there."""

    def __init__(self, text: str, name: str, what: str) -> None:
        """`name` is what the text is known by in errors, `what` the kind of string it is."""
        self.source = Source(name=name, text=text)
        self.what = what
        self.at = 0

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        """The text that the pattern matches here; an error where it does not."""
        match = pattern.match(self.source.text, self.at)
        if match is None:
            raise self.error("E0640", f"not {self.what}", expected=expected)
        self.at = match.end()
        return match.group()

    def found(self, start: int) -> str:
        """What stands at a place, shortened for a reader."""
        rest = self.source.text[start:]
        word = re.match(r"\w+|.", rest, re.DOTALL)
        return f"'{word.group()[:40]}'" if word else "the end"

    def error(
        self, code: str, message: str, *, start: int | None = None, expected: str, hint: str = ""
    ) -> ArchError:
        """An error at `start`, or at the cursor."""
        begin = self.at if start is None else start
        end = self.at if self.at > begin else min(begin + 1, len(self.source.text))
        span = Span(source=self.source, start=begin, end=max(begin, end))
        return fault(code, message, span, found=self.found(begin), expected=expected, hint=hint)
