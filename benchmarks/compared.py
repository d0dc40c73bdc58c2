"""What samples say of each other: means with intervals, differences, chances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

RESAMPLES = 99_999
LEAST_P = 1e-3
"""Smaller ones are not told apart: so many resamples, times as many comparisons."""


def interval(values: Sequence[float], digits: int = 2) -> str:
    """The mean and its 95 % interval (bootstrap); all the same have none."""
    mean = float(np.mean(values))
    if len(set(values)) == 1:
        return f"{mean:.{digits}f}"
    low, high = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def chance(some: Sequence[float], others: Sequence[float]) -> float:
    """How likely means differ so much by chance: p of a permutation test."""
    test = stats.permutation_test(
        (some, others), _gap, n_resamples=RESAMPLES, vectorized=True, batch=1000,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(test.pvalue)


def against(some: Sequence[float], bar: Sequence[float], p: float) -> str:
    """How much better or worse than the bar, with its 95 % interval, and the chance p."""
    low, high = stats.bootstrap(
        (some, bar), _gap, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    gap = np.mean(some) - np.mean(bar)
    return f"{gap:+.2f} ({low:+.2f} to {high:+.2f}), {p_text(p)}"


def p_text(p: float) -> str:
    return f"p = {p:.2g}" if p >= LEAST_P else f"p < {LEAST_P:g}"


def _gap(some: Any, others: Any, axis: int) -> Any:
    return np.mean(some, axis=axis) - np.mean(others, axis=axis)
