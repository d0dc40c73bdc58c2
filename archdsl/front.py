"""Which of many are not dominated: nothing else is at least as good in all, and better in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Points = Sequence[Sequence[float]]
"""What is to be large, one row for each of many."""


def front(points: Points) -> list[int]:
    """The places of those that are not dominated, in their order; of equal ones all."""
    import numpy as np

    if not len(points):
        return []
    values = np.asarray(points, dtype=np.float64)
    best: list[int] = []
    left = np.lexsort(values.T[::-1])[::-1]  # what comes later dominates nothing before it
    while len(left):
        first, left = left[0], left[1:]
        best.append(int(first))
        beaten = (values[first] >= values[left]).all(1) & (values[first] > values[left]).any(1)
        left = left[~beaten]
    return sorted(best)


def crowding(points: Points) -> NDArray[np.float64]:
    """How far the neighbours of each point are, along all axes; infinite at the ends.

    Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", section III B.
    """
    import numpy as np

    values = np.asarray(points, dtype=np.float64)
    far = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        far[order[[0, -1]]] = np.inf
        if span > 0:
            far[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return far
