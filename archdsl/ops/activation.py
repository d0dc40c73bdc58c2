"""Activations: one function on every element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ir.types import TensorType
from archdsl.ops.base import Code, Operation, Traits, Types
from archdsl.ops.shapes import only


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Operation):
    """What the activations share; `module` and `function` are their names in torch."""

    module: ClassVar[str]
    function: ClassVar[str]
    zero: ClassVar[bool] = True

    def infer(self, inputs: Types) -> TensorType:
        return only(self.keyword, inputs)

    def code(self, inputs: Types) -> Code:
        return Code(constructor=self.module, expression=f"{self.function}({{0}})")

    def traits(self, inputs: Types) -> Traits:
        return Traits(zero=self.zero, per_channel=True, per_position=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReLU(Activation):
    """max(x, 0)."""

    keyword = attribute = "relu"
    module, function = "nn.ReLU", "F.relu"


@dataclass(frozen=True, slots=True, kw_only=True)
class GELU(Activation):
    """x times the normal distribution function at x, exact (Hendrycks and Gimpel, 2016)."""

    keyword = attribute = "gelu"
    module, function = "nn.GELU", "F.gelu"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiLU(Activation):
    """x times the sigmoid of x, also called swish."""

    keyword = attribute = "silu"
    module, function = "nn.SiLU", "F.silu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    keyword = attribute = "sigmoid"
    module, function = "nn.Sigmoid", "torch.sigmoid"
    zero = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tanh(Activation):
    """The hyperbolic tangent."""

    keyword = attribute = "tanh"
    module, function = "nn.Tanh", "torch.tanh"
