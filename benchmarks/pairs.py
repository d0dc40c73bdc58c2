"""Two ways to do one thing, timed in turn in one process: the ratio of times and its bound."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from archdsl.ir.graph import Program
from archdsl.ir.types import TensorType

Work = Callable[[], object]
Form = Callable[[nn.Module, Sequence[Tensor]], Work]
"""What is done with a network and a batch: `inference`, `training_step`."""

MOST = 500
"""Rounds of in_turn beyond which an interval does not get narrower by much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How much longer the second took than the first: the median of the ratios of all pairs.

    `low` and `high` are its 95 % interval by scipy's bootstrap, which a pair that another program
    disturbed does not spoil; `seconds` are the medians of both.
    """

    ratio: float
    low: float
    high: float
    seconds: tuple[float, float]


def in_turn(works: Sequence[Work], runs: int) -> list[list[float]]:
    """Seconds of each work in each round, every round in an order of its own.

    Forth and back, the first and the last would follow themselves, all that they need in caches.
    """
    for work in works:
        work()
        work()
    times: list[list[float]] = [[] for _ in works]
    chance = random.Random(0)
    for _ in range(runs):
        for index in chance.sample(range(len(works)), len(works)):
            start = time.perf_counter()
            works[index]()
            times[index].append(time.perf_counter() - start)
    return times


def timed(works: Mapping[str, Work], runs: int) -> dict[str, list[float]]:
    """`in_turn` by name."""
    return dict(zip(works, in_turn(list(works.values()), runs), strict=True))


def pairs_within(works: Sequence[Work], seconds: float, least: int) -> int:
    """How many rounds of all works take about so long: the more, the narrower their interval."""
    start = time.perf_counter()
    in_turn(works, 1)  # each three times
    once = (time.perf_counter() - start) / 3
    return max(least, min(MOST, round(seconds / once)))


def ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """The ratio of two lists of times, taken in turn."""
    logs = np.log(np.divide(second, first))
    found = stats.bootstrap(
        (logs,), np.median, confidence_level=0.95, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Ratio(
        ratio=math.exp(np.median(logs)),
        low=math.exp(found.low),
        high=math.exp(found.high),
        seconds=(statistics.median(first), statistics.median(second)),
    )


def inputs(program: Program, batch: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Random inputs of a network: quantities, or indices below their bound."""
    generator = torch.Generator().manual_seed(seed)
    types = [program.net.nodes[position].type for position in program.net.inputs]
    return tuple(_input(type_, batch, generator) for type_ in types)


def _input(type_: TensorType, batch: int, generator: torch.Generator) -> Tensor:
    if type_.below is not None:
        return torch.randint(type_.below, (batch, *type_.shape), generator=generator)
    return torch.randn(batch, *type_.shape, generator=generator)


def inference(network: nn.Module, given: Sequence[Tensor]) -> Work:
    """One batch without gradients."""

    def work() -> None:
        network.eval()
        with torch.no_grad():
            network(*given)

    return work


def training_step(network: nn.Module, given: Sequence[Tensor]) -> Work:
    """Forward, backward and SGD for one batch; the loss takes all outputs."""
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)

    def work() -> None:
        network.train()
        optimiser.zero_grad()
        result = network(*given)
        parts = (result,) if isinstance(result, Tensor) else result
        loss = torch.stack([part.square().mean() for part in parts]).sum()
        loss.backward()
        optimiser.step()

    return work
