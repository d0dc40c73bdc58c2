"""Convolutions over maps: `conv` and the depthwise `dwconv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import (
    Argument,
    Code,
    Elastic,
    Operation,
    Slice,
    Traits,
    Types,
)
from archdsl.ops.sharing import helpers, kernel_conv, kernel_slices
from archdsl.ops.shapes import at_least, divides, map_axes, option, same_padding, window


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv(Operation):
    """A convolution. Without `p`, odd kernels are padded so that stride 1 keeps the size."""

    keyword = "conv"
    attribute = "conv"
    helpers = helpers("ElasticConv2d", "ElasticKernelConv2d")

    channels: int
    k: int = 1
    s: int = 1
    p: int | None = None
    d: int = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        for name, value in (
            ("channels", self.channels),
            ("k", self.k),
            ("s", self.s),
            ("d", self.d),
            ("groups", self.groups),
        ):
            at_least("conv", name, value, 1)
        at_least("conv", "p", self.p, 0)
        divides("conv", "groups", self.groups, self.channels, "output channels")

    @property
    def padding(self) -> int:
        return same_padding("conv", self.k, self.p, self.d)

    def infer(self, inputs: Types) -> TensorType:
        channels, *size = map_axes("conv", inputs, hint="for vectors and tokens, use linear")
        divides("conv", "groups", self.groups, channels, "input channels")
        height, width = window(
            "conv", (size[0], size[1]), k=self.k, s=self.s, p=self.padding, d=self.d
        )
        return TensorType((self.channels, height, width))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        shape = (self.channels, inputs[0].channels // self.groups, self.k, self.k)
        weight = Weight(name="weight", shape=shape)
        return (weight, Weight(name="bias", shape=(self.channels,))) if self.bias else (weight,)

    def macs(self, inputs: Types) -> int:
        return self.infer(inputs).elements * (inputs[0].channels // self.groups) * self.k**2

    def code(self, inputs: Types) -> Code:
        channels = inputs[0].channels
        square = channels == self.channels
        return Code(
            constructor="nn.Conv2d",
            arguments=(
                Argument(channels, "dim" if square else "in_channels"),
                Argument(self.channels, "dim" if square else "out_channels"),
                Argument(self.k, "kernel"),
                *option("stride", self.s, 1),
                *option("padding", self.padding, 0),
                *option("dilation", self.d, 1),
                *option("groups", self.groups, 1, "dim" if self.depthwise(inputs) else "groups"),
                *option("bias", self.bias, True),
            ),
        )

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        kernels = _kernels(sizes)
        if self.groups != 1 or not kernels:
            return None
        return kernel_conv(self, inputs, kernels, channels="channels")

    def slices(self, inputs: Types, shared: Sequence[Weight]) -> Mapping[str, Slice]:
        return kernel_slices(self.weights(inputs), shared)

    def depthwise(self, inputs: Types) -> bool:
        """Whether every channel is filtered on its own."""
        return self.groups == self.channels == inputs[0].channels

    def traits(self, inputs: Types) -> Traits:
        return Traits(
            linear=not self.bias,
            affine=True,
            zero=not self.bias,
            per_channel=self.depthwise(inputs),
            per_position=self.k == 1 and self.s == 1 and self.padding == 0,
        )

    def describe(self) -> str:
        return f"conv {self.k}x{self.k}" + (f" stride {self.s}" if self.s > 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv(Operation):
    """A convolution of every channel on its own: as many channels out as in."""

    keyword = "dwconv"
    attribute = "dwconv"
    helpers = helpers("ElasticConv2d", "ElasticKernelConv2d")

    k: int = 3
    s: int = 1
    p: int | None = None
    d: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        for name, value in (("k", self.k), ("s", self.s), ("d", self.d)):
            at_least("dwconv", name, value, 1)
        at_least("dwconv", "p", self.p, 0)

    def as_conv(self, inputs: Types) -> Conv:
        """The same operation as a grouped convolution."""
        channels = map_axes("dwconv", inputs)[0]
        padding = same_padding("dwconv", self.k, self.p, self.d)
        return Conv(
            channels=channels,
            k=self.k,
            s=self.s,
            p=padding,
            d=self.d,
            groups=channels,
            bias=self.bias,
        )

    def infer(self, inputs: Types) -> TensorType:
        return self.as_conv(inputs).infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.as_conv(inputs).weights(inputs)

    def macs(self, inputs: Types) -> int:
        return self.as_conv(inputs).macs(inputs)

    def code(self, inputs: Types) -> Code:
        return self.as_conv(inputs).code(inputs)

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        kernels = _kernels(sizes)
        return kernel_conv(self, inputs, kernels) if kernels else None

    def slices(self, inputs: Types, shared: Sequence[Weight]) -> Mapping[str, Slice]:
        return kernel_slices(self.weights(inputs), shared)

    def traits(self, inputs: Types) -> Traits:
        return self.as_conv(inputs).traits(inputs)

    def describe(self) -> str:
        stride = f" stride {self.s}" if self.s > 1 else ""
        return f"depthwise conv {self.k}x{self.k}{stride}"


def _kernels(sizes: Sequence[Operation]) -> tuple[int, ...]:
    """The kernel sizes in ascending order; none where one cannot be the centre of another."""
    given = [size for size in sizes if isinstance(size, Conv | DepthwiseConv)]
    kernels = tuple(sorted({size.k for size in given}))
    own_padding = any(size.p is not None for size in given)
    several = len(kernels) > 1
    return () if several and (own_padding or any(k % 2 == 0 for k in kernels)) else kernels
