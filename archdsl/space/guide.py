"""Drawing under a bound: the fillings of a forest counted by what they add up to.

Every take of a decision has a number, and a bound lets through the fillings whose numbers add up
to what it allows. Counting them by their sums, from the leaves of the forest to its roots, says
how many there are and draws one uniformly, however few they are: nothing is tried in vain.

Where the sums are too many to be told apart they are rounded down to a unit. What is counted is
then a little more than the bound allows, never less, and whoever draws tests what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import gcd
from random import Random
from typing import TypeAlias, TypeVar

from archdsl.space.forest import Choices, Forest
from archdsl.space.subsets import Taken

Counts: TypeAlias = dict[int, int]
"""How many fillings have each sum, in units."""

MAX_SUMS = 2048
"""Sums told apart, over the whole range."""
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
    low: float | None
    high: float | None
    name: str = "a bound"
    size: int = field(init=False)
    """How many fillings are let through: at least those within the bounds."""
    exact: bool = field(init=False)
    """Whether no filling outside the bounds is let through."""
    least: int = field(init=False)
    most: int = field(init=False)
    """The range of the sums, over all fillings."""
    _unit: int = field(init=False)
    _groups: list[tuple[Group, ...]] = field(init=False)
    _roots: tuple[int, ...] = field(init=False)
    _after: tuple[Counts, ...] = field(init=False)
    _open: Counts = field(init=False)

    def __post_init__(self) -> None:
        takes = [self._takes(i) for i in range(len(self.forest.places))]
        self._range(takes)
        self._count(takes)

    # --- counting ------------------------------------------------------------------------------

    def _takes(self, i: int) -> list[tuple[Taken, int]]:
        if self.forest.places[i].governor >= 0:
            raise Unguided
        values = self.forest.values(i, self.forest.empty())
        if values.total > MAX_TAKES:
            raise Unguided
        return [(t, self.number(i, t)) for t, _ in map(values.find, range(values.total))]

    def _children(self, i: int, taken: Taken) -> tuple[int, ...]:
        conditions = self.forest.conditions
        return tuple(c for c in self.forest.below(i) if not conditions[c][1].isdisjoint(taken))

    def _range(self, takes: Sequence[Sequence[tuple[Taken, int]]]) -> None:
        """The least and the largest sum, and a unit in which their range has few steps."""
        low, high = [0] * len(takes), [0] * len(takes)
        step = 0
        for i in reversed(range(len(takes))):
            sums = [
                (n + sum(low[c] for c in below), n + sum(high[c] for c in below))
                for taken, n in takes[i]
                for below in (self._children(i, taken),)
            ]
            low[i], high[i] = min(s for s, _ in sums), max(s for _, s in sums)
            step = gcd(step, *(number for _, number in takes[i]))
        self._roots = self.forest.roots
        self.least = sum(low[i] for i in self._roots)
        self.most = sum(high[i] for i in self._roots)
        step = step or 1
        self.exact = (self.most - self.least) // step <= MAX_SUMS
        self._unit = step if self.exact else max(1, (self.most - self.least) // MAX_SUMS)

    def _count(self, takes: Sequence[Sequence[tuple[Taken, int]]]) -> None:
        own: list[Counts] = [{} for _ in takes]
        longest = [0] * len(takes)  # the most decisions in a filling: each was rounded once
        self._groups = [()] * len(takes)
        for i in reversed(range(len(takes))):
            self._groups[i] = tuple(self._grouped(i, takes[i], own))
            for group in self._groups[i]:
                _add(own[i], group.after[0], group.number, len(group.takes))
                below = sum(longest[child] for child in group.children)
                longest[i] = max(longest[i], 1 + below)
        self._after = _suffixes([own[i] for i in self._roots])
        slack = 0 if self.exact else sum(longest[i] for i in self._roots)
        self._open = {
            units: count for units, count in self._after[0].items() if self._allows(units, slack)
        }
        self.size = sum(self._open.values())

    def _allows(self, units: int, slack: int) -> bool:
        least, most = units * self._unit, (units + slack) * self._unit
        return (self.high is None or least <= self.high) and (self.low is None or most >= self.low)

    def _grouped(
        self, i: int, takes: Sequence[tuple[Taken, int]], own: Sequence[Counts]
    ) -> Iterable[Group]:
        groups: dict[tuple[int, tuple[int, ...]], list[Taken]] = {}
        for taken, number in takes:
            key = number // self._unit, self._children(i, taken)
            groups.setdefault(key, []).append(taken)
        suffixes: dict[tuple[int, ...], tuple[Counts, ...]] = {}
        for (number, children), members in groups.items():
            if children not in suffixes:
                suffixes[children] = _suffixes([own[child] for child in children])
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


def _suffixes(parts: Sequence[Counts]) -> tuple[Counts, ...]:
    """The counts of the parts from each on, taken together; behind the last, one way to be 0."""
    found: list[Counts] = [{0: 1}]
    for part in reversed(parts):
        found.append(_product(part, found[-1]))
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
