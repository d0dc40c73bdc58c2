"""Drawing under a bound: the fillings of a forest counted by what they add up to.

Every take of a decision has a number, and a bound lets through the fillings whose numbers add up
to what it allows. Counting them by their sums, from the leaves of the forest to its roots, says
how many there are and draws one uniformly, however few they are: nothing is tried in vain.
Sums are counted from the least one, or down from the largest, up to the bound and no further.

Where those are too many to be told apart each number is rounded down to a unit. What is counted
is then more than the bound allows, never less, and whoever draws tests what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import gcd
from random import Random
from typing import TypeAlias, TypeVar

from archdsl.space.forest import Choices, Forest, Place
from archdsl.space.subsets import Taken
from archdsl.syntax.tree import Quantity

Counts: TypeAlias = dict[int, int]
"""How many fillings have each sum, in units."""
Option: TypeAlias = tuple[Taken, int, tuple[int, ...]]
"""A take, its number, and the decisions below that come to exist with it."""

MAX_SUMS = 2048
"""Sums told apart, from the nearest end of their range to the bound."""
MAX_TAKES = 4096
"""Takes of one decision that are looked at one by one."""
DENSE = 1 << 14
"""Pairs of sums from which on counts are multiplied as digits of long integers."""

Way = TypeVar("Way")


class Unguided(Exception):
    """A decision with too many takes to weigh each, or with some that another one closes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Takes of a decision with one number and the same decisions below; `after[k]` counts the
    fillings of the children from the k-th on."""

    number: int
    takes: tuple[Taken, ...]
    children: tuple[int, ...]
    after: tuple[Counts, ...]


@dataclass(slots=True)
class Guide:
    """The fillings whose sum may lie in `low..high`; `number(i, take)` is what a take adds."""

    forest: Forest
    number: Callable[[int, Taken], int]
    low: int | None
    high: int | None
    name: str = "a bound"
    size: int = field(init=False)
    """How many fillings are let through: at least those within the bounds."""
    exact: bool = field(init=False)
    """Whether no filling outside the bounds is let through."""
    least: int = field(init=False)
    most: int = field(init=False)
    """The range of the sums, over all fillings."""
    _cap: int = field(init=False)
    _need: int = field(init=False)
    _last: int = field(init=False)
    _unit: int = field(init=False)
    _groups: list[tuple[Group, ...]] = field(init=False)
    _roots: tuple[int, ...] = field(init=False)
    _after: tuple[Counts, ...] = field(init=False)
    _open: Counts = field(init=False)

    def __post_init__(self) -> None:
        options = [self._options(i) for i in range(len(self.forest.places))]
        low, high = self._range(options)
        self._roots = self.forest.roots
        self.least = sum(low[i] for i in self._roots)
        self.most = sum(high[i] for i in self._roots)
        if self._from_above():
            excess = self._excess(
                [[(t, -n, c) for t, n, c in o] for o in options], [-h for h in high]
            )
        else:
            excess = self._excess(options, low)
        self._measure(excess)
        self._count(excess)

    # --- counting ------------------------------------------------------------------------------

    def _options(self, i: int) -> list[Option]:
        place = self.forest.places[i]
        if place.governor >= 0:
            raise Unguided
        takes = _listed(place.quantity, place.count, place.alternatives)
        if len(takes) > MAX_TAKES:
            raise Unguided
        return [(taken, self.number(i, taken), self._children(i, taken)) for taken in takes]

    def _children(self, i: int, taken: Taken) -> tuple[int, ...]:
        conditions = self.forest.conditions
        return tuple(c for c in self.forest.below(i) if not conditions[c][1].isdisjoint(taken))

    @staticmethod
    def _range(options: Sequence[Sequence[Option]]) -> tuple[list[int], list[int]]:
        """For each decision the least and the largest sum of it and all below."""
        low, high = [0] * len(options), [0] * len(options)
        for i in reversed(range(len(options))):
            low[i] = min(n + sum(low[c] for c in below) for _, n, below in options[i])
            high[i] = max(n + sum(high[c] for c in below) for _, n, below in options[i])
        return low, high

    def _from_above(self) -> bool:
        """Whether sums are counted down from the most, and set the bounds in these terms.

        Nothing lies further from there than the bound: `_cap`; and what lies nearer than
        `_need` is outside the other bound.
        """
        whole = self.most - self.least
        up = whole if self.high is None else min(whole, self.high - self.least)
        down = whole if self.low is None else min(whole, self.most - self.low)
        self._cap = min(up, down)
        if down < up:
            self._need = 0 if self.high is None else self.most - self.high
            return True
        self._need = 0 if self.low is None else self.low - self.least
        return False

    @staticmethod
    def _excess(options: Sequence[Sequence[Option]], low: Sequence[int]) -> list[list[Option]]:
        """What each take adds beyond the least that its decision can come to with all below."""
        return [
            [(t, n + sum(low[c] for c in below) - low[i], below) for t, n, below in found]
            for i, found in enumerate(options)
        ]

    def _measure(self, options: Sequence[Sequence[Option]]) -> None:
        """A unit in which the sums up to the bound, not all that there are, have few steps."""
        step = gcd(*(n for found in options for _, n, _ in found if n <= self._cap)) or 1
        self.exact = self._cap // step <= MAX_SUMS
        self._unit = step if self.exact else -(-self._cap // MAX_SUMS)
        self._last = self._cap // self._unit

    def _count(self, options: Sequence[Sequence[Option]]) -> None:
        own: list[Counts] = [{} for _ in options]
        longest = [0] * len(options)  # the most decisions in a filling: each was rounded once
        self._groups = [()] * len(options)
        for i in reversed(range(len(options))):
            self._groups[i] = tuple(self._grouped(options[i], own))
            for group in self._groups[i]:
                _add(own[i], group.after[0], group.number, len(group.takes))
                below = sum(longest[child] for child in group.children)
                longest[i] = max(longest[i], 1 + below)
            own[i] = _up_to(self._last, own[i])
        self._after = _suffixes([own[i] for i in self._roots], self._last)
        slack = 0 if self.exact else sum(longest[i] for i in self._roots) * (self._unit - 1)
        self._open = {
            units: count
            for units, count in self._after[0].items()
            if self._need <= units * self._unit + slack and units <= self._last
        }
        self.size = sum(self._open.values())

    def _grouped(self, options: Sequence[Option], own: Sequence[Counts]) -> Iterable[Group]:
        groups: dict[tuple[int, tuple[int, ...]], list[Taken]] = {}
        for taken, number, children in options:
            if number <= self._cap:
                groups.setdefault((number // self._unit, children), []).append(taken)
        suffixes: dict[tuple[int, ...], tuple[Counts, ...]] = {}
        for (number, children), members in groups.items():
            if children not in suffixes:
                suffixes[children] = _suffixes([own[child] for child in children], self._last)
            yield Group(number, tuple(members), children, suffixes[children])

    def words(self) -> str:
        """The range of the sums, for messages."""
        return f"{self.name} takes {self.least:,} to {self.most:,}"

    # --- drawing -------------------------------------------------------------------------------

    def draw(self, rng: Random) -> Choices:
        """A filling; each of `size` is as likely. There must be one."""
        choices: list[Taken | None] = [None] * len(self.forest.places)
        units, _ = _pick(self._open.items(), rng)
        waiting = self._shared(self._roots, self._after, units, rng)
        while waiting:
            i, units = waiting.pop()
            ways = [
                (group, group.after[0].get(units - group.number, 0) * len(group.takes))
                for group in self._groups[i]
            ]
            group, _ = _pick(ways, rng)
            choices[i] = group.takes[rng.randrange(len(group.takes))]
            waiting += self._shared(group.children, group.after, units - group.number, rng)
        return tuple(choices)

    def _shared(
        self, members: Sequence[int], after: Sequence[Counts], units: int, rng: Random
    ) -> list[tuple[int, int]]:
        """What each of some decisions adds to a sum that they have together."""
        result = []
        for k, i in enumerate(members):
            rest = after[k + 1]
            ways: dict[int, int] = {}
            for group in self._groups[i]:
                for below, count in group.after[0].items():
                    own = group.number + below
                    if left := rest.get(units - own, 0):
                        ways[own] = ways.get(own, 0) + count * len(group.takes) * left
            own, _ = _pick(ways.items(), rng)
            result.append((i, own))
            units -= own
        return result


def _pick(ways: Iterable[tuple[Way, int]], rng: Random) -> tuple[Way, int]:
    """One of the ways, each as likely as its count says."""
    ways = list(ways)
    number = rng.randrange(sum(count for _, count in ways))
    for way in ways:
        if number < way[1]:
            return way
        number -= way[1]
    raise AssertionError("a number below the sum of the counts")


@lru_cache(maxsize=256)
def _listed(quantity: Quantity, count: int, alternatives: int) -> tuple[Taken, ...]:
    """The takes of a decision, in their order; many decisions have the same. Raises Unguided."""
    values = Place(quantity=quantity, count=count, alternatives=alternatives).takes(
        [1] * alternatives
    )
    if values.total > MAX_TAKES:
        raise Unguided
    return tuple(values.find(n)[0] for n in range(values.total))


def _up_to(last: int, counts: Counts) -> Counts:
    return {units: count for units, count in counts.items() if units <= last}


def _suffixes(parts: Sequence[Counts], last: int) -> tuple[Counts, ...]:
    """The counts of the parts from each on, taken together; behind the last, one way to be 0."""
    found: list[Counts] = [{0: 1}]
    for part in reversed(parts):
        found.append(_up_to(last, _product(part, found[-1])))
    return tuple(reversed(found))


def _add(total: Counts, counts: Counts, shift: int, times: int) -> None:
    for units, count in counts.items():
        total[units + shift] = total.get(units + shift, 0) + count * times


def _product(a: Counts, b: Counts) -> Counts:
    if len(a) * len(b) > DENSE:
        return _dense_product(a, b)
    result: Counts = {}
    for units, count in a.items():
        _add(result, b, units, count)
    return result


def _dense_product(a: Counts, b: Counts) -> Counts:
    """The same through one product of two long integers, whose digits are the counts."""
    bits = max(a.values()).bit_length() + max(b.values()).bit_length()
    width = (bits + min(len(a), len(b)).bit_length()) // 8 + 1
    product = _packed(a, width) * _packed(b, width)
    digits = product.to_bytes((product.bit_length() + 7) // 8 + width, "little")
    start = min(a) + min(b)
    found: Counts = {}
    for at in range(0, len(digits) - width + 1, width):
        if count := int.from_bytes(digits[at : at + width], "little"):
            found[start + at // width] = count
    return found


def _packed(counts: Counts, width: int) -> int:
    least = min(counts)
    digits = bytearray((max(counts) - least + 1) * width)
    for units, count in counts.items():
        at = (units - least) * width
        digits[at : at + width] = count.to_bytes(width, "little")
    return int.from_bytes(digits, "little")
