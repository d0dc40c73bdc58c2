"""Operations that write their result where an input was. Only passes create them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from archdsl.ir.types import TensorType
from archdsl.ops.activation import Activation
from archdsl.ops.base import Argument, Code, Operation, Traits, Types
from archdsl.ops.joins import Sum


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlace(Operation):
    """An activation that writes its result where its input was."""

    keyword = "in_place"
    manner = "in place"
    attribute = "act"

    activation: Activation

    def infer(self, inputs: Types) -> TensorType:
        return self.activation.infer(inputs)

    def code(self, inputs: Types) -> Code:
        code = self.activation.code(inputs)
        return replace(
            code,
            arguments=(*code.arguments, Argument(True, "inplace", "inplace")),
            expression=f"{code.expression.removesuffix(')')}, inplace=True)",
        )

    def smooth(self) -> Operation:
        return self.activation.smooth()

    def traits(self, inputs: Types) -> Traits:
        return self.activation.traits(inputs)

    def describe(self) -> str:
        return self.activation.describe()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddInPlace(Operation):
    """The sum of two values, where the first was."""

    keyword = "add_in_place"
    manner = "in place"
    attribute = "sum"
    arity: ClassVar[int | None] = 2

    def infer(self, inputs: Types) -> TensorType:
        return Sum().infer(inputs)

    def code(self, inputs: Types) -> Code:
        return Code(expression="{0}.add_({1})")

    def traits(self, inputs: Types) -> Traits:
        return Sum().traits(inputs)

    def describe(self) -> str:
        return Sum().describe()
