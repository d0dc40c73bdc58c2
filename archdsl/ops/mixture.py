"""Values weighed by gates: what stands for a choice where every alternative runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from archdsl.ir.formula import ALWAYS, All, Formula, Taken, all_of
from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Code, Helper, Operation, OperationError, Traits, Types
from archdsl.ops.joins import Join, Sum
from archdsl.ops.normalisation import BatchNorm

MIX = '''\
def mix(weights: Tensor | tuple[Tensor | int, ...], *values: Tensor) -> Tensor:
    """The sum of the values, each times its weight."""
    return sum(w * x for w, x in zip(weights, values, strict=True))
'''

SCALED_NORM = '''\
class ScaledBatchNorm2d(nn.BatchNorm2d):
    """Batch norm times a number, in one pass: no product, and no result kept for its gradient."""

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:  # (B, C, H, W)
        if self.training:
            self.num_batches_tracked.add_(1)
        statistics = self.running_mean, self.running_var
        weight = scale.to(self.running_mean).expand(x.shape[1]).contiguous()  # faster
        return F.batch_norm(x, *statistics, weight, None, self.training, self.momentum, self.eps)
'''


@dataclass(frozen=True, slots=True)
class Slice:
    """The weights of several terms: entries of one hole's gate, all times the same factor."""

    hole: str
    entries: tuple[int, ...]
    factor: Formula = ALWAYS


Group: TypeAlias = Slice | Formula
"""Terms whose weights are written together, or the weight of one term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture(Join):
    """The sum of values, each times its weight.

    A weight is a formula read as a number: a gate for 'that alternative is taken', products for
    'and', 1 - x for 'not'. So it is 0 or 1 where every gate is. `over`: what the sum is divided
    by, for a mean of those that are there.
    """

    keyword = "mixture"
    attribute = "mixture"
    helpers = (Helper(name="mix", source=MIX),)

    gates: tuple[Formula, ...]
    over: tuple[Formula, ...] = ()

    def infer(self, inputs: Types) -> TensorType:
        if len(inputs) != len(self.gates):
            raise OperationError(
                "as many weights as values are needed", f"{len(self.gates)}", f"{len(inputs)}"
            )
        return Sum().infer(inputs)

    def groups(self) -> list[tuple[Group, tuple[int, ...]]]:
        """The weights, with the positions of their terms: neighbours of one gate together."""
        found: list[tuple[Group, tuple[int, ...]]] = []
        parts = [split(gate) for gate in self.gates]
        for key, run in groupby(range(len(parts)), lambda i: parts[i] or i):
            terms = tuple(run)
            if len(terms) > 1 and not isinstance(key, int):
                entries = tuple(_entry(self.gates[i]) for i in terms)
                found.append((Slice(key[0], entries, key[1]), terms))
            else:
                found += [(self.gates[i], (i,)) for i in terms]
        return found

    def code(self, inputs: Types) -> Code:
        """The gates are the emitter's to name; this says what a file needs for it."""
        together = any(len(terms) > 1 for _, terms in self.groups())
        helpers = ("mix",) if together or self.over else ()
        return Code(expression="mix({all})", helpers=helpers)

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=True)

    def without(self, gone: Sequence[bool]) -> Mixture:
        """The same without the terms that are zero; what a mean is divided by stays."""
        kept = tuple(w for w, is_zero in zip(self.gates, gone, strict=True) if not is_zero)
        return Mixture(gates=kept, over=self.over)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running(Sum):
    """The sum of the alternatives that run, of which there is at least one."""

    keyword = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateNumber(Operation):
    """A weight by itself, for what takes it as an input."""

    keyword = "gate_number"
    attribute = "scale"
    arity = 0
    batched = False

    gate: Formula

    def infer(self, inputs: Types) -> TensorType:
        return TensorType(())

    def code(self, inputs: Types) -> Code:
        return Code(expression="gate")

    def describe(self) -> str:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledNorm(Operation):
    """A batch norm of maps without weights of its own, times a number that it is given."""

    keyword = "scaled_norm"
    attribute = "norm"
    arity = 2
    helpers = (Helper(name="ScaledBatchNorm2d", source=SCALED_NORM),)

    norm: BatchNorm

    def infer(self, inputs: Types) -> TensorType:
        return self.norm.infer(inputs[:1])

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.norm.weights(inputs[:1])

    def code(self, inputs: Types) -> Code:
        arguments = self.norm.code(inputs[:1]).arguments
        name = "ScaledBatchNorm2d"
        return Code(constructor=name, arguments=arguments, helpers=(name,))

    def traits(self, inputs: Types) -> Traits:
        return Traits(per_channel=True, batch_statistics=True)

    def describe(self) -> str:
        return "batch norm"


def split(gate: Formula) -> tuple[str, Formula] | None:
    """The hole of a weight that ends in an entry of its gate, and the factor before that."""
    match gate:
        case Taken(hole):
            return hole, ALWAYS
        case All((*rest, Taken(hole))):
            return hole, all_of(rest)
        case _:
            return None


def _entry(gate: Formula) -> int:
    match gate:
        case Taken(_, entry) | All((*_, Taken(_, entry))):
            return entry
        case _:
            raise AssertionError("no entry of a gate")
