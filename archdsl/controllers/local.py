"""Local search: from an architecture to a better neighbour, and from a summit to a new start.

White, Nolen and Savani 2021, "Exploring the Loss Landscape in Neural Architecture Search",
section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import ClassVar, Literal

from archdsl.controllers.history import Historic, first_new
from archdsl.controllers.seeds import stream
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.view import MAX_NEIGHBOURS, SearchSpace

TRIES = 100
"""Draws of a start that was not proposed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """`starts` are drawn uniformly, and the best of them is climbed from. `climb`: to the `first`
    better neighbour that is found, or to the `best` of all neighbours.
    """

    keyword: ClassVar[str] = "local"

    starts: int = 1
    climb: Literal["first", "best"] = "first"

    def __post_init__(self) -> None:
        within(self, 1, "starts")

    def over(self, space: SearchSpace, seed: int) -> Local:
        return Local(space, self, seed=seed)


class Local(Historic[LocalSettings]):
    """The place of the climb, what stands around it, and all that was proposed."""

    def forget(self) -> None:
        self.rewards: dict[Architecture, float] = {}
        self.seen: set[Architecture] = set()
        self.starting: list[Architecture] = []
        self.place: Architecture | None = None
        self.around: tuple[Architecture, ...] = ()

    def propose(self, rng: Random) -> Architecture:
        near = next((one for one in self.around if one not in self.seen), None)
        return near or self._start(rng)

    def proposed(self, architecture: Architecture) -> None:
        if architecture not in self.around:
            self.starting.append(architecture)
        self.seen.add(architecture)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for architecture, reward in told:
            self.rewards.setdefault(architecture, reward)
            while self._move():
                pass

    def _start(self, rng: Random) -> Architecture:
        """One drawn uniformly, if possible of those that were not proposed yet."""
        return first_new((self.space.sample(rng) for _ in range(TRIES)), self.seen)

    def _move(self) -> bool:
        """Go where something better is known; whether that led anywhere."""
        if self.place is None:
            ready = [one for one in self.starting if one in self.rewards]
            if len(ready) < self.settings.starts:
                return False
            self.starting = [one for one in self.starting if one not in ready]
            self._settle(max(ready, key=self.rewards.__getitem__))
            return True
        known = [one for one in self.around if one in self.rewards]
        whole = len(known) == len(self.around)
        best = max(known, key=self.rewards.__getitem__, default=self.place)
        if self.rewards[best] > self.rewards[self.place]:
            if whole or self.settings.climb == "first":
                self._settle(best)
                return True
        elif whole:
            self.place, self.around = None, ()
            return True
        return False

    def _settle(self, place: Architecture) -> None:
        rng = stream(self.seed, self.settings.keyword, "around", place.text)
        near = list(islice(self.space.neighbours(place), MAX_NEIGHBOURS + 1))
        if len(near) > MAX_NEIGHBOURS:  # the first ones are all of the first few decisions
            near = list(dict.fromkeys(self.space.mutate(place, rng) for _ in near))
        rng.shuffle(near)
        self.place, self.around = place, tuple(near)
