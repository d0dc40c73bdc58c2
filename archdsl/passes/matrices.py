"""What a matrix behind an operation is in front of it: the algebra of maps along one axis.

M (a + b) / n    -> (M / n) a + (M / n) b
M (W x + v)      -> (M W) x + M v            v is passed on by `shifted`
M (P x)          -> (M P) x                  P fixed numbers, as of a mean of neighbours
M (s x)          -> (s M) x                  s one number
M (f x + v)      -> (M diag f) x + M v       f a factor for each channel
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archdsl.ir.types import TensorType
from archdsl.ops.base import Axis, AxisMap, Operation
from archdsl.ops.convolution import Conv
from archdsl.ops.fused import Average
from archdsl.ops.joins import Mean, Sum
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import TokensLinear
from archdsl.passes.draft import Draft, weight_name
from archdsl.passes.laws import (
    COLUMNS,
    DIAGONAL,
    GATED,
    KERNEL,
    MATRIX,
    SUM,
    THROUGH,
    composed,
    factor_of,
    fixed,
    identity,
    shift_of,
    times,
)
from archdsl.passes.weights import Keep, Source

Matrix: TypeAlias = Source | None
"""A matrix along an axis; None changes nothing, and costs nothing."""


@dataclass(frozen=True, slots=True)
class Behind:
    """A node, and the matrix that its result goes through."""

    draft: Draft
    position: int
    axis: Axis
    matrix: Matrix

    @property
    def size(self) -> int:
        """The length of the node's result along the axis."""
        return length(self.axis, self.draft.nodes[self.position].type)

    @property
    def some(self) -> Source:
        """The matrix, written out where it is none."""
        return identity(self.size) if self.matrix is None else self.matrix

    def weight(self, name: str) -> Source:
        """A weight of the node."""
        return Keep(weight_name(self.draft.nodes[self.position].path, name))

    def of(self, other: Source) -> Source:
        """The matrix of this one behind another."""
        return other if self.matrix is None else composed((1, 1))(self.matrix, other)


@dataclass(frozen=True, slots=True)
class Front:
    """The matrices of a node's arguments, and what the node itself adds to them."""

    matrices: tuple[Matrix, ...]
    shift: Source | None = None


Rule: TypeAlias = Callable[[Behind, Operation], Front | None]


def _join(behind: Behind, operation: Operation) -> Front | None:
    # M (a + b) / n = (M / n) a + (M / n) b
    count = len(behind.draft.args(behind.position))
    match operation:
        case Sum():
            return Front((behind.matrix,) * count)
        case Mean():
            return Front((times(1 / count)(behind.some),) * count)
        case Average(divisor=divisor):
            return Front((times(1 / divisor)(behind.some),) * count)
        case _:
            return None


def _along(behind: Behind, operation: Operation) -> Front | None:
    # M (W x + v) = (M W) x + M v
    inputs = behind.draft.inputs(behind.position)
    found = operation.axis_map(behind.axis, inputs)
    if found is None:
        return None
    shift = behind.weight(found.bias) if found.bias else None
    if shift and found.times > 1:
        shift = times(found.times)(shift)
    return Front((_product(behind, operation, found),), shift)


def _product(behind: Behind, operation: Operation, found: AxisMap) -> Source:
    if found.matrix:
        weight = behind.weight(found.matrix)
        return behind.of(MATRIX(weight) if isinstance(operation, Conv) else weight)
    if found.rows:
        return behind.of(fixed(found.rows, operation.describe()))
    return GATED(behind.some, behind.weight(found.gate))


def _of_channels(behind: Behind, operation: Operation) -> Front | None:
    # M (f x + v) = (M diag f) x + M v
    if behind.axis is not Axis.CHANNELS:
        return None
    affine = operation.channel_affine(behind.draft.inputs(behind.position))
    if affine is None:
        return None
    factor, shift = factor_of(affine, behind.weight), shift_of(affine, behind.weight)
    matrix = behind.matrix
    if factor:
        matrix = COLUMNS(matrix, factor) if matrix else DIAGONAL(factor)
    return Front((matrix,), shift)


RULES: tuple[Rule, ...] = (_join, _along, _of_channels)


def before(behind: Behind) -> Front | None:
    """What a matrix behind a node is in front of it; None where the node is no such map."""
    operation = behind.draft.operation(behind.position)
    if operation is None or len(behind.draft.nodes[behind.position].types) != 1:
        return None
    return next((found for rule in RULES if (found := rule(behind, operation))), None)


def shifted(front: Front, shifts: Sequence[Source | None]) -> Source | None:
    """What a node makes of what is added to its arguments; `front` is with nothing behind it."""
    result = front.shift
    for matrix, shift in zip(front.matrices, shifts, strict=True):
        moved = THROUGH(matrix, shift) if matrix and shift else shift
        result = SUM(moved, result) if moved and result else moved or result
    return result


def length(axis: Axis, type_: TensorType) -> int:
    """How many channels or positions a value has."""
    return type_.channels if axis is Axis.CHANNELS else type_.elements // type_.channels


def operation_of(axis: Axis, result: TensorType, *, bias: bool) -> Operation:
    """The operation with a matrix along an axis whose result is of a type."""
    if axis is Axis.POSITIONS:
        return TokensLinear(bias=bias)
    if len(result.shape) == 3:
        return Conv(channels=result.channels, bias=bias)
    return Linear(features=result.channels, bias=bias)


def as_weight(operation: Operation, matrix: Source) -> Source:
    """A matrix in the shape of that operation's weight."""
    return KERNEL(matrix) if isinstance(operation, Conv) else matrix
