"""Texts of other tools on standard input: one a line, or as many as its brackets span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl.cli.output import LONGEST_LINE
from archdsl.formats.brackets import depth, goes_on


def whole_texts(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers -> whole texts, each with the number of its first line.

    A text goes on while a bracket is open. It breaks off before a line that cannot be a part of
    it, so one bracket that is missing does not swallow what follows.
    """
    first, held, opened, length = 0, list[str](), 0, 0
    for number, line in lines:
        if held and (length > LONGEST_LINE or not goes_on(held[-1], line)):
            yield first, "\n".join(held)
            held, opened, length = [], 0, 0
        first = first if held else number
        held.append(line)
        opened += depth(line)
        length += len(line)
        if opened <= 0:
            yield first, "\n".join(held)
            held, opened, length = [], 0, 0
    if held:
        yield first, "\n".join(held)
