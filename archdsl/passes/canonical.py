"""Canonical labelling: one text for all graphs that are isomorphic.

Values that one other value reads, once, are parts of that value: only those that are shared are
told apart by more than what they are. Colours are refined from above and below until they
settle; where several shared values still look alike, one is singled out and the search branches
(McKay and Piperno, "Practical graph isomorphism, II", 2014, in its simplest form). Branches that
an automorphism maps to one already seen are cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from typing import NamedTuple, TypeAlias

Certificate: TypeAlias = tuple[int, ...]
Leaves: TypeAlias = dict[Certificate, list[int]]
"""Graphs written down, with the order of shared vertices that gave each."""
Automorphism: TypeAlias = dict[int, int]

MASK = (1 << 64) - 1
ODD = 0x9E3779B97F4A7C15
MAX_LEAVES = 2000
"""Graphs that need more are beyond what people write; the best found so far is taken then."""
END, KNOWN, TIMES = -1, -2, -3
"""In a certificate: the end of a value's arguments, before the number of a shared value, and
before how often a value takes each argument."""


class Vertex(NamedTuple):
    """One value: what computes it (`label`, not negative), from what, with which weights.

    `ordered`: whether the order of the arguments matters. `tie` numbers weights that several
    vertices share; -1 where a vertex has none or its own. `times`: how often each argument is
    taken where order does not matter; empty where each is once.
    """

    label: int
    args: tuple[int, ...] = ()
    ordered: bool = True
    tie: int = -1
    times: tuple[int, ...] = ()


def certificate(vertices: Sequence[Vertex], outputs: Sequence[int]) -> Certificate:
    """What all graphs isomorphic to this one have in common, and no other.

    `vertices` are in topological order and all needed by `outputs`. Renaming ties and
    reordering vertices or unordered arguments does not change the result.
    """
    return _Search(vertices, outputs).run()


def _mix(first: int, second: int) -> int:
    """A 64-bit number from two: the same on every machine, unlike `hash`."""
    value = (first ^ (second * ODD + 0x632BE59BD9B4E019)) & MASK
    value = (value ^ (value >> 29)) * 0xBF58476D1CE4E5B9 & MASK
    return value ^ (value >> 32)


def _digits(number: int) -> list[int]:
    """A positive number in parts of 64 bits: Python writes no integer of thousands of digits."""
    if number <= MASK:
        return [number]
    return [number >> low & MASK for low in range(0, number.bit_length(), 64)]


def _counts(times: Sequence[int]) -> list[int]:
    """How often arguments are taken, in a certificate."""
    row = [TIMES, len(times)]
    for digits in map(_digits, times):
        row.append(len(digits))
        row += digits
    return row


@lru_cache(maxsize=1024)
def _weight(times: int) -> int:
    """What tells a value taken so often from others; 0 for once."""
    return reduce(_mix, _digits(times), ODD) if times > 1 else 0


@dataclass(slots=True, eq=False)
class _Search:
    vertices: Sequence[Vertex]
    outputs: Sequence[int]
    takers: list[list[tuple[int, int]]] = field(init=False)
    ties: list[list[int]] = field(init=False)
    shared: list[int] = field(init=False)
    """Vertices that are read several times, or from outside, or share weights."""
    is_shared: list[bool] = field(init=False)
    weights: dict[int, list[int]] = field(default_factory=dict)
    """For vertices with `times`: what they amount to in colours."""
    leaves: int = 0

    def __post_init__(self) -> None:
        self.takers = [[] for _ in self.vertices]
        tied: dict[int, list[int]] = {}
        for number, vertex in enumerate(self.vertices):
            for argument, place in zip(vertex.args, self._places(number, vertex), strict=True):
                self.takers[argument].append((number, place))
            if vertex.tie >= 0:
                tied.setdefault(vertex.tie, []).append(number)
        self.ties = [users for users in tied.values() if len(users) > 1]
        apart = {user for users in self.ties for user in users} | set(self.outputs)
        self.is_shared = [
            len(taken) != 1 or number in apart for number, taken in enumerate(self.takers)
        ]
        self.shared = [number for number, is_shared in enumerate(self.is_shared) if is_shared]

    def _places(self, number: int, vertex: Vertex) -> Sequence[int]:
        """What tells the arguments of a value apart, seen from them."""
        if vertex.ordered:
            return [(place + 1) * ODD for place in range(len(vertex.args))]
        if not vertex.times:
            return [0] * len(vertex.args)
        weights = self.weights[number] = [_weight(times) for times in vertex.times]
        return weights

    def run(self) -> Certificate:
        colours = [_mix(ODD, vertex.label) for vertex in self.vertices]
        for place, output in enumerate(self.outputs):
            colours[output] = _mix(colours[output], place + 1)
        return min(self._explore(colours, ())[0])

    def _explore(
        self, colours: list[int], above: tuple[int, ...]
    ) -> tuple[Leaves, list[Automorphism]]:
        """The leaves below these colours, one of each that automorphisms make equal.

        `above` are the vertices singled out so far. Only automorphisms that keep them count
        here; a vertex that these map to one explored already need not be looked at.
        """
        cell = self._settle(colours)
        if cell is None:
            return dict([self._leaf(colours)]), []
        found, moves = self._explore(_single_out(colours, cell[0]), (*above, cell[0]))
        explored = [cell[0]]
        for vertex in cell[1:]:
            if self.leaves > MAX_LEAVES:
                break
            if not _orbit(vertex, moves).isdisjoint(explored):
                continue
            form, order = self._first_leaf(_single_out(colours, vertex))
            move = dict(zip(found.get(form, ()), order, strict=False))
            if move and all(move[kept] == kept for kept in above):
                moves.append(move)
            else:
                leaves, inner = self._explore(_single_out(colours, vertex), (*above, vertex))
                found |= leaves
                moves += inner
            explored.append(vertex)
        return found, moves

    def _first_leaf(self, colours: list[int]) -> tuple[Certificate, list[int]]:
        while (cell := self._settle(colours)) is not None:
            colours = _single_out(colours, cell[0])
        return self._leaf(colours)

    def _settle(self, colours: list[int]) -> list[int] | None:
        """Refine in place; the shared vertices to choose from, None where all differ."""
        before = 0
        while True:
            self._sweep(colours)
            count = len({colours[number] for number in self.shared})
            if count == len(self.shared):
                return None
            if count == before:
                break
            before = count
        cells: dict[int, list[int]] = {}
        for vertex in self.shared:
            cells.setdefault(colours[vertex], []).append(vertex)
        choices = [(len(cell), colour) for colour, cell in cells.items() if len(cell) > 1]
        return cells[min(choices)[1]]

    def _sweep(self, colours: list[int]) -> None:
        """Every colour takes up those below, then those it is tied to, then those above."""
        self._below(colours)
        for users in self.ties:
            together = sum(colours[user] * (colours[user] | 1) for user in users)
            for user in users:
                colours[user] = _mix(colours[user], together)
        for number in range(len(colours) - 1, -1, -1):
            above = 0
            for taker, place in self.takers[number]:
                value = (colours[taker] ^ place) * ODD & MASK
                above += (value ^ (value >> 31)) * value
            colours[number] = _mix(colours[number], above)

    def _below(self, colours: list[int]) -> None:
        for number, (_, args, ordered, _, times) in enumerate(self.vertices):
            below = 0
            if ordered:
                for argument in args:
                    below = (below ^ colours[argument]) * ODD & MASK
                    below ^= below >> 31
            elif times:
                for argument, weight in zip(args, self.weights[number], strict=True):
                    value = (colours[argument] ^ weight) * ODD & MASK
                    below += (value ^ (value >> 31)) * value
            else:  # a sum, so that no order enters
                for argument in args:
                    value = colours[argument] * ODD & MASK
                    below += (value ^ (value >> 31)) * value
            colours[number] = _mix(colours[number], below)

    # --- written down --------------------------------------------------------------------------

    def _leaf(self, colours: list[int]) -> tuple[Certificate, list[int]]:
        """The graph written down in the order of its colours, and that order."""
        self.leaves += 1
        ranks = self._ranks(colours)
        order = sorted(self.shared, key=colours.__getitem__)
        number = {vertex: place for place, vertex in enumerate(order)}
        first_user = {
            user: min(number[other] for other in users) for users in self.ties for user in users
        }
        rows = [len(self.outputs), *(number[output] for output in self.outputs)]
        for vertex in order:
            rows += (KNOWN, first_user.get(vertex, -1))
            rows += self._written(vertex, number, ranks)
        return tuple(rows), order

    def _ranks(self, colours: list[int]) -> Sequence[int] | Sequence[tuple[int, int]]:
        """Colours that are equal only for values that are written alike.

        Refinement ends when all shared values differ. Parts of a value may look alike then and
        yet take different ones of these; what stands below them tells them apart.
        """
        if len(set(colours)) == len(colours):
            return colours
        told = list(colours)
        self._below(told)
        return list(zip(colours, told, strict=True))

    def _written(
        self, vertex: int, number: dict[int, int], ranks: Sequence[int] | Sequence[tuple[int, int]]
    ) -> Iterator[int]:
        """A value with all that belongs to it alone: label, arguments, END."""
        stack = [vertex]
        first = True
        while stack:
            at = stack.pop()
            if at == END:
                yield END
            elif self.is_shared[at] and not first:
                yield KNOWN
                yield number[at]
            else:
                first = False
                label, args, ordered, _, times = self.vertices[at]
                yield label
                stack.append(END)
                if ordered:
                    stack += reversed(args)
                elif times:
                    pairs = sorted(
                        zip(args, times, strict=True), key=lambda pair: (ranks[pair[0]], pair[1])
                    )
                    yield from _counts([often for _, often in reversed(pairs)])
                    stack += [argument for argument, _ in pairs]
                else:
                    stack += sorted(args, key=ranks.__getitem__)


def _single_out(colours: list[int], vertex: int) -> list[int]:
    result = list(colours)
    result[vertex] = _mix(result[vertex], 0x5EED)
    return result


def _orbit(vertex: int, moves: Sequence[Automorphism]) -> set[int]:
    """Where automorphisms, one after another, can map a vertex to."""
    reached, stack = {vertex}, [vertex]
    while stack:
        at = stack.pop()
        for move in moves:
            if move[at] not in reached:
                reached.add(move[at])
                stack.append(move[at])
    return reached
