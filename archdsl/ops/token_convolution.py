"""Convolutions along tokens; their number stays: `token_conv`, `token_dwconv`, `light_conv`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, OperationError, Traits, Types
from archdsl.ops.shapes import at_least, axes, divides, option

CONV = '''\
class TokenConv(nn.Conv1d):
    """A convolution along the tokens."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        return super().forward(x.transpose(1, 2)).transpose(1, 2)
'''

CAUSAL_CONV = '''\
class CausalTokenConv(nn.Conv1d):
    """A convolution along the tokens; each sees itself and those before it."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        before = self.kernel_size[0] - 1
        return super().forward(F.pad(x.transpose(1, 2), (before, 0))).transpose(1, 2)
'''

LIGHT_CONV = '''\
class LightConv(nn.Module):
    """A depthwise convolution along the tokens whose kernels add up to 1.

    `share` channels in a row have one kernel. Wu et al., "Pay Less Attention with Lightweight
    and Dynamic Convolutions", section 3.1.
    """

    def __init__(self, dim: int, kernel: int, share: int = 1) -> None:
        super().__init__()
        self.share = share
        self.weight = nn.Parameter(torch.empty(dim // share, 1, kernel))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        dim, middle = x.shape[2], self.weight.shape[2] // 2
        weight = self.weight.softmax(dim=2).repeat_interleave(self.share, dim=0)
        return F.conv1d(x.transpose(1, 2), weight, padding=middle, groups=dim).transpose(1, 2)
'''

CAUSAL_LIGHT_CONV = (
    LIGHT_CONV.replace("class LightConv", "class CausalLightConv")
    .replace("tokens whose kernels", "tokens before, whose kernels")
    .replace("dim, middle = x.shape[2],", "dim, before = x.shape[2],")
    .replace("self.weight.shape[2] // 2", "self.weight.shape[2] - 1")
    .replace("F.conv1d(x.transpose(1, 2), weight, padding=middle,", "F.conv1d(past, weight,")
    .replace(
        "        return", "        past = F.pad(x.transpose(1, 2), (before, 0))\n        return"
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConv(Operation):
    """A convolution along the tokens, padded so that none is lost.

    `causal`: each token sees itself and those before it; otherwise it stands in the middle.
    """

    keyword = "token_conv"
    attribute = "conv"
    helpers = (
        Helper(name="TokenConv", source=CONV),
        Helper(name="CausalTokenConv", source=CAUSAL_CONV),
    )

    channels: int
    k: int = 3
    groups: int = 1
    bias: bool = True
    causal: bool = False

    def __post_init__(self) -> None:
        at_least("token_conv", "channels", self.channels, 1)
        at_least("token_conv", "groups", self.groups, 1)
        divides("token_conv", "groups", self.groups, self.channels, "output channels")
        _check_kernel("token_conv", self.k, self.causal)

    def infer(self, inputs: Types) -> TensorType:
        tokens, channels = _tokens("token_conv", inputs)
        divides("token_conv", "groups", self.groups, channels, "input channels")
        return TensorType((tokens, self.channels))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        shape = (self.channels, inputs[0].channels // self.groups, self.k)
        weight = Weight(name="weight", shape=shape)
        return (weight, Weight(name="bias", shape=(self.channels,))) if self.bias else (weight,)

    def macs(self, inputs: Types) -> int:
        tokens, channels = inputs[0].shape
        return tokens * self.channels * (channels // self.groups) * self.k

    def code(self, inputs: Types) -> Code:
        channels = inputs[0].channels
        square = channels == self.channels
        name = "CausalTokenConv" if self.causal else "TokenConv"
        depthwise = self.groups == channels == self.channels
        return Code(
            constructor=name,
            arguments=(
                Argument(channels, "dim" if square else "in_channels"),
                Argument(self.channels, "dim" if square else "out_channels"),
                Argument(self.k, "kernel"),
                *option("groups", self.groups, 1, "dim" if depthwise else "groups"),
                *option("bias", self.bias, True),
            ),
            helpers=(name,),
        )

    def traits(self, inputs: Types) -> Traits:
        linear = not self.bias
        return Traits(
            linear=linear,
            affine=True,
            zero=linear,
            per_channel=self.groups == self.channels == inputs[0].channels,
            per_position=self.k == 1,
        )

    def describe(self) -> str:
        return f"token conv {self.k}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDepthwiseConv(Operation):
    """A convolution along the tokens, each channel on its own."""

    keyword = "token_dwconv"
    attribute = "dwconv"
    helpers: ClassVar[tuple[Helper, ...]] = TokenConv.helpers

    k: int = 3
    bias: bool = True
    causal: bool = False

    def __post_init__(self) -> None:
        _check_kernel("token_dwconv", self.k, self.causal)

    def as_conv(self, inputs: Types) -> TokenConv:
        """The same operation as a grouped convolution."""
        dim = _tokens("token_dwconv", inputs)[1]
        return TokenConv(channels=dim, k=self.k, groups=dim, bias=self.bias, causal=self.causal)

    def infer(self, inputs: Types) -> TensorType:
        return self.as_conv(inputs).infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.as_conv(inputs).weights(inputs)

    def macs(self, inputs: Types) -> int:
        return self.as_conv(inputs).macs(inputs)

    def code(self, inputs: Types) -> Code:
        return self.as_conv(inputs).code(inputs)

    def traits(self, inputs: Types) -> Traits:
        return self.as_conv(inputs).traits(inputs)

    def describe(self) -> str:
        return f"depthwise token conv {self.k}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LightConv(Operation):
    """A depthwise convolution along the tokens whose kernels are softmaxes (Wu et al., 2019).

    `share` channels in a row have one kernel. `causal`: as for `token_conv`.
    """

    keyword = "light_conv"
    attribute = "conv"
    helpers = (
        Helper(name="LightConv", source=LIGHT_CONV),
        Helper(name="CausalLightConv", source=CAUSAL_LIGHT_CONV),
    )

    k: int = 3
    share: int = 1
    causal: bool = False

    def __post_init__(self) -> None:
        at_least("light_conv", "k", self.k, 2)  # the softmax of one number is 1
        at_least("light_conv", "share", self.share, 1)
        _check_kernel("light_conv", self.k, self.causal)

    def infer(self, inputs: Types) -> TensorType:
        dim = _tokens("light_conv", inputs)[1]
        divides("light_conv", "share", self.share, dim)
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (Weight(name="weight", shape=(inputs[0].channels // self.share, 1, self.k)),)

    def macs(self, inputs: Types) -> int:
        return inputs[0].elements * self.k

    def code(self, inputs: Types) -> Code:
        name = "CausalLightConv" if self.causal else "LightConv"
        return Code(
            constructor=name,
            arguments=(
                Argument(inputs[0].channels, "dim"),
                Argument(self.k, "kernel"),
                *option("share", self.share, 1),
            ),
            helpers=(name,),
        )

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True)

    def describe(self) -> str:
        return f"lightweight conv {self.k}"


def _check_kernel(keyword: str, k: int, causal: bool) -> None:
    at_least(keyword, "k", k, 1)
    if k % 2 == 0 and not causal:
        raise OperationError(
            f"{keyword} has its token in the middle of the kernel",
            found=f"k={k}",
            expected="an odd kernel, or causal=yes",
        )


def _tokens(keyword: str, inputs: Types) -> tuple[int, int]:
    tokens, channels = axes(keyword, inputs, 2, hint="to_tokens makes tokens of a map")
    return tokens, channels
