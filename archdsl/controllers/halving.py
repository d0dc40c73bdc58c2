"""Successive halving: many are looked at shortly, and the best of them longer.

    rung 0   drawn uniformly, asked once
    rung r   of those that were told at rung r - 1, the best 1 / `keep`, asked once more

An evaluator that can looks longer at what it is asked again (`train(grow=3)`). A promotion is due
as soon as so many were told, so nothing waits: Li et al. 2020, "A System for Massively Parallel
Hyperparameter Tuning", algorithm 2. With several `brackets` every second, third, ... newcomer is
asked twice, three times, ... before it competes: Li et al. 2018, "Hyperband", whose brackets begin
at longer training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from archdsl.controllers.history import Historic
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

TRIES = 100
"""Draws of a newcomer that was not proposed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalvingSettings:
    """One in `keep` goes on from a rung to the next, of `rungs`."""

    keyword: ClassVar[str] = "halving"

    keep: int = 3
    rungs: int = 3
    brackets: int = 1

    def __post_init__(self) -> None:
        within(self, 2, "keep")
        within(self, 1, "rungs", most=20)
        within(self, 1, "brackets", most=self.rungs)

    def over(self, space: SearchSpace, seed: int) -> Halving:
        return Halving(space, self, seed=seed)


class Halving(Historic[HalvingSettings]):
    """What each rung was told, and how often each architecture was proposed."""

    def forget(self) -> None:
        self.rungs: list[dict[Architecture, float]] = [{} for _ in range(self.settings.rungs)]
        self.times: dict[Architecture, int] = {}
        self.heard: dict[Architecture, int] = {}
        self.first: dict[Architecture, int] = {}
        """The rung at which a newcomer begins to compete."""

    def propose(self, rng: Random) -> Architecture:
        return self._unready() or self._promoted() or self._newcomer(rng)

    def proposed(self, architecture: Architecture) -> None:
        if architecture not in self.times:
            self.first[architecture] = len(self.times) % self.settings.brackets
        self.times[architecture] = self.times.get(architecture, 0) + 1

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for architecture, reward in told:
            rung = self.heard.get(architecture, 0)
            self.heard[architecture] = rung + 1
            if rung < self.settings.rungs:
                self.rungs[rung][architecture] = reward

    def _unready(self) -> Architecture | None:
        """A newcomer that begins at a higher rung, and was not asked so often yet."""
        waiting = (one for one, first in self.first.items() if self.times[one] <= first)
        return next(waiting, None)

    def _promoted(self) -> Architecture | None:
        """The best of the highest rung that has one to promote."""
        for rung in reversed(range(self.settings.rungs - 1)):
            told = {a: r for a, r in self.rungs[rung].items() if self.first[a] <= rung}
            best = sorted(told, key=told.__getitem__, reverse=True)
            for one in best[: len(best) // self.settings.keep]:
                if self.times[one] <= rung + 1:
                    return one
        return None

    def _newcomer(self, rng: Random) -> Architecture:
        made = self.space.sample(rng)
        for _ in range(TRIES):
            if made not in self.times:
                break
            made = self.space.sample(rng)
        return made
