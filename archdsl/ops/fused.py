"""Operations that only passes create: nobody can write them in a text.

Each computes what several operations of a text compute, with the same parameters laid out
anew and initialised part by part, so that a network trained from scratch is the same network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import (
    Argument,
    Axis,
    AxisMap,
    Code,
    Helper,
    Operation,
    OperationError,
    Traits,
    Types,
)
from archdsl.ops.joins import Join, Sum, joined_traits
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import TokensLinear, TokensMLP
from archdsl.ops.shapes import hidden_size, number, only, option

POSITION_LINEARS = '''\
class PositionLinears(nn.Linear):
    """Several linear maps over the positions of one map, as one."""

    def __init__(self, positions: int, count: int, bias: bool = False) -> None:
        super().__init__(positions, count * positions, bias)
        self.count = count

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # (B, C, H, W)
        y = super().forward(x.flatten(2))  # (B, C, count*H*W)
        return y.unflatten(2, (self.count, *x.shape[2:])).unbind(2)
'''

POSITION_MLPS = '''\
class PositionMLPs(nn.Module):
    """Several perceptrons over the positions of one map; `weight` and `bias` stack their ends."""

    def __init__(self, positions: int, count: int, ratio: float = 0.5) -> None:
        super().__init__()
        hidden = int(positions * ratio)
        bound = hidden**-0.5  # as nn.Linear starts
        self.fc1 = nn.Linear(positions, count * hidden)
        self.weight = nn.Parameter(torch.empty(count, positions, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, positions).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # (B, C, H, W)
        count, _, hidden = self.weight.shape
        y = F.gelu(self.fc1(x.flatten(2)))  # (B, C, count*hidden)
        y = y.reshape(-1, count, hidden).transpose(0, 1)  # (count, B*C, hidden)
        y = torch.baddbmm(self.bias[:, None], y, self.weight.transpose(1, 2))
        return y.view(count, *x.shape).unbind(0)
'''

POSITION_MLP_SUM = '''\
class PositionMLPSum(nn.Module):
    """The sum of several perceptrons over the positions of one map: one, with all their units."""

    def __init__(self, positions: int, count: int, ratio: float = 0.5) -> None:
        super().__init__()
        hidden = int(positions * ratio)
        bound = hidden**-0.5  # as the nn.Linear of each part starts
        self.fc1 = nn.Linear(positions, count * hidden)
        self.weight = nn.Parameter(torch.empty(positions, count * hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, positions).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        y = F.gelu(self.fc1(x.flatten(2)))  # (B, C, count*hidden)
        return F.linear(y, self.weight, self.bias.sum(0)).view_as(x)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros(Operation):
    """Zeros of a shape; the input gives only the size of the batch and the kind of number."""

    keyword = "zeros"
    attribute = "zeros"

    shape: tuple[int, ...]

    def infer(self, inputs: Types) -> TensorType:
        only("zeros", inputs)
        return TensorType(self.shape)

    def code(self, inputs: Types) -> Code:
        if inputs[0].shape == self.shape:
            return Code(expression="torch.zeros_like({0})")
        shape = ", ".join(str(axis) for axis in self.shape)
        return Code(expression=f"{{0}}.new_zeros({{0}}.shape[0], {shape})")

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Average(Join):
    """The sum of values over a fixed number: a mean some of whose terms are zero or merged."""

    keyword = "average"
    attribute = "average"

    divisor: int

    def infer(self, inputs: Types) -> TensorType:
        return Sum().infer(inputs)

    def code(self, inputs: Types) -> Code:
        terms = " + ".join(f"{{{i}}}" for i in range(len(inputs)))
        shown = f"({terms})" if len(inputs) > 1 else terms
        return Code(expression=f"{shown} / {self.divisor}", tight=False)

    def traits(self, inputs: Types) -> Traits:
        return replace(joined_traits(inputs), fresh=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Operation):
    """Parts of a value along its channels, `sizes` wide, in order."""

    keyword = "split"
    attribute = "split"

    sizes: tuple[int, ...]

    def infer(self, inputs: Types) -> Types:
        (shape,) = (value.shape for value in inputs)
        channels = inputs[0].channels
        if sum(self.sizes) != channels:
            raise OperationError("the parts do not add up", str(channels), str(sum(self.sizes)))
        if len(shape) == 2:
            return tuple(TensorType((shape[0], size)) for size in self.sizes)
        return tuple(TensorType((size, *shape[1:])) for size in self.sizes)

    def code(self, inputs: Types) -> Code:
        axis = 2 if len(inputs[0].shape) == 2 else 1
        if len(set(self.sizes)) == 1:
            return Code(expression=f"{{0}}.chunk({len(self.sizes)}, dim={axis})")
        return Code(expression=f"{{0}}.split({self.sizes}, dim={axis})")

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_position=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedLinear(Operation):
    """`count` applications of one linear layer, summed: applied to the sum of the inputs.

    The bias counts once for each application.
    """

    keyword = "repeated_linear"
    attribute = "linear"

    linear: Linear
    count: int

    def infer(self, inputs: Types) -> TensorType:
        return self.linear.infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.linear.weights(inputs)

    def macs(self, inputs: Types) -> int:
        return self.linear.macs(inputs)

    def code(self, inputs: Types) -> Code:
        code = self.linear.code(inputs)
        expression = f"F.linear({{0}}, {{self}}.weight, {self.count} * {{self}}.bias)"
        return Code(constructor=code.constructor, arguments=code.arguments, expression=expression)

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap | None:
        one = self.linear.axis_map(axis, inputs)
        return replace(one, times=self.count) if one else None

    def traits(self, inputs: Types) -> Traits:
        return Traits(affine=True, per_position=True, fresh=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Several(Operation):
    """What `count` operations over the positions of one map share; `helper` is their class."""

    helper: ClassVar[Helper]
    count: int

    def _code(self, inputs: Types, options: tuple[Argument, ...]) -> Code:
        _, height, width = only(self.keyword, inputs).shape
        positions = Argument(height * width, "positions")
        arguments = (positions, Argument(self.count, "count"), *options)
        name = self.helper.name
        return Code(constructor=name, arguments=arguments, helpers=(name,))


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLinears(Several):
    """`count` linear maps over the positions of one map."""

    keyword = "position_linears"
    attribute = "linears"
    helper = Helper(name="PositionLinears", source=POSITION_LINEARS)
    helpers = (helper,)

    linear: TokensLinear

    def infer(self, inputs: Types) -> Types:
        return (self.linear.infer(inputs),) * self.count

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return tuple(
            Weight(name=weight.name, shape=(self.count * weight.shape[0], *weight.shape[1:]))
            for weight in self.linear.weights(inputs)
        )

    def macs(self, inputs: Types) -> int:
        return self.count * self.linear.macs(inputs)

    def code(self, inputs: Types) -> Code:
        return self._code(inputs, option("bias", self.linear.bias, False))

    def traits(self, inputs: Types) -> Traits:
        return self.linear.traits(inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMLPs(Several):
    """`count` perceptrons over the positions of one map: one wide layer, then one stacked."""

    keyword = "position_mlps"
    attribute = "mlps"
    helper = Helper(name="PositionMLPs", source=POSITION_MLPS)
    helpers = (helper,)

    mlp: TokensMLP

    def infer(self, inputs: Types) -> TensorType | Types:
        return (self.mlp.infer(inputs),) * self.count

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        positions, hidden = self._sizes(inputs)
        return (
            Weight(name="weight", shape=(self.count, positions, hidden)),
            Weight(name="bias", shape=(self.count, positions)),
            *self._first(positions, hidden),
        )

    def macs(self, inputs: Types) -> int:
        return self.count * self.mlp.macs(inputs)

    def code(self, inputs: Types) -> Code:
        return self._code(inputs, option("ratio", number(self.mlp.ratio), 0.5))

    def traits(self, inputs: Types) -> Traits:
        return Traits(per_channel=True)

    def _sizes(self, inputs: Types) -> tuple[int, int]:
        _, height, width = only(self.keyword, inputs).shape
        positions = height * width
        return positions, hidden_size(self.keyword, positions, self.mlp.ratio)

    def _first(self, positions: int, hidden: int) -> tuple[Weight, ...]:
        return (
            Weight(name="fc1.weight", shape=(self.count * hidden, positions)),
            Weight(name="fc1.bias", shape=(self.count * hidden,)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMLPSum(PositionMLPs):
    """The sum of `count` perceptrons over the positions of one map."""

    keyword = "position_mlp_sum"
    helper = Helper(name="PositionMLPSum", source=POSITION_MLP_SUM)
    helpers = (helper,)

    def infer(self, inputs: Types) -> TensorType:
        return self.mlp.infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        positions, hidden = self._sizes(inputs)
        return (
            Weight(name="weight", shape=(positions, self.count * hidden)),
            Weight(name="bias", shape=(self.count, positions)),
            *self._first(positions, hidden),
        )
