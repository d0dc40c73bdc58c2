"""Spaces that ship, ready to use in tests."""

from __future__ import annotations

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Static
from archdsl.resources import PACKAGE
from archdsl.space.view import SearchSpace
from archdsl.syntax.parse import parse


def shipped(name: str, **parameters: Static) -> SearchSpace:
    """The space of that name, wherever it stands among the shipped files."""
    for path in sorted((PACKAGE / "spaces").glob("*.arch")):
        for space in parse(path.read_text(encoding="utf-8"), path.name).spaces:
            if space.name == name:
                return SearchSpace(elaborate(space, parameters))
    raise LookupError(name)


def written(text: str, **parameters: Static) -> SearchSpace:
    """The only space of a text."""
    (space,) = parse(text, "test").spaces
    return SearchSpace(elaborate(space, parameters))
