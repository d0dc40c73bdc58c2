"""Activations: one function on every element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from archdsl.ir.types import TensorType
from archdsl.ops.base import Argument, Code, Operation, Traits, Types
from archdsl.ops.growth import ANYTHING, POSITIVE, Interval
from archdsl.ops.shapes import only


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Operation):
    """What the activations share; `module` and `function` are their names in torch.

    `in_place`: torch has them writing over their input; `by_result`: their gradient can be had
    from the result alone, so that this costs nothing while training.
    """

    module: ClassVar[str]
    function: ClassVar[str]
    zero: ClassVar[bool] = True
    in_place: ClassVar[bool] = False
    by_result: ClassVar[bool] = False
    relative: ClassVar[type[Activation] | None] = None
    """A similar function without kinks, where this one has some."""
    range: ClassVar[Interval] = ANYTHING
    """Between which numbers its results lie."""

    def infer(self, inputs: Types) -> TensorType:
        return only(self.keyword, inputs)

    def code(self, inputs: Types) -> Code:
        return Code(constructor=self.module, expression=f"{self.function}({{0}})")

    def smooth(self) -> Operation:
        return self.relative() if self.relative else self

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        (given,) = inputs
        passes = self.unchanged is not None and self.unchanged.holds(given)
        return given if passes else self.range

    def traits(self, inputs: Types) -> Traits:
        return Traits(zero=self.zero, per_channel=True, per_position=True)


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
    in_place = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    keyword = attribute = "sigmoid"
    module, function = "nn.Sigmoid", "torch.sigmoid"
    range = Interval(0.0, 1.0)
    zero = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tanh(Activation):
    """The hyperbolic tangent."""

    keyword = attribute = "tanh"
    module, function = "nn.Tanh", "torch.tanh"
    range = Interval(-1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReLU(Activation):
    """max(x, 0)."""

    keyword = attribute = "relu"
    module, function = "nn.ReLU", "F.relu"
    unchanged = range = POSITIVE
    in_place = by_result = True
    relative = SiLU


@dataclass(frozen=True, slots=True, kw_only=True)
class ReLU6(Activation):
    """min(max(x, 0), 6)."""

    keyword = attribute = "relu6"
    module, function = "nn.ReLU6", "F.relu6"
    unchanged = range = Interval(0.0, 6.0)
    in_place = by_result = True
    relative = SiLU


@dataclass(frozen=True, slots=True, kw_only=True)
class HardSwish(Activation):
    """x relu6(x + 3) / 6 (Howard et al., "Searching for MobileNetV3", section 5.2)."""

    keyword = attribute = "hard_swish"
    module, function = "nn.Hardswish", "F.hardswish"
    in_place = True
    relative = SiLU


@dataclass(frozen=True, slots=True, kw_only=True)
class HardSigmoid(Activation):
    """relu6(x + 3) / 6."""

    keyword = attribute = "hard_sigmoid"
    module, function = "nn.Hardsigmoid", "F.hardsigmoid"
    range = Interval(0.0, 1.0)
    in_place = True
    zero = False
    relative = Sigmoid


@dataclass(frozen=True, slots=True, kw_only=True)
class ELU(Activation):
    """x, and alpha (exp(x) - 1) where x is negative (Clevert et al., 2015)."""

    keyword = attribute = "elu"
    module, function = "nn.ELU", "F.elu"
    unchanged = POSITIVE
    in_place = True
    relative = SiLU

    alpha: float = 1.0

    def code(self, inputs: Types) -> Code:
        return _sloped(self.module, self.function, Argument(self.alpha, "alpha", "alpha"), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakyReLU(Activation):
    """x, and slope x where x is negative."""

    keyword = attribute = "leaky_relu"
    module, function = "nn.LeakyReLU", "F.leaky_relu"
    unchanged = POSITIVE
    in_place = True
    relative = SiLU

    slope: float = 0.01

    def code(self, inputs: Types) -> Code:
        slope = Argument(self.slope, "slope", "negative_slope")
        return _sloped(self.module, self.function, slope, 0.01)


def _sloped(module: str, function: str, argument: Argument, default: float) -> Code:
    """An activation with one number, which is left out at torch's default."""
    if argument.value == default:
        return Code(constructor=module, expression=f"{function}({{0}})")
    return Code(
        constructor=module,
        arguments=(argument,),
        expression=f"{function}({{0}}, {argument.keyword}={argument.value})",
    )
