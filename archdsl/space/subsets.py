"""What one decision can take: counted, and numbered, with the weight of what hangs below.

Every alternative has a weight: the number of fillings of the decisions that exist only under
it. A decision that exists under several alternatives (a cell used in two of them) counts once,
when the first of them is taken. The numbers of a decision's takes are consecutive blocks, one
for each take, as long as the take has fillings.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Protocol, TypeAlias

from archdsl.syntax.errors import fault

Taken: TypeAlias = tuple[int, ...]
Shared: TypeAlias = tuple[tuple[int, ...], int]
"""The alternatives, ascending, under which a shared decision exists, and its fillings."""

MAX_STATES = 100_000


class Takes(Protocol):
    """The takes of one decision, each with its block of numbers."""

    total: int

    def find(self, number: int) -> tuple[Taken, int]:
        """The take that holds a number of `range(total)`, and the place in its block."""

    def start(self, taken: Taken) -> int:
        """The first number of a take's block."""


class OneOf:
    """One alternative, in the order of the text."""

    __slots__ = ("starts", "takes", "total")

    def __init__(self, weights: Sequence[int]) -> None:
        self.starts = (0, *accumulate(weights))[:-1]
        self.takes = tuple((i,) for i in range(len(weights)))
        self.total = sum(weights)

    def find(self, number: int) -> tuple[Taken, int]:
        i = bisect_right(self.starts, number) - 1
        return self.takes[i], number - self.starts[i]

    def start(self, taken: Taken) -> int:
        return self.starts[taken[0]]


State: TypeAlias = tuple[int, frozenset[int]]
"""How many are still to be taken (-1: any number), and which shared decisions exist already."""


class Subsets:
    """Sets of alternatives: k of them, or any.

    `k of` numbers them as `itertools.combinations` does; `any of` as a binary number with the
    first alternative as its highest digit, so that both begin with the least set.
    Without shared decisions the counts are elementary symmetric polynomials of the weights.
    """

    __slots__ = ("_completions", "_last", "_opened", "_skip_first", "shared", "total", "weights")

    def __init__(
        self, weights: Sequence[int], count: int | None, shared: Sequence[Shared] = ()
    ) -> None:
        self.weights = tuple(weights)
        self.shared = tuple(shared)
        self._skip_first = count is None
        self._opened = tuple(
            tuple(s for s, (when, _) in enumerate(shared) if i in when)
            for i in range(len(self.weights))
        )
        self._last = tuple(when[-1] for when, _ in shared)
        self._completions = self._count(-1 if count is None else count)
        (self.total,) = self._completions[0].values()

    def find(self, number: int) -> tuple[Taken, int]:
        taken: list[int] = []
        (state,) = self._completions[0]
        fillings = 1
        for i in range(len(self.weights)):
            skipped, added = self._block(i, state, fillings)
            ahead = skipped if self._skip_first else added
            in_first = number < ahead
            number -= 0 if in_first else ahead
            if in_first is self._skip_first:
                state = self._next(i, state, take=False)
            else:
                fillings *= self._factor(i, state)
                state = self._next(i, state, take=True)
                taken.append(i)
        return tuple(taken), number

    def start(self, taken: Taken) -> int:
        members = frozenset(taken)
        (state,) = self._completions[0]
        fillings, number = 1, 0
        for i in range(len(self.weights)):
            skipped, added = self._block(i, state, fillings)
            take = i in members
            if take is self._skip_first:
                number += skipped if take else added
            if take:
                fillings *= self._factor(i, state)
            state = self._next(i, state, take=take)
        return number

    def _block(self, i: int, state: State, fillings: int) -> tuple[int, int]:
        """How many numbers go to the takes without, and with, alternative i."""
        after = self._completions[i + 1]
        skipped = after.get(self._next(i, state, take=False), 0)
        added = after.get(self._next(i, state, take=True), 0) if state[0] else 0
        return fillings * skipped, fillings * self._factor(i, state) * added if added else 0

    def _factor(self, i: int, state: State) -> int:
        opened = (self.shared[s][1] for s in self._opened[i] if s not in state[1])
        return self.weights[i] * prod(opened) if self._opened[i] else self.weights[i]

    def _next(self, i: int, state: State, *, take: bool) -> State:
        left, active = state
        if take:
            left = left - 1 if left > 0 else left
            active = active.union(self._opened[i]) if self._opened[i] else active
        if active:
            active = frozenset(s for s in active if self._last[s] > i)
        return left, active

    def _count(self, left: int) -> list[dict[State, int]]:
        """For each position and each state that can be reached, the weight of what follows."""
        levels: list[dict[State, int]] = [{(left, frozenset()): 0}]
        states = 0
        for i in range(len(self.weights)):
            following: dict[State, int] = {}
            for state in levels[-1]:
                if state[0] < len(self.weights) - i:
                    following[self._next(i, state, take=False)] = 0
                if state[0]:
                    following[self._next(i, state, take=True)] = 0
            states += len(following)
            if states > MAX_STATES:
                raise fault(
                    "E0520",
                    "the architectures under a set of alternatives cannot be counted",
                    found=f"more than {MAX_STATES:,} cases",
                    expected="fewer alternatives, or fewer cells shared between them",
                    hint="use a block inside the alternatives: it is decided anew at every use",
                )
            levels.append(following)
        for state in levels[-1]:
            levels[-1][state] = int(state[0] <= 0)
        for i in reversed(range(len(self.weights))):
            for state in levels[i]:
                after = levels[i + 1]
                total = after.get(self._next(i, state, take=False), 0)
                if state[0]:
                    added = after.get(self._next(i, state, take=True), 0)
                    total += self._factor(i, state) * added
                levels[i][state] = total
        return levels
