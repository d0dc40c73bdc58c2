"""Perceptrons over channels (`mlp`) and over positions (`tokens_mlp`, `tokens_linear`)."""

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
    Helper,
    Layer,
    Operation,
    Traits,
    Types,
)
from archdsl.ops.growth import EYE, ZERO, Along, Start
from archdsl.ops.shapes import hidden_size, map_axes, number, only, option, positive
from archdsl.ops.sharing import helpers as helpers_of
from archdsl.ops.sharing import shared

CHANNEL_MLP = '''\
class ChannelMLP(nn.Module):
    """A perceptron over the channels, the same at every position."""

    def __init__(self, dim: int, ratio: float = 4) -> None:
        super().__init__()
        hidden = int(dim * ratio)
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return self.fc2(F.gelu(self.fc1(x)))
'''

TOKEN_MLP = '''\
class TokenMLP(nn.Module):
    """A perceptron over the channels, the same for every token."""

    def __init__(self, dim: int, ratio: float = 4) -> None:
        super().__init__()
        hidden = int(dim * ratio)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        return self.fc2(F.gelu(self.fc1(x)))
'''

POSITION_MLP = '''\
class PositionMLP(nn.Module):
    """A perceptron over the positions of a map, the same for every channel."""

    def __init__(self, positions: int, ratio: float = 0.5) -> None:
        super().__init__()
        hidden = int(positions * ratio)
        self.fc1 = nn.Linear(positions, hidden)
        self.fc2 = nn.Linear(hidden, positions)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        y = self.fc2(F.gelu(self.fc1(x.flatten(2))))  # (B, C, H*W)
        return y.view_as(x)
'''

POSITION_LINEAR = '''\
class PositionLinear(nn.Linear):
    """A linear map over the positions of a map, the same for every channel."""

    def __init__(self, positions: int, bias: bool = False) -> None:
        super().__init__(positions, positions, bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return super().forward(x.flatten(2)).view_as(x)
'''


def _perceptron(size: int, hidden: int, ones: tuple[int, ...] = ()) -> tuple[Weight, ...]:
    """Two layers with biases; `ones` are the kernel axes of 1x1 convolutions."""
    return (
        Weight(name="fc1.weight", shape=(hidden, size, *ones)),
        Weight(name="fc1.bias", shape=(hidden,)),
        Weight(name="fc2.weight", shape=(size, hidden, *ones)),
        Weight(name="fc2.bias", shape=(size,)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MLP(Operation):
    """Two layers over the channels with GELU between them; `ratio` times as wide inside."""

    keyword = "mlp"
    attribute = "mlp"
    channels_last = True
    helpers = (
        Helper(name="ChannelMLP", source=CHANNEL_MLP),
        Helper(name="TokenMLP", source=TOKEN_MLP),
        *helpers_of("ElasticConv2d", "ElasticChannelMLP", "ElasticLinear", "ElasticTokenMLP"),
    )

    widths = ("ratio",)

    ratio: float = 4.0

    def __post_init__(self) -> None:
        positive("mlp", "ratio", self.ratio)

    def infer(self, inputs: Types) -> TensorType:
        hidden_size("mlp", only("mlp", inputs).channels, self.ratio)
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        dim = inputs[0].channels
        ones = (1, 1) if len(inputs[0].shape) == 3 else ()
        return _perceptron(dim, hidden_size("mlp", dim, self.ratio), ones)

    def macs(self, inputs: Types) -> int:
        return 2 * inputs[0].elements * hidden_size("mlp", inputs[0].channels, self.ratio)

    def code(self, inputs: Types) -> Code:
        name = "ChannelMLP" if len(inputs[0].shape) == 3 else "TokenMLP"
        dim = Argument(inputs[0].channels, "dim")
        ratio = option("ratio", number(self.ratio), 4)
        return Code(constructor=name, arguments=(dim, *ratio), helpers=(name,))

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        maps = len(inputs[0].shape) == 3
        layer, own = (
            ("ElasticConv2d", "ElasticChannelMLP") if maps else ("ElasticLinear", "ElasticTokenMLP")
        )
        return shared(self, inputs, own, layer, ratio="ratio")

    def traits(self, inputs: Types) -> Traits:
        return Traits(per_position=True)

    def biased(self, inputs: Types) -> MLP:
        return self

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        ones = (Along.REST,) * (len(inputs[0].shape) - 1 if len(inputs[0].shape) == 3 else 0)
        return {
            "fc1.weight": (Along.UNITS, Along.INPUTS, *ones),
            "fc1.bias": (Along.UNITS,),
            "fc2.weight": (Along.OUTPUTS, Along.UNITS, *ones),
            "fc2.bias": (Along.OUTPUTS,),
        }

    def with_units(self, inputs: Types, units: int) -> MLP:
        dim = inputs[0].channels
        exact = units / dim if int(dim * (units / dim)) == units else (units + 0.5) / dim
        return replace(self, ratio=exact)

    def reads(self, inputs: Types) -> Layer:
        return Layer("fc1.weight", "fc1.bias")

    def writes(self, inputs: Types) -> Layer:
        return Layer("fc2.weight", "fc2.bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensMLP(Operation):
    """Two layers over the positions of a map, shared by the channels, with GELU between them.

    Tolstikhin et al., "MLP-Mixer", section 2 (token mixing).
    """

    keyword = "tokens_mlp"
    attribute = "mlp"
    helpers = (Helper(name="PositionMLP", source=POSITION_MLP),)

    widths = ("ratio",)

    ratio: float = 0.5

    def __post_init__(self) -> None:
        positive("tokens_mlp", "ratio", self.ratio)

    def infer(self, inputs: Types) -> TensorType:
        _, height, width = map_axes("tokens_mlp", inputs)
        hidden_size("tokens_mlp", height * width, self.ratio)
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        positions = _positions(inputs)
        return _perceptron(positions, hidden_size("tokens_mlp", positions, self.ratio))

    def macs(self, inputs: Types) -> int:
        hidden = hidden_size("tokens_mlp", _positions(inputs), self.ratio)
        return 2 * inputs[0].elements * hidden

    def code(self, inputs: Types) -> Code:
        positions = Argument(_positions(inputs), "positions")
        ratio = option("ratio", number(self.ratio), 0.5)
        name = "PositionMLP"
        return Code(constructor=name, arguments=(positions, *ratio), helpers=(name,))

    def traits(self, inputs: Types) -> Traits:
        return Traits(per_channel=True)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        return {
            "fc1.weight": (Along.UNITS, Along.REST),
            "fc1.bias": (Along.UNITS,),
            "fc2.weight": (Along.REST, Along.UNITS),
            "fc2.bias": (Along.REST,),
        }

    def with_units(self, inputs: Types, units: int) -> TokensMLP:
        positions = _positions(inputs)
        ratio = units / positions
        exact = int(positions * ratio) == units
        return replace(self, ratio=ratio if exact else (units + 0.5) / positions)

    def describe(self) -> str:
        return "position mlp"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensLinear(Operation):
    """One linear layer over the positions of a map, shared by the channels."""

    keyword = "tokens_linear"
    attribute = "linear"
    helpers = (Helper(name="PositionLinear", source=POSITION_LINEAR),)

    bias: bool = False

    def infer(self, inputs: Types) -> TensorType:
        map_axes("tokens_linear", inputs)
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        positions = _positions(inputs)
        weight = Weight(name="weight", shape=(positions, positions))
        return (weight, Weight(name="bias", shape=(positions,))) if self.bias else (weight,)

    def macs(self, inputs: Types) -> int:
        return inputs[0].elements * _positions(inputs)

    def code(self, inputs: Types) -> Code:
        positions = Argument(_positions(inputs), "positions")
        bias = option("bias", self.bias, False)
        name = "PositionLinear"
        return Code(constructor=name, arguments=(positions, *bias), helpers=(name,))

    def traits(self, inputs: Types) -> Traits:
        linear = not self.bias
        return Traits(linear=linear, affine=True, zero=linear, per_channel=True)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        return {"weight": (Along.REST, Along.REST), "bias": (Along.REST,)}

    def identity(self, inputs: Types) -> Mapping[str, Start]:
        return {"weight": EYE, "bias": ZERO}

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap | None:
        if axis is not Axis.POSITIONS:
            return None
        return AxisMap(matrix="weight", bias="bias" if self.bias else "")

    def describe(self) -> str:
        return "position linear"


def _positions(inputs: Types) -> int:
    _, height, width = inputs[0].shape
    return height * width
