"""Noise for training: `dropout` and its relatives. In evaluation they pass their input on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from archdsl.ir.types import TensorType
from archdsl.ops.base import Argument, Code, Helper, Operation, OperationError, Traits, Types
from archdsl.ops.growth import ANYTHING
from archdsl.ops.shapes import axes, only

DROP_PATH = '''\
class DropPath(nn.Module):
    """Training drops the whole input for a share `p` of the batch; the rest makes up for it."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - self.p)
        return x * (kept / (1 - self.p))
'''


LOCKED_DROPOUT = '''\
class LockedDropout(nn.Module):
    """Training drops a share `p` of the channels, the same ones at every position."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        return F.dropout1d(x.transpose(1, 2), self.p, self.training).transpose(1, 2)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Operation):
    """What all have in common: the share `p` that training drops."""

    unchanged = ANYTHING

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise OperationError(
                f"p of {self.keyword} is out of range", f"p={self.p}", "from 0 to below 1"
            )

    def infer(self, inputs: Types) -> TensorType:
        return only(self.keyword, inputs)

    def traits(self, inputs: Types) -> Traits:
        # Also with p = 0: no pass may depend on that number.
        return Traits(zero=True, random=True)

    def still(self) -> Self:
        return replace(self, p=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Drop):
    """Training sets each element to zero with probability p and scales up the rest.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
    """

    keyword = attribute = "dropout"

    def code(self, inputs: Types) -> Code:
        return Code(constructor="nn.Dropout", arguments=(Argument(self.p, "dropout"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedDropout(Drop):
    """Dropout of whole channels of tokens: what is dropped is so at every position.

    Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural
    Networks", section 4: one mask for a whole sequence. Also called variational dropout.
    """

    keyword = attribute = "locked_dropout"
    helpers = (Helper(name="LockedDropout", source=LOCKED_DROPOUT),)

    def infer(self, inputs: Types) -> TensorType:
        axes("locked_dropout", inputs, 2)
        return inputs[0]

    def code(self, inputs: Types) -> Code:
        return Code(
            constructor="LockedDropout",
            arguments=(Argument(self.p, "dropout"),),
            helpers=("LockedDropout",),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPath(Drop):
    """Training sets the whole value to zero with probability p for each input of the batch.

    Huang et al., "Deep Networks with Stochastic Depth"; also called stochastic depth.
    """

    keyword = attribute = "drop_path"
    helpers = (Helper(name="DropPath", source=DROP_PATH),)

    def code(self, inputs: Types) -> Code:
        return Code(
            constructor="DropPath",
            arguments=(Argument(self.p, "drop_path"),),
            helpers=("DropPath",),
        )
