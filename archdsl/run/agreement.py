"""How far two orders of the same architectures agree: Kendall's tau-b, with its interval.

Kendall 1945, "The treatment of ties in ranking problems". Intervals are percentiles of the
bootstrap over architectures (Efron 1979), by SciPy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from math import ceil, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import DegenerateDataWarning, bootstrap, kendalltau

from archdsl.run.audited import Agreement
from archdsl.seeds import seed_for

RESAMPLES = 1000
INSIDE = 0.95
LEAST = 10
"""Architectures that an interval needs, and a part besides the whole. Resamples of fewer repeat
each other: of three, 95 % intervals hold the true tau 12 to 61 times in 100 (normal pairs)."""
PARTS = {"all": 1.0, "best half": 0.5, "best tenth": 0.1}
"""Shares of what the truth calls best, ties with the last included."""


def agreement(values: Sequence[float], truth: Sequence[float], *, seed: int) -> Agreement:
    """Tau-b between what is said of architectures and the truth."""
    return _resampled(_tau, (values, truth), seed)


def advantage(
    values: Sequence[float], others: Sequence[float], truth: Sequence[float], *, seed: int
) -> Agreement:
    """By how much `values` agree better with the truth than `others` do, on the same resamples."""
    return _resampled(lambda a, b, c: _tau(a, c) - _tau(b, c), (values, others, truth), seed)


def parts(truth: Sequence[float]) -> Mapping[str, list[int]]:
    """The places of all, of the best half and of the best tenth, where there are enough."""
    found = {}
    order = sorted(truth, reverse=True)
    for name, share in PARTS.items():
        least = order[ceil(share * len(order)) - 1]
        places = [i for i, value in enumerate(truth) if value >= least]
        if share == 1 or LEAST <= len(places) < len(truth):
            found[name] = places
    return found


def _tau(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Not a number where all of x, or all of y, are the same."""
    return float(kendalltau(x, y, method="asymptotic").statistic)


def _resampled(
    statistic: Callable[..., float], columns: Sequence[Sequence[float]], seed: int
) -> Agreement:
    data = [np.asarray(column, dtype=np.float64) for column in columns]
    value = statistic(*data)
    if not isfinite(value):
        return Agreement(value=None, low=None, high=None, count=len(data[0]))
    if len(data[0]) < LEAST:
        return Agreement(value=value, low=None, high=None, count=len(data[0]))
    outside = (1 - INSIDE) / 2
    with warnings.catch_warnings():
        # A resample of one architecture again and again has no tau; the others have.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            data,
            statistic,
            paired=True,
            vectorized=False,
            n_resamples=RESAMPLES,
            method="percentile",
            random_state=np.random.default_rng(seed_for(seed, "bootstrap")),
        )
    low, high = np.nanquantile(found.bootstrap_distribution, [outside, 1 - outside])
    return Agreement(value=value, low=float(low), high=float(high), count=len(data[0]))
