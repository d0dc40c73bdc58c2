"""Which format a text is of, for the hints of errors: asked of the formats themselves."""

from __future__ import annotations

from dataclasses import replace
from shlex import quote

from archdsl.formats import FORMATS
from archdsl.formats.base import Format
from archdsl.space.wording import listed
from archdsl.syntax.errors import ArchError


def meant(text: str, tried: str = "") -> list[str]:
    """The formats other than `tried` that read a text, else those whose texts begin like it."""
    others = [name for name in FORMATS if name != tried]
    alike = [name for name in others if FORMATS[name].begins(text)]
    begun = bool(tried) and FORMATS[tried].begins(text)  # what is wrong then stands further on
    read = [name for name in (alike if begun else others) if _reads(FORMATS[name], text)]
    return read or ([] if begun else alike)


def _reads(format_: Format, text: str) -> bool:
    try:
        format_.ours(text)
    except ArchError:
        return False
    return True


def no_string(error: ArchError, text: str) -> ArchError:
    """The error of a text that is no architecture string; names the format that it is of."""
    names = meant(text)
    return _hinted(ArchError(error.diagnostics[:1]), _convert(names)) if names else error


def read_as(name: str, text: str, space: str = "") -> str:
    """Our string for a text of a format, as `Format.ours` gives it.

    Raises ArchError as that does, with a hint: another format that reads the text, or a command
    that prints a right one.
    """
    format_ = FORMATS[name]
    try:
        return format_.ours(text, space)
    except ArchError as error:
        first = error.diagnostics[0]
        if first.hint or first.code == "E0645":
            raise
        if others := meant(text, name):
            raise _hinted(error, _convert(others)) from None
        if first.code != "E0640":
            raise
        raise _hinted(error, _sample(name, format_), format_.example) from None


def _convert(names: list[str]) -> str:
    return f"strings of other tools are read by `archdsl convert X --from {listed(names)}`"


def _sample(name: str, format_: Format) -> str:
    space = quote(format_.example_space(format_.spaces[0]))
    return f"`archdsl sample {space} | archdsl convert - --to {name}` prints one that is right"


def _hinted(error: ArchError, hint: str, example: str = "") -> ArchError:
    """The error with a hint; what was expected, where that says no more than the message, by
    example."""
    first, *others = error.diagnostics
    if example and first.message.endswith(first.expected):
        first = replace(first, expected=example)
    return ArchError([replace(first, hint=hint), *others])
