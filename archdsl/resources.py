"""Where the grammar and the templates are, however the package was installed.

In a wheel they lie inside the package (`archdsl/_grammar`, `archdsl/_templates`); in a checkout,
an editable install or an sdist they are the top-level folders `grammar/` and `templates/`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).resolve().parent


@cache
def folder(name: str) -> Path:
    """The folder of package data called `name`: `grammar` or `templates`.

    Raises FileNotFoundError where an installation lacks it. The package is never run from a zip
    archive (templates are read as files), so plain paths do.
    """
    for place in (PACKAGE / f"_{name}", PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"this installation of archdsl has no {name}: install it again")


def grammar(name: str) -> str:
    """The text of `grammar/NAME.lark`."""
    return (folder("grammar") / f"{name}.lark").read_text(encoding="utf-8")


def templates() -> Path:
    """The folder of the Jinja templates."""
    return folder("templates")


@cache
def environment(*, autoescape: bool) -> Environment:
    """Jinja over the templates. `autoescape` is for HTML; what goes into Python is made safe by
    whoever renders it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to import

    return Environment(
        loader=FileSystemLoader(templates()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=autoescape,
    )


def shipped_spaces() -> tuple[str, ...]:
    """The names of the spaces that ship, in alphabetical order."""
    return _shipped("spaces")


def shipped_space(name: str) -> str | None:
    """The text of a space that ships, or None."""
    return _text("spaces", name)


def shipped_recipes() -> tuple[str, ...]:
    """The names of the recipes that ship, in alphabetical order."""
    return _shipped("recipes")


def shipped_recipe(name: str) -> str | None:
    """The text of a recipe that ships, or None."""
    return _text("recipes", name)


def shipped_methods() -> tuple[str, ...]:
    """The names of the methods that ship, in alphabetical order."""
    return _shipped("methods")


def shipped_method(name: str) -> str | None:
    """The text of a method that ships, or None."""
    return _text("methods", name)


def _shipped(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (PACKAGE / folder).glob("*.arch")))


def _text(folder: str, name: str) -> str | None:
    if name not in _shipped(folder):
        return None
    return (PACKAGE / folder / f"{name}.arch").read_text(encoding="utf-8")
