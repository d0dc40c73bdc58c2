"""What every node of a tree has: its place in a text."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text and the name it is known by (a file, a shipped space, `<string>`)."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open range of characters of one source."""

    source: Source = field(repr=False)
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What every node of the tree has: its place in the text."""

    span: Span = field(compare=False, repr=False)
