"""The two operations that need no computation: `id` and `none`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archdsl.ir.types import TensorType
from archdsl.ops.base import Code, Operation, Traits, Types
from archdsl.ops.growth import ANYTHING, Interval
from archdsl.ops.shapes import only


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Operation):
    """The input itself."""

    keyword = "id"
    attribute = "identity"
    unchanged = ANYTHING

    def infer(self, inputs: Types) -> TensorType:
        return only("id", inputs)

    def code(self, inputs: Types) -> Code:
        return Code(constructor="nn.Identity", expression="{0}")

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero(Operation):
    """Zeros in the shape of the input: an edge that is not there."""

    keyword = "none"
    attribute = "none"

    def infer(self, inputs: Types) -> TensorType:
        return only("none", inputs)

    def code(self, inputs: Types) -> Code:
        return Code(expression="torch.zeros_like({0})")

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return Interval(0.0, 0.0)

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=True)
