"""Evolution of several objectives: parents are those that nothing dominates.

Of two that are drawn from the front of all that was told, the one with the farther neighbours is
the parent. Elsken, Metzen and Hutter 2019, "Efficient Multi-Objective Neural Architecture Search
via Lamarckian Evolution", section 3, keep the front so and prefer its sparse parts; the distance
is NSGA-II's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from archdsl.controllers.history import Historic
from archdsl.controllers.settings import within
from archdsl.front import crowding, front
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

TRIES = 20
"""Children until one was not proposed before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoSettings:
    """`start` proposals are drawn uniformly. A child has `edits` changed decisions; with the chance
    `crossover` it is first mixed with a second parent.
    """

    keyword: ClassVar[str] = "pareto"

    start: int = 20
    edits: int = 1
    crossover: float = 0.3

    def __post_init__(self) -> None:
        within(self, 1, "start", "edits")
        within(self, 0, "crossover", most=1)

    def over(self, space: SearchSpace, seed: int) -> Pareto:
        return Pareto(space, self, seed=seed)


class Pareto(Historic[ParetoSettings]):
    """The front of all that was told, and all that was proposed."""

    def forget(self) -> None:
        self.front: list[Architecture] = []
        self.far: list[float] = []
        self.seen: set[Architecture] = set()

    def propose(self, rng: Random) -> Architecture:
        if self.asked < self.settings.start or not self.front:
            return self.space.sample(rng)
        made = self._child(rng)
        for _ in range(TRIES):
            if made not in self.seen:
                break
            made = self._child(rng)
        return made

    def proposed(self, architecture: Architecture) -> None:
        self.seen.add(architecture)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        known = list(dict.fromkeys([*self.front, *(architecture for architecture, _ in told)]))
        points = [self.objectives[architecture] for architecture in known]
        kept = front(points)
        self.front = [known[i] for i in kept]
        self.far = crowding([points[i] for i in kept]).tolist()

    def _child(self, rng: Random) -> Architecture:
        child = self._parent(rng)
        if rng.random() < self.settings.crossover:
            child = self.space.crossover(child, self._parent(rng), rng)
        return self.space.mutate(child, rng, self.settings.edits)

    def _parent(self, rng: Random) -> Architecture:
        two = (rng.randrange(len(self.front)), rng.randrange(len(self.front)))
        return self.front[max(two, key=self.far.__getitem__)]
