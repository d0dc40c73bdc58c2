"""Spaces ready to use in tests."""

from __future__ import annotations

from functools import lru_cache

from archdsl.ir.graph import Static
from archdsl.library import Library, open_space
from archdsl.space.view import SearchSpace
from archdsl.syntax.parse import parse


@lru_cache(maxsize=64, typed=True)
def shipped(name: str, **parameters: Static) -> SearchSpace:
    """The space of that name among those that ship; nobody changes it, so tests share it."""
    return Library().space(name, parameters)


def written(text: str, **parameters: Static) -> SearchSpace:
    """The only space of a text."""
    (space,) = parse(text, "test").spaces
    return open_space(space, parameters)
