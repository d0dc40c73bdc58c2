"""Several depthwise convolutions of one map as one: what passes make of siblings."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.ir.types import Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, Traits, Types
from archdsl.ops.convolution import Conv
from archdsl.ops.shapes import option

DEPTHWISE_CONVS = '''\
class DepthwiseConvs(nn.Module):
    """Several depthwise convolutions of one map, as one; `weight` has their filters by channel."""

    def __init__(
        self,
        dim: int,
        count: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation = stride, padding, dilation
        bound = 1 / kernel  # as nn.Conv2d starts
        self.weight = nn.Parameter(torch.empty(dim, count, kernel, kernel).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, dim).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # (B, C, H, W)
        dim, count, _, _ = self.weight.shape
        weight = self.weight.flatten(0, 1).unsqueeze(1)
        bias = None if self.bias is None else self.bias.T.flatten()
        y = F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, groups=dim)
        return y.unflatten(1, (dim, count)).unbind(2)  # (B, C*count, H, W), count maps a channel
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConvs(Operation):
    """`count` depthwise convolutions of one map, which is read once.

    `conv` is each of them, with a square kernel, its groups written out.
    """

    keyword = "depthwise_convs"
    attribute = "dwconvs"
    channels_last = True
    helpers = (Helper(name="DepthwiseConvs", source=DEPTHWISE_CONVS),)

    conv: Conv
    count: int

    def infer(self, inputs: Types) -> Types:
        return (self.conv.infer(inputs),) * self.count

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        conv = self.conv
        weight = Weight(name="weight", shape=(conv.channels, self.count, *conv.kernel))
        bias = Weight(name="bias", shape=(self.count, conv.channels))
        return (weight, bias) if conv.bias else (weight,)

    def macs(self, inputs: Types) -> int:
        return self.count * self.conv.macs(inputs)

    def code(self, inputs: Types) -> Code:
        conv = self.conv
        return Code(
            constructor="DepthwiseConvs",
            arguments=(
                Argument(conv.channels, "dim"),
                Argument(self.count, "count"),
                Argument(conv.k, "kernel"),
                *option("stride", conv.s, 1),
                *option("padding", conv.padding[0], 0),
                *option("dilation", conv.d, 1),
                *option("bias", conv.bias, True),
            ),
            helpers=("DepthwiseConvs",),
        )

    def traits(self, inputs: Types) -> Traits:
        linear = not self.conv.bias
        return Traits(linear=linear, affine=True, zero=linear, per_channel=True)

    def describe(self) -> str:
        kernel = self.conv.describe().removeprefix("conv ")
        return f"{self.count} depthwise conv {kernel} as one"
