"""From the tree of `train NAME { ... }` to a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archdsl.ops.binding import Bound, signature
from archdsl.recipes.augment import AUGMENTS
from archdsl.recipes.optimizers import OPTIMIZERS, SCHEDULES
from archdsl.recipes.recipe import Plain, Recipe
from archdsl.space.named import bound, literal
from archdsl.space.wording import similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, Diagnostic, fault
from archdsl.syntax.printer import canonical, print_expression

PARTS: dict[str, tuple[type[Bound], ...]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "augment": AUGMENTS,
}
"""The settings that are made of named parts, and the parts that there are."""


def whole_recipe(written: tree.Train) -> Recipe:
    """The recipe that a text says. Raises ArchError E0830 with all that is wrong in it."""
    plain: dict[str, object] = {}
    given: dict[str, object] = {}
    findings: list[Diagnostic] = []
    for setting in written.settings:
        try:
            if setting.name in PARTS:
                parts = [_part(one, setting.name) for one in _chain(setting.value)]
                given[setting.name] = (
                    tuple(parts) if setting.name == "augment" else _one(parts, setting)
                )
            else:
                plain |= _plain(setting)
        except ArchError as error:
            findings += error.diagnostics
    if findings:
        raise ArchError(findings)
    text = canonical(tree.Document(version=1, recipes=(written,), span=written.span))
    return Recipe(name=written.name, text=text, **plain, **given)  # type: ignore[arg-type]


def _plain(setting: tree.Constant) -> dict[str, object]:
    """A setting that is one word, as the dataclass takes it."""
    names = [parameter.name for parameter in signature(Plain)]
    if setting.name not in names:
        known = [*names, *PARTS]
        raise fault(
            "E0830",
            f"a recipe has no setting {setting.name}",
            setting.span,
            found=setting.name,
            expected=", ".join(known),
            hint=similar(setting.name, known),
        )
    found = bound(Plain, (), {setting.name: literal(setting.value, "E0830")}, setting.span, "E0830")
    return {setting.name: getattr(found, setting.name)}


def _chain(value: tree.Expression) -> Iterator[tree.Expression]:
    """The terms of `a -> b -> c`, in order."""
    if isinstance(value, tree.Binary) and value.operator is tree.Operator.ARROW:
        yield from _chain(value.left)
        yield from _chain(value.right)
    else:
        yield value


def _one(parts: Sequence[Bound], setting: tree.Constant) -> Bound:
    if len(parts) != 1:
        raise fault(
            "E0830",
            f"a recipe has one {setting.name}",
            setting.value.span,
            found=str(len(parts)),
            expected="one",
        )
    return parts[0]


def _part(written: tree.Expression, setting: str) -> Bound:
    """A named part with its arguments: `adamw(learning_rate=1e-3)`, `flip`."""
    known = {part.keyword: part for part in PARTS[setting]}
    match written:
        case tree.Ref(name=name, index=()):
            arguments: tuple[tree.Argument, ...] = ()
        case tree.Call(name=name, index=(), comprehensions=()):
            arguments = written.arguments
        case _:
            raise fault(
                "E0830",
                f"{setting} is a name, with settings or without",
                written.span,
                found=print_expression(written),
                expected=", ".join(known),
                hint="one behind the other: flip -> cutout" if setting == "augment" else "",
            )
    if name not in known:
        raise fault(
            "E0830",
            f"there is no {setting} {name}",
            written.span,
            found=name,
            expected=", ".join(known),
            hint=similar(name, known),
        )
    nameless = next((one for one in arguments if one.name is None), None)
    if nameless is not None:
        names = [f"{one.name}=..." for one in signature(known[name])]
        raise fault(
            "E0830",
            f"settings of {name} have names",
            nameless.span,
            found=print_expression(nameless.value),
            expected=", ".join(names) or f"{name}, which has no settings",
        )
    given = {one.name or "": literal(one.value, "E0830") for one in arguments}
    return bound(known[name], (), given, written.span, "E0830")
