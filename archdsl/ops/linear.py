"""The fully connected layer: `linear`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Elastic, Operation, Traits, Types
from archdsl.ops.shapes import at_least, axes, option
from archdsl.ops.sharing import helpers, shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Operation):
    """A linear map over the last axis of a vector or of tokens."""

    keyword = "linear"
    attribute = "linear"
    helpers = helpers("ElasticLinear")

    features: int
    bias: bool = True

    def __post_init__(self) -> None:
        at_least("linear", "features", self.features, 1)

    def infer(self, inputs: Types) -> TensorType:
        hint = "put global_pool before it, or use conv(features) at every position"
        shape = axes("linear", inputs, 1, 2, hint=hint)
        return TensorType((*shape[:-1], self.features))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        weight = Weight(name="weight", shape=(self.features, inputs[0].channels))
        return (weight, Weight(name="bias", shape=(self.features,))) if self.bias else (weight,)

    def macs(self, inputs: Types) -> int:
        return inputs[0].elements * self.features

    def code(self, inputs: Types) -> Code:
        channels = inputs[0].channels
        square = channels == self.features
        return Code(
            constructor="nn.Linear",
            arguments=(
                Argument(channels, "dim" if square else "in_features"),
                Argument(self.features, "dim" if square else "out_features"),
                *option("bias", self.bias, True),
            ),
        )

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        return shared(self, inputs, "ElasticLinear", features="features")

    def traits(self, inputs: Types) -> Traits:
        linear = not self.bias
        return Traits(linear=linear, affine=True, zero=linear, per_position=True)
