"""Architectures as numbers, for models that predict from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

Vectors = NDArray[np.float64]


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
    """Rewards by rank, spread as a normal distribution is; equal ones in the order given."""
    order = np.argsort(np.argsort(rewards, kind="stable"))
    return np.asarray(ndtri((order + 0.5) / len(rewards)), dtype=np.float64)


def highest(count: int) -> float:
    """The greatest that `ranked` makes of so many rewards."""
    return float(ndtri((count - 0.5) / count))
