"""Convolutions over maps: `conv` and the depthwise `dwconv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import (
    Argument,
    Axis,
    AxisMap,
    Code,
    Composition,
    Elastic,
    Operation,
    Slice,
    Traits,
    Types,
)
from archdsl.ops.growth import EYE, ZERO, Along, Start
from archdsl.ops.rectangles import RECTANGLES, rectangle_conv, rectangle_slices
from archdsl.ops.rounding import ROUNDING, check_bits, in_words, rounded, rounded_traits
from archdsl.ops.shapes import (
    at_least,
    divides,
    map_axes,
    option,
    same_padding,
    scalar,
    window,
)
from archdsl.ops.sharing import helpers, kernel_conv, kernel_slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv(Operation):
    """A convolution. Without `p`, odd kernels are padded so that stride 1 keeps the size.

    `kw`, `sw` and `pw` are those of the width, where they differ from those of the height.
    `weight_bits` and `input_bits` simulate quantisation (see `rounding`).
    """

    keyword = "conv"
    attribute = "conv"
    channels_last = True
    helpers = (*helpers("ElasticConv2d", "ElasticKernelConv2d"), *ROUNDING, RECTANGLES[1])
    widths = ("channels", "groups", "k", "kw")

    channels: int
    k: int = 1
    s: int = 1
    p: int | None = None
    d: int = 1
    groups: int = 1
    bias: bool = True
    kw: int | None = None
    sw: int | None = None
    pw: int | None = None
    weight_bits: int | None = None
    input_bits: int | None = None

    def __post_init__(self) -> None:
        at_least("conv", "channels", self.channels, 1)
        at_least("conv", "groups", self.groups, 1)
        _check("conv", self)
        divides("conv", "groups", self.groups, self.channels, "output channels")

    @property
    def rounds(self) -> bool:
        """Whether weights or inputs are rounded."""
        return self.weight_bits is not None or self.input_bits is not None

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.k, self.k if self.kw is None else self.kw

    @property
    def stride(self) -> tuple[int, int]:
        return self.s, self.s if self.sw is None else self.sw

    @property
    def padding(self) -> tuple[int, int]:
        height, width = self.kernel
        across = self.p if self.pw is None else self.pw
        return (
            same_padding("conv", height, self.p, self.d),
            same_padding("conv", width, across, self.d),
        )

    def infer(self, inputs: Types) -> TensorType:
        channels, *size = map_axes("conv", inputs, hint="for vectors and tokens, use linear")
        divides("conv", "groups", self.groups, channels, "input channels")
        height, width = window(
            "conv", (size[0], size[1]), k=self.kernel, s=self.stride, p=self.padding, d=self.d
        )
        return TensorType((self.channels, height, width))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        shape = (self.channels, inputs[0].channels // self.groups, *self.kernel)
        weight = Weight(name="weight", shape=shape)
        return (weight, Weight(name="bias", shape=(self.channels,))) if self.bias else (weight,)

    def macs(self, inputs: Types) -> int:
        height, width = self.kernel
        taps = inputs[0].channels // self.groups * height * width
        return self.infer(inputs).elements * taps

    def code(self, inputs: Types) -> Code:
        channels = inputs[0].channels
        square = channels == self.channels
        code = Code(
            constructor="nn.Conv2d",
            arguments=(
                Argument(channels, "dim" if square else "in_channels"),
                Argument(self.channels, "dim" if square else "out_channels"),
                Argument(scalar(self.kernel), "kernel"),
                *option("stride", scalar(self.stride), 1),
                *option("padding", scalar(self.padding), 0),
                *option("dilation", self.d, 1),
                *option("groups", self.groups, 1, "dim" if self.depthwise(inputs) else "groups"),
                *option("bias", self.bias, True),
            ),
        )
        return rounded(code, self.weight_bits, self.input_bits)

    def smooth(self) -> Conv:
        return replace(self, weight_bits=None, input_bits=None)

    def biased(self, inputs: Types) -> Conv | None:
        return None if self.rounds else replace(self, bias=True)

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap | None:
        """A 1x1 convolution is a matrix of the channels."""
        whole = self.reads_whole(inputs) and self.kernel == self.stride == (1, 1)
        if axis is not Axis.CHANNELS or not whole or self.rounds:
            return None
        return AxisMap(matrix="weight", bias="bias" if self.bias else "")

    def reads_whole(self, inputs: Types) -> bool:
        return self.groups == 1 and self.padding == (0, 0)

    def followed_by(self, behind: Operation, inputs: Types) -> Composition | None:
        """Kernels reach k + s (k' - 1), strides multiply, the first's padding stays."""
        if not isinstance(behind, Conv) or self.groups > 1 or self.d * behind.d > 1:
            return None
        (k, kw), (s, sw) = self.kernel, self.stride
        (k2, kw2), (s2, sw2) = behind.kernel, behind.stride
        height, width = k + s * (k2 - 1), kw + sw * (kw2 - 1)
        square = height == width and s * s2 == sw * sw2 and self.padding[0] == self.padding[1]
        whole = Conv(
            channels=behind.channels,
            k=height,
            s=s * s2,
            p=self.padding[0],
            bias=self.bias or behind.bias,
            kw=None if square else width,
            sw=None if square else sw * sw2,
            pw=None if square else self.padding[1],
        )
        return Composition(operation=whole, stride=(s, sw)) if not self.rounds else None

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        if self.groups == 1 and not self.rounds and _rectangular(sizes):
            return rectangle_conv(self, inputs)
        kernels = _kernels(sizes)
        if self.groups != 1 or not kernels or self.rounds:
            return None
        return kernel_conv(self, inputs, kernels, channels="channels")

    def slices(self, inputs: Types, shared: Sequence[Weight]) -> Mapping[str, Slice]:
        if self.kw is not None:
            return rectangle_slices(self.weights(inputs), shared)
        return kernel_slices(self.weights(inputs), shared)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]] | None:
        if self.rounds or not (self.groups == 1 or self.depthwise(inputs)):
            return None
        window = _centred(self)
        if self.groups > 1:
            return {"weight": (Along.CHANNELS, Along.REST, *window), "bias": (Along.CHANNELS,)}
        return {"weight": (Along.OUTPUTS, Along.INPUTS, *window), "bias": (Along.OUTPUTS,)}

    def wider(self, inputs: Types, channels: int) -> Conv | None:
        apart = self.groups > 1 and self.depthwise(inputs)
        if self.rounds or (self.groups > 1 and not apart):
            return None
        return replace(self, channels=channels, groups=channels if apart else 1)

    def identity(self, inputs: Types) -> Mapping[str, Start] | None:
        """A kernel whose centre passes each channel on."""
        centred = all(
            2 * p == self.d * (k - 1) for k, p in zip(self.kernel, self.padding, strict=True)
        )
        alone = self.groups == 1 or self.depthwise(inputs)
        if self.rounds or not (centred and alone) or self.infer(inputs) != inputs[0]:
            return None
        return {"weight": EYE, "bias": ZERO}

    def as_conv(self, inputs: Types) -> Conv:
        """Itself, as `DepthwiseConv` has it too."""
        return self

    def depthwise(self, inputs: Types) -> bool:
        """Whether every channel is filtered on its own."""
        return self.groups == self.channels == inputs[0].channels

    def traits(self, inputs: Types) -> Traits:
        traits = Traits(
            linear=not self.bias,
            affine=True,
            zero=not self.bias,
            per_channel=self.depthwise(inputs),
            per_position=self.kernel == self.stride == (1, 1) and self.padding == (0, 0),
            fresh=True,
        )
        return rounded_traits(traits, inputs, self.input_bits)

    def describe(self) -> str:
        return in_words(f"conv {_windowed(self)}", self.weight_bits, self.input_bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv(Operation):
    """A convolution of every channel on its own: as many channels out as in."""

    keyword = "dwconv"
    widths = ("k", "kw")
    attribute = "dwconv"
    channels_last = True
    helpers = (*helpers("ElasticConv2d", "ElasticKernelConv2d"), *ROUNDING)

    k: int = 3
    s: int = 1
    p: int | None = None
    d: int = 1
    bias: bool = True
    kw: int | None = None
    sw: int | None = None
    pw: int | None = None
    weight_bits: int | None = None
    input_bits: int | None = None

    def __post_init__(self) -> None:
        _check("dwconv", self)

    @property
    def rounds(self) -> bool:
        """Whether weights or inputs are rounded."""
        return self.weight_bits is not None or self.input_bits is not None

    def as_conv(self, inputs: Types) -> Conv:
        """The same operation as a grouped convolution."""
        channels = map_axes("dwconv", inputs)[0]
        return Conv(
            channels=channels,
            k=self.k,
            s=self.s,
            p=self.p,
            d=self.d,
            groups=channels,
            bias=self.bias,
            kw=self.kw,
            sw=self.sw,
            pw=self.pw,
            weight_bits=self.weight_bits,
            input_bits=self.input_bits,
        )

    def smooth(self) -> DepthwiseConv:
        return replace(self, weight_bits=None, input_bits=None)

    def infer(self, inputs: Types) -> TensorType:
        return self.as_conv(inputs).infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.as_conv(inputs).weights(inputs)

    def macs(self, inputs: Types) -> int:
        return self.as_conv(inputs).macs(inputs)

    def code(self, inputs: Types) -> Code:
        return self.as_conv(inputs).code(inputs)

    def biased(self, inputs: Types) -> DepthwiseConv | None:
        return None if self.rounds else replace(self, bias=True)

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        kernels = _kernels(sizes)
        return kernel_conv(self, inputs, kernels) if kernels and not self.rounds else None

    def slices(self, inputs: Types, shared: Sequence[Weight]) -> Mapping[str, Slice]:
        return kernel_slices(self.weights(inputs), shared)

    def traits(self, inputs: Types) -> Traits:
        return self.as_conv(inputs).traits(inputs)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]] | None:
        rest = (Along.REST, *_centred(self))
        return (
            None if self.rounds else {"weight": (Along.CHANNELS, *rest), "bias": (Along.CHANNELS,)}
        )

    def identity(self, inputs: Types) -> Mapping[str, Start] | None:
        return self.as_conv(inputs).identity(inputs)

    def describe(self) -> str:
        return in_words(f"depthwise conv {_windowed(self)}", self.weight_bits, self.input_bits)


def square_depthwise(operation: Conv | DepthwiseConv, inputs: Types) -> Conv | None:
    """The depthwise convolution that an operation is, with a square kernel, unrounded; or None."""
    conv = operation.as_conv(inputs)
    square = conv.kw is conv.sw is conv.pw is None
    return conv if square and conv.depthwise(inputs) and not conv.rounds else None


def _check(keyword: str, conv: Conv | DepthwiseConv) -> None:
    """The ranges of what both convolutions take."""
    for name, value in (
        ("k", conv.k),
        ("s", conv.s),
        ("d", conv.d),
        ("kw", conv.kw),
        ("sw", conv.sw),
    ):
        at_least(keyword, name, value, 1)
    check_bits(keyword, conv.weight_bits, conv.input_bits)
    at_least(keyword, "p", conv.p, 0)
    at_least(keyword, "pw", conv.pw, 0)


def _centred(conv: Conv | DepthwiseConv) -> tuple[Along, Along]:
    """A window grows around its centre where padding goes along with it."""
    axis = Along.KERNEL if conv.p is conv.pw is None else Along.REST
    return axis, axis


def _windowed(conv: Conv | DepthwiseConv) -> str:
    """`3x3 stride 2`: kernel and stride in words."""
    kernel = f"{conv.k}x{conv.k if conv.kw is None else conv.kw}"
    stride = (conv.s, conv.s if conv.sw is None else conv.sw)
    if stride == (1, 1):
        return kernel
    return f"{kernel} stride {stride[0]}" + (f"x{stride[1]}" if stride[0] != stride[1] else "")


def _rectangular(sizes: Sequence[Operation]) -> bool:
    """Whether kernels have a width of their own, and each can be the centre of the largest."""
    given = [size for size in sizes if isinstance(size, Conv)]
    return all(
        size.kw is not None
        and size.k % 2 == size.kw % 2 == 1
        and size.p is size.pw is None
        and size.d == 1
        for size in given
    )


def _kernels(sizes: Sequence[Operation]) -> tuple[int, ...]:
    """The kernel sizes in ascending order; none where one cannot be the centre of another."""
    given = [size for size in sizes if isinstance(size, Conv | DepthwiseConv)]
    kernels = tuple(sorted({size.k for size in given}))
    if len(kernels) == 1:
        return kernels
    square = all(size.p is size.pw is size.kw is None for size in given)
    return kernels if square and all(k % 2 for k in kernels) else ()
