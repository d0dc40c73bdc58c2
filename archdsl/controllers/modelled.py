"""Controllers that fit a model to what they were told, and propose from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

from archdsl.controllers.history import Historic, S
from archdsl.controllers.seeds import seed_for
from archdsl.space.architecture import Architecture

M = TypeVar("M")


class Modelled(Historic[S], Generic[S, M]):
    """All that was told, the first reward of each architecture, and the model of the beginning of
    it. A model is fitted to so many rewards, not to all that there are: so it is the same however
    proposals and rewards come.
    """

    def forget(self) -> None:
        self.known: dict[Architecture, float] = {}
        self.seen: set[Architecture] = set()
        self._model: tuple[int, M] | None = None

    @abstractmethod
    def fit(self, known: Mapping[Architecture, float], seed: int) -> M:
        """The model of these rewards."""

    def proposed(self, architecture: Architecture) -> None:
        self.seen.add(architecture)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for architecture, reward in told:
            self.known.setdefault(architecture, reward)

    def reached(self, start: int, every: int) -> int:
        """The last of start, start + every, ... that there are rewards for; 0 before the first."""
        beyond = len(self.known) - start
        return start + beyond // every * every if beyond >= 0 else 0

    def fitted(self, count: int) -> M:
        """The model of the first `count` rewards."""
        if self._model is None or self._model[0] != count:
            seed = seed_for(self.seed, self.settings.keyword, "fit", count) % 2**32
            self._model = count, self.fit(dict(islice(self.known.items(), count)), seed)
        return self._model[1]

    def best(self, count: int) -> list[Architecture]:
        """Those with the greatest rewards, the first of equals first."""
        return best_of(self.known, count)


def best_of(known: Mapping[Architecture, float], count: int) -> list[Architecture]:
    """Those with the greatest rewards, the first of equals first."""
    return sorted(known, key=known.__getitem__, reverse=True)[:count]
