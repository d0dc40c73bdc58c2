"""What is known of a diagnostic code besides its message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of error: what it means, a wrong text, and a right one."""

    code: str
    title: str
    about: str
    wrong: str = ""
    right: str = ""


def row(code: str, title: str, about: str, wrong: str = "", right: str = "") -> Code:
    """One row of a table of codes."""
    return Code(code=code, title=title, about=about, wrong=wrong, right=right)
