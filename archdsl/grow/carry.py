"""How an operation takes its weights from the one that it was in another network.

A wider operation has copies of channels. What sums over copies gives each a share of the weight;
the shares are unequal, so that copies learn apart from the first step on. Chen et al. 2016
("Net2Net", section 2.2) divide evenly and add noise, after which the function is another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archdsl.grow.atoms import NOTHING, Atoms, Channels, indexed_by_channel
from archdsl.grow.flat import Flat, Value, unnamed
from archdsl.ir.types import Weight
from archdsl.ops.base import Operation
from archdsl.ops.growth import Along
from archdsl.seeds import stream


@dataclass(frozen=True, slots=True)
class Copies:
    """For each place of a new axis, the places of the old one that it takes, and which share."""

    places: tuple[tuple[int, ...], ...]
    shares: tuple[float, ...]

    def same(self, size: int) -> bool:
        """Whether that is the old axis itself."""
        return self.places == tuple((i,) for i in range(size)) and set(self.shares) <= {1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The weights of `owner` in the parent, along the axes that grew.

    `copies` says for each sort of axis what a place takes; sorts that are not named are as before.
    `fresh` are places along `CHANNELS` that have no predecessor.
    """

    owner: str
    along: Mapping[str, tuple[Along, ...]]
    copies: Mapping[Along, Copies]
    fresh: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """What a matched operation carries over, and the channels that it then gives."""

    carried: Carried
    channels: Channels
    broken: bool


def replicas(old: int, new: int, seed: int) -> tuple[int, ...]:
    """Which old channel each new one copies: all once, then again in an order by lot.

    The same for all values of these widths, so that those which are added stay in step.
    """
    found = list(range(min(old, new)))
    turn = 0
    while len(found) < new:
        order = list(range(old))
        stream(seed, "replicas", old, new, turn).shuffle(order)
        found += order[: new - len(found)]
        turn += 1
    return tuple(found)


def found_again(before: Channels, now: Channels) -> list[int]:
    """Where each channel stood before: at its own place, else at its first; -1 where nowhere."""
    where = {channel: i for i, channel in reversed(tuple(enumerate(before)))}
    return [
        i if i < len(before) and before[i] == channel else where.get(channel, -1)
        for i, channel in enumerate(now)
    ]


def taken(indices: Sequence[int]) -> Copies:
    """Places copied whole."""
    return Copies(tuple((index,) for index in indices), (1.0,) * len(indices))


def shared(groups: Sequence[Sequence[int]], seed: int) -> Copies:
    """Places summed over: those which take the same split it, each with a share by lot."""
    known = [tuple(group) for group in groups]
    count = Counter(group for group in known if group)
    draw = stream(seed, "shares", len(known))
    parts = [draw.uniform(0.5, 1.5) if count[group] > 1 else 1.0 for group in known]
    total: dict[tuple[int, ...], float] = {}
    for group, part in zip(known, parts, strict=True):
        total[group] = total.get(group, 0.0) + part
    shares = [p / total[g] if count[g] > 1 else 1.0 for g, p in zip(known, parts, strict=True)]
    return Copies(tuple(known), tuple(shares))


@dataclass(slots=True)
class Carrier:
    """Fits operations of a child to those of its parent."""

    parent: Flat
    child: Flat
    atoms: Atoms
    channels: Sequence[Channels]
    """Those of the parent's values."""
    seed: int

    def alike(self, old: Value, new: Value) -> bool:
        """Whether one operation may take the weights of another: the same but for widths."""
        if old.scan is not None or new.scan is not None:
            return bool(old.scan and new.scan and unnamed(old.scan) == unnamed(new.scan))
        a, b = old.operation, new.operation
        if a is None or b is None or type(a) is not type(b):
            return False
        given, taking = self.parent.inputs(old), self.child.inputs(new)
        weights = a.weights(given), b.weights(taking)
        if a == b and weights[0] == weights[1]:
            return True
        rest = {name: getattr(a, name) for name in a.widths}
        along, other = a.along(given), b.along(taking)
        if along is None or along != other or replace(b, **rest) != a:
            return False
        return len(weights[0]) == len(weights[1]) and _same_rest(along, *weights)

    def fit(self, place: int, new: Value, args: Sequence[Channels]) -> Fit:
        """What a child's value carries over from the parent's value at a place."""
        found = self._fit(place, new, args)
        return replace(found, broken=True) if self._shrinks(place, new) else found

    def _shrinks(self, place: int, new: Value) -> bool:
        """Whether a kernel loses its border, or a perceptron some of its hidden units."""
        old = self.parent.values[place]
        if old.operation is None or new.operation is None:
            return False
        inputs = self.child.inputs(new)
        along = new.operation.along(inputs) or {}
        before = {w.name: w.shape for w in old.operation.weights(self.parent.inputs(old))}
        return any(
            sort in (Along.KERNEL, Along.UNITS) and size < was
            for weight in new.operation.weights(inputs)
            for sort, size, was in zip(
                along.get(weight.name, ()), weight.shape, before[weight.name], strict=False
            )
        )

    def _fit(self, place: int, new: Value, args: Sequence[Channels]) -> Fit:
        old = self.parent.values[place]
        before = [self.channels[arg] for arg in old.args]
        operation = new.operation
        along = None
        if operation is not None and len(args) == len(before) == 1:
            along = operation.along(self.child.inputs(new))
        if operation is None or along is None:
            same = Carried(owner=old.owner, along={}, copies={})
            return Fit(same, self.channels[place], list(args) != before)
        sorts = {axis for axes in along.values() for axis in axes}
        mixed = not sorts.isdisjoint((Along.INPUTS, Along.OUTPUTS))
        if operation.traits(self.child.inputs(new)).per_channel and not mixed:
            return self._apart(place, operation, along, before[0], args[0])
        if Along.INPUTS not in sorts:
            return self._even(place, new, operation, along, before[0], args[0])
        return self._summed(place, new, along, before[0], args[0])

    def _apart(
        self,
        place: int,
        operation: Operation,
        along: Mapping[str, tuple[Along, ...]],
        before: Channels,
        now: Channels,
    ) -> Fit:
        """Channels that stay apart take the weights of theirs in the parent."""
        owner = self.parent.values[place].owner
        inputs = self.parent.inputs(self.parent.values[place])
        if not indexed_by_channel(operation, inputs):
            given = tuple(self.atoms.apart(owner, operation, -1, channel) for channel in now)
            return Fit(Carried(owner=owner, along=along, copies={}), given, False)
        at = found_again(before, now)
        broken = all(index < 0 for index in at)
        if broken:  # another input: the channels are taken to be what they were
            at = list(replicas(len(before), len(now), self.seed))
            given = tuple(self.channels[place][index] for index in at)
        else:
            new = [self.atoms.number((owner, "new", place, i)) for i in range(len(at))]
            old = self.channels[place]
            given = tuple(old[index] if index >= 0 else new[i] for i, index in enumerate(at))
        fresh = tuple(i for i, index in enumerate(at) if index < 0)
        copies = {Along.CHANNELS: taken([max(index, 0) for index in at])}
        carried = Carried(owner=owner, along=along, copies=copies, fresh=fresh)
        return Fit(carried, given, broken)

    def _even(
        self,
        place: int,
        new: Value,
        operation: Operation,
        along: Mapping[str, tuple[Along, ...]],
        before: Channels,
        now: Channels,
    ) -> Fit:
        """Norms over channels: exact where every channel is there equally often."""
        owner = self.parent.values[place].owner
        old, count = Counter(before), Counter(now)
        even = old.keys() == count.keys() and all(
            count[c] * len(before) == old[c] * len(now) for c in old
        )
        exact = now == before or (even and operation.even(self.child.inputs(new)))
        seen = found_again(before, now) if exact else replicas(len(before), len(now), self.seed)
        copies = {sort: taken(seen) for sort in (Along.CHANNELS, Along.OUTPUTS)}
        given = tuple(self.channels[place][index] for index in seen)
        return Fit(Carried(owner=owner, along=along, copies=copies), given, not exact)

    def _summed(
        self,
        place: int,
        new: Value,
        along: Mapping[str, tuple[Along, ...]],
        before: Channels,
        now: Channels,
    ) -> Fit:
        """What sums over its inputs: exact where all that the parent's sums over is there."""
        owner = self.parent.values[place].owner
        rows = replicas(len(self.channels[place]), new.type.channels, self.seed)
        broken = not set(before) - {NOTHING} <= set(now)
        if now == before:
            columns = taken(range(len(now)))
        elif broken:
            positions = replicas(len(before), len(now), self.seed)
            columns = shared([(index,) for index in positions], self.seed)
        else:
            groups: dict[int, list[int]] = {}
            for i, channel in enumerate(before):
                groups.setdefault(channel, []).append(i)
            columns = shared(
                [groups.get(channel, ()) if channel != NOTHING else () for channel in now],
                self.seed,
            )
        copies = {Along.INPUTS: columns, Along.OUTPUTS: taken(rows)}
        channels = tuple(self.channels[place][row] for row in rows)
        return Fit(Carried(owner=owner, along=along, copies=copies), channels, broken)


def _same_rest(
    along: Mapping[str, tuple[Along, ...]], old: Sequence[Weight], new: Sequence[Weight]
) -> bool:
    """Whether weights differ along axes of width only."""
    return all(
        a.name == b.name
        and all(
            x == y or sort is not Along.REST
            for x, y, sort in zip(a.shape, b.shape, along[a.name], strict=True)
        )
        for a, b in zip(old, new, strict=True)
    )
