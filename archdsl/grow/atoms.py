"""What the channels of values are, as numbers: equal numbers are equal functions of the input.

A number stands for one channel of one value. It is made from what computes the channel: an
operation and the numbers of what it takes. Operations that only move channels, and those that pass
their input on in evaluation, make none. So two networks, of which the one was grown from the other,
give the same numbers where they compute the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from archdsl.ir.types import TensorType
from archdsl.ops.base import Operation, Types
from archdsl.ops.growth import ANYTHING, Along, Interval, hull

Channels: TypeAlias = tuple[int, ...]
"""One number for each channel of a value."""

NOTHING = 0
"""The channel that is zero whatever the input."""


@dataclass(slots=True)
class Atoms:
    """The numbers given so far, and between which bounds each channel lies."""

    known: dict[Hashable, int] = field(default_factory=lambda: {"nothing": NOTHING})
    intervals: list[Interval] = field(default_factory=lambda: [Interval(0.0, 0.0)])

    def number(self, key: Hashable, interval: Interval = ANYTHING) -> int:
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = len(self.intervals)
            self.intervals.append(interval)
        return found

    def each(self, key: Hashable, type_: TensorType) -> Channels:
        """Channels of which nothing is known but who makes them."""
        return tuple(self.number((key, channel)) for channel in range(type_.channels))

    def weightless(
        self, operation: Operation, inputs: Types, type_: TensorType, args: Sequence[Channels]
    ) -> Channels:
        """The channels that an operation without weights gives."""
        routes = operation.routes(inputs)
        if routes is not None:
            return tuple(self._moved(args[r.argument][r.channel], r.place) for r in routes)
        bounds = [hull(self.intervals[c] for c in arg) for arg in args]
        passes = operation.unchanged is not None and len(args) == 1 and type_ == inputs[0]
        if passes and operation.unchanged is not None and operation.unchanged.holds(bounds[0]):
            return args[0]
        traits = operation.traits(inputs)
        if not traits.per_channel or {len(arg) for arg in args} != {type_.channels}:
            return self._whole(operation, inputs, type_, args)
        zero = traits.zero
        return tuple(self._one(operation, parts, zero) for parts in zip(*args, strict=True))

    def _moved(self, channel: int, place: int) -> int:
        if place < 0 or channel == NOTHING:
            return channel
        return self.number(("at", place, channel), self.intervals[channel])

    def _one(self, operation: Operation, parts: tuple[int, ...], zero: bool) -> int:
        """One channel, from the same channel of each argument."""
        if operation.additive:
            parts = tuple(sorted(part for part in parts if part != NOTHING))
            if len(parts) == 1:
                return parts[0]
        if zero and not any(parts):
            return NOTHING
        interval = operation.bounds([self.intervals[part] for part in parts])
        if interval.low == interval.high == 0:
            return NOTHING
        return self.number((operation, parts), interval)

    def _whole(
        self, operation: Operation, inputs: Types, type_: TensorType, args: Sequence[Channels]
    ) -> Channels:
        """Channels each of which depends on all there is."""
        if operation.traits(inputs).zero and not any(any(arg) for arg in args):
            return (NOTHING,) * type_.channels
        whole = self.number((operation, tuple(args)))
        interval = operation.bounds([hull(self.intervals[c] for c in arg) for arg in args])
        return tuple(self.number((whole, c), interval) for c in range(type_.channels))

    def weighted(
        self,
        owner: str,
        operation: Operation,
        inputs: Types,
        type_: TensorType,
        args: Sequence[Channels],
    ) -> Channels:
        """The channels that an operation gives with the weights of an owner."""
        if operation.traits(inputs).per_channel and len(args) == 1:
            indexed = indexed_by_channel(operation, inputs)
            return tuple(
                self.apart(owner, operation, i if indexed else -1, c) for i, c in enumerate(args[0])
            )
        return self.each((owner, operation, tuple(args)), type_)

    def apart(self, owner: str, operation: Operation, index: int, channel: int) -> int:
        """A channel that an operation leaves apart, with the weights of one of its channels."""
        interval = operation.bounds([self.intervals[channel]])
        return self.number((owner, operation.keyword, index, channel), interval)


def indexed_by_channel(operation: Operation, inputs: Types) -> bool:
    """Whether each channel has weights of its own, in an operation that leaves them apart."""
    along = operation.along(inputs)
    return along is None or any(Along.CHANNELS in axes for axes in along.values())
