"""Names for weights and holes: from places in the text to the attributes of generated code.

While a module is elaborated, every application leaves the steps that lead to it. When the
module is whole, steps become names: the text's own words, with a number where one word stands
at several places, and the indices of loops and comprehensions behind it (`norm1`, `edge_3_1`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from archdsl.ir.graph import Frame, FrameKind, Path


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way from a module to an operation.

    `base` is the word that names it, empty for a step that gives only place to what is below.
    `place` tells apart what the text writes at different places; ties have none, so that all
    applications tied under one name meet. `indices` are those of loops and comprehensions,
    `varied` the alternatives of holes that the shapes depend on. `frame` is set where more
    steps follow below; `title` is then the definition applied, if it goes by another name here.
    """

    base: str
    place: tuple[int, ...] = ()
    indices: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    frame: FrameKind | None = None
    title: str = field(default="", compare=False)
    doc: tuple[str, ...] = field(default=(), compare=False)


Steps = tuple[Step, ...]


def name_paths(
    leaves: Iterable[Steps], holed: frozenset[Steps]
) -> tuple[dict[Steps, Path], dict[Path, Frame]]:
    """The path of every application, and what the paths' prefixes stand for.

    `leaves` are the steps of all applications, `holed` the frames with a hole inside: these
    dissolve, since their parts are chosen one by one, and their indices pass to the parts.
    """
    ways = tuple(dict.fromkeys(leaves))
    below: dict[Steps, set[Steps]] = {}
    for way in ways:
        for depth in range(1, len(way)):
            below.setdefault(way[:depth], set()).add(way)
    simple = {way: _simplify(way, below, holed) for way in ways}
    names = _name_children(simple.values())
    paths = {way: _path(steps, names) for way, steps in simple.items()}
    frames: dict[Path, Frame] = {}
    for steps in simple.values():
        for depth in range(1, len(steps)):
            step = steps[depth - 1]
            if step.frame is not None:
                frames[_path(steps[:depth], names)] = Frame(
                    kind=step.frame, name=step.title or step.base, doc=step.doc
                )
    return paths, frames


def _simplify(way: Steps, below: Mapping[Steps, set[Steps]], holed: frozenset[Steps]) -> Steps:
    """Without frames that dissolve, and without the inside of frames that hold one part."""
    result: list[Step] = []
    place: tuple[int, ...] = ()
    indices: tuple[str, ...] = ()
    for depth, step in enumerate(way, start=1):
        prefix = way[:depth]
        if prefix in holed or not step.base:
            place += step.place
            indices += (step.base,) * step.base.isdigit() + step.indices + step.varied
            continue
        merged = (
            step
            if not place and not indices
            else replace(step, place=place + step.place, indices=indices + step.indices)
        )
        place, indices = (), ()
        operation = step.frame is FrameKind.OPERATION
        if operation and len(below.get(prefix, ())) == 1 and depth == len(way) - 1:
            result.append(replace(merged, frame=None))
            break
        result.append(merged)
    return tuple(result)


def _name_children(ways: Iterable[Steps]) -> dict[Steps, str]:
    """A name for every step, unique among those under the same parent."""
    children: dict[Steps, dict[Step, None]] = {}
    for way in ways:
        for depth, step in enumerate(way):
            children.setdefault(way[:depth], {})[step] = None
    names: dict[Steps, str] = {}
    for parent, steps in children.items():
        named = name_all([(step.base, step.place, step.indices + step.varied) for step in steps])
        for step, name in zip(steps, named, strict=True):
            names[(*parent, step)] = name
    return names


def name_all(items: list[tuple[str, tuple[int, ...], tuple[str, ...]]]) -> list[str]:
    """Unique names for (word, place in the text, indices).

    Words that repeat are numbered; one that stands alone needs no indices either.
    """
    alone = Counter(base for base, *_ in set(items))
    items = [(base, place, indices if alone[base] > 1 else ()) for base, place, indices in items]
    found: dict[tuple[str, tuple[str, ...]], set[tuple[int, ...]]] = {}
    for base, place, indices in items:
        found.setdefault((base, indices), set()).add(place)
    numbers = {
        (word, place): str(number) if len(places) > 1 else ""
        for word, places in found.items()
        for number, place in enumerate(sorted(places), start=1)
    }
    used: set[str] = set()
    result = []
    for base, place, indices in items:
        name = join_name(base, numbers[(base, indices), place], indices)
        while name in used:
            name += "_"
        used.add(name)
        result.append(name)
    return result


def join_name(base: str, number: str, indices: Iterable[str]) -> str:
    """`edge`, `2`, `(3, 1)` -> `edge2_3_1`; a word that ends in a digit is kept apart."""
    separated = number and base[-1:].isdigit()
    stem = f"{base}_{number}" if separated else base + number
    return "_".join((stem, *(_identifier(index) for index in indices)))


def binding_name(base: str, indices: tuple[str, ...]) -> str:
    """`stage`, `(1,)` -> `stage1`: how code calls an indexed name of the text."""
    if not indices:
        return base
    first = _identifier(indices[0])
    glue = "_" if base[-1:].isdigit() or not first[:1].isdigit() else ""
    return "_".join((f"{base}{glue}{first}", *(_identifier(index) for index in indices[1:])))


def _identifier(index: str) -> str:
    return index.replace("-", "m").replace(".", "_").replace("+", "")


def _path(steps: Steps, names: Mapping[Steps, str]) -> Path:
    return tuple(names[steps[: depth + 1]] for depth in range(len(steps)))
