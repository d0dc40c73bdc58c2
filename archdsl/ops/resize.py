"""A map brought to another size: `resize`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from archdsl.ir.types import TensorType
from archdsl.ops.base import Argument, Code, Operation, Traits, Types
from archdsl.ops.growth import Interval
from archdsl.ops.shapes import at_least, map_axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize(Operation):
    """A map at another size, by interpolation; without `width` it becomes square.

    Corners are not aligned: pixels are areas, as in torch's default.
    """

    keyword = "resize"
    attribute = "resize"

    height: int
    width: int | None = None
    mode: Literal["bilinear", "nearest"] = "bilinear"

    def __post_init__(self) -> None:
        at_least("resize", "height", self.height, 1)
        at_least("resize", "width", self.width, 1)

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.height if self.width is None else self.width

    def infer(self, inputs: Types) -> TensorType:
        channels, *_ = map_axes("resize", inputs)
        return TensorType((channels, *self.size))

    def code(self, inputs: Types) -> Code:
        height, width = self.size
        size = height if height == width else self.size
        return Code(
            constructor="nn.Upsample",
            arguments=(Argument(size, "size"), Argument(self.mode, "mode", "mode")),
            expression=f'F.interpolate({{0}}, {size}, mode="{self.mode}")',
        )

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True)

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return inputs[0]

    def describe(self) -> str:
        height, width = self.size
        return f"resize to {height}x{width}"
