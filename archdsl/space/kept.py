"""Which alternatives are left to the decisions of a space, checked and made whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archdsl.ir.scopes import Decision
from archdsl.space.forest import Place
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Quantity

Kept = Mapping[str, Sequence[int]]
"""For some decisions, by their keys, the alternatives that they keep."""


def whole_kept(space: SearchSpace, kept: Kept) -> dict[str, tuple[int, ...]]:
    """The same for all decisions, ascending; those that are not named keep what they have.

    What no choice of a governor leaves open goes too, and so does a governor's choice that leaves
    nothing open. Raises ArchError E0625 where no architecture is left or a name means nothing.
    """
    known = {one.key: one for one in space.decisions}
    for key, some in kept.items():
        if key not in known:
            raise fault("E0625", f"{space.program.space} has no decision {key}", found=key)
        _check(known[key], some)
    places = space.forest.places
    left = [sorted(set(kept.get(one.key, range(len(one.hole.labels))))) for one in known.values()]
    _close(places, left)
    for one, some in zip(known.values(), left, strict=True):
        if len(some) < _fewest(one):
            raise _too_few(one, some)
    return {key: tuple(some) for key, some in zip(known, left, strict=True)}


def _close(places: Sequence[Place], left: list[list[int]]) -> None:
    """Take away what a governor and the one that it governs rule out between them."""
    governed = [(i, place) for i, place in enumerate(places) if place.governor >= 0]
    for i, place in reversed(governed):
        open_ = [a for a in left[place.governor] if set(place.allowed[a]) & set(left[i])]
        left[place.governor] = open_
    for i, place in governed:
        reached = {b for a in left[place.governor] for b in place.allowed[a]}
        left[i] = [b for b in left[i] if b in reached]


def _check(one: Decision, some: Sequence[int]) -> None:
    count = len(one.hole.labels)
    if not all(0 <= a < count for a in some):
        raise fault(
            "E0625",
            f"{one.key} has no such alternative",
            found=", ".join(map(str, some)),
            expected=f"0 to {count - 1}",
        )
    if len(set(some)) < _fewest(one):
        raise _too_few(one, some)


def _fewest(one: Decision) -> int:
    """How many alternatives a decision needs."""
    match one.hole.quantity:
        case Quantity.ONE:
            return 1
        case Quantity.SOME:
            return one.hole.count
        case Quantity.ANY:
            return 0


def _too_few(one: Decision, some: Sequence[int]) -> ArchError:
    return fault(
        "E0625",
        f"too little is left of {one.key}",
        found=", ".join(one.hole.labels[a] for a in some) or "nothing",
        expected=f"at least {_fewest(one)} of {', '.join(one.hole.labels)}",
        hint="what it depends on may keep more",
    )
