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
    """Wrong input: one or more diagnostics, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(d.message for d in self.diagnostics))


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
