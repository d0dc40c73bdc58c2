"""The comments that are still to be printed, by their place in the text."""

from __future__ import annotations

import re
from bisect import bisect_left

from archdsl.syntax.tree import Comment


class Comments:
    """Comments in the order of the text; whoever prints one takes it."""

    def __init__(self, text: str, comments: tuple[Comment, ...]) -> None:
        self.text = text
        self.waiting = sorted(comments, key=lambda comment: comment.span.start)
        self.starts = [comment.span.start for comment in self.waiting]

    def take(self, start: int, end: int) -> list[str]:
        """Take those that begin in a range, as printed: `# text`."""
        return [f"#{comment.text}" for comment in self._remove(start, end)]

    def take_placed(self, start: int, end: int) -> list[tuple[int, int, str]]:
        """Take those that begin in a range, with their places."""
        return [(c.span.start, c.span.end, f"#{c.text}") for c in self._remove(start, end)]

    def take_trailing(self, start: int, end: int, past: str = "") -> list[str]:
        """Take the comment that stands behind `start` on its line; `past` may come between."""
        first = bisect_left(self.starts, start)
        if first == len(self.starts) or self.starts[first] >= end:
            return []
        gap = self.text[start : self.starts[first]]
        if not re.fullmatch(rf"[ \t]*{re.escape(past)}?[ \t]*" if past else r"[ \t]*", gap):
            return []
        return [f"  {text}" for text in self.take(start, self.starts[first] + 1)]

    def take_header(self, start: int, end: int) -> list[str]:
        """Take the first in a range if something stands before it on its line."""
        first = bisect_left(self.starts, start)
        if first == len(self.starts) or self.starts[first] >= end:
            return []
        place = self.starts[first]
        line = self.text.rfind("\n", 0, place) + 1
        if not self.text[line:place].strip():
            return []
        return [f"  {text}" for text in self.take(start, place + 1)]

    def _remove(self, start: int, end: int) -> list[Comment]:
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        taken = self.waiting[first:last]
        del self.waiting[first:last], self.starts[first:last]
        return taken


def comment_text(raw: str) -> str:
    """A comment without its mark, always with a space before the first letter.

    A `##` that documents nothing becomes a plain comment: printed on another line it might
    otherwise become the documentation of what follows.
    """
    text = raw[1:].rstrip().replace("\t", " ")
    if text.startswith("#") and not text.startswith("##"):
        text = text[1:]
    return text if not text or text.startswith(" ") else f" {text}"
