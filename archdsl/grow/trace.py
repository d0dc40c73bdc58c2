"""Which weights a child begins with, so that it computes what its parent does.

The child's values are gone through in order, and of each is known which channels it has, in the
numbers of `atoms`. What is matched carries its weights over. What is new has choices: fresh
weights, weights with which it passes its input on, or weights with which it gives nothing. They
are kept side by side until something that is matched needs one of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import TypeAlias

from archdsl.grow.atoms import NOTHING, Atoms, Channels
from archdsl.grow.carry import Carried, Carrier
from archdsl.grow.flat import Flat, Value
from archdsl.ops.base import Operation, Types
from archdsl.ops.growth import ZERO, Start


class Begins(Enum):
    """How new weights begin."""

    PASSING = "passing"  # the input is the result
    SILENT = "silent"  # the result is zero


Choice: TypeAlias = Begins | Carried

MOST = 6
"""Ways that are kept of one value."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to begin: the channels that a value then has, the choices, and where it breaks."""

    channels: Channels
    choices: Mapping[str, Choice] = field(default_factory=dict)
    broken: tuple[str, ...] = ()

    @property
    def cost(self) -> tuple[int, int]:
        begun = sum(isinstance(choice, Begins) for choice in self.choices.values())
        return len(self.broken), begun


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices for the whole child by the owners of weights; where the function changes.

    What has no choice is fresh.
    """

    choices: Mapping[str, Choice]
    broken: tuple[str, ...]


def silent(operation: Operation, inputs: Types) -> Mapping[str, Start] | None:
    """The weights with which an operation gives zero, whatever its input; None: none do."""
    last = operation.writes(inputs)
    if last is not None:
        return {last.weight: ZERO, last.bias: ZERO}
    affine = operation.channel_affine(inputs)
    if affine is None or not affine.factor:
        return None
    return {name: ZERO for name in (affine.factor, affine.shift) if name}


def trace(parent: Flat, child: Flat, pairs: Mapping[int, int], seed: int) -> Plan:
    """The plan that changes least; `pairs` are the child's values with those of the parent."""
    return _Tracer(parent, child, pairs, seed).run()


class _Tracer:
    def __init__(self, parent: Flat, child: Flat, pairs: Mapping[int, int], seed: int) -> None:
        self.parent, self.child, self.pairs = parent, child, pairs
        self.atoms = Atoms()
        self.channels: list[Channels] = []
        for place, value in enumerate(parent.values):
            args = [self.channels[arg] for arg in value.args]
            self.channels.append(self._known(place, value, args))
        self.first_new = len(self.atoms.intervals)
        """The first number that no channel of the parent has."""
        self.carrier = Carrier(parent, child, self.atoms, self.channels, seed)
        self.ways: list[tuple[Way, ...]] = []

    def _known(self, place: int, value: Value, args: Sequence[Channels]) -> Channels:
        """The channels of a value of the parent."""
        if value.operation is None:
            key = (value.owner or f"input {place}", value.item, tuple(args))
            return self.atoms.each(key, value.type)
        inputs = self.parent.inputs(value)
        if not self.parent.weighted(value):
            return self.atoms.weightless(value.operation, inputs, value.type, args)
        return self.atoms.weighted(value.owner, value.operation, inputs, value.type, args)

    def run(self) -> Plan:
        inputs = iter([i for i, v in enumerate(self.parent.values) if _is_input(v)])
        for place, value in enumerate(self.child.values):
            if _is_input(value):
                of = next(inputs, None)
                same = of is not None and self.parent.values[of].type == value.type
                new = self.atoms.each(("new", place), value.type)
                known = self.channels[of] if of is not None and same else new
                ways: Iterable[Way] = [Way(known)]
            else:
                ways = self._ways(place, value)
            self.ways.append(self._best(ways))
        wanted = [self.channels[output] for output in self.parent.outputs]
        whole = list(_joined([self.ways[output] for output in self.child.outputs]))
        best = min((self._ended(way, wanted) for way in whole), key=lambda plan: len(plan.broken))
        return Plan({**self._unread(), **best.choices}, best.broken)

    def _best(self, ways: Iterable[Way]) -> tuple[Way, ...]:
        """The cheapest way to each meaning: those that the parent has first, and another one."""
        found: dict[Channels, Way] = {}
        for way in ways:
            known = found.get(way.channels)
            if known is None or way.cost < known.cost:
                found[way.channels] = way
        by_cost = sorted(found.values(), key=lambda way: way.cost)
        old = [way for way in by_cost if max(way.channels) < self.first_new]
        new = [way for way in by_cost if max(way.channels) >= self.first_new]
        kept = [*old[: MOST - 1], *new[:1]]
        return tuple(sorted([*kept, *new[1:][: MOST - len(kept)]], key=lambda way: way.cost))

    def _unread(self) -> Mapping[str, Choice]:
        """What is matched and no result needs is carried over as well."""
        owners = {self.child.values[place].owner: place for place in self.pairs}
        return {
            owner: self.ways[place][0].choices[owner]
            for owner, place in owners.items()
            if owner in self.ways[place][0].choices
        }

    def _ended(self, way: _Joined, wanted: Sequence[Channels]) -> Plan:
        changed = () if list(way.args) == list(wanted) else ("the result",)
        return Plan(way.choices, way.broken or changed)

    def _ways(self, place: int, value: Value) -> Iterator[Way]:
        given = list(_joined([self.ways[arg] for arg in value.args]))
        if value.item is not None:
            yield from self._items(value, given)
        elif not self.child.weighted(value):
            assert value.operation is not None
            inputs = self.child.inputs(value)
            for way in given:
                found = self.atoms.weightless(value.operation, inputs, value.type, way.args)
                yield Way(found, way.choices, way.broken)
        elif place in self.pairs:
            yield min((self._fitted(place, value, way) for way in given), key=lambda w: w.cost)
        else:
            for way in given:
                yield from self._new(place, value, way)

    def _items(self, value: Value, given: Iterable[_Joined]) -> Iterator[Way]:
        """A result of a scan: that of the parent, where the scan is."""
        of = self.pairs.get(value.args[0])
        for way in given:
            key: Hashable = (value.owner, value.item, "new", way.args)
            if of is not None and way.args[0] == self.channels[of]:
                key = (self.parent.values[of].owner, value.item, (self.channels[of],))
            yield Way(self.atoms.each(key, value.type), way.choices, way.broken)

    def _fitted(self, place: int, value: Value, way: _Joined) -> Way:
        """What is matched, on one of the ways of its inputs."""
        fit = self.carrier.fit(self.pairs[place], value, way.args)
        known = way.choices.get(value.owner)
        broken = fit.broken or (known is not None and known != fit.carried)
        choices = {**way.choices, value.owner: known or fit.carried}
        return Way(fit.channels, choices, (*way.broken, value.owner) if broken else way.broken)

    def _new(self, place: int, value: Value, way: _Joined) -> Iterator[Way]:
        """What is new, in each of the ways in which it may begin; tied weights begin as one."""
        known = way.choices.get(value.owner)
        inputs = self.child.inputs(value)
        operation = value.operation
        if known is None:
            fresh = self.atoms.each(("new", place, way.args), value.type)
            yield Way(fresh, way.choices, way.broken)
        if operation is None or isinstance(known, Carried):
            return
        one = len(way.args) == 1 and value.type == inputs[0]
        if known is not Begins.SILENT and one and operation.identity(inputs) is not None:
            choices = {**way.choices, value.owner: Begins.PASSING}
            yield Way(way.args[0], choices, way.broken)
        if known is not Begins.PASSING and silent(operation, inputs) is not None:
            choices = {**way.choices, value.owner: Begins.SILENT}
            yield Way((NOTHING,) * value.type.channels, choices, way.broken)


@dataclass(frozen=True, slots=True)
class _Joined:
    """One way for each of several values, which agree in what they have in common."""

    args: tuple[Channels, ...]
    choices: Mapping[str, Choice]
    broken: tuple[str, ...]


def _joined(ways: Sequence[tuple[Way, ...]]) -> Iterator[_Joined]:
    """Every combination that agrees; where none does, the first with what its first way chose."""
    found = False
    combinations = list(product(*ways)) if _count(ways) <= MOST**3 else [tuple(w[0] for w in ways)]
    for combination in combinations:
        choices, agree = _merged(combination)
        if agree:
            found = True
            yield _Joined(_channels(combination), choices, _broken(combination))
    if not found:
        choices, _ = _merged(combinations[0])
        broken = (*_broken(combinations[0]), "values that need one operation to begin in two ways")
        yield _Joined(_channels(combinations[0]), choices, broken)


def _count(ways: Sequence[tuple[Way, ...]]) -> int:
    count = 1
    for one in ways:
        count *= len(one)
    return count


def _channels(ways: Sequence[Way]) -> tuple[Channels, ...]:
    return tuple(way.channels for way in ways)


def _broken(ways: Sequence[Way]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place for way in ways for place in way.broken))


def _merged(ways: Sequence[Way]) -> tuple[Mapping[str, Choice], bool]:
    """The choices of several ways as one, and whether they agree."""
    largest = max(ways, key=lambda way: len(way.choices), default=None)
    if largest is None:
        return {}, True
    choices, agree = dict(largest.choices), True
    for way in ways:
        for owner, choice in way.choices.items():
            agree &= choices.setdefault(owner, choice) == choice
    return choices, agree


def _is_input(value: Value) -> bool:
    return value.operation is None and value.scan is None and value.item is None
