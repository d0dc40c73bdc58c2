"""One learned number a channel, added: `bias`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, ChannelAffine, Code, Helper, Operation, Traits, Types
from archdsl.ops.growth import ZERO, Along, Start
from archdsl.ops.shapes import only

BIAS = '''\
class Bias(nn.Module):
    """Adds one learned number to each channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:  # (..., C)
        return x + self.bias
'''

MAP_BIAS = '''\
class MapBias(nn.Module):
    """Adds one learned number to each channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return x + self.bias
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias(Operation):
    """The bias of a layer whose weight is tied to that of another one, which has none."""

    keyword = "bias"
    attribute = "bias"
    helpers = (Helper(name="Bias", source=BIAS), Helper(name="MapBias", source=MAP_BIAS))

    def infer(self, inputs: Types) -> TensorType:
        return only("bias", inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        ones = (1, 1) if len(inputs[0].shape) == 3 else ()
        return (Weight(name="bias", shape=(inputs[0].channels, *ones)),)

    def code(self, inputs: Types) -> Code:
        name = "MapBias" if len(inputs[0].shape) == 3 else "Bias"
        dim = Argument(inputs[0].channels, "dim")
        return Code(constructor=name, arguments=(dim,), helpers=(name,))

    def traits(self, inputs: Types) -> Traits:
        return Traits(affine=True, per_channel=True, per_position=True)

    def channel_affine(self, inputs: Types) -> ChannelAffine:
        return ChannelAffine(shift="bias")

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        ones = (Along.REST, Along.REST) if len(inputs[0].shape) == 3 else ()
        return {"bias": (Along.CHANNELS, *ones)}

    def identity(self, inputs: Types) -> Mapping[str, Start]:
        return {"bias": ZERO}
