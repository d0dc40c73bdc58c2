"""Architectures as numbers, for models that predict from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.space.walks import Walk, Walks

Vectors = NDArray[np.float64]


class Walked:
    """One number for each run of words (see `walks.py`) that some architectures have, and one for
    all runs that none of them has, such that distances to them are those of all the numbers.
    """

    def __init__(self, walks: Walks, architectures: Iterable[Architecture]) -> None:
        self.walks = walks
        self.columns: dict[Walk, int] = {}
        for architecture in architectures:
            for run in walks.of(architecture.choices):
                self.columns.setdefault(run, len(self.columns))

    def __call__(self, architectures: Sequence[Architecture]) -> Vectors:
        """The vectors (architectures, width)."""
        found = np.zeros((len(architectures), len(self.columns) + 1))
        for row, architecture in zip(found, architectures, strict=True):
            unknown = 0
            for run, count in self.walks.of(architecture.choices).items():
                if run in self.columns:
                    row[self.columns[run]] = count
                else:
                    unknown += count**2
            row[-1] = unknown**0.5
        return found


class OneHot:
    """One number for each alternative of each decision: 1 where it is taken.

    A decision that does not exist has zeros alone, which nothing that exists but `any of` has.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.starts: list[int] = []
        self.width = 0
        for index, decision in enumerate(space.decisions):
            self.starts.append(self.width)
            self.width += len(decision.hole.labels) if index in space.free else 0
        self.free = space.free

    def __call__(self, architectures: Sequence[Architecture]) -> Vectors:
        """The vectors (architectures, width)."""
        found = np.zeros((len(architectures), self.width))
        for row, architecture in zip(found, architectures, strict=True):
            for index in self.free:
                for alternative in architecture.choices[index] or ():
                    row[self.starts[index] + alternative] = 1
        return found


def ranked(rewards: Sequence[float]) -> NDArray[np.float64]:
    """Rewards by rank, spread as a normal distribution is; equal ones share a rank."""
    return np.asarray(ndtri((rankdata(rewards) - 0.5) / len(rewards)), dtype=np.float64)
