"""Data on standard output, messages on standard error; never mixed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from archdsl.syntax.errors import ArchError

LONGEST_LINE = 1 << 20
"""Bytes of standard input that are read as one line; the parser refuses a quarter of it."""


def put(text: str) -> None:
    """One piece of data: the text, ending with a newline, at once for whoever waits for it."""
    print(text, end="" if text.endswith("\n") else "\n", flush=True)


def put_json(value: Any) -> None:
    """One JSON value on one line."""
    put(json.dumps(value, ensure_ascii=False))


def note(text: str) -> None:
    """A message for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def colored(stream: TextIO | None) -> bool:
    """Whether to colour what goes there: a terminal, and https://no-color.org not asked for."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or stream is None:
        return False
    return stream.isatty()


def report(error: ArchError, *, as_json: bool = False, before: str = "") -> None:
    """Every finding on standard error, rendered with its place, or as lines of JSON."""
    from archdsl.syntax.render import as_json as record
    from archdsl.syntax.render import render

    color = colored(sys.stderr)
    for diagnostic in error.diagnostics:
        if as_json:
            note(json.dumps(record(diagnostic)))
        else:
            note(f"{before}{render(diagnostic, color)}\n")


def exit_code(error: ArchError) -> int:
    """1 for what is wrong in the user's text (E01 to E06), 2 for files, tools and ourselves."""
    return max((1 if d.code < "E07" else 2 for d in error.diagnostics), default=2)


def input_lines() -> Iterator[tuple[int, str]]:
    """The lines of standard input that hold something, with their numbers from 1, as they come.

    Bytes that are no UTF-8 stay visible as escapes, so that the line is refused by its reader.
    """
    stream = sys.stdin.buffer if sys.stdin else None
    if stream is None:
        return
    number = 0
    while raw := stream.readline(LONGEST_LINE):
        number += 1
        while not raw.endswith(b"\n") and (rest := stream.readline(LONGEST_LINE)):
            raw = raw[:LONGEST_LINE] + rest[-1:]  # the rest of a line that is too long anyway
        line = raw.decode("utf-8", "backslashreplace").strip()
        if line:
            yield number, line
