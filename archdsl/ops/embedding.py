"""A table with one vector for each index: `embedding`."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Operation, OperationError, Traits, Types
from archdsl.ops.shapes import at_least, axes, only


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Operation):
    """A row of `dim` numbers for every index; `rows` is how many there are, the bound if unsaid.

    Applied to vectors of `dim` numbers it is read the other way and gives the score of every
    row, so that `@` ties the first and the last layer of a language model (Press and Wolf,
    "Using the Output Embedding to Improve Language Models", section 2).
    """

    keyword = "embedding"
    attribute = "embedding"
    takes_indices = True

    dim: int
    rows: int | None = None

    def __post_init__(self) -> None:
        at_least("embedding", "dim", self.dim, 1)
        at_least("embedding", "rows", self.rows, 1)

    def infer(self, inputs: Types) -> TensorType:
        given = only("embedding", inputs)
        if given.below is None:
            return self._scores(inputs)
        if len(given.shape) != 1:
            raise OperationError(
                "embedding takes indices in a row",
                found=str(given),
                expected="one axis, as in words: 35 of 10000",
            )
        if self.rows is not None and self.rows < given.below:
            raise OperationError(
                "rows of embedding do not suffice for the indices",
                found=f"rows={self.rows} for indices below {given.below}",
                expected=f"at least {given.below}",
            )
        return TensorType((*given.shape, self.dim))

    def _scores(self, inputs: Types) -> TensorType:
        if self.rows is None:
            raise OperationError(
                "embedding takes indices",
                found=f"{inputs[0]}, quantities",
                expected="an input such as words: 35 of 10000",
                hint="with rows=... it scores all rows for vectors: the way out of a tied model",
            )
        shape = axes("embedding", inputs, 1, 2)
        if shape[-1] != self.dim:
            raise OperationError(
                "embedding scores vectors as long as its rows",
                found=f"{shape[-1]} numbers",
                expected=f"{self.dim}",
            )
        return TensorType((*shape[:-1], self.rows))

    def _rows(self, inputs: Types) -> int:
        rows = self.rows if self.rows is not None else inputs[0].below
        assert rows is not None, "infer has refused this"
        return rows

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return (Weight(name="weight", shape=(self._rows(inputs), self.dim)),)

    def macs(self, inputs: Types) -> int:
        return 0 if inputs[0].below is not None else inputs[0].elements * self._rows(inputs)

    def code(self, inputs: Types) -> Code:
        return Code(
            constructor="nn.Embedding",
            arguments=(Argument(self._rows(inputs), "words"), Argument(self.dim, "dim")),
            expression="" if inputs[0].below is not None else "F.linear({0}, {self}.weight)",
        )

    def traits(self, inputs: Types) -> Traits:
        scores = inputs[0].below is None
        return Traits(linear=scores, affine=scores, zero=scores, per_position=True)
