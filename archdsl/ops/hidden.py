"""Perceptrons over positions in a row, as layers of hidden units; only passes make these.

map -> units            the first half of a perceptron
units -> units          the second half of one and the first halves of those that read it: the map
                        between them is never made
units -> map            the second half
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, Traits, Types
from archdsl.ops.mlp import TokensMLP
from archdsl.ops.pooling import Pool
from archdsl.ops.shapes import hidden_size, map_axes, number, option

MAP_TO_HIDDEN = '''\
class MapToHidden(nn.Linear):
    """The hidden units of perceptrons over the positions of a map, the same for every channel."""

    def __init__(self, positions: int, count: int = 1, ratio: float = 0.5) -> None:
        super().__init__(positions, count * int(positions * ratio))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return F.gelu(super().forward(x.flatten(2)))  # (B, C, units)
'''

HIDDEN_TO_HIDDEN = '''\
class HiddenToHidden(nn.Module):
    """The hidden units of perceptrons over positions, from those of the perceptron they read.

    W (V h + v) + w = (W V) h + (W v + w): two layers as one, without the map between them.
    """

    def __init__(self, positions: int, count: int = 1, ratio: float = 0.5) -> None:
        super().__init__()
        hidden = int(positions * ratio)
        self.fc2 = nn.Linear(hidden, positions)  # of the perceptron that is read
        self.fc1 = nn.Linear(positions, count * hidden)

    def forward(self, h: Tensor) -> Tensor:  # (B, C, hidden)
        weight = self.read()  # (hidden + 1, units)
        return F.gelu(F.linear(h, weight[:-1].T, weight[-1] + self.fc1.bias))

    def read(self) -> Tensor:
        """What the first layer makes of the map that each unit gives, and of that without any."""
        return F.linear(self.maps(), self.fc1.weight)

    def maps(self) -> Tensor:
        return torch.cat([self.fc2.weight.T, self.fc2.bias[None]])
'''

POOLED_HIDDEN_TO_HIDDEN = '''\
class PooledHiddenToHidden(HiddenToHidden):
    """The same where the perceptrons read that map pooled: what each unit gives is pooled."""

    def __init__(self, height: int, width: int, count: int = 1, ratio: float = 0.5) -> None:
        super().__init__(height * width, count, ratio)
        self.size = height, width

    def maps(self) -> Tensor:
        return pool(super().maps().unflatten(1, self.size)).flatten(1)
'''

PARTLY_POOLED_HIDDEN_TO_HIDDEN = '''\
class PartlyPooledHiddenToHidden(HiddenToHidden):
    """The same where the first `pooled` of the perceptrons read that map pooled."""

    def __init__(
        self, height: int, width: int, count: int, pooled: int, ratio: float = 0.5
    ) -> None:
        super().__init__(height * width, count, ratio)
        self.size = height, width
        self.rows = pooled * self.fc2.in_features

    def read(self) -> Tensor:
        maps = self.maps()
        behind = pool(maps.unflatten(1, self.size)).flatten(1)
        first, rest = self.fc1.weight[: self.rows], self.fc1.weight[self.rows :]
        return torch.cat([F.linear(behind, first), F.linear(maps, rest)], 1)
'''

HIDDEN_LAYER = '''\
class HiddenLayer(nn.Linear):
    """The hidden units of perceptrons over positions, from those of the perceptron they read."""

    def __init__(self, positions: int, count: int = 1, ratio: float = 0.5) -> None:
        hidden = int(positions * ratio)
        super().__init__(hidden, count * hidden)

    def forward(self, h: Tensor) -> Tensor:  # (B, C, hidden)
        return F.gelu(super().forward(h))
'''

HIDDEN_TO_MAP = '''\
class HiddenToMap(nn.Linear):
    """The map that the hidden units of a perceptron over its positions give."""

    def __init__(self, height: int, width: int, ratio: float = 0.5) -> None:
        super().__init__(int(height * width * ratio), height * width)
        self.size = height, width

    def forward(self, h: Tensor) -> Tensor:  # (B, C, hidden)
        return super().forward(h).unflatten(2, self.size)  # (B, C, H, W)
'''

HIDDEN_TO_MAP_SUM = '''\
class HiddenToMapSum(nn.Module):
    """The sum of the maps that the hidden units of several perceptrons give."""

    def __init__(self, height: int, width: int, count: int, ratio: float = 0.5) -> None:
        super().__init__()
        positions = height * width
        hidden = int(positions * ratio)
        bound = hidden**-0.5  # as the nn.Linear of each part starts
        self.weight = nn.Parameter(torch.empty(positions, count * hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, positions).uniform_(-bound, bound))
        self.size = height, width

    def forward(self, h: Tensor) -> Tensor:  # (B, C, units)
        return F.linear(h, self.weight, self.bias.sum(0)).unflatten(2, self.size)  # (B, C, H, W)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden(Operation):
    """What the layers share: the perceptrons whose units they hold, `count` of them."""

    attribute = "hidden"

    mlp: TokensMLP
    count: int = 1

    def units(self, positions: int) -> int:
        """Hidden units of one perceptron."""
        return hidden_size(self.keyword, positions, self.mlp.ratio)

    def _code(self, name: str, sides: tuple[Argument, ...], needed: tuple[str, ...] = ()) -> Code:
        options = (
            *option("count", self.count, 1),
            *option("ratio", number(self.mlp.ratio), 0.5),
        )
        return Code(constructor=name, arguments=(*sides, *options), helpers=(*needed, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class MapToHidden(Hidden):
    """The hidden units (channels, count * hidden) of `count` perceptrons over a map."""

    keyword = "map_to_hidden"
    helpers = (Helper(name="MapToHidden", source=MAP_TO_HIDDEN),)

    def infer(self, inputs: Types) -> TensorType:
        channels, height, width = map_axes(self.keyword, inputs)
        return TensorType((channels, self.count * self.units(height * width)))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        _, height, width = inputs[0].shape
        return _linear("", height * width, self.count * self.units(height * width))

    def macs(self, inputs: Types) -> int:
        _, height, width = inputs[0].shape
        return inputs[0].elements * self.count * self.units(height * width)

    def code(self, inputs: Types) -> Code:
        _, height, width = inputs[0].shape
        return self._code("MapToHidden", (Argument(height * width, "positions"),))

    def describe(self) -> str:
        return "position mlp, first layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Between(Hidden):
    """Units of one perceptron (channels, hidden) -> those of `count` that read its map."""

    height: int
    width: int

    def infer(self, inputs: Types) -> TensorType:
        return TensorType((inputs[0].shape[0], self.count * self.hidden))

    @property
    def positions(self) -> int:
        return self.height * self.width

    @property
    def hidden(self) -> int:
        return self.units(self.positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenToHidden(Between):
    """With the parameters of both layers; the first `pooled` readers read the map pooled."""

    keyword = "hidden_to_hidden"
    helpers = (
        *Pool.helpers,
        Helper(name="HiddenToHidden", source=HIDDEN_TO_HIDDEN),
        Helper(name="PooledHiddenToHidden", source=POOLED_HIDDEN_TO_HIDDEN),
        Helper(name="PartlyPooledHiddenToHidden", source=PARTLY_POOLED_HIDDEN_TO_HIDDEN),
    )

    pooled: int = 0

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (
            *_linear("fc2.", self.hidden, self.positions),
            *_linear("fc1.", self.positions, self.count * self.hidden),
        )

    def macs(self, inputs: Types) -> int:
        return inputs[0].elements * self.count * self.hidden + self.once(inputs)

    def once(self, inputs: Types) -> int:
        return (self.hidden + 1) * self.positions * self.count * self.hidden

    def code(self, inputs: Types) -> Code:
        positions = Argument(self.positions, "positions")
        if not self.pooled:
            return self._code("HiddenToHidden", (positions,))
        partly = self.pooled < self.count
        name = "PartlyPooledHiddenToHidden" if partly else "PooledHiddenToHidden"
        needed = ("pool", "HiddenToHidden")
        code = self._code(name, _sides(self.height, self.width), needed)
        pooled = (Argument(self.pooled, "pooled", "pooled"),) if partly else ()
        return replace(code, arguments=(*code.arguments, *pooled))

    def describe(self) -> str:
        return "position mlps, from layer to layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenLayer(Between):
    """With one weight for both layers, for deployment."""

    keyword = "hidden_layer"
    helpers = (Helper(name="HiddenLayer", source=HIDDEN_LAYER),)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return _linear("", self.hidden, self.count * self.hidden)

    def macs(self, inputs: Types) -> int:
        return inputs[0].elements * self.count * self.hidden

    def code(self, inputs: Types) -> Code:
        return self._code("HiddenLayer", (Argument(self.positions, "positions"),))

    def describe(self) -> str:
        return "position mlps, from layer to layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenToMap(Between):
    """Units of `count` perceptrons -> the sum of their maps."""

    keyword = "hidden_to_map"
    helpers = (
        Helper(name="HiddenToMap", source=HIDDEN_TO_MAP),
        Helper(name="HiddenToMapSum", source=HIDDEN_TO_MAP_SUM),
    )

    summed: bool = False
    """Whether the biases are apart, one for each of `count`."""

    def infer(self, inputs: Types) -> TensorType:
        return TensorType((inputs[0].shape[0], self.height, self.width))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        weight, bias = _linear("", self.count * self.hidden, self.positions)
        return weight, replace(bias, shape=(self.count, *bias.shape)) if self.summed else bias

    def macs(self, inputs: Types) -> int:
        return inputs[0].elements * self.positions

    def code(self, inputs: Types) -> Code:
        sides = _sides(self.height, self.width)
        return self._code("HiddenToMapSum" if self.summed else "HiddenToMap", sides)

    def traits(self, inputs: Types) -> Traits:
        return Traits(fresh=True)

    def describe(self) -> str:
        return "position mlp, second layer"


def _linear(prefix: str, inputs: int, outputs: int) -> tuple[Weight, Weight]:
    return (
        Weight(name=f"{prefix}weight", shape=(outputs, inputs)),
        Weight(name=f"{prefix}bias", shape=(outputs,)),
    )


def _sides(height: int, width: int) -> tuple[Argument, Argument]:
    roles = ("size", "size") if height == width else ("height", "width")
    return Argument(height, roles[0]), Argument(width, roles[1])
