"""Diagnostics for people and for programs.

error[E0209]: `=` binds a name and cannot compare
  --> block.arch:7:12
   |
 7 |     if kind = "paper" {
   |             ^
   = found: `=`
   = expected: an operator or `{`
   = hint: to compare, write `==`
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from typing import Any

from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.lexer import FORBIDDEN
from archdsl.syntax.tree import Source, Span

WIDTH = 100
"""Columns of source that are shown of a long line."""

BOLD, RED, BLUE, RESET = "\033[1m", "\033[1;31m", "\033[1;34m", "\033[0m"


def position(span: Span) -> tuple[int, int]:
    """The line and column of the beginning of a span, both from 1; columns are characters."""
    starts = _line_starts(span.source)
    line = bisect_right(starts, span.start)
    return line, span.start - starts[line - 1] + 1


@lru_cache(maxsize=64)
def _starts_of(text: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in re.finditer("\n", text)))


def _line_starts(source: Source) -> tuple[int, ...]:
    return _starts_of(source.text)


def render(diagnostic: Diagnostic, color: bool = False, kind: str = "error") -> str:
    """The diagnostic in several lines, in the layout of rustc; ANSI colours if asked for."""
    paint = _paint if color else _plain
    head = paint(RED, f"{kind}[{diagnostic.code}]") + paint(BOLD, f": {shown(diagnostic.message)}")
    lines = [head]
    margin = 1
    if diagnostic.span is not None:
        line, column = position(diagnostic.span)
        margin = len(str(line))
        lines.append(" " * margin + paint(BLUE, "--> ") + _place(diagnostic.span, line, column))
        lines += _excerpt(diagnostic.span, line, margin, color)
    for label in LABELS:
        value = getattr(diagnostic, label)
        if value:
            mark = " " * (margin + 1) + paint(BLUE, "= ")
            lines.append(f"{mark}{paint(BOLD, label)}: {shown(value)}")
    return "\n".join(lines)


LABELS = ("found", "expected", "where", "hint")


def told(diagnostic: Diagnostic) -> str:
    """The diagnostic without its source: place, code and message, then one line for each label.

    a.arch:7:12: error[E0209]: `=` binds a name and cannot compare
      hint: to compare, write `==`
    """
    place = ""
    if diagnostic.span is not None:
        place = f"{_place(diagnostic.span, *position(diagnostic.span))}: "
    lines = [f"{place}error[{diagnostic.code}]: {shown(diagnostic.message)}"]
    labelled = ((label, getattr(diagnostic, label)) for label in LABELS)
    return "\n".join((*lines, *(f"  {name}: {shown(value)}" for name, value in labelled if value)))


def _place(span: Span, line: int, column: int) -> str:
    return f"{shown(span.source.name)}:{line}:{column}"


def _excerpt(span: Span, line: int, margin: int, color: bool) -> list[str]:
    """The source line with a caret under each column of the span."""
    paint = _paint if color else _plain
    starts = _line_starts(span.source)
    begin = starts[line - 1]
    text = span.source.text[begin : starts[line] - 1 if line < len(starts) else None]
    first = span.start - begin
    last = max(min(span.end - begin, len(text)), first + 1)
    # A window around the place, cut before characters are widened by escapes.
    offset = max(0, min(first - WIDTH // 3, len(text) - WIDTH)) if len(text) > WIDTH else 0
    window = text[offset : offset + WIDTH]
    before = shown(text[offset:first])
    marked = shown(text[first : min(last, offset + WIDTH)])
    left, right = "..." if offset else "", "..." if offset + WIDTH < len(text) else ""
    bar = paint(BLUE, "|")
    carets = paint(RED, "^" * max(1, len(marked)))
    number = paint(BLUE, str(line).rjust(margin))
    shown_line = f"{left}{shown(window)}{right}".rstrip()
    return [
        f"{' ' * margin} {bar}",
        f"{number} {bar} {shown_line}".rstrip(),
        f"{' ' * margin} {bar} {' ' * (len(left) + len(before))}{carets}",
    ]


def shown(text: str) -> str:
    """Text that is safe on a terminal: tabs are two spaces, control characters are escaped."""
    text = text.replace("\t", "  ").removesuffix("\r").replace("\r", "\\r").replace("\n", "\\n")
    return FORBIDDEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"<U+{ord(match.group()):04X}>"


def _paint(style: str, text: str) -> str:
    return f"{style}{text}{RESET}"


def _plain(style: str, text: str) -> str:
    return text


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as a JSON object; `line` and `column` from 1, `end` exclusive."""
    record: dict[str, Any] = {"code": diagnostic.code, "message": diagnostic.message}
    if diagnostic.span is not None:
        span = diagnostic.span
        line, column = position(span)
        end = Span(source=span.source, start=span.end, end=span.end)
        end_line, end_column = position(end)
        record |= {"file": span.source.name, "line": line, "column": column}
        record |= {"end_line": end_line, "end_column": end_column}
    for label in LABELS:
        if getattr(diagnostic, label):
            record[label] = getattr(diagnostic, label)
    return record
