"""From weights of alternatives to the architecture that they point to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from random import Random

from archdsl.ir.scopes import Decision
from archdsl.space.alternatives import zeros
from archdsl.space.architecture import Architecture
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity

DRAWN = 1_000
"""Architectures that are compared where constraints refuse the one that is pointed to."""

Weights = Mapping[str, Sequence[float]]
"""For every decision, by its key, how much each of its alternatives weighs."""


def derive(space: SearchSpace, weights: Weights, *, none: bool = False) -> Architecture:
    """The architecture of the largest weights.

    One of several: the heaviest. k of several: those whose weight, times the heaviest of what is
    decided inside, is largest (Liu, Simonyan and Yang, "DARTS", section 2.3). Any of several: those
    above one half. `none` says whether alternatives that give nothing may be taken where others
    are open. Where constraints refuse it: the likeliest of many draws that they let through.
    """
    reader = _Reader(space, weights, none)
    found = reader.read()
    if space.accepts(found):
        return found
    rng = Random(0)
    return max((space.sample(rng) for _ in range(DRAWN)), key=reader.likelihood)


class _Reader:
    def __init__(self, space: SearchSpace, weights: Weights, none: bool) -> None:
        self.space = space
        self.weights = weights
        self.none = none
        self.zeros = zeros(space)
        self.inner: dict[str, list[Decision]] = {}
        for decision in space.decisions:
            if decision.parent is not None:
                self.inner.setdefault(decision.parent[0], []).append(decision)

    def read(self) -> Architecture:
        choices: list[Taken | None] = [None] * len(self.space.decisions)
        for i, decision in enumerate(self.space.decisions):
            if self.space.exists(i, choices):
                choices[i] = self._taken(decision, self.space.open_to(i, choices))
        return self.space.build(choices)

    def _taken(self, decision: Decision, open_: Sequence[int]) -> Taken:
        weights = self.weights[decision.key]
        match decision.hole.quantity:
            case Quantity.ONE:
                something = self._something(decision, open_)
                return (max(something, key=lambda a: weights[a]),)
            case Quantity.SOME:
                worth = {a: weights[a] * self._inside(decision, a) for a in open_}
                ranked = sorted(open_, key=lambda a: -worth[a])
                return tuple(sorted(ranked[: decision.hole.count]))
            case Quantity.ANY:
                return tuple(a for a in open_ if weights[a] > 0.5)

    def _something(self, decision: Decision, open_: Sequence[int]) -> Sequence[int]:
        """The alternatives without those that give nothing, where that leaves any."""
        zeros = frozenset() if self.none else self.zeros[decision.key]
        return [a for a in open_ if a not in zeros] or open_

    def _inside(self, decision: Decision, alternative: int) -> float:
        """The product of the heaviest of each choice inside an alternative."""
        result = 1.0
        for inner in self.inner.get(decision.key, ()):
            if inner.parent is not None and alternative in inner.parent[1]:
                everything = range(len(inner.hole.labels))
                something = [a for a in everything if a not in self.zeros[inner.key]] or everything
                result *= max(self.weights[inner.key][a] for a in something)
        return result

    def likelihood(self, architecture: Architecture) -> float:
        """The sum of the logarithms of what it takes."""
        return sum(
            log(max(self.weights[key][a], 1e-30))
            for key, taken in architecture.assignment.items()
            for a in taken
        )
