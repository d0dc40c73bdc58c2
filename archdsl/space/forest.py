"""Decisions as a forest: an exact count, an order of all fillings, and uniform sampling.

Nothing here knows of programs or strings. A decision exists when it has no parent or its parent
exists and takes one of the alternatives that it stands under. A filling gives every decision
what it takes, as ascending indices, and None where it does not exist.

The number of fillings is a product over the decisions that exist and a sum over what they take,
so counting, ranking and unranking are exact on integers of any size. Every walk is one loop
over the decisions, parents first: no recursion, whatever the depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from random import Random
from typing import TypeAlias

from archdsl.space.subsets import OneOf, Subsets, Taken, Takes
from archdsl.syntax.tree import Quantity

Draw: TypeAlias = "Callable[[int, Partial], Taken]"
"""What a decision takes, given what those before it take."""
Choices: TypeAlias = tuple[Taken | None, ...]
Partial: TypeAlias = Sequence[Taken | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One decision: how many of its alternatives it takes, and when it exists.

    `parent` is the index of an earlier decision, or -1; `when` the parent's alternatives,
    ascending, of which one must be taken. `governor` is the index of an earlier decision of the
    same parent, or -1; `allowed[a]` are the alternatives that are open where it takes its a.
    """

    quantity: Quantity
    count: int = 1
    alternatives: int
    parent: int = -1
    when: tuple[int, ...] = ()
    governor: int = -1
    allowed: tuple[tuple[int, ...], ...] = ()

    @property
    def free(self) -> bool:
        """Whether there is more than one way to take it."""
        match self.quantity:
            case Quantity.ONE:
                return self.alternatives > 1
            case Quantity.SOME:
                return self.count < self.alternatives
            case Quantity.ANY:
                return self.alternatives > 0

    @property
    def least(self) -> Taken:
        """The first of the takes."""
        match self.quantity:
            case Quantity.ONE:
                return (0,)
            case Quantity.SOME:
                return tuple(range(self.count))
            case Quantity.ANY:
                return ()

    def allows(self, taken: Taken) -> bool:
        """Whether these are indices that the decision can take: ascending, as many as asked."""
        if not all(0 <= i < self.alternatives for i in taken):
            return False
        if any(first >= second for first, second in pairwise(taken)):
            return False
        match self.quantity:
            case Quantity.ONE:
                return len(taken) == 1
            case Quantity.SOME:
                return len(taken) == self.count
            case Quantity.ANY:
                return True

    def takes(self, weights: Sequence[int], shared: Sequence[tuple[Taken, int]] = ()) -> Takes:
        """The takes, for fillings of what hangs below each alternative."""
        match self.quantity:
            case Quantity.ONE:
                below = [prod(w for when, w in shared if i in when) for i in range(len(weights))]
                return OneOf([a * b for a, b in zip(weights, below, strict=True)])
            case Quantity.SOME:
                return Subsets(weights, self.count, shared)
            case Quantity.ANY:
                return Subsets(weights, None, shared)


class Forest:
    """All fillings of some places, numbered from 0 to `size - 1`.

    The order: the first decision without a parent is the slowest; under a decision, takes come
    in the order of their indices, each with all the fillings of what exists under it.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self.places = tuple(places)
        self.conditions = tuple((place.parent, frozenset(place.when)) for place in self.places)
        below: list[list[int]] = [[] for _ in self.places]
        roots: list[int] = []
        for i, place in enumerate(self.places):
            over = place.governor if place.governor >= 0 else place.parent
            (below[over] if over >= 0 else roots).append(i)
        self.roots = tuple(roots)
        self._below = tuple(tuple(children) for children in below)
        self._takes = self._weigh()
        self._values: dict[tuple[int, int], Takes] = {}
        self.size = prod(self._takes[i][0].total for i in roots)

    def _weigh(self) -> tuple[tuple[Takes, ...], ...]:
        """For each decision its takes; of a governed one, for each alternative of its governor."""
        found: dict[int, tuple[Takes, ...]] = {}
        for i in reversed(range(len(self.places))):
            place = self.places[i]
            weights, shared = [1] * place.alternatives, []
            for child in self._below[i]:
                when = self.places[child].when
                if self.places[child].governor >= 0:
                    weights = [w * t.total for w, t in zip(weights, found[child], strict=True)]
                elif len(when) == 1:
                    weights[when[0]] *= found[child][0].total
                else:
                    shared.append((when, found[child][0].total))
            found[i] = tuple(place.takes(given, shared) for given in _open(place, weights))
        return tuple(found[i] for i in range(len(self.places)))

    def below(self, i: int) -> tuple[int, ...]:
        """The decisions whose existence, or whose alternatives, this one decides."""
        return self._below[i]

    def _case(self, i: int, choices: Partial) -> int:
        """Which of a decision's takes are meant: what its governor takes, if it has one."""
        taken = choices[self.places[i].governor] if self.places[i].governor >= 0 else None
        return taken[0] if taken else 0

    def values(self, i: int, choices: Partial) -> Takes:
        """The takes of a decision, each counted once, whatever hangs below."""
        case = self._case(i, choices)
        known = self._values.get((i, case))
        if known is None:
            place = self.places[i]
            ones = _open(place, [1] * place.alternatives)[case]
            known = self._values[i, case] = place.takes(ones)
        return known

    def allowed(self, i: int, choices: Partial) -> Sequence[int]:
        """The alternatives that are open to a decision, given what those before it take."""
        place = self.places[i]
        if place.governor < 0:
            return range(place.alternatives)
        taken = choices[place.governor]
        return place.allowed[taken[0]] if taken else range(place.alternatives)

    def allows(self, i: int, taken: Taken, choices: Partial) -> bool:
        """Whether a decision can take these, given what those before it take."""
        if not self.places[i].allows(taken):
            return False
        return self.places[i].governor < 0 or set(taken) <= set(self.allowed(i, choices))

    def exists(self, i: int, choices: Partial) -> bool:
        """Whether a decision exists, given what the decisions before it take."""
        parent, when = self.conditions[i]
        if parent < 0:
            return True
        taken = choices[parent]
        return taken is not None and not when.isdisjoint(taken)

    def fill(self, choices: Partial, missing: Draw) -> Choices:
        """The filling with these choices where they apply, and `missing` where one is needed."""
        result = list(choices)
        for i in range(len(result)):
            taken = result[i]
            if not self.exists(i, result):
                result[i] = None
            elif taken is None or not self.allows(i, taken, result):
                result[i] = missing(i, result)
        return tuple(result)

    def least(self, i: int, choices: Partial) -> Taken:
        """The first of the takes."""
        return self.values(i, choices).find(0)[0]

    def uniform(self, rng: Random) -> Draw:
        """What a decision takes when every filling of it and of all below is as likely."""
        takes = self._takes

        def draw(i: int, choices: Partial) -> Taken:
            chosen = takes[i][self._case(i, choices)]
            return chosen.find(rng.randrange(chosen.total))[0]

        return draw

    def level(self, rng: Random) -> Draw:
        """What a decision takes when every take is as likely, whatever hangs below."""

        def draw(i: int, choices: Partial) -> Taken:
            chosen = self.values(i, choices)
            return chosen.find(rng.randrange(chosen.total))[0]

        return draw

    def empty(self) -> Choices:
        return (None,) * len(self.places)

    def rank(self, choices: Partial) -> int:
        """The number of a filling."""
        ranks: dict[int, int] = {}
        for i in reversed(range(len(self.places))):
            taken = choices[i]
            if taken is not None:
                children = (child for child in self._below[i] if choices[child] is not None)
                takes = self._takes[i][self._case(i, choices)]
                ranks[i] = takes.start(taken) + self._joined(children, ranks, choices)
        return self._joined(self.roots, ranks, choices)

    def unrank(self, number: int) -> Choices:
        """The filling with a number of `range(size)`."""
        result: list[Taken | None] = [None] * len(self.places)
        ranks = self._split(self.roots, number, result)
        for i in range(len(self.places)):
            if i in ranks:
                taken, rest = self._takes[i][self._case(i, result)].find(ranks[i])
                result[i] = taken
                children = [child for child in self._below[i] if self.exists(child, result)]
                ranks.update(self._split(children, rest, result))
        return tuple(result)

    def _joined(self, members: Iterable[int], ranks: dict[int, int], choices: Partial) -> int:
        """Independent ranks as the digits of one number, the first the highest."""
        number = 0
        for i in members:
            number = number * self._takes[i][self._case(i, choices)].total + ranks[i]
        return number

    def _split(self, members: Sequence[int], number: int, choices: Partial) -> dict[int, int]:
        ranks: dict[int, int] = {}
        for i in reversed(members):
            total = self._takes[i][self._case(i, choices)].total
            number, ranks[i] = divmod(number, total)
        return ranks


def _open(place: Place, weights: Sequence[int]) -> tuple[list[int], ...]:
    """The weights of the alternatives; of a governed decision, in each case of its governor."""
    if place.governor < 0:
        return (list(weights),)
    return tuple(
        [weight if i in allowed else 0 for i, weight in enumerate(weights)]
        for allowed in place.allowed
    )
