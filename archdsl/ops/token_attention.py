"""Multi-head attention between tokens, with biases and an output projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Literal

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import (
    Argument,
    Code,
    Elastic,
    Helper,
    Layer,
    Operation,
    OperationError,
    Slice,
    Types,
)
from archdsl.ops.growth import Along
from archdsl.ops.shapes import at_least, axes, divides, option
from archdsl.ops.sharing import helpers as helpers_of
from archdsl.ops.sharing import shared as shared_by
from archdsl.ops.sharing import thirds

SELF = '''\
class TokenAttention(nn.Module):
    """Multi-head self-attention between tokens; `head` is the width of a head."""

    def __init__(self, dim: int, heads: int, head: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * heads * head, bias)
        self.out = nn.Linear(heads * head, dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (B, N, 3, heads, head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, head) each
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))
'''

CAUSAL = (
    SELF.replace("class TokenAttention", "class CausalAttention")
    .replace("between tokens; `head`", "to earlier tokens; `head`")
    .replace("attention(q, k, v)", "attention(q, k, v, is_causal=True)")
)

RELATIVE_POSITIONS = '''\
class RelativePositions(nn.Module):
    """A vector for each pair of tokens: the sum of one for its rows and one for its columns.

    The first token stands outside the map of `size` x `size` others, and has vectors of its
    own. Distances beyond `reach` count as `reach`.
    """

    def __init__(self, size: int, dim: int, reach: int = 14) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.empty(2 * reach + 2, dim))
        self.columns = nn.Parameter(torch.empty(2 * reach + 2, dim))
        nn.init.trunc_normal_(self.rows, std=0.02)
        nn.init.trunc_normal_(self.columns, std=0.02)
        place = torch.arange(size * size)
        for name, axis in (("row", place // size), ("column", place % size)):
            distance = (axis[None, :] - axis[:, None]).clamp(-reach, reach)
            index = F.pad(distance + reach + 1, (1, 0, 1, 0))  # 0 is for the first token
            self.register_buffer(name, index, persistent=False)

    def forward(self) -> Tensor:  # (N, N, C)
        return self.rows[self.row] + self.columns[self.column]
'''

RELATIVE = '''\
class RelativeAttention(nn.Module):
    """Multi-head self-attention with relative positions at the keys and at the values.

    The first token stands for the whole, the others are a map of `size` x `size`; `head` is
    the width of a head. Chen et al., "AutoFormer", section 3; Shaw et al., "Self-Attention
    with Relative Position Representations", equations 3 and 4.
    """

    def __init__(
        self, dim: int, size: int, heads: int, head: int, bias: bool = True, reach: int = 14
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = head**-0.5
        self.qkv = nn.Linear(dim, 3 * heads * head, bias)
        self.key_positions = RelativePositions(size, head, reach)
        self.value_positions = RelativePositions(size, head, reach)
        self.out = nn.Linear(heads * head, dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (B, N, 3, heads, head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, N, head) each
        near = torch.einsum("bhnc,nmc->bhnm", q, self.key_positions())
        weights = ((q @ k.mT + near) * self.scale).softmax(dim=-1)  # (B, heads, N, N)
        place = torch.einsum("bhnm,nmc->bhnc", weights, self.value_positions())
        return self.out((weights @ v + place).transpose(1, 2).flatten(2))
'''

CROSS = '''\
class CrossAttention(nn.Module):
    """Multi-head attention of tokens to those of a memory; `head` is the width of a head."""

    def __init__(self, dim: int, memory: int, heads: int, head: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, heads * head, bias)
        self.kv = nn.Linear(memory, 2 * heads * head, bias)
        self.out = nn.Linear(heads * head, dim)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:  # (B, N, C), (B, M, D) -> (B, N, C)
        q = self.q(x).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, head)
        kv = self.kv(memory).unflatten(2, (2, self.heads, -1))  # (B, M, 2, heads, head)
        k, v = kv.permute(2, 0, 3, 1, 4)  # (B, heads, M, head) each
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfAttention(Operation):
    """Multi-head self-attention between tokens (Vaswani et al., 2017; Dosovitskiy et al., 2021).

    One matrix makes queries, keys and values, in this order, head by head; another one brings
    the heads back to the width of the tokens. `head`: the width of a head, without it the
    width of the tokens divided by `heads`. `bias`: of queries, keys and values.

    `pos="relative"`: a learned vector for the distance of two tokens is added to the keys,
    another one to the values (AutoFormer); distances end at `reach`, and the first token
    stands outside the square map of the others. `causal`: each token sees those before it.
    """

    keyword = "msa"
    attribute = "attention"
    widths = ("head",)
    helpers = (
        Helper(name="TokenAttention", source=SELF),
        Helper(name="CausalAttention", source=CAUSAL),
        Helper(name="RelativePositions", source=RELATIVE_POSITIONS),
        Helper(name="RelativeAttention", source=RELATIVE),
        *helpers_of("ElasticQKV", "ElasticLinear", "ElasticTokenAttention"),
        *helpers_of("ElasticCausalAttention", "ElasticRelativeAttention"),
    )

    heads: int
    head: int | None = None
    bias: bool = True
    pos: Literal["none", "relative"] = "none"
    reach: int = 14
    causal: bool = False

    def __post_init__(self) -> None:
        for name, value in (("heads", self.heads), ("head", self.head), ("reach", self.reach)):
            at_least("msa", name, value, 1)
        if self.causal and self.pos != "none":
            raise OperationError(
                "msa has no relative positions where tokens see only those before them",
                found=f'pos="{self.pos}", causal=yes',
                expected='causal=yes with pos="none"',
            )

    def infer(self, inputs: Types) -> TensorType:
        tokens, dim = axes("msa", inputs, 2, hint="for maps, put to_tokens before it")
        if self.head is None:
            divides("msa", "heads", self.heads, dim)
        if self.pos == "relative" and isqrt(tokens - 1) ** 2 != tokens - 1:
            raise OperationError(
                "relative positions need one token and a square map of others",
                found=f"{tokens} tokens",
                expected="1 more than a square, at least 2",
                hint="put class_token before it",
            )
        return inputs[0]

    def head_width(self, inputs: Types) -> int:
        """Channels of one head."""
        return self.head or inputs[0].channels // self.heads

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        dim, head = inputs[0].channels, self.head_width(inputs)
        inner = self.heads * head
        qkv = [Weight(name="qkv.weight", shape=(3 * inner, dim))]
        if self.bias:
            qkv.append(Weight(name="qkv.bias", shape=(3 * inner,)))
        tables = [
            Weight(name=f"{part}_positions.{axis}", shape=(2 * self.reach + 2, head))
            for part in ("key", "value")
            for axis in ("rows", "columns")
            if self.pos == "relative"
        ]
        out = (Weight(name="out.weight", shape=(dim, inner)), Weight(name="out.bias", shape=(dim,)))
        return (*qkv, *tables, *out)

    def macs(self, inputs: Types) -> int:
        tokens, dim = inputs[0].shape
        inner = self.heads * self.head_width(inputs)
        # Queries with keys, weights with values, and both again with relative positions.
        products = 4 if self.pos == "relative" else 2
        return 4 * tokens * dim * inner + products * tokens**2 * inner

    def code(self, inputs: Types) -> Code:
        tokens, dim = inputs[0].shape
        heads = Argument(self.heads, "heads", "heads")
        head = Argument(self.head_width(inputs), "head", "head")
        width, bias = Argument(dim, "dim"), option("bias", self.bias, True)
        if self.pos == "relative":
            size = Argument(isqrt(tokens - 1), "size")
            reach = option("reach", self.reach, 14)
            return Code(
                constructor="RelativeAttention",
                arguments=(width, size, heads, head, *bias, *reach),
                helpers=("RelativePositions", "RelativeAttention"),
            )
        name = "CausalAttention" if self.causal else "TokenAttention"
        return Code(constructor=name, arguments=(width, heads, head, *bias), helpers=(name,))

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        if self.head is None:  # a width that follows from others would change with them
            return None
        code = self.code(inputs)
        needs = ("ElasticQKV", "ElasticLinear", *code.helpers)
        return shared_by(self, inputs, f"Elastic{code.constructor}", *needs, heads="heads")

    def slices(self, inputs: Types, shared: Sequence[Weight]) -> Mapping[str, Slice]:
        """AutoFormer's: every third row makes queries, keys, values; the bias is contiguous."""
        own = super(SelfAttention, self).slices(inputs, shared)
        rows = 3 * self.heads * self.head_width(inputs)
        return {**own, "qkv.weight": thirds(rows, inputs[0].channels)}

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        """The heads stay as they are: what they read and write may be wider."""
        tables = (weight.name for weight in self.weights(inputs) if "positions" in weight.name)
        return {
            **dict.fromkeys(tables, (Along.REST, Along.REST)),
            "qkv.weight": (Along.REST, Along.INPUTS),
            "qkv.bias": (Along.REST,),
            "out.weight": (Along.OUTPUTS, Along.REST),
            "out.bias": (Along.OUTPUTS,),
        }

    def settled(self, inputs: Types) -> SelfAttention:
        return replace(self, head=self.head_width(inputs))

    def biased(self, inputs: Types) -> SelfAttention:
        return replace(self, bias=True)

    def reads(self, inputs: Types) -> Layer:
        return Layer("qkv.weight", "qkv.bias")

    def writes(self, inputs: Types) -> Layer:
        return Layer("out.weight", "out.bias")

    def describe(self) -> str:
        return "self-attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossAttention(Operation):
    """Multi-head attention of tokens to those of a memory: `x -> cross_attention(memory, heads)`.

    Vaswani et al., "Attention Is All You Need", section 3.2.3: queries come from the first
    value, keys and values from the second. `head`: the width of a head, without it the width
    of the first value divided by `heads`. `bias`: of queries, keys and values.
    """

    keyword = "cross_attention"
    attribute = "attention"
    arity = 2
    helpers = (Helper(name="CrossAttention", source=CROSS),)

    heads: int
    head: int | None = None
    bias: bool = True

    def __post_init__(self) -> None:
        at_least("cross_attention", "heads", self.heads, 1)
        at_least("cross_attention", "head", self.head, 1)

    def infer(self, inputs: Types) -> TensorType:
        for value in inputs:
            axes("cross_attention", (value,), 2, hint="for maps, put to_tokens before it")
        if self.head is None:
            divides("cross_attention", "heads", self.heads, inputs[0].channels)
        return inputs[0]

    def _inner(self, inputs: Types) -> int:
        return self.heads * (self.head or inputs[0].channels // self.heads)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (dim, memory), inner = (value.channels for value in inputs), self._inner(inputs)
        found = []
        for name, shape in (
            ("q", (inner, dim)),
            ("kv", (2 * inner, memory)),
            ("out", (dim, inner)),
        ):
            found.append(Weight(name=f"{name}.weight", shape=shape))
            if self.bias or name == "out":
                found.append(Weight(name=f"{name}.bias", shape=shape[:1]))
        return tuple(found)

    def macs(self, inputs: Types) -> int:
        (tokens, dim), (others, memory) = (value.shape for value in inputs)
        return self._inner(inputs) * 2 * (tokens * dim + others * memory + tokens * others)

    def code(self, inputs: Types) -> Code:
        dim, memory = (value.channels for value in inputs)
        return Code(
            constructor="CrossAttention",
            arguments=(
                Argument(dim, "dim"),
                Argument(memory, "memory"),
                Argument(self.heads, "heads", "heads"),
                Argument(self._inner(inputs) // self.heads, "head", "head"),
                *option("bias", self.bias, True),
            ),
            helpers=("CrossAttention",),
        )

    def describe(self) -> str:
        return "cross-attention"
