"""Multi-head self-attention between the positions of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, OperationError, Traits, Types
from archdsl.ops.shapes import at_least, divides, map_axes, option

SINCOS_POSITIONS = '''\
def sincos_positions(size: int, dim: int) -> Tensor:
    """Sine and cosine of row and column at dim / 4 frequencies: (size * size, dim)."""
    frequency = torch.exp(-math.log(10000.0) * torch.arange(dim // 4) / (dim // 4))
    angle = torch.arange(size)[:, None] * frequency  # (size, dim / 4)
    axis = torch.cat((angle.sin(), angle.cos()), dim=1)  # (size, dim / 2)
    rows = axis[:, None, :].expand(size, size, -1)
    columns = axis[None, :, :].expand(size, size, -1)
    return torch.cat((rows, columns), dim=2).reshape(size * size, dim)
'''

SINCOS = '''\
class Attention(nn.Module):
    """Multi-head self-attention between positions, with sine and cosine positions added."""

    def __init__(self, dim: int, size: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.register_buffer("positions", sincos_positions(size, dim), persistent=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        batch, dim, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self.positions  # (B, N, C)
        q, k, v = self.qkv(tokens).view(batch, -1, 3, self.heads, dim // self.heads).unbind(2)
        y = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        )  # (B, heads, N, C/heads)
        return y.transpose(2, 3).reshape(batch, dim, height, width)
'''

PLAIN = '''\
class PlainAttention(nn.Module):
    """Multi-head self-attention between positions, which it does not tell apart."""

    def __init__(self, dim: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        batch, dim, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, C)
        q, k, v = self.qkv(tokens).view(batch, -1, 3, self.heads, dim // self.heads).unbind(2)
        y = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        )  # (B, heads, N, C/heads)
        return y.transpose(2, 3).reshape(batch, dim, height, width)
'''

LEARNED = '''\
class LearnedPositionAttention(nn.Module):
    """Multi-head self-attention between positions, with learned positions in the logits.

    Rows and columns have an embedding each, shared by the heads; queries attend to their sum
    as well as to the keys. Srinivas et al., "Bottleneck Transformers", absolute positions.
    """

    def __init__(self, dim: int, height: int, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.rows = nn.Parameter(torch.randn(height, dim // heads) * self.scale)
        self.columns = nn.Parameter(torch.randn(width, dim // heads) * self.scale)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        batch, dim, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, C)
        qkv = self.qkv(tokens).view(batch, -1, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, C/heads) each
        q = q * self.scale
        positions = (self.rows[:, None] + self.columns).flatten(0, 1)  # (N, C/heads)
        logits = q @ k.transpose(2, 3) + q @ positions.T  # (B, heads, N, N)
        y = logits.softmax(dim=-1) @ v  # (B, heads, N, C/heads)
        return y.transpose(2, 3).reshape(batch, dim, height, width)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention(Operation):
    """Self-attention without biases and without an output projection.

    Queries, keys and values have as many channels as the map. `pos`: nothing; fixed sines and
    cosines added to the input; or learned row and column embeddings added to the logits.
    """

    keyword = "attention"
    attribute = "attention"
    helpers = (
        Helper(name="sincos_positions", source=SINCOS_POSITIONS, imports=("math",)),
        Helper(name="Attention", source=SINCOS),
        Helper(name="PlainAttention", source=PLAIN),
        Helper(name="LearnedPositionAttention", source=LEARNED),
    )

    heads: int = 4
    pos: Literal["none", "sincos", "learned"] = "none"

    def __post_init__(self) -> None:
        at_least("attention", "heads", self.heads, 1)

    def infer(self, inputs: Types) -> TensorType:
        channels, height, width = map_axes("attention", inputs)
        divides("attention", "heads", self.heads, channels)
        if self.pos == "sincos" and height != width:
            raise OperationError(
                "sine and cosine positions need a square map",
                found=f"{height} x {width}",
                expected="equal height and width",
                hint='use pos="learned" or pos="none"',
            )
        if self.pos == "sincos" and channels % 4:
            raise OperationError(
                "sine and cosine positions need channels in fours",
                found=f"{channels} channels",
                expected="a multiple of 4",
                hint='use pos="learned" or pos="none"',
            )
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        channels, height, width = inputs[0].shape
        qkv = Weight(name="qkv.weight", shape=(3 * channels, channels))
        if self.pos != "learned":
            return (qkv,)
        head = channels // self.heads
        # Parameters of a module come before those of its parts.
        return (
            Weight(name="rows", shape=(height, head)),
            Weight(name="columns", shape=(width, head)),
            qkv,
        )

    def macs(self, inputs: Types) -> int:
        channels, height, width = inputs[0].shape
        positions = height * width
        # Queries with keys, weights with values, and queries with learned positions.
        products = 3 if self.pos == "learned" else 2
        return 3 * positions * channels**2 + products * positions**2 * channels

    def code(self, inputs: Types) -> Code:
        channels, height, width = inputs[0].shape
        dim, heads = Argument(channels, "dim"), option("heads", self.heads, 4)
        if self.pos == "none":
            name = "PlainAttention"
            return Code(constructor=name, arguments=(dim, *heads), helpers=(name,))
        if self.pos == "sincos":
            return Code(
                constructor="Attention",
                arguments=(dim, Argument(height, "size"), *heads),
                helpers=("sincos_positions", "Attention"),
            )
        square = height == width
        rows = Argument(height, "size" if square else "height")
        columns = Argument(width, "size" if square else "width")
        name = "LearnedPositionAttention"
        return Code(constructor=name, arguments=(dim, rows, columns, *heads), helpers=(name,))

    def traits(self, inputs: Types) -> Traits:
        # Without biases the values of a zero input are zero; added positions are an input.
        return Traits(zero=self.pos != "sincos")
