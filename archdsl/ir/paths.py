"""Names for weights and holes: from places in the text to the attributes of generated code.

While a module is elaborated, every application leaves the steps that lead to it. When the
module is whole, steps become names: the text's own words, with a number where one word stands
at several places, and the indices of loops and comprehensions behind it (`norm1`, `edge_3_1`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

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
    frame: FrameKind | None = field(default=None, hash=False)  # slow to hash, and follows
    title: str = field(default="", compare=False)
    doc: tuple[str, ...] = field(default=(), compare=False)


Steps = tuple[Step, ...]


@dataclass(slots=True, eq=False)
class _Named:
    """One part of a path: a step that kept its word, below another."""

    step: Step
    children: dict[Step, _Named] = field(default_factory=dict)
    path: Path = ()

    def below(self, step: Step) -> _Named:
        known = self.children.get(step)
        if known is None:
            known = self.children[step] = _Named(step)
        return known


@dataclass(slots=True, eq=False)
class _Way:
    """Where some steps lead: the steps that go on from there.

    `named` is the part of the path so far; `place` and `indices` are those of steps since then
    that dissolved, for the next part to take.
    """

    children: dict[Step, _Way] = field(default_factory=dict)
    ends: bool = False
    below: int = 0
    holed: bool = False
    named: _Named | None = None
    place: tuple[int, ...] = ()
    indices: tuple[str, ...] = ()


def name_paths(
    ways: Sequence[Steps], holed: Iterable[Steps]
) -> tuple[list[Path], dict[Path, Frame]]:
    """The path of every application, and what the paths' prefixes stand for.

    `ways` are the steps of all applications, `holed` the frames with a hole inside: these
    dissolve, since their parts are chosen one by one, and their indices pass to the parts.
    """
    start = _Way(named=_Named(Step("")))
    for way in ways:
        _walk(start, way)
    for frame in holed:
        at: _Way | None = start
        for step in frame:
            at = at and at.children.get(step)
        if at is not None:
            at.holed = True
    parts = [_part(start, way) for way in ways]
    assert start.named is not None
    frames: dict[Path, Frame] = {}
    _name_below(start.named, frames)
    return [part.path for part in parts], frames


def _walk(start: _Way, way: Steps) -> None:
    """Add a way; a frame counts the different ways that end below it."""
    passed = [start]
    for step in way:
        following = passed[-1].children.get(step)
        if following is None:
            following = passed[-1].children[step] = _Way()
        passed.append(following)
    if not passed[-1].ends:
        passed[-1].ends = True
        for place in passed[:-1]:
            place.below += 1


def _part(start: _Way, way: Steps) -> _Named:
    """The part of a path that a way ends at.

    Frames that dissolve have none, nor has the inside of a frame that holds one application.
    """
    before = start
    for depth, step in enumerate(way, start=1):
        here = before.children[step]
        if here.named is None:
            _simplify(before, here, step)
        assert here.named is not None
        kept = not (here.holed or not step.base)
        operation = step.frame is FrameKind.OPERATION
        if kept and operation and here.below == 1 and depth == len(way) - 1:
            return here.named
        before = here
    assert before.named is not None
    return before.named


def _simplify(before: _Way, here: _Way, step: Step) -> None:
    """Give a step its part of the path, or pass on what tells its inside apart."""
    assert before.named is not None
    if here.holed or not step.base:
        here.named = before.named
        here.place = before.place + step.place
        own = (step.base,) * step.base.isdigit() + step.indices + step.varied
        here.indices = before.indices + own
        return
    alone = here.below == 1 and any(inner.ends for inner in here.children.values())
    merged = Step(
        step.base,
        before.place + step.place,
        before.indices + step.indices,
        step.varied,
        None if step.frame is FrameKind.OPERATION and alone else step.frame,
        step.title,
        step.doc,
    )
    here.named = before.named.below(merged)


def _name_below(named: _Named, frames: dict[Path, Frame]) -> None:
    """Name what is below a part, each unlike its neighbours."""
    children = named.children.values()
    items = [(c.step.base, c.step.place, c.step.indices + c.step.varied) for c in children]
    for child, name in zip(children, name_all(items), strict=True):
        child.path = (*named.path, name)
        if child.children:
            if child.step.frame is not None:
                frames[child.path] = Frame(
                    kind=child.step.frame,
                    name=child.step.title or child.step.base,
                    doc=child.step.doc,
                )
            _name_below(child, frames)


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
