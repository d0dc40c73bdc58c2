"""Other settings for a method and a recipe, as an option says them: `kinds.budget=20`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from archdsl.space.wording import similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, Diagnostic, fault
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
        elif dot:
            method = replace(method, items=tuple(_within(method, place, setting)))
        else:
            method = replace(method, items=tuple(_put(method.items, setting)))
    return method, recipe


HEAD = "archdsl 1 method changed {\n"
"""What stands before a setting where it is read, as in a method."""


def _setting(option: str, start: int) -> tree.Constant:
    """The setting that an option says from a character on."""
    try:
        document = parse(f"{HEAD}{option[start:]}\n}}", "--set")
    except ArchError as error:
        raise _no_setting(option, start, error.diagnostics[0]) from error
    items = [item for one in document.methods for item in one.items]
    if len(items) != 1 or len(document.methods) != 1 or document.spaces or document.recipes:
        raise _no_setting(option, start)
    (item,) = items
    if not isinstance(item, tree.Constant):
        raise _no_setting(option, start)
    return _moved(item, tree.Source(name="--set", text=option), start - len(HEAD))


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


def _no_setting(option: str, start: int, why: Diagnostic | None = None) -> ArchError:
    """The error for what is no setting, at the place of what was found there."""
    whole = tree.Span(source=tree.Source(name="--set", text=option), start=start, end=len(option))
    found = _moved(why.span, whole.source, start - len(HEAD)) if why and why.span else whole
    first = min(found.start, len(option))  # what is missing is missed behind the end
    return fault(
        "E0860",
        f"this is no setting: {why.message}" if why else "this is no setting",
        replace(found, start=first, end=max(first, min(found.end, len(option)))),
        found=option[start:],
        expected=FORM,
        hint=why.hint if why else "",
    )


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
