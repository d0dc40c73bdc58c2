"""Canonical labelling of small graphs: equal results exactly for graphs that are isomorphic.

Colours are refined from above and below until they settle; where several vertices still look
alike, one is singled out and the search branches (McKay and Piperno, "Practical graph
isomorphism, II", 2014, in its simplest form). Branches that an automorphism maps to one
already seen are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Certificate: TypeAlias = tuple[object, ...]
Leaves: TypeAlias = dict[Certificate, list[int]]
"""Graphs written down, with the order of vertices that gave each."""
Automorphism: TypeAlias = dict[int, int]

MASK = (1 << 64) - 1
MAX_LEAVES = 2000
"""Graphs that need more are beyond what people write; the best found so far is taken then."""


@dataclass(slots=True, eq=False)
class Vertex:
    """One value: what computes it (`label`), from what, with which weights.

    `ordered`: whether the order of the arguments matters. `tie` numbers weights that several
    vertices share; -1 where a vertex has none or its own.
    """

    label: int
    args: tuple[int, ...] = ()
    ordered: bool = True
    tie: int = -1


def certificate(vertices: Sequence[Vertex], outputs: Sequence[int]) -> Certificate:
    """What all graphs isomorphic to this one have in common, and no other.

    `vertices` are in topological order and all needed by `outputs`. Renaming ties and
    reordering vertices or unordered arguments does not change the result.
    """
    return _Search(vertices, outputs).run()


def mix(first: int, second: int) -> int:
    """A 64-bit number from two: the same on every machine, unlike `hash`."""
    value = (first ^ (second * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019)) & MASK
    value = (value ^ (value >> 29)) * 0xBF58476D1CE4E5B9 & MASK
    return value ^ (value >> 32)


@dataclass(slots=True, eq=False)
class _Search:
    vertices: Sequence[Vertex]
    outputs: Sequence[int]
    takers: list[list[tuple[int, int]]] = field(init=False)
    ties: list[list[int]] = field(init=False)
    leaves: int = 0

    def __post_init__(self) -> None:
        self.takers = [[] for _ in self.vertices]
        tied: dict[int, list[int]] = {}
        for number, vertex in enumerate(self.vertices):
            for place, argument in enumerate(vertex.args):
                self.takers[argument].append((number, place + 1 if vertex.ordered else 0))
            if vertex.tie >= 0:
                tied.setdefault(vertex.tie, []).append(number)
        self.ties = [users for users in tied.values() if len(users) > 1]

    def run(self) -> Certificate:
        colours = [vertex.label for vertex in self.vertices]
        for place, output in enumerate(self.outputs):
            colours[output] = mix(colours[output], place + 1)
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
        """Refine in place; the vertices to choose from, None where all differ."""
        before = 0
        while True:
            self._sweep(colours)
            count = len(set(colours))
            if count == len(colours):
                return None
            if count == before:
                break
            before = count
        cells: dict[int, list[int]] = {}
        for vertex, colour in enumerate(colours):
            cells.setdefault(colour, []).append(vertex)
        choices = [(len(cell), colour) for colour, cell in cells.items() if len(cell) > 1]
        return cells[min(choices)[1]]

    def _sweep(self, colours: list[int]) -> None:
        for number, vertex in enumerate(self.vertices):
            below = [colours[argument] for argument in vertex.args]
            if not vertex.ordered:
                below.sort()
            colour = colours[number]
            for argument in below:
                colour = mix(colour, argument)
            colours[number] = colour
        for users in self.ties:
            together = 1
            for colour in sorted(colours[user] for user in users):
                together = mix(together, colour)
            for user in users:
                colours[user] = mix(colours[user], together)
        for number in range(len(colours) - 1, -1, -1):
            above = sorted(mix(colours[taker], place) for taker, place in self.takers[number])
            colour = colours[number]
            for taker in above:
                colour = mix(colour, taker)
            colours[number] = colour

    def _leaf(self, colours: list[int]) -> tuple[Certificate, list[int]]:
        """The graph written down in the order of its colours, and that order."""
        self.leaves += 1
        order = sorted(range(len(colours)), key=colours.__getitem__)
        number = [0] * len(order)
        for place, name in enumerate(order):
            number[name] = place
        first_user = {user: min(number[u] for u in users) for users in self.ties for user in users}
        rows: list[object] = []
        for name in order:
            vertex = self.vertices[name]
            args = [number[argument] for argument in vertex.args]
            if not vertex.ordered:
                args.sort()
            rows.append((vertex.label, tuple(args), first_user.get(name, -1)))
        return (tuple(number[output] for output in self.outputs), *rows), order


def _single_out(colours: list[int], vertex: int) -> list[int]:
    result = list(colours)
    result[vertex] = mix(result[vertex], 0x5EED)
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
