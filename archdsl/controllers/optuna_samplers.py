"""Optuna's samplers: each decision is a parameter of a trial, where it exists.

    tpe      the tree-structured Parzen estimator    Bergstra et al. 2011, "Algorithms for
             Hyper-Parameter Optimization", section 4
    nsga2    non-dominated sorting and crossover     Deb et al. 2002

One of n is a categorical parameter, any of n are n of them, and k of n are the k highest of n
priorities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from archdsl.controllers.history import FEW, Historic
from archdsl.controllers.settings import within
from archdsl.ir.scopes import Decision
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Quantity

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.samplers import BaseSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class TPESettings:
    """`start` trials are drawn at random. `multivariate`: decisions are estimated together.

    `objectives`: of how many the search is; of one, it is the reward.
    """

    keyword: ClassVar[str] = "tpe"

    start: int = 20
    multivariate: bool = True
    objectives: int = 1

    def __post_init__(self) -> None:
        within(self, 1, "start")
        within(self, 1, "objectives", most=100)

    def over(self, space: SearchSpace, seed: int) -> Sampled:
        return Sampled(space, self, seed=seed)

    def sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, n_startup_trials=self.start, multivariate=self.multivariate)


@dataclass(frozen=True, slots=True, kw_only=True)
class NSGASettings:
    """`population` individuals of a generation; `objectives` as for `tpe`."""

    keyword: ClassVar[str] = "nsga2"

    population: int = 20
    objectives: int = 1

    def __post_init__(self) -> None:
        within(self, 2, "population")
        within(self, 1, "objectives", most=100)

    def over(self, space: SearchSpace, seed: int) -> Sampled:
        return Sampled(space, self, seed=seed)

    def sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(seed=seed, population_size=self.population)


class SamplerSettings(Protocol):
    keyword: ClassVar[str]

    @property
    def objectives(self) -> int: ...

    def sampler(self, seed: int) -> BaseSampler:
        """The sampler of one step."""


class Sampled(Historic[SamplerSettings]):
    """A study in memory, and the trials that wait for their rewards."""

    replays = True

    def __init__(self, space: SearchSpace, settings: SamplerSettings, *, seed: int) -> None:
        if find_spec("optuna") is None:
            raise fault(
                "E0821",
                f"the controller {settings.keyword} needs a package that is missing: optuna",
                expected="optuna",
                hint="pip install 'archdsl[optuna]'",
            )
        super().__init__(space, settings, seed=seed)

    def forget(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(directions=["maximize"] * self.settings.objectives)
        self.waiting: dict[Architecture, list[Trial]] = {}
        self._trial: Trial | None = None

    def propose(self, rng: Random) -> Architecture:
        from optuna.trial import TrialState

        for _ in range(FEW):
            self.study.sampler = self.settings.sampler(rng.getrandbits(32))
            self._trial = self.study.ask()
            made = self.space.build(self._choices(self._trial, rng))
            if self.space.accepts(made):
                return made
            self.study.tell(self._trial, state=TrialState.FAIL)
        self._trial = None
        return self.space.sample(rng)

    def proposed(self, architecture: Architecture) -> None:
        if self._trial is not None:
            self.waiting.setdefault(architecture, []).append(self._trial)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for architecture, reward in told:
            several = self.settings.objectives > 1
            values = self.objectives[architecture] if several else (reward,)
            if trials := self.waiting.get(architecture):
                self.study.tell(trials.pop(0), values)

    def serve(self, objectives: int) -> None:
        wanted = self.settings.objectives
        if objectives != wanted and wanted > 1:
            raise fault(
                "E0818",
                f"{self.settings.keyword}: the search has {objectives} objectives",
                found=f"objectives={wanted}",
                expected=f"objectives={objectives}",
            )

    def _choices(self, trial: Trial, rng: Random) -> Choices:
        forest = self.space.forest
        draw = forest.uniform(rng)
        choices = list(forest.empty())
        for index in self.space.free:
            if self.space.exists(index, choices):
                allowed = self.space.open_to(index, choices)
                choices[index] = _taken(trial, self.space.decisions[index], allowed)
        return forest.fill(tuple(choices), draw)


def _taken(trial: Trial, decision: Decision, allowed: Sequence[int]) -> Taken:
    """What a trial says of a decision; an alternative that is ruled out gives way to another."""
    hole, key = decision.hole, decision.key
    every = range(len(hole.labels))
    match hole.quantity:
        case Quantity.ONE:
            one: int = trial.suggest_categorical(key, list(every))
            return (one,) if one in allowed else (allowed[one % len(allowed)],)
        case Quantity.ANY:
            flags: list[Any] = [
                trial.suggest_categorical(f"{key}+{i}", [False, True]) for i in every
            ]
            return tuple(i for i in allowed if flags[i])
        case Quantity.SOME:
            ranks = [trial.suggest_float(f"{key}+{i}", 0.0, 1.0) for i in every]
            highest = sorted(allowed, key=lambda i: -ranks[i])[: hole.count]
            return tuple(sorted(highest))
