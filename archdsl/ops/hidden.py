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
from archdsl.ops.shapes import hidden_size, map_axes, number, option, sides

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

    W (V h + v) + w = (W V) h + (W v + w): the map between is not made. W V is worked out at each
    call, for the whole batch.
    """

    def __init__(self, positions: int, count: int = 1, ratio: float = 0.5) -> None:
        super().__init__()
        hidden = int(positions * ratio)
        self.last = nn.Linear(hidden, positions)  # V, v: of the perceptron that is read
        self.first = nn.Linear(positions, count * hidden)  # W, w: of those that read it

    def forward(self, h: Tensor) -> Tensor:  # (B, C, hidden)
        last, first = self.last, self.first
        return F.gelu(F.linear(h, first.weight @ last.weight, first(last.bias)))
'''

POOLED_HIDDEN_TO_HIDDEN = '''\
class PooledHiddenToHidden(HiddenToHidden):
    """Hidden units from those of the perceptron whose map, pooled, is read: W (P V) h + ...

    The pool goes over what each unit gives to the map, not over the maps of a batch.
    """

    def __init__(self, height: int, width: int, count: int = 1, ratio: float = 0.5) -> None:
        super().__init__(height * width, count, ratio)
        self.size = height, width

    def forward(self, h: Tensor) -> Tensor:  # (B, C, hidden)
        first = F.linear(self.pooled(), self.first.weight)  # (hidden + 1, units)
        return F.gelu(F.linear(h, first[:-1].T, first[-1] + self.first.bias))

    def maps(self) -> Tensor:
        """What each unit gives to the map, and in the last row what the bias gives."""
        return torch.cat([self.last.weight.T, self.last.bias[None]])

    def pooled(self) -> Tensor:
        return pool(self.maps().unflatten(1, self.size)).flatten(1)
'''

PARTLY_POOLED_HIDDEN_TO_HIDDEN = '''\
class PartlyPooledHiddenToHidden(PooledHiddenToHidden):
    """The first `pooled` perceptrons read the map pooled, the others as it is."""

    def __init__(
        self, height: int, width: int, count: int, pooled: int, ratio: float = 0.5
    ) -> None:
        super().__init__(height, width, count, ratio)
        self.rows = pooled * self.last.in_features

    def forward(self, h: Tensor) -> Tensor:  # (B, C, hidden)
        pooled, others = self.first.weight[: self.rows], self.first.weight[self.rows :]
        first = [F.linear(self.pooled(), pooled), F.linear(self.maps(), others)]
        first = torch.cat(first, 1)  # (hidden + 1, units)
        return F.gelu(F.linear(h, first[:-1].T, first[-1] + self.first.bias))
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

SHARES = '''\
def shares(h: Tensor, counts: tuple[int, ...]) -> tuple[Tensor, ...]:
    """The hidden units of so many perceptrons each."""
    hidden = h.shape[2] // sum(counts)
    return h.split([count * hidden for count in counts], dim=2)
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

    def _code(self, name: str, sizes: tuple[Argument, ...], needed: tuple[str, ...] = ()) -> Code:
        options = (
            *option("count", self.count, 1),
            *option("ratio", number(self.mlp.ratio), 0.5),
        )
        return Code(constructor=name, arguments=(*sizes, *options), helpers=(*needed, name))


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
        return "first layer of a position mlp"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfMap(Hidden):
    """What takes units, and so has to be told the sides of the map that they are of."""

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
class HiddenToHidden(OfMap):
    """Units of one perceptron (channels, hidden) -> those of `count` that read its map, with the
    parameters of both layers; the first `pooled` of them read the map pooled.
    """

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
            *_linear("last.", self.hidden, self.positions),
            *_linear("first.", self.positions, self.count * self.hidden),
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
        needed = ("pool", "HiddenToHidden", *(("PooledHiddenToHidden",) if partly else ()))
        code = self._code(name, sides(self.height, self.width), needed)
        pooled = (Argument(self.pooled, "pooled", "pooled"),) if partly else ()
        return replace(code, arguments=(*code.arguments, *pooled))

    def describe(self) -> str:
        return "position mlp from units to units"


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenLayer(OfMap):
    """The same with one weight for both layers, for deployment."""

    keyword = "hidden_layer"
    helpers = (Helper(name="HiddenLayer", source=HIDDEN_LAYER),)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return _linear("", self.hidden, self.count * self.hidden)

    def macs(self, inputs: Types) -> int:
        return inputs[0].elements * self.count * self.hidden

    def code(self, inputs: Types) -> Code:
        return self._code("HiddenLayer", (Argument(self.positions, "positions"),))

    def describe(self) -> str:
        return "position mlp from units to units"


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenToMap(OfMap):
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
        name = "HiddenToMapSum" if self.summed else "HiddenToMap"
        return self._code(name, sides(self.height, self.width))

    def traits(self, inputs: Types) -> Traits:
        return Traits(fresh=True)

    def describe(self) -> str:
        return "last layer of a position mlp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares(Operation):
    """The parts of units (channels, sum of `counts` * hidden) that are of so many perceptrons."""

    keyword = "shares"
    attribute = "shares"
    helpers = (Helper(name="shares", source=SHARES),)

    counts: tuple[int, ...]

    def infer(self, inputs: Types) -> Types:
        channels, units = inputs[0].shape
        hidden = units // sum(self.counts)
        return tuple(TensorType((channels, count * hidden)) for count in self.counts)

    def code(self, inputs: Types) -> Code:
        if len(set(self.counts)) == 1:
            return Code(expression=f"{{0}}.chunk({len(self.counts)}, dim=2)")
        return Code(expression=f"shares({{0}}, {self.counts})", helpers=("shares",))


def _linear(prefix: str, inputs: int, outputs: int) -> tuple[Weight, Weight]:
    return (
        Weight(name=f"{prefix}weight", shape=(outputs, inputs)),
        Weight(name=f"{prefix}bias", shape=(outputs,)),
    )
