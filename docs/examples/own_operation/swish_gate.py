"""An operation from outside the package: Swish with a learned steepness for each channel.

Ramachandran et al., "Searching for Activation Functions", 2017: x * sigmoid(beta * x).
"""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, Traits, Types
from archdsl.ops.shapes import map_axes, option

SWISH_GATE = '''\
class SwishGate(nn.Module):
    """Swish with a learned steepness for each channel."""

    def __init__(self, dim: int, initial: float = 1.0) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.full((dim, 1, 1), initial))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return x * torch.sigmoid(self.beta * x)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class SwishGate(Operation):
    """`swish_gate` or `swish_gate(0.5)`: x times the sigmoid of beta x, beta learned."""

    keyword = "swish_gate"
    attribute = "gate"
    helpers = (Helper(name="SwishGate", source=SWISH_GATE),)

    initial: float = 1.0

    def infer(self, inputs: Types) -> TensorType:
        map_axes("swish_gate", inputs)
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (Weight(name="beta", shape=(inputs[0].channels, 1, 1)),)

    def code(self, inputs: Types) -> Code:
        return Code(
            constructor="SwishGate",
            arguments=(
                Argument(inputs[0].channels, "dim"),
                *option("initial", self.initial, 1.0),
            ),
            helpers=("SwishGate",),
        )

    def traits(self, inputs: Types) -> Traits:
        return Traits(zero=True, per_channel=True, per_position=True)
