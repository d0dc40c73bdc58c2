"""Data on standard output, messages on standard error; never mixed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

from archdsl.syntax.errors import ArchError

if TYPE_CHECKING:
    from io import BufferedReader

LONGEST_LINE = 1 << 20
"""Bytes of standard input that are read as one line; the parser refuses a quarter of it."""

AT_ONCE = 1 << 18

IN_TEXT = frozenset({"E0830", "E0860"})
"""What is wrong in a recipe or a method, in a file or in `--set`."""


def put(text: str) -> None:
    """One piece of data: the text, ending with a newline, at once for whoever waits for it."""
    print(text, end="" if text.endswith("\n") else "\n", flush=True)


def put_json(value: Any) -> None:
    """One JSON value on one line."""
    put(json_line(value))


def json_line(value: Any) -> str:
    """One JSON value as a line."""
    return json.dumps(value, ensure_ascii=False) + "\n"


def note(text: str) -> None:
    """A message for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def colored(stream: TextIO | None) -> bool:
    """Whether to colour what goes there: a terminal, and https://no-color.org not asked for."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or stream is None:
        return False
    return stream.isatty()


def report(
    error: ArchError, *, as_json: bool = False, before: str = "", kind: str = "error"
) -> None:
    """Every finding on standard error, rendered with its place, or as lines of JSON."""
    from archdsl.syntax.render import as_json as record
    from archdsl.syntax.render import render

    color = colored(sys.stderr)
    for diagnostic in error.diagnostics:
        if as_json:
            note(json.dumps(record(diagnostic)))
        else:
            note(f"{before}{render(diagnostic, color, kind)}\n")


def exit_code(error: ArchError) -> int:
    """1 for what is wrong in the user's text (E01 to E06, and what recipes and methods in one say),
    2 for files, tools and ourselves."""
    codes = [one.code for one in error.diagnostics]
    return max((1 if code < "E07" or code in IN_TEXT else 2 for code in codes), default=2)


def input_lines() -> Iterator[tuple[int, str]]:
    """The lines of standard input that hold something, with their numbers from 1, as they come."""
    for batch in input_batches():
        yield from batch


def input_batches() -> Iterator[list[tuple[int, str]]]:
    """The lines of standard input, those together that have come together.

    Bytes that are no UTF-8 stay visible as escapes, so that the line is refused by its reader.
    """
    stream = cast("BufferedReader", sys.stdin.buffer) if sys.stdin else None
    number, rest = 0, b""
    while stream is not None:
        chunk = stream.read1(AT_ONCE)
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()[:LONGEST_LINE] if chunk else b""  # too long already: the rest is moot
        yield [(at, text) for at, raw in enumerate(lines, number + 1) if (text := _text(raw))]
        number += len(lines)
        if not chunk:
            return


def _text(raw: bytes) -> str:
    return raw[:LONGEST_LINE].decode("utf-8", "backslashreplace").strip()
