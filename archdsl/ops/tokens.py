"""Tokens: from a map and back to one vector, what is learned for each, and gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import (
    Argument,
    Code,
    Elastic,
    Helper,
    Operation,
    OperationError,
    Traits,
    Types,
)
from archdsl.ops.growth import ZERO, Along, Interval, Start
from archdsl.ops.shapes import at_least, axes, map_axes
from archdsl.ops.sharing import helpers as helpers_of
from archdsl.ops.sharing import shared

TO_TOKENS = '''\
class ToTokens(nn.Module):
    """A map as tokens, row by row."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, H*W, C)
        return x.flatten(2).transpose(1, 2)
'''

CLASS_TOKEN = '''\
class ClassToken(nn.Module):
    """A learned token before all others."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C) -> (B, N + 1, C)
        return torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1)
'''

POSITIONS = '''\
class Positions(nn.Module):
    """A learned vector added to each token."""

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(1, tokens, dim))
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        return x + self.positions
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class ToTokens(Operation):
    """A map as tokens, row by row."""

    keyword = "to_tokens"
    attribute = "to_tokens"
    helpers = (Helper(name="ToTokens", source=TO_TOKENS),)

    def infer(self, inputs: Types) -> TensorType:
        channels, height, width = map_axes("to_tokens", inputs)
        return TensorType((height * width, channels))

    def code(self, inputs: Types) -> Code:
        return Code(constructor="ToTokens", helpers=("ToTokens",))

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassToken(Operation):
    """A learned token before all others (Dosovitskiy et al., 2021); it starts small."""

    keyword = "class_token"
    attribute = "class_token"
    helpers = (Helper(name="ClassToken", source=CLASS_TOKEN), *helpers_of("ElasticClassToken"))

    def infer(self, inputs: Types) -> TensorType:
        tokens, channels = _tokens("class_token", inputs)
        return TensorType((tokens + 1, channels))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (Weight(name="token", shape=(1, 1, inputs[0].channels)),)

    def code(self, inputs: Types) -> Code:
        dim = Argument(inputs[0].channels, "dim")
        return Code(constructor="ClassToken", arguments=(dim,), helpers=("ClassToken",))

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        return {"token": (Along.REST, Along.REST, Along.CHANNELS)}

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        return shared(self, inputs, "ElasticClassToken", "ClassToken")

    def traits(self, inputs: Types) -> Traits:
        return Traits(affine=True, per_channel=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions(Operation):
    """A learned vector added to each token; they start small, as in ViT."""

    keyword = "positions"
    attribute = "positions"
    helpers = (Helper(name="Positions", source=POSITIONS), *helpers_of("ElasticPositions"))

    def infer(self, inputs: Types) -> TensorType:
        _tokens("positions", inputs)
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (Weight(name="positions", shape=(1, *inputs[0].shape)),)

    def code(self, inputs: Types) -> Code:
        tokens, channels = inputs[0].shape
        arguments = (Argument(tokens, "tokens"), Argument(channels, "dim"))
        return Code(constructor="Positions", arguments=arguments, helpers=("Positions",))

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        return {"positions": (Along.REST, Along.REST, Along.CHANNELS)}

    def identity(self, inputs: Types) -> Mapping[str, Start]:
        return {"positions": ZERO}

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        return shared(self, inputs, "ElasticPositions", "Positions")

    def traits(self, inputs: Types) -> Traits:
        return Traits(affine=True, per_channel=True, per_position=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Operation):
    """One of the tokens as a vector; the first is 0."""

    keyword = "token"
    attribute = "token"

    index: int = 0

    def __post_init__(self) -> None:
        at_least("token", "index", self.index, 0)

    def infer(self, inputs: Types) -> TensorType:
        tokens, channels = _tokens("token", inputs)
        _inside("token", "index", self.index, tokens)
        return TensorType((channels,))

    def code(self, inputs: Types) -> Code:
        return Code(expression=f"{{0}}[:, {self.index}]")

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True)

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return inputs[0]

    def describe(self) -> str:
        return f"token {self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens(Operation):
    """The tokens from `first` up to, not including, `last`; without `last`, to the end."""

    keyword = "tokens"
    attribute = "tokens"

    first: int
    last: int | None = None

    def __post_init__(self) -> None:
        at_least("tokens", "first", self.first, 0)
        at_least("tokens", "last", self.last, self.first + 1)

    def infer(self, inputs: Types) -> TensorType:
        tokens, channels = _tokens("tokens", inputs)
        last = self.last or tokens
        _inside("tokens", "first", self.first, tokens)
        if last > tokens:
            raise OperationError(
                "tokens selects more than there is",
                found=f"last={last} for {tokens} tokens",
                expected=f"at most {tokens}",
            )
        return TensorType((last - self.first, channels))

    def code(self, inputs: Types) -> Code:
        end = self.last if self.last != inputs[0].shape[0] else None
        return Code(expression=f"{{0}}[:, {self.first or ''}:{end or ''}]")

    def traits(self, inputs: Types) -> Traits:
        whole = self.infer(inputs) == inputs[0]
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=whole)

    def describe(self) -> str:
        end = "on" if self.last is None else f"to {self.last - 1}"
        return f"tokens {self.first} {end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GLU(Operation):
    """The first half of the channels times the sigmoid of the other (Dauphin et al., 2017)."""

    keyword = attribute = "glu"

    def infer(self, inputs: Types) -> TensorType:
        shape = axes("glu", inputs, 1, 2, 3)
        channels = inputs[0].channels
        if channels % 2:
            raise OperationError(
                "glu needs two halves", f"{channels} channels", "an even number of channels"
            )
        half = channels // 2
        return TensorType((shape[0], half) if len(shape) == 2 else (half, *shape[1:]))

    def code(self, inputs: Types) -> Code:
        axis = 1 if len(inputs[0].shape) != 2 else 2
        return Code(
            constructor="nn.GLU",
            arguments=(Argument(axis, "axis"),),
            expression=f"F.glu({{0}}, dim={axis})",
        )

    def traits(self, inputs: Types) -> Traits:
        return Traits(zero=True, per_position=True)


def _tokens(keyword: str, inputs: Types) -> tuple[int, int]:
    """Count and channels of the single input, which must be tokens."""
    hint = "to_tokens makes tokens of a map"
    tokens, channels = axes(keyword, inputs, 2, hint=hint)
    return tokens, channels


def _inside(keyword: str, name: str, value: int, tokens: int) -> None:
    if value >= tokens:
        raise OperationError(
            f"{name} of {keyword} is out of range",
            found=f"{name}={value} for {tokens} tokens",
            expected=f"at most {tokens - 1}",
        )
