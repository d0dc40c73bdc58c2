"""Joins: operations with any number of inputs. `+` is `sum`, `*` is `product`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from archdsl.ir.types import TensorType
from archdsl.ops.base import Code, Operation, OperationError, Traits, Types
from archdsl.ops.growth import ANYTHING, Interval, Route, hull


def _some(keyword: str, inputs: Types) -> TensorType:
    if not inputs:
        raise OperationError(f"{keyword} has nothing to join", "no inputs", "at least one input")
    return inputs[0]


def _equal(keyword: str, inputs: Types) -> TensorType:
    first = _some(keyword, inputs)
    for other in inputs:
        if other != first:
            raise OperationError(
                f"the inputs of {keyword} differ in shape",
                found=f"{first} and {other}",
                expected="equal shapes",
                hint="bring them to one shape, for example with conv; a + b -> f is a + (b -> f)",
            )
    return first


def _infix(operator: str, inputs: Types) -> str:
    return f" {operator} ".join(f"{{{i}}}" for i in range(len(inputs)))


def joined_traits(inputs: Types) -> Traits:
    """The algebra of a sum: one of a single value is that value."""
    return Traits(
        linear=True,
        affine=True,
        zero=True,
        per_channel=True,
        per_position=True,
        fresh=len(inputs) > 1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Operation):
    """An operation on several values of the same kind."""

    arity: ClassVar[int | None] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Join):
    """The sum of values of one shape: `a + b`."""

    keyword = "sum"
    attribute = "sum"
    additive = True

    def infer(self, inputs: Types) -> TensorType:
        return _equal("sum", inputs)

    def code(self, inputs: Types) -> Code:
        return Code(expression=_infix("+", inputs), tight=len(inputs) == 1)

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return Interval(sum(one.low for one in inputs), sum(one.high for one in inputs))

    def traits(self, inputs: Types) -> Traits:
        return joined_traits(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean(Join):
    """The mean of values of one shape."""

    keyword = "mean"
    attribute = "mean"

    def infer(self, inputs: Types) -> TensorType:
        return _equal("mean", inputs)

    def code(self, inputs: Types) -> Code:
        if len(inputs) == 1:
            return Code(expression="{0}")
        return Code(expression=f"({_infix('+', inputs)}) / {len(inputs)}", tight=False)

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return hull(inputs)

    def traits(self, inputs: Types) -> Traits:
        return joined_traits(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Join):
    """Values side by side along the channels."""

    keyword = "concat"
    attribute = "concat"

    def infer(self, inputs: Types) -> TensorType:
        first = _some("concat", inputs)
        for other in inputs:
            if len(other.shape) != len(first.shape) or _rest(other) != _rest(first):
                raise OperationError(
                    "the inputs of concat differ in more than channels",
                    found=f"{first} and {other}",
                    expected="equal shapes but for the channels",
                    hint="bring them to one size first, for example with a stride",
                )
        channels = sum(value.channels for value in inputs)
        if len(first.shape) == 2:
            return TensorType((first.shape[0], channels))
        return TensorType((channels, *first.shape[1:]))

    def code(self, inputs: Types) -> Code:
        if len(inputs) == 1:
            return Code(expression="{0}")
        axis = 2 if len(inputs[0].shape) == 2 else 1
        return Code(expression=f"torch.cat(({{all}}), dim={axis})")

    def traits(self, inputs: Types) -> Traits:
        one = len(inputs) == 1
        return replace(joined_traits(inputs), per_channel=one)

    def routes(self, inputs: Types) -> Sequence[Route]:
        return [Route(i, c) for i, value in enumerate(inputs) for c in range(value.channels)]


def _rest(value: TensorType) -> tuple[int, ...]:
    """The axes of a value that are not its channels."""
    return value.shape[:1] if len(value.shape) == 2 else value.shape[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product(Join):
    """The product element by element: `a * b`. An axis of length 1 repeats, as in torch."""

    keyword = "product"
    attribute = "product"

    def infer(self, inputs: Types) -> TensorType:
        shape = _some("product", inputs).shape
        for other in inputs[1:]:
            pairs = tuple(zip(shape, other.shape, strict=False))
            if len(shape) != len(other.shape) or any(a != b and 1 not in (a, b) for a, b in pairs):
                raise OperationError(
                    "the inputs of product differ in shape",
                    found=f"{TensorType(shape)} and {other}",
                    expected="equal axes, or axes of length 1",
                )
            shape = tuple(max(pair) for pair in pairs)
        return TensorType(shape)

    def code(self, inputs: Types) -> Code:
        return Code(expression=_infix("*", inputs), tight=len(inputs) == 1)

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return Interval(0.0) if all(one.low >= 0 for one in inputs) else ANYTHING

    def traits(self, inputs: Types) -> Traits:
        one = len(inputs) == 1
        return Traits(
            linear=one,
            affine=one,
            zero=True,
            per_channel=len({value.channels for value in inputs}) == 1,
            per_position=len({_rest(value) for value in inputs}) == 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lerp(Join):
    """The way from the first value to the second, as far as the third says: `a + t * (b - a)`.

    The update of highway networks and gated recurrent cells, where t is a gate between 0 and 1.
    """

    keyword = "lerp"
    attribute = "lerp"
    arity: ClassVar[int | None] = 3

    def infer(self, inputs: Types) -> TensorType:
        if len(inputs) != 3:
            raise OperationError(
                "lerp takes two values and how far to go from the first to the second",
                found=f"{len(inputs)} values",
                expected="lerp(a, b, t)",
            )
        return _equal("lerp", inputs)

    def code(self, inputs: Types) -> Code:
        return Code(expression="torch.lerp({all})")

    def traits(self, inputs: Types) -> Traits:
        return Traits(zero=True, per_channel=True, per_position=True)
