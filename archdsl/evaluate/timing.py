"""How long something takes on a device: medians over runs of many calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

RUNS = 7
"""Medians are of so many runs, each of calls for about `LONG` seconds."""
LONG = 0.05


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call: the median over runs of many."""
    times = max(1, round(LONG / _run(work, 3, device)))
    return statistics.median(_run(work, times, device) for _ in range(RUNS))


def _run(work: Callable[[], object], times: int, device: torch.device) -> float:
    work()
    _wait(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    _wait(device)
    return (time.perf_counter() - start) / times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
