"""What the template of a report lays out: sections of finished values."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class Words:
    """One paragraph."""

    form: ClassVar[str] = "words"
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names, each with its value."""

    form: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table whose columns are numbers, but for one of words: the last, or the first."""

    form: ClassVar[str] = "grid"
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    named: bool = False
    """Whether the words come first."""

    @property
    def words(self) -> int:
        """The place of that column, from 0."""
        return 0 if self.named else len(self.head) - 1


WIDE = 900.0
"""Pictures of more pixels have a row of their own, where they stay readable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image; `source` holds all of it, `alt` says it in words."""

    source: str
    alt: str
    caption: str = ""
    wide: bool = False

    @classmethod
    def of(cls, svg: str, alt: str, caption: str = "") -> Picture:
        """An SVG as an image: what is in it cannot touch the page."""
        data = base64.b64encode(svg.encode()).decode()
        source = f"data:image/svg+xml;base64,{data}"
        return cls(source=source, alt=alt, caption=caption, wide=_width(svg) > WIDE)


def _width(svg: str) -> float:
    """In pixels, of an SVG whose coordinates are pixels, or points."""
    found = re.search(r'viewBox="0 0 ([0-9.]+) ', svg)
    return float(found[1]) if found else 0.0


@dataclass(frozen=True, slots=True)
class Pictures:
    """Images side by side, where there is room."""

    form: ClassVar[str] = "pictures"
    items: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """Images that are shown when asked for."""

    form: ClassVar[str] = "folded"
    title: str
    items: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Text as it is."""

    form: ClassVar[str] = "lines"
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Python in parts, each with the class of its colour."""

    form: ClassVar[str] = "code"
    parts: tuple[tuple[str, str], ...]


Part: TypeAlias = Words | Facts | Grid | Pictures | Folded | Lines | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with its title; `name` is where links lead."""

    name: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole report."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
