"""A convolution, a batch norm and a convolution behind it, as one convolution while training."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, Traits, Types
from archdsl.ops.convolution import Conv
from archdsl.ops.normalisation import BatchNorm
from archdsl.ops.shapes import option

CONV_NORM_CONV = '''\
class ConvNormConv(nn.Module):
    """A convolution, batch norm and a convolution, computed as one.

    What the norm needs of the first convolution's output follows from the mean and the
    covariance of the input's patches; with it known, all three are one convolution.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        kernels: tuple[int, int],
        strides: tuple[int, int] = (1, 1),
        padding: int = 0,
        bias: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        (kernel1, kernel2), (stride1, stride2) = kernels, strides
        self.conv1 = nn.Conv2d(in_channels, mid_channels, kernel1, stride1, padding, bias=False)
        self.norm = nn.BatchNorm2d(mid_channels, eps, momentum)
        self.conv2 = nn.Conv2d(mid_channels, out_channels, kernel2, stride2, bias=bias)
        self.stride = stride1 * stride2

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        norm, weight = self.norm, self.conv2.weight
        mean, var = self.statistics(x) if norm.training else (norm.running_mean, norm.running_var)
        scale = norm.weight * torch.rsqrt(var + norm.eps)
        bias = weight.sum((2, 3)) @ (norm.bias - scale * mean)
        if self.conv2.bias is not None:
            bias = bias + self.conv2.bias
        weight = weight * scale[:, None, None]
        kernel = F.conv_transpose2d(weight, self.conv1.weight, stride=self.conv1.stride)
        return F.conv2d(x, kernel, bias, self.stride, self.conv1.padding)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the first convolution's output, which is not computed."""
        conv, norm = self.conv1, self.norm
        weight = conv.weight.flatten(1)
        with torch.autocast(x.device.type, enabled=False):  # a norm's statistics are never short
            patches = self.patches(x.to(weight.dtype))  # (C*k*k, B*H*W)
            centre = patches.mean(1)
            patches = patches - centre[:, None]
            count = patches.shape[1]
            mean = weight @ centre
            var = (weight @ (patches @ patches.T / count) * weight).sum(1)
        with torch.no_grad():
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(var * (count / (count - 1)), norm.momentum)
        return mean, var

    def patches(self, x: Tensor) -> Tensor:
        """What the first convolution reads, one row for each of its weights."""
        (k, _), (s, _), (p, _) = self.conv1.kernel_size, self.conv1.stride, self.conv1.padding
        x = F.pad(x, (p, p, p, p)).transpose(0, 1)  # (C, B, H, W)
        height, width = (size - k + 1 for size in x.shape[2:])
        rows = [x[:, :, i : i + height : s, j : j + width : s] for i in range(k) for j in range(k)]
        return torch.stack(rows, 1).flatten(2).flatten(0, 1)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvNormConv(Operation):
    """`conv -> bn -> conv` without an activation between, as one convolution of composed kernels.

    The output of a convolution without bias is W p for every patch p of its input, so its mean is
    W E[p] and its variance diag(W Cov[p] W'). Both convolutions have square kernels and one group,
    the second is not padded.
    """

    keyword = "conv_norm_conv"
    attribute = "convs"
    helpers = (Helper(name="ConvNormConv", source=CONV_NORM_CONV),)

    first: Conv
    norm: BatchNorm
    second: Conv

    def infer(self, inputs: Types) -> TensorType:
        return self.second.infer((self.first.infer(inputs),))

    def parts(self, inputs: Types) -> tuple[tuple[str, Operation, Types], ...]:
        """Its operations, each with the name that it goes by and its input."""
        between = (self.first.infer(inputs),)
        return (
            ("conv1", self.first, inputs),
            ("norm", self.norm, between),
            ("conv2", self.second, between),
        )

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return tuple(
            replace(weight, name=f"{name}.{weight.name}")
            for name, operation, types in self.parts(inputs)
            for weight in operation.weights(types)
        )

    def macs(self, inputs: Types) -> int:
        """With the composition of the kernels and, as in training, the covariance of patches."""
        between, result = self.first.infer(inputs), self.infer(inputs)
        taps = inputs[0].channels * self.first.k**2
        composed = self.first.s * (self.second.k - 1) + self.first.k
        patches = between.elements // between.channels
        each = taps**2 * patches + result.elements * inputs[0].channels * composed**2
        return each + self.once(inputs)

    def once(self, inputs: Types) -> int:
        between, taps = self.first.infer(inputs), inputs[0].channels * self.first.k**2
        return self.second.channels * self.second.k**2 * between.channels * taps

    def code(self, inputs: Types) -> Code:
        first, norm, second = self.first, self.norm, self.second
        return Code(
            constructor="ConvNormConv",
            arguments=(
                Argument(inputs[0].channels, "in_channels"),
                Argument(first.channels, "mid_channels"),
                Argument(second.channels, "out_channels"),
                Argument((first.k, second.k), "kernels", "kernels"),
                *option("strides", (first.s, second.s), (1, 1)),
                *option("padding", first.padding[0], 0),
                *option("bias", second.bias, True),
                *option("eps", norm.eps, 1e-5),
                *option("momentum", norm.momentum, 0.1),
            ),
            helpers=("ConvNormConv",),
        )

    def traits(self, inputs: Types) -> Traits:
        return Traits(batch_statistics=True, fresh=True)

    def describe(self) -> str:
        return f"{self.first.describe()} + batch norm + {self.second.describe()}"
