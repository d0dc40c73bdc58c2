"""A model of what architectures are worth, asked which of many to try next.

    candidates   edits of the best so far, and some drawn uniformly
    features     the decisions, and the walks through the graphs that they make
    model        a Gaussian process, or an ensemble of trees or of networks
    acquisition  the expected improvement, or the most that a draw from the model promises
                 (Thompson sampling)

White, Neiswanger and Savani 2021, "BANANAS: Bayesian Optimization with Neural Architectures for
Neural Architecture Search", sections 3 and 4, of whose choices these are some: five networks of
ten layers of 20, paths as features and independent Thompson sampling there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from archdsl.controllers.features import OneHot, Vectors, Walked, ranked
from archdsl.controllers.history import first_new
from archdsl.controllers.modelled import Modelled
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.space.walks import Walks

Values: TypeAlias = NDArray[np.float64]

TRIES = 10
"""Draws of which the first that was not proposed yet begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorSettings:
    """`start` proposals are drawn uniformly; then the model is made anew after every `refit`
    rewards. `parents` of the best are changed, in one of `edits` decisions at most, to `children`
    in all, beside `drawn` uniform ones. Decisions count `decisions` times as much as walks of
    at most `walks` words; 0 leaves out either. `scale`: rewards enter by rank, or by the logarithm
    of what they lack.
    """

    keyword: ClassVar[str] = "predictor"

    start: int = 10
    refit: int = 1
    model: Literal["process", "trees", "networks"] = "process"
    acquisition: Literal["thompson", "improvement"] = "improvement"
    scale: Literal["rank", "log"] = "rank"
    walks: int = 3
    decisions: float = 0.5
    parents: int = 5
    children: int = 200
    edits: int = 1
    drawn: int = 200

    def __post_init__(self) -> None:
        within(self, 2, "start")
        within(self, 1, "refit", "parents", "drawn", "edits")
        within(self, 0, "children", "decisions")
        if self.walks or not self.decisions:  # a run has two words at least
            within(self, 2, "walks", most=20)

    def over(self, space: SearchSpace, seed: int) -> Predictor:
        return Predictor(space, self, seed=seed)


class Model(Protocol):
    def predict(self, vectors: Vectors) -> tuple[Values, Values]:
        """Mean and standard deviation (n,) for vectors (n, width)."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model, what it reads of architectures, and the best reward as it sees it."""

    features: Features
    model: Model
    best: float


class Features:
    """What a model reads: numbers of decisions and of walks."""

    def __init__(
        self, space: SearchSpace, walks: Walks | None, weight: float, known: Sequence[Architecture]
    ) -> None:
        self.decisions = OneHot(space)
        self.weight = weight
        self.walked = Walked(walks, known) if walks is not None else None

    def __call__(self, architectures: Sequence[Architecture]) -> Vectors:
        parts = [self.weight * self.decisions(architectures)] if self.weight else []
        parts += [self.walked(architectures)] if self.walked is not None else []
        return np.hstack(parts)


class Predictor(Modelled[PredictorSettings, Fitted]):
    """All that was told, and the model of it."""

    def __init__(self, space: SearchSpace, settings: PredictorSettings, *, seed: int) -> None:
        self.walks = Walks(space, settings.walks) if settings.walks else None
        super().__init__(space, settings, seed=seed)

    def propose(self, rng: Random) -> Architecture:
        basis = self.reached(self.settings.start, self.settings.refit)
        if not basis:
            return first_new((self.space.sample(rng) for _ in range(TRIES)), self.seen)
        candidates = self._candidates(rng)
        fitted = self.fitted(basis)
        mean, deviation = fitted.model.predict(fitted.features(candidates))
        if self.settings.acquisition == "thompson":
            noise = np.random.default_rng(rng.getrandbits(64)).standard_normal(len(mean))
            worth = mean + deviation * noise
        else:
            worth = improvement(mean, deviation, fitted.best)
        return candidates[int(worth.argmax())]

    def _candidates(self, rng: Random) -> list[Architecture]:
        best = self.best(self.settings.parents)
        made = [
            self.space.mutate(rng.choice(best), rng, rng.randint(1, self.settings.edits))
            for _ in range(self.settings.children)
        ]
        made += [self.space.sample(rng) for _ in range(self.settings.drawn)]
        fresh = list(dict.fromkeys(one for one in made if one not in self.seen))
        return fresh or made[:1]

    def fit(self, known: Mapping[Architecture, float], seed: int) -> Fitted:
        architectures, rewards = list(known), list(known.values())
        values = ranked(rewards) if self.settings.scale == "rank" else lacking(rewards)
        features = Features(self.space, self.walks, self.settings.decisions, architectures)
        model = MODELS[self.settings.model](features(architectures), values, seed)
        return Fitted(features, model, float(values.max()))


def lacking(rewards: Sequence[float]) -> Values:
    """How little rewards lack of the best, in logarithms, with mean 0 and deviation 1."""
    given = np.asarray(rewards)
    spread = float(given.std())
    if not spread:
        return np.zeros(len(given))
    values = -np.log((given.max() - given) / spread + 0.05)
    return np.asarray((values - values.mean()) / values.std(), dtype=np.float64)


def improvement(mean: Values, deviation: Values, best: float) -> Values:
    """How far above the best a value is expected to be, 0 where it is below."""
    above = (mean - best) / np.maximum(deviation, 1e-9)
    density = np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(deviation * (above * ndtr(above) + density), dtype=np.float64)


class Process:
    """A Gaussian process: what differs makes values less alike."""

    def __init__(self, vectors: Vectors, rewards: Values, seed: int) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, WhiteKernel

        kernel = RBF(3.0, (1, 10)) + WhiteKernel(0.1, (0.03, 0.5))
        self.model = GaussianProcessRegressor(kernel, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(vectors, rewards)

    def predict(self, vectors: Vectors) -> tuple[Values, Values]:
        mean, deviation = self.model.predict(vectors, return_std=True)
        return mean, deviation


class Trees:
    """Regression trees that are shown the data otherwise; their spread is the deviation."""

    def __init__(self, vectors: Vectors, rewards: Values, seed: int) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self.model = RandomForestRegressor(100, random_state=seed, min_samples_leaf=2).fit(
            vectors, rewards
        )

    def predict(self, vectors: Vectors) -> tuple[Values, Values]:
        every = np.stack([tree.predict(vectors) for tree in self.model.estimators_])
        return every.mean(0), every.std(0)


class Networks:
    """Five networks that begin otherwise; their spread is the deviation."""

    def __init__(self, vectors: Vectors, rewards: Values, seed: int) -> None:
        from sklearn.neural_network import MLPRegressor

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.models = [
                MLPRegressor(
                    hidden_layer_sizes=(20,) * 10, learning_rate_init=0.01, random_state=seed + i
                ).fit(vectors, rewards)
                for i in range(5)
            ]

    def predict(self, vectors: Vectors) -> tuple[Values, Values]:
        every = np.stack([model.predict(vectors) for model in self.models])
        return every.mean(0), every.std(0)


MODELS: Mapping[str, Callable[[Vectors, Values, int], Model]] = {
    "process": Process,
    "trees": Trees,
    "networks": Networks,
}
