"""Layers whose weights are given to them: what mixtures make of several with one input.

The modules stay where they are, with their weights; these only read them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Code, Operation, Traits, Types
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.linear import Linear
from archdsl.ops.mixture import Mixture
from archdsl.ops.shapes import scalar

Layer: TypeAlias = Conv | DepthwiseConv | Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeight(Operation):
    """The weight or the bias of a layer on values of the type `source`, not applied to any.

    `margin`: rows and columns of zeros around the kernel, on each side.
    """

    keyword = "layer_weight"
    attribute = "kernel"
    arity: ClassVar[int | None] = 0
    batched = False

    layer: Layer
    source: TensorType
    name: str = "weight"
    margin: tuple[int, int] = (0, 0)

    def infer(self, inputs: Types) -> TensorType:
        (shape,) = (weight.shape for weight in self.weights(()) if weight.name == self.name)
        if len(shape) < 4:
            return TensorType(shape)
        (height, width), (above, beside) = shape[2:], self.margin
        return TensorType((*shape[:2], height + 2 * above, width + 2 * beside))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.layer.weights((self.source,))

    def code(self, inputs: Types) -> Code:
        made, value = self.layer.code((self.source,)), f"{{self}}.{self.name}"
        above, beside = self.margin
        if above or beside:
            value = f"F.pad({value}, {(beside, beside, above, above)})"
        return Code(constructor=made.constructor, arguments=made.arguments, expression=value)

    def describe(self) -> str:
        return self.layer.describe() if self.name == "weight" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedWeight(Mixture):
    """The sum of weights of layers, each times its gate."""

    keyword = "mixed_weight"
    attribute = "kernel"
    batched = False

    def code(self, inputs: Types) -> Code:
        note = "for the sum of their results: the layers are linear"
        return replace(Mixture.code(self, inputs), note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenWeights(Operation):
    """A layer that takes its weight, and its bias where it has one, as its last inputs."""

    keyword = "given_weights"
    attribute = "mixed"
    arity: ClassVar[int | None] = None

    layer: Conv | Linear

    def infer(self, inputs: Types) -> TensorType:
        return self.layer.infer(inputs[:1])

    def macs(self, inputs: Types) -> int:
        return self.layer.macs(inputs[:1])

    def code(self, inputs: Types) -> Code:
        layer = self.layer
        if isinstance(layer, Linear):
            return Code(expression="F.linear({all})")
        options = {
            "stride": (scalar(layer.stride), 1),
            "padding": (scalar(layer.padding), 0),
            "dilation": (layer.d, 1),
            "groups": (layer.groups, 1),
        }
        said = [f"{name}={value}" for name, (value, usual) in options.items() if value != usual]
        return Code(expression=f"F.conv2d({', '.join(('{all}', *said))})")

    def traits(self, inputs: Types) -> Traits:
        return replace(self.layer.traits(inputs[:1]), linear=False, zero=False)
