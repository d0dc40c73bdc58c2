"""Values one behind the other along the batch, and taken apart again. Only passes create them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ir.types import TensorType
from archdsl.ops.base import Code, Operation, OperationError, Types


@dataclass(frozen=True, slots=True, kw_only=True)
class StackBatch(Operation):
    """Values of one type as one value of a larger batch.

    Types are those of one input of the batch, so the result has the type of its parts.
    """

    keyword = "stack_batch"
    attribute = "stacked"
    arity: ClassVar[int | None] = None
    takes_indices = True

    def infer(self, inputs: Types) -> TensorType:
        if not inputs or len(set(inputs)) > 1:
            raise OperationError("only values of one type are stacked along the batch")
        return inputs[0]

    def code(self, inputs: Types) -> Code:
        return Code(expression="torch.cat(({all}))")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitBatch(Operation):
    """The `count` equal parts of a batch that was stacked."""

    keyword = "split_batch"
    attribute = "parts"

    count: int

    def infer(self, inputs: Types) -> Types:
        (value,) = inputs
        return (value,) * self.count

    def code(self, inputs: Types) -> Code:
        note = "one call for both batches" if self.count == 2 else "one call for all batches"
        # `chunk` has a guard of its own on the size of the batch, which torch.export refuses.
        each = f"[{{0}}.shape[0] // {self.count}] * {self.count}"
        return Code(expression=f"{{0}}.split({each})", note=note)
