"""Other settings for a method and a recipe, as an option says them: `kinds.budget=20`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from archdsl.space.wording import similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.parse import parse

RECIPE = "train"
"""The place that stands for the recipe; a word of the language, so no stage is called so."""
FORM = "NAME=VALUE, STAGE.NAME=VALUE or train.NAME=VALUE"
V = TypeVar("V")
Item = TypeVar("Item", tree.Constant, tree.Constant | tree.Stage)


def changed(
    method: tree.Method, recipe: tree.Train, settings: Sequence[str]
) -> tuple[tree.Method, tree.Train]:
    """Both with these settings in place of their own, each `NAME=VALUE` as the text would say it.

    `STAGE.` before it says which stage of the method, `train.` that it is the recipe's. Raises
    ArchError E0860 for what is not written so; reading both finds out whether it means anything.
    """
    for written in settings:
        name = written.partition("=")[0]
        place, dot, _ = name.rpartition(".")
        setting = _setting(written, len(place + dot))
        if place == RECIPE:
            recipe = replace(recipe, settings=tuple(_put(recipe.settings, setting)))
        elif place:
            method = replace(method, items=tuple(_within(method, place, setting)))
        else:
            method = replace(method, items=tuple(_put(method.items, setting)))
    return method, recipe


def _setting(option: str, start: int) -> tree.Constant:
    """The setting that an option says from a character on."""
    written = option[start:]
    head = "archdsl 1 method changed {\n"
    try:
        document = parse(f"{head}{written}\n}}", "--set")
    except ArchError as error:
        raise _no_setting(written, error.diagnostics[0].message) from error
    items = [item for one in document.methods for item in one.items]
    if len(items) != 1 or len(document.methods) != 1 or document.spaces or document.recipes:
        raise _no_setting(written)
    (item,) = items
    if not isinstance(item, tree.Constant):
        raise _no_setting(written)
    return _moved(item, tree.Source(name="--set", text=option), start - len(head))


def _moved(value: V, source: tree.Source, by: int) -> V:
    """A part of a tree whose places are those in another text."""
    match value:
        case tree.Span():
            return replace(value, source=source, start=value.start + by, end=value.end + by)
        case tree.Node():
            parts = {one.name: getattr(value, one.name) for one in fields(value)}
            return replace(
                value, **{name: _moved(part, source, by) for name, part in parts.items()}
            )
        case tuple():
            return tuple(_moved(part, source, by) for part in value)  # type: ignore[return-value]
        case _:
            return value


def _no_setting(written: str, why: str = "") -> ArchError:
    said = f"this is no setting: {why}" if why else "this is no setting"
    return fault("E0860", said, found=written, expected=FORM)


def _put(items: Sequence[Item], setting: tree.Constant) -> Iterator[Item]:
    """The items with a setting where one of its name was, else behind them."""
    known = False
    for item in items:
        known = known or item.name == setting.name
        yield setting if item.name == setting.name else item
    if not known:
        yield setting


def _within(
    method: tree.Method, place: str, setting: tree.Constant
) -> Iterator[tree.Constant | tree.Stage]:
    """The items of a method with a setting in one of its stages."""
    stages = [item.name for item in method.items if isinstance(item, tree.Stage)]
    if place not in stages:
        raise fault(
            "E0860",
            f"{method.name} has no stage {place}",
            found=place,
            expected=", ".join((*stages, RECIPE)),
            hint=similar(place, stages),
        )
    for item in method.items:
        if isinstance(item, tree.Stage) and item.name == place:
            item = replace(item, settings=tuple(_put(item.settings, setting)))
        yield item
