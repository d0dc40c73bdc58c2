"""The fully connected layer: `linear`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import (
    Argument,
    Axis,
    AxisMap,
    Code,
    Elastic,
    Operation,
    Traits,
    Types,
)
from archdsl.ops.growth import EYE, ZERO, Along, Start
from archdsl.ops.rounding import ROUNDING, check_bits, in_words, rounded, rounded_traits
from archdsl.ops.shapes import at_least, axes, option
from archdsl.ops.sharing import helpers, shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Operation):
    """A linear map over the last axis of a vector or of tokens."""

    keyword = "linear"
    attribute = "linear"
    helpers = (*helpers("ElasticLinear"), *ROUNDING)
    widths = ("features",)

    features: int
    bias: bool = True
    weight_bits: int | None = None
    input_bits: int | None = None

    def __post_init__(self) -> None:
        check_bits("linear", self.weight_bits, self.input_bits)
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
        code = Code(
            constructor="nn.Linear",
            arguments=(
                Argument(channels, "dim" if square else "in_features"),
                Argument(self.features, "dim" if square else "out_features"),
                *option("bias", self.bias, True),
            ),
        )
        return rounded(code, self.weight_bits, self.input_bits)

    def smooth(self) -> Linear:
        return replace(self, weight_bits=None, input_bits=None)

    def biased(self, inputs: Types) -> Linear | None:
        rounds = self.weight_bits is not None or self.input_bits is not None
        return None if rounds else replace(self, bias=True)

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap | None:
        if axis is not Axis.CHANNELS or self.biased(inputs) is None:
            return None
        return AxisMap(matrix="weight", bias="bias" if self.bias else "")

    def reads_whole(self, inputs: Types) -> bool:
        return True

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        if self.weight_bits is not None or self.input_bits is not None:
            return None
        return shared(self, inputs, "ElasticLinear", features="features")

    def traits(self, inputs: Types) -> Traits:
        linear = not self.bias
        traits = Traits(linear=linear, affine=True, zero=linear, per_position=True, fresh=True)
        return rounded_traits(traits, inputs, self.input_bits)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]] | None:
        if self.biased(inputs) is None:
            return None
        return {"weight": (Along.OUTPUTS, Along.INPUTS), "bias": (Along.OUTPUTS,)}

    def wider(self, inputs: Types, channels: int) -> Linear | None:
        return None if self.biased(inputs) is None else replace(self, features=channels)

    def identity(self, inputs: Types) -> Mapping[str, Start] | None:
        square = self.features == inputs[0].channels and self.biased(inputs) is not None
        return {"weight": EYE, "bias": ZERO} if square else None

    def describe(self) -> str:
        return in_words("linear", self.weight_bits, self.input_bits)
