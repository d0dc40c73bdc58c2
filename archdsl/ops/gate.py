"""One learned number that decides how much of a value passes: `gate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Axis, AxisMap, Code, Helper, Operation, Traits, Types
from archdsl.ops.growth import Along, Interval, hull
from archdsl.ops.shapes import only, option

GATE = '''\
class Gate(nn.Module):
    """Lets through what the sigmoid of one learned number says."""

    def __init__(self, initial: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(initial))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.weight) * x
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Operation):
    """The input times the sigmoid of one learned number, which starts at `initial`.

    The weight of an edge in Xie et al., "Exploring Randomly Wired Neural Networks for Image
    Recognition", section 3.1; a sum of gated values is their positively weighted sum.
    """

    keyword = "gate"
    attribute = "gate"
    helpers = (Helper(name="Gate", source=GATE),)

    initial: float = 0.0

    def infer(self, inputs: Types) -> TensorType:
        return only("gate", inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (Weight(name="weight", shape=()),)

    def code(self, inputs: Types) -> Code:
        initial = option("initial", float(self.initial), 0.0)
        return Code(constructor="Gate", arguments=initial, helpers=("Gate",))

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=True)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        return {"weight": ()}

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return hull(inputs, 0.0)

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap:
        return AxisMap(gate="weight")
