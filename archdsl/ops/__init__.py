"""Operations: one file for each family, one class for each operation.

`OPERATIONS` is every built-in one. An installed package can add its own under the entry point
group `archdsl.operations` (see docs/operations.md).
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from archdsl.ops.activation import (
    ELU,
    GELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Tanh,
)
from archdsl.ops.attention import Attention
from archdsl.ops.base import Operation, OperationError
from archdsl.ops.bias import Bias
from archdsl.ops.constants import Identity, Zero
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.dropout import Dropout, DropPath, LockedDropout
from archdsl.ops.embedding import Embedding
from archdsl.ops.gate import Gate
from archdsl.ops.joins import Concat, Lerp, Mean, Product, Sum
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import MLP, TokensLinear, TokensMLP
from archdsl.ops.normalisation import BatchNorm, GroupNorm, LayerNorm, Scale
from archdsl.ops.pooling import AdaptivePool, AvgPool, GlobalPool, MaxPool, Pool
from archdsl.ops.rearrange import Channels, Crop, Flatten, Shuffle
from archdsl.ops.resize import Resize
from archdsl.ops.token_attention import CrossAttention, SelfAttention
from archdsl.ops.token_convolution import LightConv, TokenConv, TokenDepthwiseConv
from archdsl.ops.tokens import GLU, ClassToken, Positions, Token, Tokens, ToTokens

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "archdsl.operations"

OPERATIONS: tuple[type[Operation], ...] = (
    Sum,
    Mean,
    Concat,
    Product,
    Lerp,
    Identity,
    Zero,
    Conv,
    DepthwiseConv,
    Linear,
    Embedding,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    Scale,
    Bias,
    Gate,
    ReLU,
    GELU,
    SiLU,
    Sigmoid,
    Tanh,
    ReLU6,
    HardSwish,
    HardSigmoid,
    ELU,
    LeakyReLU,
    Dropout,
    DropPath,
    LockedDropout,
    Pool,
    AvgPool,
    MaxPool,
    GlobalPool,
    AdaptivePool,
    Crop,
    Channels,
    Shuffle,
    Flatten,
    Resize,
    Attention,
    SelfAttention,
    CrossAttention,
    MLP,
    TokensMLP,
    TokensLinear,
    ToTokens,
    Tokens,
    Token,
    ClassToken,
    Positions,
    TokenConv,
    TokenDepthwiseConv,
    LightConv,
    GLU,
)

_BUILT_IN = {operation.keyword: operation for operation in OPERATIONS}


def lookup(keyword: str) -> type[Operation] | None:
    """The operation of that name, or None.

    Built-in names come first, so no package can change their meaning. Raises OperationError
    where an installed package offers the name but cannot deliver the operation.
    """
    if built_in := _BUILT_IN.get(keyword):
        return built_in
    entry = _installed(tuple(sys.path)).get(keyword)
    return None if entry is None else _load(entry)


@lru_cache(maxsize=8)
def _installed(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """What installed packages offer; the search path is the key of the cache."""
    from importlib.metadata import entry_points  # slow to import, and seldom needed

    return {entry.name: entry for entry in sorted(entry_points(group=ENTRY_POINTS), reverse=True)}


def _load(entry: EntryPoint) -> type[Operation]:
    try:
        operation = entry.load()
    except Exception as error:  # whatever a stranger's module raises on import
        raise OperationError(
            f"the installed operation {entry.name} does not load",
            found=f"{type(error).__name__}: {error}",
            hint=f"repair or remove the package that provides {entry.value}",
        ) from error
    if not (isinstance(operation, type) and issubclass(operation, Operation)):
        raise OperationError(
            f"the installed operation {entry.name} is no operation",
            found=entry.value,
            expected="a class that derives from archdsl.ops.base.Operation",
        )
    if operation.keyword != entry.name:
        raise OperationError(
            f"the installed operation {entry.name} has another keyword",
            found=operation.keyword,
            expected=entry.name,
        )
    return operation


__all__ = ["ENTRY_POINTS", "OPERATIONS", "Operation", "OperationError", "lookup"]
