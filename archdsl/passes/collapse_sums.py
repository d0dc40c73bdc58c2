"""Chains and sums of linear maps along one axis, as one matrix for each value they start from.

W1 x + W2 x                  -> (W1 + W2) x
x + W x                      -> (1 + W) x
W2 (pool(W1 x) + x)          -> (W2 (P W1 + 1)) x
mean(W2 W1 x, W3 y)          -> (W2 W1 / 2) x + (W3 / 2) y

What a matrix behind an operation is in front of it, `matrices` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from archdsl.ir.graph import Graph, Path
from archdsl.ops.base import Axis
from archdsl.ops.fused import Average
from archdsl.ops.joins import Mean, Sum
from archdsl.passes.draft import Draft, Rewrite, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.laws import TOTAL, identity
from archdsl.passes.matrices import (
    Behind,
    Front,
    Matrix,
    as_weight,
    before,
    length,
    operation_of,
    shifted,
)
from archdsl.passes.weights import LONGEST, Source, names_in, size_of


def collapse_sums(graph: Graph, modules: Modules) -> Rewrite:
    """Multiply and add the matrices on all ways to a value, where that is less work than the ways.

    For deployment: training would move the product otherwise than its factors. What something
    else reads on the way stays, and the matrices end there.
    """
    collapse = _Collapse(graph, modules)
    for position in reversed(collapse.order):
        any(collapse.at(position, axis) for axis in Axis)  # the first axis that pays
    return collapse.draft.finish()


@dataclass(frozen=True, slots=True)
class _State:
    """A value as matrices of others, and what that saves."""

    matrices: Mapping[int, Matrix]
    absorbed: tuple[int, ...] = ()
    saved: tuple[int, int] = (0, 0)
    """MACs, and operations."""


class _Collapse:
    """A graph under collapse: who reads what by now."""

    def __init__(self, graph: Graph, modules: Modules) -> None:
        self.draft = Draft(graph, modules)
        self.order = self.draft.live()
        self.place = {position: i for i, position in enumerate(self.order)}
        self.readers = {value: Counter(takers) for value, takers in self.draft.consumers().items()}
        self.uses = Counter(node.path for node in graph.nodes if node.path)
        self.gone: set[int] = set()

    def at(self, root: int, axis: Axis) -> bool:
        """Collapse what leads to a value; whether that paid."""
        type_ = self.draft.nodes[root].type if len(self.draft.nodes[root].types) == 1 else None
        if root in self.gone or type_ is None:
            return False
        if axis is Axis.POSITIONS and len(type_.shape) != 3:
            return False
        best = _Region(self, root, axis).best()
        if best is None:
            return False
        self._write(root, axis, best)
        return True

    def _write(self, root: int, axis: Axis, state: _State) -> None:
        """The matrices as operations, and their sum, in place of the value."""
        draft, shift = self.draft, self._shift(axis, state)
        free = self._free(state)
        terms: list[int] = []
        for source, matrix in sorted(state.matrices.items(), key=lambda item: self.place[item[0]]):
            if matrix is None:
                terms.append(source)
                continue
            operation = operation_of(axis, draft.nodes[root].type, bias=shift is not None)
            path = self._name(source, free, operation.attribute)
            draft.rows[weight_name(path, "weight")] = as_weight(operation, matrix)
            if shift is not None:
                draft.rows[weight_name(path, "bias")] = shift
                shift = None
            terms.append(draft.add(operation, (source,), path, root))
        made = terms[0]
        if len(terms) > 1:
            made = draft.add(Sum(), tuple(terms), draft.fresh(Sum.attribute), root)
        self.gone.update(state.absorbed)
        for source in state.matrices:
            self.readers[source][made] += 1  # something that stays
        draft.replace(root, made)

    def _shift(self, axis: Axis, state: _State) -> Source | None:
        """What the value is where those that it is made of are zero."""
        shifts: dict[int, Source | None] = dict.fromkeys(state.matrices)
        for position in reversed(state.absorbed):
            front = before(Behind(self.draft, position, axis, None))
            assert front is not None
            shifts[position] = shifted(front, [shifts[a] for a in self.draft.args(position)])
        return shifts[state.absorbed[0]]

    def _free(self, state: _State) -> list[int]:
        """The nodes taken in whose weights nothing else uses: their names can be had."""
        taken = Counter(self.draft.nodes[position].path for position in state.absorbed)
        return [
            position
            for position in sorted(state.absorbed, key=self.place.__getitem__)
            if not self.draft.weightless(position)
            and taken.pop(path := self.draft.nodes[position].path, 0) == self.uses[path]
        ]

    def _name(self, source: int, free: list[int], stem: str) -> Path:
        """The name of a node that is gone, best of one that took the value, or a new one."""
        if not free:
            return self.draft.fresh(stem)
        near = next((p for p in free if source in self.draft.args(p)), free[0])
        free.remove(near)
        return self.draft.nodes[near].path


class _Region:
    """What leads to one value along one axis, taken in from the end."""

    def __init__(self, collapse: _Collapse, root: int, axis: Axis) -> None:
        self.collapse, self.draft, self.root, self.axis = collapse, collapse.draft, root, axis
        self.macs = self.operations = 0
        """Of what was taken in."""

    def best(self) -> _State | None:
        """The state that saves most; None where none saves anything."""
        state = best = _State({self.root: None})
        waiting = [-self.collapse.place[self.root]]
        while waiting:  # the last in the graph first, so that all that reads it is in
            position = self.collapse.order[-heappop(waiting)]
            found = self._inside(state, position)
            if found is None:
                continue
            for argument in found.matrices.keys() - state.matrices.keys():
                heappush(waiting, -self.collapse.place[argument])
            state = found
            if state.saved > best.saved and _can_be_written(state):
                best = state
        return best if best.saved > (0, 0) else None

    def _inside(self, state: _State, position: int) -> _State | None:
        """The state with one more node taken in; None where it has to stay outside."""
        readers = self.collapse.readers.get(position, Counter())
        inside = position == self.root or all(
            reader in self.collapse.gone or reader in state.absorbed for reader in readers
        )
        if not inside:
            return None
        front = before(Behind(self.draft, position, self.axis, state.matrices[position]))
        if front is None:
            return None
        after = self._taken_in(state, position, front)
        if sum(1 if m is None else size_of(m) for m in after.matrices.values()) > LONGEST:
            return None
        own = self._own(position)
        work = sum(self._work(value, matrix) for value, matrix in after.matrices.items())
        operations = self.operations + self._steps(position)
        saved = self.macs + own - work, operations - _operations(after)
        if own and saved[0] < state.saved[0]:
            return None  # a bottleneck: one matrix for both sides would be more work
        self.macs, self.operations = self.macs + own, operations
        return replace(after, saved=saved)

    def _taken_in(self, state: _State, position: int, front: Front) -> _State:
        matrices = {value: m for value, m in state.matrices.items() if value != position}
        for argument, matrix in zip(self.draft.args(position), front.matrices, strict=True):
            if argument in matrices:
                size = length(self.axis, self.draft.nodes[argument].type)
                matrix = _added(matrices[argument], matrix, size)
            matrices[argument] = matrix
        return _State(matrices, (*state.absorbed, position))

    def _own(self, position: int) -> int:
        operation = self.draft.operation(position)
        return operation.macs(self.draft.inputs(position)) if operation else 0

    def _steps(self, position: int) -> int:
        """How often a node goes through a value: once, or for each term that a join adds."""
        match self.draft.operation(position):
            case Sum():
                return len(self.draft.args(position)) - 1
            case Mean() | Average():
                return len(self.draft.args(position))
            case _:
                return 1

    def _work(self, source: int, matrix: Matrix) -> int:
        """MACs of a matrix of a value."""
        if matrix is None:
            return 0
        result = self.draft.nodes[self.root].type
        inputs = (self.draft.nodes[source].type,)
        return operation_of(self.axis, result, bias=False).macs(inputs)


def _added(one: Matrix, other: Matrix, size: int) -> Source:
    """The sum of two matrices of one value."""
    return TOTAL(*[identity(size) if matrix is None else matrix for matrix in (one, other)])


def _operations(state: _State) -> int:
    """How many operations a state is: its matrices, and the additions between them."""
    matrices = sum(matrix is not None for matrix in state.matrices.values())
    return matrices + len(state.matrices) - 1


def _can_be_written(state: _State) -> bool:
    """Whether there are matrices, and each is made of weights: fixed numbers alone are none."""
    matrices = [matrix for matrix in state.matrices.values() if matrix is not None]
    return bool(matrices) and all(any(names_in(matrix)) for matrix in matrices)
