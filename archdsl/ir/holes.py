"""Holes: registered in the order of the text, every alternative elaborated in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archdsl.ir.formula import Formula, Taken
from archdsl.ir.values import Names, Tensor, Terms, Value, kind_of
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Operator, Quantity

if TYPE_CHECKING:
    from archdsl.ir.work import Work


@dataclass(slots=True)
class Holes:
    """Elaborates the holes of one module."""

    work: Work

    def of_functions(self, hole: tree.Hole, names: Names, value: Tensor) -> Value:
        alternatives = self._alternatives(hole, names)
        key = self._register(hole, [label for label, *_ in alternatives], "op")
        cases: list[tuple[int, Value]] = []
        for number, (label, inner, alternative, indices) in enumerate(alternatives):
            step = None
            if alternative.label is not None:
                step = replace(
                    self.work.builder.step(label.replace(".", "_"), alternative.span),
                    indices=self.work.builder.at.indices,
                )
            with self.work.builder.inside(key, (number,)), self.work.builder.indexed(indices):
                cases.append(
                    (number, self.work.applier.apply(alternative.value, inner, value, step))
                )
        return self._taken(hole, key, cases)

    def of_values(self, hole: tree.Hole, names: Names) -> Value:
        """`{n[j] -> edge for j in 1..3}`, `{3 | 5}`, `2 of {...}`: alternatives are values."""
        alternatives = self._alternatives(hole, names)
        key = self._register(
            hole, [label for label, *_ in alternatives], self._value_stem(hole, alternatives)
        )
        cases: list[tuple[int, Value]] = []
        for number, (_, inner, alternative, indices) in enumerate(alternatives):
            with self.work.builder.inside(key, (number,)), self.work.builder.indexed(indices):
                cases.append((number, self.work.evaluator.value(alternative.value, inner)))
        return self._taken(hole, key, cases)

    def _value_stem(
        self, hole: tree.Hole, alternatives: Sequence[tuple[str, Names, tree.Alternative, object]]
    ) -> str:
        _, _, alternative, _ = alternatives[0]
        if isinstance(alternative.value, (tree.Number, tree.Flag, tree.Text)):
            return self.work.builder.at.hint or "number"
        return "source" if hole.quantity is Quantity.ONE else "sources"

    def _register(self, hole: tree.Hole, labels: list[str], stem: str) -> str:
        for number, label in enumerate(labels):
            if label in labels[:number]:
                raise fault(
                    "E0501",
                    f"two alternatives are called {label}",
                    hole.span,
                    hint="name them apart: {a = ... | b = ...}",
                )
        if hole.quantity is Quantity.SOME and not 0 < hole.count <= len(labels):
            raise fault(
                "E0503",
                f"{hole.count} of {len(labels)} alternatives cannot be taken",
                hole.span,
                found=f"{hole.count} of",
                expected=f"1 to {len(labels)}",
            )
        key = self.work.builder.register(hole.quantity, hole.count, tuple(labels), stem, hole.span)
        self.work.lifter.labels[key] = tuple(labels)
        return key

    def _taken(self, hole: tree.Hole, key: str, cases: list[tuple[int, Value]]) -> Value:
        if hole.quantity is Quantity.ONE:
            return self.work.lifter.collapse(key, cases)
        terms: list[tuple[Tensor, Formula]] = []
        for number, value in cases:
            if not isinstance(value, Tensor):
                raise fault(
                    "E0503", "a set takes values of the network", hole.span, found=kind_of(value)
                )
            terms.append((value, Taken(key, number)))
        return Terms(tuple(terms))

    def _alternatives(
        self, hole: tree.Hole, names: Names
    ) -> list[tuple[str, Names, tree.Alternative, tuple[str, ...]]]:
        """Every alternative with its label, its names and its indices."""
        result: list[tuple[str, Names, tree.Alternative, tuple[str, ...]]] = []
        for alternative in hole.alternatives:
            for written in self._expanded(alternative, names):
                for inner, indices in self.work.evaluator.unroll(written.comprehensions, names):
                    label = self._label(written, inner, indices)
                    result.append((label, inner, written, indices))
        if not result:
            raise fault("E0503", "a hole without alternatives", hole.span)
        return result

    def _expanded(self, alternative: tree.Alternative, names: Names) -> Iterator[tree.Alternative]:
        """`n[1..3]` and `1..3` as alternatives stand for three each."""
        value = alternative.value
        span = value.span
        if isinstance(value, tree.Binary) and value.operator is Operator.RANGE:
            for label in self.work.evaluator.series(value, names).labels:
                number = tree.Number(value=int(label), text=label, span=span)
                yield replace(alternative, value=number)
            return
        if isinstance(value, tree.Ref) and len(value.index) == 1:
            index = value.index[0]
            if isinstance(index, tree.Binary) and index.operator is Operator.RANGE:
                for label in self.work.evaluator.series(index, names).labels:
                    number = tree.Number(value=int(label), text=label, span=index.span)
                    yield replace(alternative, value=replace(value, index=(number,)))
                return
        yield alternative

    def _label(self, alternative: tree.Alternative, names: Names, indices: tuple[str, ...]) -> str:
        """The alternative's own name, else its number, index or operation."""
        if alternative.label is not None:
            own = [str(self.work.evaluator.value(i, names)) for i in alternative.label.index]
            return ".".join((alternative.label.name, *own))
        if indices:
            return ".".join(indices)
        value = alternative.value
        match value:
            case tree.Number() | tree.Flag() | tree.Text():
                return _spelled(value.value)
            case tree.Ref(index=(index,)):
                return str(self.work.evaluator.value(index, names))
            case tree.Ref(name=name) | tree.Call(name=name) | tree.Tied(value=tree.Ref(name=name)):
                return name
            case _:
                raise fault(
                    "E0502",
                    "this alternative needs a name",
                    value.span,
                    hint="write {name = ... | ...}: strings call it by that name",
                )


def _spelled(value: int | float | bool | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
