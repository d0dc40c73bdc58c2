"""Errors that name a place, say what was found and expected, and hint at a remedy.

Inner code raises with the span it holds; a driver (the parser, the elaborator, the command
line) collects and renders. No other exception type leaves the package for wrong input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from archdsl.syntax.tree import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding.

    `code` is `E` and four digits, listed with an explanation in `codes.py`. `where` tells a shape
    that is wrong in one use or under some choices alone: in which.
    """

    code: str
    message: str
    span: Span | None = None
    found: str = ""
    expected: str = ""
    hint: str = ""
    where: str = ""


class ArchError(Exception):
    """Wrong input: one or more diagnostics, in the order of the text.

    As a text it has for each its place, code and message in a line, and below what was found, what
    was expected and the hint: all that a traceback should tell.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(d.message for d in self.diagnostics))

    def __str__(self) -> str:
        from archdsl.syntax.render import told

        return "\n".join(map(told, self.diagnostics))


def hints(*parts: str) -> str:
    """Several hints as one; those that are empty are left out, a question ends by itself."""
    text = ""
    for part in filter(None, parts):
        text += (" " if text.endswith("?") else "; " if text else "") + part
    return text


def fault(
    code: str,
    message: str,
    span: Span | None = None,
    *,
    found: str = "",
    expected: str = "",
    hint: str = "",
    where: str = "",
) -> ArchError:
    """The error for one diagnostic, to be raised by the caller."""
    return ArchError(
        [
            Diagnostic(
                code=code,
                message=message,
                span=span,
                found=found,
                expected=expected,
                hint=hint,
                where=where,
            )
        ]
    )
