"""Evolution: the best of a few that were drawn has a child, and somebody dies.

ageing      the oldest dies                 Real et al. 2019, "Regularized Evolution for Image
                                            Classifier Architecture Search", algorithm 1
tournament  the worst of a few others dies  Real et al. 2017, "Large-Scale Evolution of Image
                                            Classifiers", section 3.1
no death    all live on                     Liu et al. 2018, "Hierarchical Representations for
                                            Efficient Architecture Search", section 3.2
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal

from archdsl.controllers.history import Historic
from archdsl.controllers.seeds import stream
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class EvolutionSettings:
    """`population` is drawn uniformly first; of `sample` individuals, drawn with putting back, the
    best is the parent. A child has `edits` changed decisions; with the chance `crossover` it is
    first mixed with a second parent. Who is at least as good as the mean of all that were told as
    often is asked again, up to `hurdles` times, for evaluators that look longer then.
    """

    keyword: ClassVar[str] = "evolution"

    population: int = 100
    sample: int = 25
    death: Literal["oldest", "worst", "none"] = "oldest"
    edits: int = 1
    crossover: float = 0.0
    hurdles: int = 0

    def __post_init__(self) -> None:
        within(self, 1, "population", "sample", "edits")
        within(self, 0, "hurdles", most=100)
        within(self, 0, "crossover", most=1)

    def over(self, space: SearchSpace, seed: int) -> Evolution:
        return Evolution(space, self, seed=seed)


class Evolution(Historic[EvolutionSettings]):
    """Those that live, oldest first, with their rewards."""

    def forget(self) -> None:
        self.living: list[tuple[Architecture, float]] = []
        self.again: list[Architecture] = []
        self.told_at: list[list[float]] = [[] for _ in range(self.settings.hurdles)]
        self.times: Counter[Architecture] = Counter()

    def propose(self, rng: Random) -> Architecture:
        if self.again:
            return self.again[0]
        if self.asked < self.settings.population or not self.living:
            return self.space.sample(rng)
        child = self._parent(rng)
        if rng.random() < self.settings.crossover:
            child = self.space.crossover(child, self._parent(rng), rng)
        return self.space.mutate(child, rng, self.settings.edits)

    def proposed(self, architecture: Architecture) -> None:
        if architecture in self.again:
            self.again.remove(architecture)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for number, one in enumerate(told, self.told):
            self._overcome(*one)
            self.living.append(one)
            if len(self.living) > self.settings.population:
                self._bury(stream(self.seed, self.settings.keyword, "death", number))

    def _overcome(self, architecture: Architecture, reward: float) -> None:
        """Ask again for what takes its hurdle.

        So, Liang and Le 2019, "The Evolved Transformer", section 4: the hurdle is the mean fitness.
        """
        times = self.times[architecture]
        self.times[architecture] += 1
        if 0 < times <= self.settings.hurdles:  # what was told of it before is worth less
            self.living = [one for one in self.living if one[0] != architecture]
        if times < self.settings.hurdles:
            self.told_at[times].append(reward)
            if reward >= sum(self.told_at[times]) / len(self.told_at[times]):
                self.again.append(architecture)

    def _parent(self, rng: Random) -> Architecture:
        few = rng.choices(self.living, k=self.settings.sample)
        return max(few, key=lambda one: one[1])[0]

    def _bury(self, rng: Random) -> None:
        match self.settings.death:
            case "oldest":
                del self.living[0]
            case "worst":
                few = rng.choices(range(len(self.living)), k=self.settings.sample)
                del self.living[min(few, key=lambda i: self.living[i][1])]
            case "none":
                pass
