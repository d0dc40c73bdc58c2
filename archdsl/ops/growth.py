"""What an operation says of itself so that a network can grow and compute the same.

Along      what the axes of a weight run over: which of them grow with a width
Start      what a weight begins with, so that the operation changes nothing
Interval   between which numbers a value lies: a ReLU leaves those of another ReLU alone
Route      whence a channel comes, in operations that only move channels
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import NamedTuple


class Along(Enum):
    """One axis of a weight."""

    INPUTS = "inputs"  # the channels of the input, over which the operation sums
    OUTPUTS = "outputs"  # the channels of the result, each computed from all inputs
    CHANNELS = "channels"  # channels that stay apart: those of the input and of the result
    UNITS = "units"  # hidden units, made from all inputs and summed over for all outputs
    KERNEL = "kernel"  # a window, which is a larger one with zeros around
    REST = "rest"  # anything else: positions, heads


@dataclass(frozen=True, slots=True)
class Start:
    """A weight at the start: one number throughout, or (`eye`) the matrix that changes nothing.

    Of a kernel, that matrix stands at the centre; a kernel of one input channel is depthwise.
    """

    value: float = 0.0
    eye: bool = False


EYE, ZERO, ONE = Start(eye=True), Start(0.0), Start(1.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `low` to `high`."""

    low: float = -inf
    high: float = inf

    def holds(self, other: Interval) -> bool:
        return self.low <= other.low and other.high <= self.high


ANYTHING, POSITIVE = Interval(), Interval(0.0)


def hull(intervals: Iterable[Interval], *others: float) -> Interval:
    """From the lowest to the highest of several, and of single numbers."""
    lows, highs = zip(*((one.low, one.high) for one in intervals), strict=True)
    return Interval(min(*lows, *others, inf), max(*highs, *others, -inf))


class Route(NamedTuple):
    """A channel of a result: which channel of which argument, at one `place` or whole (-1)."""

    argument: int
    channel: int
    place: int = -1
