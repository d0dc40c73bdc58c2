"""Convolutions whose kernels have several heights and widths: each is the centre of the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archdsl.ir.types import Weight
from archdsl.ops.base import Code, Elastic, Helper, Operation, Slice, Take, Types, first
from archdsl.ops.sharing import HELPERS

RECTANGLE_CONV = '''\
class ElasticRectangleConv2d(ElasticConv2d):
    """A convolution of several heights and widths of kernels as well: each takes the centre."""

    def forward(
        self, x: Tensor, channels: int | None = None, height: int = 0, width: int = 0
    ) -> Tensor:  # (B, C, H, W)
        rows, columns = self.kernel_size
        height, width = height or rows, width or columns
        top, left = (rows - height) // 2, (columns - width) // 2
        weight = self.weight[:, :, top : top + height, left : left + width]
        pad = (width // 2, width // 2, height // 2, height // 2)  # stride 1 keeps the size
        return self.convolve(F.pad(x, pad), weight, channels)
'''

NAMES = ("ElasticConv2d", "ElasticRectangleConv2d")
RECTANGLES = (HELPERS[NAMES[0]], Helper(name=NAMES[1], source=RECTANGLE_CONV))


def rectangle_conv(whole: Operation, inputs: Types) -> Elastic:
    """A convolution without dilation, of odd kernels padded so that stride 1 keeps the size."""
    code = whole.code(inputs)
    arguments = tuple(part for part in code.arguments if part.keyword != "padding")
    return Elastic(
        code=Code(constructor=NAMES[1], arguments=arguments, helpers=NAMES),
        takes={"channels": "channels", "k": "height", "kw": "width"},
        weights=whole.weights(inputs),
    )


def rectangle_slices(weights: Sequence[Weight], whole: Sequence[Weight]) -> Mapping[str, Slice]:
    """The first channels, and of the kernel the centre."""
    result: dict[str, Slice] = {weight.name: (first(weight.shape),) for weight in weights}
    (own,) = (weight.shape for weight in weights if weight.name == "weight")
    (largest,) = (weight.shape for weight in whole if weight.name == "weight")
    windows = tuple(
        (range((most - size) // 2, (most + size) // 2),)
        for size, most in zip(own[2:], largest[2:], strict=True)
    )
    return {**result, "weight": (Take(((range(own[0]),), (range(own[1]),), *windows)),)}
