"""Q-learning over the decisions of a string, one after another.

    Q(s, a) <- (1 - alpha) Q(s, a) + alpha max Q(s', .)      the last: alpha times the reward

The state is the decision and what the one before it took. Choices are random with the chance
epsilon, which falls in steps as experience grows; every reward is followed by some of before.

Baker et al. 2017, "Designing Neural Network Architectures using Reinforcement Learning", section
4 (MetaQNN); Zhong et al. 2018, "Practical Block-wise Neural Network Architecture Generation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from archdsl.controllers.history import Historic
from archdsl.controllers.seeds import stream
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices, Partial
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace

Situation = tuple[int, Taken]
"""A decision, and what the one before it took."""
BEGIN: Taken = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QSettings:
    """`random` proposals are drawn uniformly, then epsilon falls evenly to `least` over the next
    `fall`. `rate` is alpha; each reward is learned with `replay` of before, drawn at random.
    """

    keyword: ClassVar[str] = "qlearning"

    random: int = 30
    fall: int = 100
    least: float = 0.1
    rate: float = 0.1
    replay: int = 32

    def __post_init__(self) -> None:
        within(self, 0, "random", "replay")
        within(self, 1, "fall")
        within(self, 0, "least", "rate", most=1)

    def over(self, space: SearchSpace, seed: int) -> QLearning:
        return QLearning(space, self, seed=seed)


class QLearning(Historic[QSettings]):
    """The table of values, and all that was told."""

    def forget(self) -> None:
        self.values: dict[Situation, dict[Taken, float]] = {}
        self.known: list[tuple[Architecture, float]] = []
        self.sum = 0.0

    @property
    def epsilon(self) -> float:
        """The chance of a random choice, at this proposal."""
        beyond = (self.asked - self.settings.random) / self.settings.fall
        return max(self.settings.least, min(1.0, 1.0 - beyond))

    def propose(self, rng: Random) -> Architecture:
        return self.accepted(lambda: self._walk(rng), rng)

    def _walk(self, rng: Random) -> Choices:
        """One decision after another: the best that is known, or any with the chance epsilon."""
        epsilon, before = self.epsilon, BEGIN
        forest = self.space.forest
        draw = forest.uniform(rng)
        choices = list(forest.empty())
        for index in self.space.free:
            drawn = forest.fill(tuple(choices), draw)[index]
            if drawn is None:
                continue
            greedy = rng.random() >= epsilon
            choices[index] = before = self._best(index, before, choices, drawn) if greedy else drawn
        return forest.fill(tuple(choices), draw)

    def _best(self, index: int, before: Taken, choices: Partial, drawn: Taken) -> Taken:
        """The way on that is worth most; what was never tried is worth the mean of all."""
        known = self.values.get((index, before), {})
        ways = {drawn: self.mean} | known
        open_ = [taken for taken in ways if self.space.forest.allows(index, taken, choices)]
        return max(open_, key=ways.__getitem__)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for number, one in enumerate(told, self.told):
            self.known.append(one)
            self.sum += one[1]
            rng = stream(self.seed, self.settings.keyword, "replay", number)
            for again in (one, *rng.choices(self.known, k=self.settings.replay)):
                self._update(*again)

    def _update(self, architecture: Architecture, reward: float) -> None:
        """From the last decision to the first, so that a reward is known to all at once."""
        path: list[tuple[Situation, Taken]] = []
        before = BEGIN
        for index in self.space.free:
            taken = architecture.choices[index]
            if taken is not None:
                path.append(((index, before), taken))
                before = taken
        ahead = reward
        for situation, taken in reversed(path):
            row = self.values.setdefault(situation, {})
            old = row.get(taken, self.mean)
            row[taken] = old + self.settings.rate * (ahead - old)
            ahead = max(row.values())

    @property
    def mean(self) -> float:
        """Of all rewards so far."""
        return self.sum / len(self.known) if self.known else 0.0
