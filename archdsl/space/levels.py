"""Decisions inside decisions: how many ways are left when some are taken, level by level.

A decision's level is the number of decisions that it stands inside of. Where a space is searched
from the outside in (first the kinds of all layers, then their details), the outer levels are
counted by `count_above`, and what they leave open by `count_under`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from archdsl.space.forest import Choices, Forest, Partial, Place
from archdsl.space.subsets import Taken


def levels(places: Sequence[Place]) -> tuple[int, ...]:
    """The level of every decision; 0 is the outermost."""
    found: list[int] = []
    for place in places:  # parents come first
        found.append(0 if place.parent < 0 else found[place.parent] + 1)
    return tuple(found)


def count_above(forest: Forest, level: int) -> int:
    """In how many ways the decisions of the levels before this one can be taken."""
    inside = levels(forest.places)
    return _count(forest, [None] * len(inside), [i for i, d in enumerate(inside) if d < level])


def count_under(forest: Forest, choices: Partial) -> int:
    """How many fillings take these choices; None leaves a decision open.

    A choice counts where its decision exists, as in `Forest.fill`.
    """
    return _count(forest, choices, range(len(forest.places)))


def outer(forest: Forest, choices: Choices, level: int) -> Choices:
    """The choices of the levels before this one; the others are left open."""
    inside = levels(forest.places)
    return tuple(taken if inside[i] < level else None for i, taken in enumerate(choices))


def _count(forest: Forest, choices: Partial, among: Iterable[int]) -> int:
    """The ways to take some decisions, closed under parents, where `choices` leaves them open."""
    below: dict[int, list[int]] = {}
    totals: dict[int, tuple[int, ...]] = {}
    for i in reversed(list(among)):
        place = forest.places[i]
        governed = place.governor >= 0
        every = tuple(range(place.alternatives))
        totals[i] = tuple(
            _ways(forest.places, i, allowed, choices[i], below.get(i, []), totals)
            for allowed in (place.allowed if governed else (every,))
        )
        below.setdefault(place.governor if governed else place.parent, []).append(i)
    return prod(totals[i][0] for i in below.get(-1, []))


def _ways(
    places: Sequence[Place],
    i: int,
    allowed: Sequence[int],
    taken: Taken | None,
    children: Sequence[int],
    totals: dict[int, tuple[int, ...]],
) -> int:
    """The ways to take one decision, each with all the ways of what it opens.

    `totals` of a governed decision have one number for each alternative of its governor.
    """
    weights, shared = [int(a in allowed) for a in range(places[i].alternatives)], []
    for child in children:
        when = places[child].when
        if places[child].governor >= 0:
            weights = [w * total for w, total in zip(weights, totals[child], strict=True)]
        elif len(when) == 1:
            weights[when[0]] *= totals[child][0]
        else:
            shared.append((when, totals[child][0]))
    if taken is None:
        return places[i].takes(weights, shared).total
    return prod(weights[a] for a in taken) * prod(n for when, n in shared if set(when) & set(taken))
