"""The learned addend of a channel: the bias of what was written without one."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, Traits, Types
from archdsl.ops.shapes import only

BIAS = '''\
class Bias(nn.Module):
    """One learned addend a channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return x + self.bias
'''

TOKEN_BIAS = '''\
class TokenBias(nn.Module):
    """One learned addend a channel, on the last axis."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:  # (B, ..., C)
        return x + self.bias
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias(Operation):
    """One learned addend a channel.

    A linear map with a bias over a concatenation is a sum of maps without one, and this: each
    source keeps its own weights, and the bias is there once.
    """

    keyword = "bias"
    attribute = "bias"
    helpers = (Helper(name="Bias", source=BIAS), Helper(name="TokenBias", source=TOKEN_BIAS))

    def infer(self, inputs: Types) -> TensorType:
        return only("bias", inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        ones = (1, 1) if len(inputs[0].shape) == 3 else ()
        return (Weight(name="bias", shape=(inputs[0].channels, *ones)),)

    def code(self, inputs: Types) -> Code:
        name = "Bias" if len(inputs[0].shape) == 3 else "TokenBias"
        dim = Argument(inputs[0].channels, "dim")
        return Code(constructor=name, arguments=(dim,), helpers=(name,))

    def traits(self, inputs: Types) -> Traits:
        return Traits(affine=True, per_channel=True, per_position=True)
