"""Evolution by generations: children of the best so far, half by crossover and half by mutation.

Guo et al. 2020, "Single Path One-Shot Neural Architecture Search with Uniform Sampling", section
3.4 and algorithm 1: the best are those of all generations, and constraints hold for every child.

With `outer`, on two levels: first the outermost decisions alone, then, with those of the best
frozen, what stands inside of them. Chen et al. 2021, "GLiT: Neural Architecture Search for Global
and Local Image Transformer", section 3.3, which does not say what the inner ones are meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from random import Random
from typing import ClassVar, Literal

from archdsl.controllers.history import Historic, first_new
from archdsl.controllers.modelled import best_of
from archdsl.controllers.seeds import stream
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Partial
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace

TRIES = 10
"""Children of which the first that was not measured yet is proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationsSettings:
    """Each generation has `population` children of the `parents` best of all before it: mixed from
    two with the chance `crossover`, else with each decision changed with the chance `mutation`.
    The first `outer` proposals differ in outermost decisions only; 0 for one level. Inside, they
    take the same wherever the same decisions exist (`held`, drawn once), or are `drawn` each.
    """

    keyword: ClassVar[str] = "generations"

    population: int = 50
    parents: int = 10
    crossover: float = 0.5
    mutation: float = 0.1
    outer: int = 0
    inside: Literal["held", "drawn"] = "held"

    def __post_init__(self) -> None:
        within(self, 1, "population", "parents")
        within(self, 0, "outer")
        within(self, 0, "crossover", "mutation", most=1)

    def over(self, space: SearchSpace, seed: int) -> Generations:
        return Generations(space, self, seed=seed)


class Generations(Historic[GenerationsSettings]):
    """What was told on each level, in order: the first rewards of architectures."""

    def forget(self) -> None:
        self.told_on: tuple[dict[Architecture, float], ...] = ({}, {})

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The decisions that may be changed first and then; all of them on one level alone."""
        depth, free = self.space.levels, self.space.free
        inside = tuple(i for i in free if depth[i] > 0)
        if not (self.settings.outer and inside):
            return free, free
        return tuple(i for i in free if depth[i] == 0), inside

    def propose(self, rng: Random) -> Architecture:
        outer, inner = self.levels
        if self.asked < self.settings.outer:
            child = self._child(self._best(0), rng, outer)
            if outer == inner:
                return child
            beginning = self.space.outer(child, 1)
            if self.settings.inside == "drawn":
                return self.completed(beginning, rng)
            return self.accepted(lambda: self.space.forest.fill(beginning, self._held), rng)
        if outer == inner or not self.told_on[0]:
            return self._child(self._best(1), rng, inner)
        (found,) = best_of(self.told_on[0], 1)
        frozen = self.space.outer(found, 1)
        best = [one for one in self._best(1) if self.space.outer(one, 1) == frozen]
        return self._child(best, rng, inner) if best else self.completed(frozen, rng)

    def _held(self, index: int, choices: Partial) -> Taken:
        """What a decision takes on the first level, whatever the others do."""
        rng = stream(self.seed, self.settings.keyword, "inside", index)
        return self.space.forest.level(rng)(index, choices)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for number, (architecture, reward) in enumerate(told, self.told):
            self.told_on[number >= self.settings.outer].setdefault(architecture, reward)

    def _best(self, level: int) -> list[Architecture]:
        """The best of all whole generations of a level."""
        told = self.told_on[level]
        whole = len(told) - len(told) % self.settings.population
        return best_of(dict(islice(told.items(), whole)), self.settings.parents)

    def _child(
        self, best: Sequence[Architecture], rng: Random, among: Sequence[int]
    ) -> Architecture:
        """One that was not proposed yet, if a few tries lead to one; drawn without parents."""
        if not best:
            return self.space.sample(rng)
        tries = (self._made(best, rng, among) for _ in range(TRIES))
        return first_new(tries, self.objectives)

    def _made(
        self, best: Sequence[Architecture], rng: Random, among: Sequence[int]
    ) -> Architecture:
        if rng.random() < self.settings.crossover:
            return self.space.crossover(rng.choice(best), rng.choice(best), rng)
        changes = sum(rng.random() < self.settings.mutation for _ in among)
        return self.space.mutate(rng.choice(best), rng, max(changes, 1), among)
