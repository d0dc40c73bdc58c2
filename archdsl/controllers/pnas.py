"""Architectures that grow decision by decision, the promising ones first.

    level l     every way on from the beam of l - 1, judged by a model of all rewards so far;
                the best are the next beam, and some architectures that begin so are measured

Liu et al. 2018, "Progressive Neural Architecture Search", algorithm 1, where a cell grows block by
block and what is missing is not there. A space in general has nothing that can be left out, so
what is not decided yet is drawn, and judged by the mean over some draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import ClassVar

from archdsl.controllers.features import OneHot, ranked
from archdsl.controllers.modelled import Modelled
from archdsl.controllers.predictor import Process
from archdsl.controllers.seeds import stream
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices
from archdsl.space.view import SearchSpace

WAYS = 100
"""Ways on from one beginning, at most: a set of many has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PNASSettings:
    """`start` proposals are drawn uniformly, then each level measures `width`, of beginnings out of
    a beam of `beam`. A beginning is judged by `draws` architectures that go on from it.
    """

    keyword: ClassVar[str] = "pnas"

    start: int = 20
    width: int = 8
    beam: int = 8
    draws: int = 5

    def __post_init__(self) -> None:
        within(self, 2, "start")
        within(self, 1, "width", "beam", "draws")

    def over(self, space: SearchSpace, seed: int) -> PNAS:
        return PNAS(space, self, seed=seed)


class PNAS(Modelled[PNASSettings, Process]):
    """All that was told, and the beam and the model of each level."""

    def __init__(self, space: SearchSpace, settings: PNASSettings, *, seed: int) -> None:
        self.vectors = OneHot(space)
        super().__init__(space, settings, seed=seed)

    def forget(self) -> None:
        super().forget()
        self._beams: dict[int, list[Choices]] = {}

    def propose(self, rng: Random) -> Architecture:
        beyond = len(self.known) - self.settings.start
        if beyond < 0 or not self.space.free:
            return self.space.sample(rng)
        step = beyond // self.settings.width
        beam = self._beam(step)
        beginning = beam[self.asked % len(beam)]
        drawn = [self.completed(beginning, rng) for _ in range(2 * self.settings.draws)]
        fresh = list(dict.fromkeys(one for one in drawn if one not in self.seen))
        if not fresh:
            return self.space.mutate(drawn[0], rng)
        worth, _ = self._judge(step).predict(self.vectors(fresh))
        return fresh[int(worth.argmax())]

    def _beam(self, step: int) -> list[Choices]:
        """The best beginnings of a step: one decision more than in the step before it.

        Whole architectures are followed by the first decision again.
        """
        for number in range(step + 1):
            if number in self._beams:
                continue
            level = number % len(self.space.free)
            before = self._beams[number - 1] if level else [self.space.forest.empty()]
            rng = stream(self.seed, self.settings.keyword, "beam", number)
            ways = [way for one in before for way in self._ways(one, level, rng)]
            drawn = [self.completed(way, rng) for way in ways for _ in range(self.settings.draws)]
            means, _ = self._judge(number).predict(self.vectors(drawn))
            worth = means.reshape(len(ways), self.settings.draws).mean(1)
            order = sorted(range(len(ways)), key=lambda i: -worth[i])
            self._beams[number] = [ways[i] for i in order[: self.settings.beam]]
        return self._beams[step]

    def _ways(self, beginning: Choices, level: int, rng: Random) -> list[Choices]:
        """A beginning with one decision more, taken in every way that is seen to lead somewhere."""
        index = self.space.free[level]
        if not self.space.exists(index, beginning):
            return [beginning]
        values = self.space.forest.values(index, beginning)
        takes = dict.fromkeys(values.find(n)[0] for n in islice(range(values.total), WAYS))
        ways = [(*beginning[:index], taken, *beginning[index + 1 :]) for taken in takes]
        return [way for way in ways if self.leads(way, rng)] or ways[:1]

    def fit(self, known: Mapping[Architecture, float], seed: int) -> Process:
        return Process(self.vectors(list(known)), ranked(list(known.values())), seed)

    def _judge(self, step: int) -> Process:
        """The model of what was known when a step began."""
        return self.fitted(self.settings.start + step * self.settings.width)
