"""Values and free text as Python source; text comes from strangers and leaves here harmless."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers by what a choice takes."""

    rows: tuple[tuple[object, int | float], ...]

    @property
    def annotation(self) -> str:
        """The type of the dictionary that it is in Python."""
        keys = {type(key).__name__ for key, _ in self.rows if key is not None}
        number = "float" if keys <= {"int", "float"} else "object"
        kind = keys.pop() if len(keys) == 1 else number
        whole = all(isinstance(value, int) for _, value in self.rows)
        return f"dict[{kind}, {'int' if whole else 'float'}]"


def literal(value: int | float | bool | str | tuple[object, ...] | Table | None) -> str:
    """A value as a person would write it: 1e-5, not 1e-05."""
    match value:
        case Table(rows):
            return f"{{{', '.join(f'{key!r}: {literal(number)}' for key, number in rows)}}}"
        case bool() | None | int() | tuple():
            return repr(value)
        case float():
            return re.sub(r"e([+-])0*(\d)", r"e\1\2", repr(value)).replace("e+", "e")
        case str():
            return quoted(value)


def quoted(text: str) -> str:
    """A string literal in double quotes, of plain characters only."""
    return quoted_part(clean(text))


def quoted_part(text: str) -> str:
    """As `quoted`, with the spaces at the ends kept."""
    plain = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{plain}"'


def clean(text: str) -> str:
    """Free text on one line, without control, format (bidirectional) and unassigned characters."""
    kept = "".join(" " if unicodedata.category(c) in UNPRINTABLE else c for c in text)
    return " ".join(kept.split())


UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


def in_docstring(text: str) -> str:
    """Cleaned text that cannot end or escape the docstring that it stands in."""
    return clean(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def paragraphs(doc: Iterable[str]) -> list[str]:
    """The paragraphs of a `##` comment, each cleaned and on one line."""
    blocks: list[list[str]] = [[]]
    for line in doc:
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [in_docstring(" ".join(block)) for block in blocks if block]


def wrap(text: str, indent: int = 0) -> list[str]:
    """Lines of at most 100 columns, `indent` of which are taken."""
    lines = textwrap.wrap(text, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return [_no_quote_at_end(line) for line in lines]


def _no_quote_at_end(line: str) -> str:
    """A quote before the closing quotes, or an escape of them, would change the docstring."""
    return f"{line} " if line.endswith(('"', "\\")) else line


def docstring(texts: Iterable[str], indent: int = 4) -> list[str]:
    """The lines of a docstring of cleaned paragraphs, quotes included, not yet indented."""
    lines: list[str] = []
    for text in texts:
        lines += [*([""] if lines else []), *wrap(text, indent + (6 if not lines else 0))]
    if len(lines) == 1:
        return [f'"""{lines[0].rstrip()}"""' if not lines[0].endswith(" ") else f'"""{lines[0]}"""']
    return [f'"""{lines[0].rstrip()}', *(line.rstrip() for line in lines[1:]), '"""']


def sentence(text: str) -> str:
    """`relu, conv` -> `Relu, conv.`"""
    text = text.strip()
    ended = text if text.endswith((".", "!", "?", ":")) else f"{text}."
    return ended[0].upper() + ended[1:]


def comment(text: str) -> list[str]:
    """Any text as comment lines; nothing in it can end the comment."""
    lines = []
    for line in text.split("\n"):
        kept = "".join("?" if unicodedata.category(c) in UNPRINTABLE - {"Zs"} else c for c in line)
        lines.append(f"# {kept}".rstrip())
    return lines
