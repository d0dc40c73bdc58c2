"""Depthwise convolutions whose gradients are computed in parts; only passes make them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Code, Helper, Operation, Traits, Types
from archdsl.ops.convolution import Conv, DepthwiseConv, square_depthwise

COLUMNS = 3
"""So wide may a kernel be whose weight has a fast gradient in torch on a CPU."""

DEPTHWISE_CONV = '''\
class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution with fast gradients on a CPU.

    There, torch takes up to ten times as long for the gradients of kernels with more than three
    columns, and of dilated ones, as for those of small plain ones. So they are computed as those.
    """

    least = 2**17  # numbers in a batch for which this pays

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        if not self.training or x.device.type != "cpu" or x.numel() < self.least:
            return super().forward(x)
        sizes = self.stride[0], self.padding[0], self.dilation[0]
        step = math.gcd(*sizes[::2])  # it reads one position in so many, and every one of those
        x = x[..., ::step, ::step] if step > 1 else x
        sizes = [size // step for size in sizes]
        return DepthwiseInParts.apply(x, self.weight, self.bias, sizes)
'''

IN_PARTS = '''\
class DepthwiseInParts(torch.autograd.Function):
    """`F.conv2d` of every channel on its own, with gradients of small plain kernels."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, sizes: list[int]) -> Tensor:
        return F.conv2d(x, weight, bias, *sizes, len(weight))  # stride, padding, dilation

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, weight, _, ctx.sizes = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = (tensor.to(dy.dtype) for tensor in ctx.saved_tensors)
        stride, padding, dilation = ctx.sizes
        inputs, weights, biases, _ = ctx.needs_input_grad
        size = x.shape[2:]
        db = dy.sum((0, 2, 3)) if biases else None
        if dilation > 1:
            x, dy, padding = phases(x, dilation), phases(dy, dilation), padding // dilation
        narrow = weight.shape[3] <= 3
        dx, dw = gradients(dy, x, weight, stride, padding, inputs, weights and narrow)
        if weights and not narrow:
            x, parts = F.pad(x, (padding,) * 4), []  # three columns of the kernel at a time
            for first in range(0, weight.shape[3], 3):
                columns = weight[..., first : first + 3]
                seen = x[..., first : first + stride * (dy.shape[3] - 1) + columns.shape[3]]
                parts.append(gradients(dy, seen, columns, stride, 0, False, True)[1])
            dw = torch.cat(parts, 3)
        if inputs and dilation > 1:
            dx = joined(dx, dilation, size)
        return dx, dw, db, None


def gradients(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    padding: int,
    inputs: bool,
    weights: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """Those of a depthwise convolution's input and weight."""
    sizes = (stride, stride), (padding, padding), (1, 1), False, (0, 0), len(weight)
    wanted = inputs, weights, False
    return torch.ops.aten.convolution_backward(dy, x, weight, None, *sizes, wanted)[:2]


def phases(x: Tensor, step: int) -> Tensor:
    """What lies `step` apart in a map, as a map: (step*step*B, C, H/step, W/step)."""
    height, width = x.shape[2:]
    if height % step or width % step:
        x = F.pad(x, (0, -width % step, 0, -height % step))
    x = x.unflatten(3, (-1, step)).unflatten(2, (-1, step))  # (B, C, H/step, step, W/step, step)
    return x.permute(3, 5, 0, 2, 4, 1).flatten(0, 2).permute(0, 3, 1, 2)


def joined(x: Tensor, step: int, size: tuple[int, int]) -> Tensor:
    """The map of such phases, (B, C, H, W)."""
    x = x.unflatten(0, (step, step, -1)).permute(2, 4, 0, 5, 1, 3)
    x = x.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
    return x[..., : size[0], : size[1]]
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvInParts(Operation):
    """A depthwise convolution; the gradients of its kernel are those of parts of it.

    The columns of a kernel are kernels on shifted maps, and a dilated one is a plain one on each
    phase of its map, so these are sums and gradients as before, in another order.
    """

    keyword = "conv_in_parts"
    manner = "gradients in parts"
    attribute = "dwconv"
    channels_last = True
    helpers = (
        Helper(name="DepthwiseInParts", source=IN_PARTS),
        Helper(name="DepthwiseConv2d", source=DEPTHWISE_CONV, imports=("math",)),
    )

    conv: Conv

    @property
    def step(self) -> int:
        """One position of its map in so many is read."""
        return gcd(self.conv.s, self.conv.d)

    @property
    def phases(self) -> int:
        """How far apart it reads what it reads: 1 for no phases."""
        return self.conv.d // self.step

    @property
    def copies(self) -> int:
        """How many maps of the input's size its gradients are computed from."""
        copies = 3 if self.phases > 1 else int(self.step > 1)
        return copies + (-(-self.conv.k // COLUMNS) if self.conv.k > COLUMNS else 0)

    def infer(self, inputs: Types) -> TensorType:
        return self.conv.infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.conv.weights(inputs)

    def macs(self, inputs: Types) -> int:
        return self.conv.macs(inputs)

    def code(self, inputs: Types) -> Code:
        code = self.conv.code(inputs)
        return replace(
            code,
            constructor="DepthwiseConv2d",
            helpers=("DepthwiseInParts", "DepthwiseConv2d"),
        )

    def traits(self, inputs: Types) -> Traits:
        # Under vmap the result of a function of one's own is a view, not to be written over.
        return replace(self.conv.traits(inputs), fresh=False)

    def describe(self) -> str:
        return f"depthwise {self.conv.describe()}"


def in_parts(operation: Conv | DepthwiseConv, inputs: Types) -> ConvInParts | None:
    """The convolution with gradients in parts; None where they are fast, or it has no such parts.

    Phases need every output at an input: one step of an output is one of the input, and no edge
    is lost or won.
    """
    conv = square_depthwise(operation, inputs)
    if conv is None or conv.k == 1:
        return None
    parts, padding = ConvInParts(conv=conv), conv.padding[0]
    if conv.d == 1:
        return parts if conv.k > COLUMNS else None
    if padding % parts.step or (parts.phases > 1 and conv.s > parts.step):
        return None
    keeps = 2 * padding == conv.d * (conv.k - 1) and padding % conv.d == 0
    return parts if parts.phases == 1 or keeps else None
