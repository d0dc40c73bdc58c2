"""Modules whose sizes share one set of weights: each call takes slices of the largest.

How many channels come in, a module sees; what else may differ is an argument of `forward`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archdsl.ir.types import Weight
from archdsl.ops.base import Argument, Code, Elastic, Helper, Mix, Operation, Slice, Take, Types
from archdsl.ops.base import first as first_of

CONV = '''\
class ElasticConv2d(nn.Conv2d):
    """A convolution of several widths: each takes the first channels of one set of filters."""

    def forward(self, x: Tensor, channels: int | None = None) -> Tensor:  # (B, C, H, W)
        return self.convolve(x, self.weight, channels)

    def convolve(self, x: Tensor, weight: Tensor, channels: int | None) -> Tensor:
        if self.groups > 1:  # depthwise: as many channels as come in
            channels = groups = x.shape[1]
        else:
            groups = 1
        bias = None if self.bias is None else self.bias[:channels]
        weight = weight[:channels, : x.shape[1]]
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, groups)
'''

KERNEL_CONV = '''\
class ElasticKernelConv2d(ElasticConv2d):
    """A convolution of several kernel sizes as well.

    A smaller kernel is the centre of the next larger one times a learned matrix (Cai et al.,
    "Once-for-All", section 3.3), which starts as the identity.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernels: tuple[int, ...],
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        *smaller, largest = kernels
        super().__init__(
            in_channels, out_channels, largest, stride, 0, dilation, groups=groups, bias=bias
        )
        self.smaller = smaller[::-1]
        for size in self.smaller:
            self.register_parameter(f"mix{size}", nn.Parameter(torch.eye(size * size)))

    def forward(self, x: Tensor, channels: int | None = None, kernel: int = 0) -> Tensor:
        weight = self.weight[:channels]
        for size in self.smaller:
            if kernel and kernel <= size:
                edge = (weight.shape[-1] - size) // 2
                centre = weight[..., edge : edge + size, edge : edge + size]
                mixed = F.linear(centre.flatten(2), self.get_parameter(f"mix{size}"))
                weight = mixed.unflatten(2, (size, size))
        pad = weight.shape[-1] // 2 * self.dilation[0]  # stride 1 keeps the size
        return self.convolve(F.pad(x, (pad, pad, pad, pad)), weight, channels)
'''

BATCH_NORM = '''\
class ElasticBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of as many channels as come in.

    In training their statistics go on, and those of the other channels stay.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        dim, momentum = x.shape[1], self.momentum
        if self.training:
            self.num_batches_tracked += 1
            if momentum is None:  # the average of all batches
                momentum = 1 / self.num_batches_tracked.item()
        weight, bias = (p if p is None else p[:dim] for p in (self.weight, self.bias))
        mean, var = self.running_mean[:dim], self.running_var[:dim]
        return F.batch_norm(x, mean, var, weight, bias, self.training, momentum or 0.0, self.eps)
'''

LAYER_NORM = '''\
class ElasticLayerNorm(nn.LayerNorm):
    """Layer normalisation of as many channels as come in."""

    def forward(self, x: Tensor) -> Tensor:  # (B, ..., C)
        dim = x.shape[-1]
        return F.layer_norm(x, (dim,), self.weight[:dim], self.bias[:dim], self.eps)
'''

LINEAR = '''\
class ElasticLinear(nn.Linear):
    """A linear map of several widths: each takes the first rows and columns of one matrix."""

    def forward(self, x: Tensor, features: int | None = None) -> Tensor:  # (B, ..., C)
        bias = None if self.bias is None else self.bias[:features]
        return F.linear(x, self.weight[:features, : x.shape[-1]], bias)
'''

QKV = '''\
class ElasticQKV(nn.Linear):
    """Queries, keys and values of the first heads, from one matrix.

    Every third row from 0 on makes queries, from 1 on keys, from 2 on values; the bias is that
    of the first rows (Chen et al., "AutoFormer", as released).
    """

    def forward(self, x: Tensor, features: int) -> Tensor:  # (B, N, C)
        rows = [self.weight[i:features:3, : x.shape[-1]] for i in range(3)]
        return F.linear(x, torch.cat(rows), None if self.bias is None else self.bias[:features])
'''

CLASS_TOKEN = '''\
class ElasticClassToken(ClassToken):
    """The same for tokens of several widths."""

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C) -> (B, N + 1, C)
        token = self.token[..., : x.shape[-1]]
        return torch.cat((token.expand(x.shape[0], -1, -1), x), dim=1)
'''

POSITIONS = '''\
class ElasticPositions(Positions):
    """The same for tokens of several widths."""

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        return x + self.positions[:, : x.shape[1], : x.shape[-1]]
'''

SCALE = '''\
class ElasticScale(Scale):
    """The same for maps of several widths."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return self.weight[: x.shape[1]] * x
'''

TOKEN_SCALE = '''\
class ElasticTokenScale(TokenScale):
    """The same for several widths."""

    def forward(self, x: Tensor) -> Tensor:  # (B, ..., C)
        return self.weight[: x.shape[-1]] * x
'''

TOKEN_MLP = '''\
class ElasticTokenMLP(nn.Module):
    """A perceptron over the channels of tokens; each width takes slices of the largest."""

    def __init__(self, dim: int, ratio: float = 4) -> None:
        super().__init__()
        self.ratio = ratio
        self.fc1 = ElasticLinear(dim, int(dim * ratio))
        self.fc2 = ElasticLinear(int(dim * ratio), dim)

    def forward(self, x: Tensor, ratio: float | None = None) -> Tensor:  # (B, N, C)
        dim = x.shape[-1]
        hidden = int(dim * (ratio or self.ratio))
        return self.fc2(F.gelu(self.fc1(x, hidden)), dim)
'''

CHANNEL_MLP = '''\
class ElasticChannelMLP(nn.Module):
    """A perceptron over the channels of maps; each width takes slices of the largest."""

    def __init__(self, dim: int, ratio: float = 4) -> None:
        super().__init__()
        self.ratio = ratio
        self.fc1 = ElasticConv2d(dim, int(dim * ratio), 1)
        self.fc2 = ElasticConv2d(int(dim * ratio), dim, 1)

    def forward(self, x: Tensor, ratio: float | None = None) -> Tensor:  # (B, C, H, W)
        dim = x.shape[1]
        hidden = int(dim * (ratio or self.ratio))
        return self.fc2(F.gelu(self.fc1(x, hidden)), dim)
'''

TOKEN_ATTENTION = '''\
class ElasticTokenAttention(TokenAttention):
    """The same for several widths and numbers of heads."""

    def __init__(self, dim: int, heads: int, head: int, bias: bool = True) -> None:
        super().__init__(dim, heads, head, bias)
        self.head = head
        self.qkv = ElasticQKV(dim, 3 * heads * head, bias)
        self.out = ElasticLinear(heads * head, dim)

    def forward(self, x: Tensor, heads: int | None = None) -> Tensor:  # (B, N, C)
        heads = heads or self.heads
        qkv = self.qkv(x, 3 * heads * self.head).unflatten(2, (3, heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, head) each
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2), x.shape[-1])
'''

CAUSAL_ATTENTION = TOKEN_ATTENTION.replace("TokenAttention", "CausalAttention").replace(
    "attention(q, k, v)", "attention(q, k, v, is_causal=True)"
)

RELATIVE_ATTENTION = '''\
class ElasticRelativeAttention(RelativeAttention):
    """The same for several widths and numbers of heads."""

    def __init__(
        self, dim: int, size: int, heads: int, head: int, bias: bool = True, reach: int = 14
    ) -> None:
        super().__init__(dim, size, heads, head, bias, reach)
        self.head = head
        self.qkv = ElasticQKV(dim, 3 * heads * head, bias)
        self.out = ElasticLinear(heads * head, dim)

    def forward(self, x: Tensor, heads: int | None = None) -> Tensor:  # (B, N, C)
        heads = heads or self.heads
        qkv = self.qkv(x, 3 * heads * self.head).unflatten(2, (3, heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, head) each
        near = torch.einsum("bhnc,nmc->bhnm", q, self.key_positions())
        weights = ((q @ k.mT + near) * self.scale).softmax(dim=-1)  # (B, heads, N, N)
        place = torch.einsum("bhnm,nmc->bhnc", weights, self.value_positions())
        return self.out((weights @ v + place).transpose(1, 2).flatten(2), x.shape[-1])
'''

HELPERS = {
    helper.name: helper
    for helper in (
        Helper(name="ElasticConv2d", source=CONV),
        Helper(name="ElasticKernelConv2d", source=KERNEL_CONV),
        Helper(name="ElasticBatchNorm2d", source=BATCH_NORM),
        Helper(
            name="ElasticBatchNorm1d",
            source=BATCH_NORM.replace("Norm2d", "Norm1d").replace("(B, C, H, W)", "(B, C)"),
        ),
        Helper(name="ElasticLayerNorm", source=LAYER_NORM),
        Helper(name="ElasticLinear", source=LINEAR),
        Helper(name="ElasticQKV", source=QKV),
        Helper(name="ElasticTokenAttention", source=TOKEN_ATTENTION),
        Helper(name="ElasticCausalAttention", source=CAUSAL_ATTENTION),
        Helper(name="ElasticRelativeAttention", source=RELATIVE_ATTENTION),
        Helper(name="ElasticClassToken", source=CLASS_TOKEN),
        Helper(name="ElasticPositions", source=POSITIONS),
        Helper(name="ElasticScale", source=SCALE),
        Helper(name="ElasticTokenScale", source=TOKEN_SCALE),
        Helper(name="ElasticTokenMLP", source=TOKEN_MLP),
        Helper(name="ElasticChannelMLP", source=CHANNEL_MLP),
    )
}


def helpers(*names: str) -> tuple[Helper, ...]:
    return tuple(HELPERS[name] for name in names)


def shared(whole: Operation, inputs: Types, name: str, *before: str, **takes: str) -> Elastic:
    """The module `name` made as the operation's own is; `before` are helpers that it needs.

    `takes`: arguments of the language, with the keywords of `forward`.
    """
    code = whole.code(inputs)
    own = Code(constructor=name, arguments=code.arguments, helpers=(*before, name))
    return Elastic(code=own, takes=takes, weights=whole.weights(inputs))


# --- convolutions of several kernels -------------------------------------------------------------


def kernel_conv(whole: Operation, inputs: Types, kernels: Sequence[int], **takes: str) -> Elastic:
    """A convolution that may have several kernel sizes; `kernels` in ascending order."""
    code = whole.code(inputs)
    weights = whole.weights(inputs)
    if len(kernels) == 1:
        return shared(whole, inputs, "ElasticConv2d", **takes)
    left_out = {"padding"}
    arguments = tuple(
        Argument(tuple(kernels), "kernels") if argument.role == "kernel" else argument
        for argument in code.arguments
        if argument.keyword not in left_out
    )
    mixes = tuple(
        Weight(name=f"mix{size}", shape=(size * size, size * size))
        for size in reversed(kernels[:-1])
    )
    names = ("ElasticConv2d", "ElasticKernelConv2d")
    own = Code(constructor=names[-1], arguments=arguments, helpers=names)
    return Elastic(code=own, takes={**takes, "k": "kernel"}, weights=(*weights, *mixes))


def kernel_slices(weights: Sequence[Weight], whole: Sequence[Weight]) -> Mapping[str, Slice]:
    """The first channels, and from kernel to kernel the centre times its matrix."""
    result: dict[str, Slice] = {weight.name: (first_of(weight.shape),) for weight in weights}
    (own,) = (weight for weight in weights if weight.name == "weight")
    (largest,) = (weight for weight in whole if weight.name == "weight")
    out, into, k, _ = own.shape
    size = largest.shape[-1]
    steps: list[Take | Mix] = [first_of((out, into, size, size))]
    for mix in whole:
        if not mix.name.startswith("mix"):
            continue
        edge = int(mix.name.removeprefix("mix"))
        if edge < k:
            break
        window = (range((size - edge) // 2, (size + edge) // 2),)
        steps += [Take(((range(out),), (range(into),), window, window)), Mix(mix.name)]
        size = edge
    return {**result, "weight": tuple(steps)}


# --- attention -----------------------------------------------------------------------------------


def thirds(rows: int, columns: int) -> Slice:
    """Every third of the first rows from 0 on, then from 1 on, then from 2 on."""
    return (Take((tuple(range(i, rows, 3) for i in range(3)), (range(columns),))),)
