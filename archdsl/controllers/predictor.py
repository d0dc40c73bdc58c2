"""A model of what architectures are worth, asked which of many to try next.

    candidates   edits of the best so far, and some drawn uniformly
    model        a Gaussian process over the decisions, or an ensemble of trees
    acquisition  the most that a draw from the model promises (Thompson sampling), or the
                 expected improvement

White, Neiswanger and Savani 2021, "BANANAS: Bayesian Optimization with Neural Architectures for
Neural Architecture Search", section 4, of whose choices these are some; Thompson sampling draws
each candidate for itself there. Rewards enter by rank: accuracies crowd at the top.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from archdsl.controllers.features import OneHot, Vectors, highest, ranked
from archdsl.controllers.modelled import Modelled
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorSettings:
    """`start` proposals are drawn uniformly; then the model is made anew after every `refit`
    rewards. `parents` of the best are changed, `children` in all, beside `drawn` uniform ones.
    """

    keyword: ClassVar[str] = "predictor"

    start: int = 20
    refit: int = 5
    model: Literal["process", "ensemble"] = "process"
    acquisition: Literal["thompson", "improvement"] = "improvement"
    parents: int = 10
    children: int = 200
    drawn: int = 200

    def __post_init__(self) -> None:
        within(self, 2, "start")
        within(self, 1, "refit", "parents", "drawn")
        within(self, 0, "children")

    def over(self, space: SearchSpace, seed: int) -> Predictor:
        return Predictor(space, self, seed=seed)


class Model(Protocol):
    def predict(self, vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation (n,) for vectors (n, width)."""


class Predictor(Modelled[PredictorSettings, Model]):
    """All that was told, and the model of it."""

    def __init__(self, space: SearchSpace, settings: PredictorSettings, *, seed: int) -> None:
        self.vectors = OneHot(space)
        super().__init__(space, settings, seed=seed)

    def propose(self, rng: Random) -> Architecture:
        basis = self.reached(self.settings.start, self.settings.refit)
        if not basis:
            return self._unseen(rng)
        candidates = self._candidates(rng)
        mean, deviation = self.fitted(basis).predict(self.vectors(candidates))
        if self.settings.acquisition == "thompson":
            noise = np.random.default_rng(rng.getrandbits(64)).standard_normal(len(mean))
            worth = mean + deviation * noise
        else:
            worth = improvement(mean, deviation, highest(basis))
        return candidates[int(worth.argmax())]

    def _unseen(self, rng: Random) -> Architecture:
        drawn = [self.space.sample(rng) for _ in range(10)]
        return next((one for one in drawn if one not in self.seen), drawn[0])

    def _candidates(self, rng: Random) -> list[Architecture]:
        best = self.best(self.settings.parents)
        made = [
            self.space.mutate(rng.choice(best), rng, rng.randint(1, 2))
            for _ in range(self.settings.children)
        ]
        made += [self.space.sample(rng) for _ in range(self.settings.drawn)]
        fresh = list(dict.fromkeys(one for one in made if one not in self.seen))
        return fresh or made[:1]

    def fit(self, known: Mapping[Architecture, float], seed: int) -> Model:
        make = Process if self.settings.model == "process" else Forest
        return make(self.vectors(list(known)), ranked(list(known.values())), seed)


def improvement(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """How far above the best a value is expected to be, 0 where it is below."""
    above = (mean - best) / np.maximum(deviation, 1e-9)
    density = np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(deviation * (above * ndtr(above) + density), dtype=np.float64)


class Process:
    """A Gaussian process: decisions that differ make values less alike."""

    def __init__(self, vectors: Vectors, rewards: NDArray[np.float64], seed: int) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        kernel = ConstantKernel(1.0, (0.05, 20)) * RBF(2.0, (0.3, 20)) + WhiteKernel(0.1, (1e-3, 1))
        self.model = GaussianProcessRegressor(kernel, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(vectors, rewards)

    def predict(self, vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mean, deviation = self.model.predict(vectors, return_std=True)
        return mean, deviation


class Forest:
    """Regression trees that are shown the data otherwise; their spread is the deviation."""

    def __init__(self, vectors: Vectors, rewards: NDArray[np.float64], seed: int) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self.model = RandomForestRegressor(100, random_state=seed, min_samples_leaf=2).fit(
            vectors, rewards
        )

    def predict(self, vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        every = np.stack([tree.predict(vectors) for tree in self.model.estimators_])
        return every.mean(0), every.std(0)
