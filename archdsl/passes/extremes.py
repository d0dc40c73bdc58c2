"""The largest and the smallest architecture of a space, by the MACs of their networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from random import Random

from archdsl.passes.many import many
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

MOST_NEIGHBOURS = 4096
"""Changes of one architecture that are looked at."""
Worth = tuple[int, int]


def largest(space: SearchSpace) -> Architecture:
    """One than which no change of a single decision has more MACs, then parameters.

    Where decisions add to the MACs or multiply them, that is the largest of all. Raises ArchError
    E0521 where constraints let nothing through.
    """
    return _climbed(space, 1)


def smallest(space: SearchSpace) -> Architecture:
    """The same with the fewest."""
    return _climbed(space, -1)


def _climbed(space: SearchSpace, sign: int) -> Architecture:
    """From one architecture to its best neighbour, or to all better ones at once, until none is."""
    known = many(space)

    def worths(found: Sequence[Architecture]) -> list[Worth]:
        return [(sign * one["macs"], sign * one["params"]) for one in known.costs(found)]

    here = space.sample(Random(0))
    (worth,) = worths([here])
    while around := list(islice(space.neighbours(here), MOST_NEIGHBOURS)):
        known_worths = worths(around)
        better = {_changed(here, one): one for one in _ascending(around, known_worths, worth)}
        if not better:
            break
        together = _joined(space, here, better)
        best, there = max(zip(known_worths, around, strict=True), key=lambda pair: pair[0])
        (all_at_once,) = worths([together])
        if all_at_once > best and space.accepts(together):
            here, worth = together, all_at_once
        else:
            here, worth = there, best
    return here


def _ascending(
    around: Sequence[Architecture], worths: Sequence[Worth], least: Worth
) -> list[Architecture]:
    """Those that are worth more, the best last."""
    better = [pair for pair in zip(worths, around, strict=True) if pair[0] > least]
    return [one for _, one in sorted(better, key=lambda pair: pair[0])]


def _changed(here: Architecture, there: Architecture) -> int:
    """The decision that two neighbours differ in; what exists by it stands behind it."""
    pairs = zip(here.choices, there.choices, strict=True)
    return next(i for i, (a, b) in enumerate(pairs) if a != b)


def _joined(
    space: SearchSpace, here: Architecture, better: Mapping[int, Architecture]
) -> Architecture:
    """Every decision as in the neighbour that changes it, where it still can be."""
    wanted = [better[i].choices[i] if i in better else c for i, c in enumerate(here.choices)]
    return space.build(space.forest.fill(wanted, space.forest.least))
