"""Holes: registered in the order of the text, every alternative elaborated in its place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from archdsl.ir.formula import ALWAYS, Formula, Taken
from archdsl.ir.turns import turns
from archdsl.ir.values import Names, Series, Tensor, Terms, Value, kind_of
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Operator, Quantity

if TYPE_CHECKING:
    from archdsl.ir.work import Work


MAX_ALTERNATIVES = 2_000
WORD = re.compile(r"[A-Za-z][A-Za-z_0-9]*")
"""What an architecture string can spell without a name of its own."""


class Expanded(NamedTuple):
    """One alternative: its label, the names it sees, as written, its indices."""

    label: str
    names: Names
    written: tree.Alternative
    indices: tuple[str, ...]


@dataclass(slots=True)
class Holes:
    """Elaborates the holes of one module."""

    work: Work

    def of_functions(self, hole: tree.Hole, names: Names, value: Tensor) -> Value:
        alternatives = self._alternatives(hole, names)
        key = self._register(hole, alternatives, "op")
        cases: list[tuple[int, Value]] = []
        for number, (label, inner, alternative, indices) in enumerate(alternatives):
            step = None
            if alternative.label is not None:
                word, *own = label.split(".")
                step = self.work.builder.step(word, alternative.span)
                # As indices, for a frame with a hole in it loses its word but not these.
                step = replace(step, indices=step.indices + tuple(own))
            with self.work.builder.inside(key, (number,)), self.work.builder.indexed(indices):
                cases.append(
                    (number, self.work.applier.apply(alternative.value, inner, value, step))
                )
        self._check_kinds(hole, alternatives, cases)
        return self._taken(hole, key, cases)

    def of_values(self, hole: tree.Hole, names: Names) -> Value:
        """`{n[j] -> edge for j in 1..3}`, `{3 | 5}`, `2 of {...}`: alternatives are values."""
        if governed := self.work.guards.of_range(hole, names):
            return governed
        alternatives = self._alternatives(hole, names)
        key = self._register(hole, alternatives, self._value_stem(hole, alternatives))
        cases: list[tuple[int, Value]] = []
        for number, (_, inner, alternative, indices) in enumerate(alternatives):
            with self.work.builder.inside(key, (number,)), self.work.builder.indexed(indices):
                cases.append((number, self.work.evaluator.value(alternative.value, inner)))
        self._check_kinds(hole, alternatives, cases)
        return self._taken(hole, key, cases)

    def _check_kinds(
        self, hole: tree.Hole, alternatives: Sequence[Expanded], cases: Sequence[tuple[int, Value]]
    ) -> None:
        """Alternatives are all numbers, all texts, or all values of the network."""
        kinds = [_kind(self.work.lifter.sample(value)) for _, value in cases]
        for number, kind in enumerate(kinds):
            if kind and kind == kinds[0]:
                continue
            place = alternatives[number].written.value.span
            value = self.work.lifter.sample(cases[number][1])
            if not kind:
                raise fault(
                    "E0504",
                    "an alternative is one value",
                    place,
                    found=kind_of(value),
                    hint="join several values first: sum(...), mean(...) or concat(...)",
                )
            raise fault(
                "E0504",
                "the alternatives of a hole are of one kind",
                place,
                found=f"{kind_of(value)} beside {kind_of(self.work.lifter.sample(cases[0][1]))}",
            )

    def _value_stem(self, hole: tree.Hole, alternatives: Sequence[Expanded]) -> str:
        if alternatives and isinstance(
            alternatives[0].written.value, (tree.Number, tree.Flag, tree.Text, tree.Negate)
        ):
            return self.work.builder.at.hint or "number"
        return "source" if hole.quantity is Quantity.ONE else "sources"

    def _register(self, hole: tree.Hole, alternatives: Sequence[Expanded], stem: str) -> str:
        labels = [expanded.label for expanded in alternatives]
        for alternative, times in Counter(labels).items():
            if times > 1:
                second = [e for e in alternatives if e.label == alternative][1]
                raise fault(
                    "E0501",
                    f"two alternatives are called {alternative}",
                    second.written.span,
                    hint="name them apart: {a = ... | b = ...}",
                )
        if self.work.builder.at.given != ALWAYS:
            raise fault(
                "E0518",
                "a hole stands among values that are not always there",
                hole.span,
                found="a hole for each value of a set that other holes decide",
                expected="holes that only enclosing alternatives rule out",
                hint="decide before the set is formed: n[i] = ... -> {a | b}",
            )
        if not labels and hole.quantity is not Quantity.ANY:
            raise fault(
                "E0503",
                "a hole without alternatives",
                hole.span,
                found="a range without numbers",
                expected="at least one alternative",
                hint="only `any of` may be left without any",
            )
        if hole.quantity is Quantity.SOME and not 0 < hole.count <= len(labels):
            raise fault(
                "E0503",
                f"{hole.count} alternatives cannot be taken",
                hole.span,
                found=f"{hole.count} of {len(labels)}",
                expected=f"at most {len(labels)}",
            )
        return self.work.builder.register(hole.quantity, hole.count, tuple(labels), stem, hole.span)

    def _taken(self, hole: tree.Hole, key: str, cases: list[tuple[int, Value]]) -> Value:
        if hole.quantity is Quantity.ONE:
            return self.work.lifter.collapse(key, cases)
        labels = self.work.builder.labels[key]

        def together(*values: Value) -> Terms:
            terms: list[tuple[Tensor, Formula]] = []
            for (number, _), value in zip(cases, values, strict=True):
                if not isinstance(value, Tensor):
                    raise fault(
                        "E0504",
                        "a set takes values of the network",
                        hole.span,
                        found=kind_of(value),
                    )
                terms.append((value, Taken(key, number)))
            return Terms(tuple(terms), labels)

        return self.work.lifter.lift(together, [value for _, value in cases], hole.span)

    def _alternatives(self, hole: tree.Hole, names: Names) -> list[Expanded]:
        """Every alternative with its label, its names and its indices."""
        result: list[Expanded] = []
        for alternative in hole.alternatives:
            for written in self._expanded(alternative, names):
                for turn in turns(self.work, written.comprehensions, names):
                    if turn.when != ALWAYS:
                        raise self._not_always(written)
                    label = self._label(written, turn.names, turn.indices)
                    result.append(Expanded(label, turn.names, written, turn.indices))
                    if len(result) > MAX_ALTERNATIVES:
                        raise fault(
                            "E0113",
                            "a hole has too many alternatives",
                            alternative.span,
                            found=f"more than {MAX_ALTERNATIVES:,}",
                            expected=f"at most {MAX_ALTERNATIVES:,}",
                        )
        return result

    def _not_always(self, alternative: tree.Alternative) -> ArchError:
        return fault(
            "E0518",
            "alternatives are there whatever other holes take",
            alternative.span,
            found="an alternative for a value that is not always there",
            expected="a range, or a family of values",
        )

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
            own = [self.index(i, names) for i in alternative.label.index]
            return ".".join((alternative.label.name, *own))
        if indices:
            return ".".join(indices)
        value = alternative.value
        match value:
            case tree.Number() | tree.Flag():
                return _spelled(value.value)
            case tree.Negate(value=tree.Number(value=number)):
                return _spelled(-number)
            case tree.Text(value=text) if WORD.fullmatch(text):
                return text
            case tree.Ref(index=index) if index:
                return ".".join(self.index(part, names) for part in index)
            case tree.Ref(name=name) | tree.Call(name=name):
                return name
            case tree.Tied():
                return self._label(replace(alternative, value=value.value), names, indices)
            case _:
                raise fault(
                    "E0502",
                    "this alternative needs a name",
                    value.span,
                    hint="write {name = ... | ...}: strings call it by that name",
                )

    def index(self, expression: tree.Expression, names: Names) -> str:
        """An index as names and labels spell it."""
        index = self.work.lifter.settle(self.work.evaluator.value(expression, names))
        if type(index) is int:
            return str(index)
        raise fault("E0302", "an index is a whole number", expression.span, found=kind_of(index))


def _kind(value: Value) -> str:
    """A word for values that may stand beside each other in a hole; empty where none may."""
    match value:
        case bool():
            return "flag"
        case int() | float():
            return "number"
        case str():
            return "text"
        case Tensor():
            return "tensor"
        case Series():
            return "several"
        case _:
            return ""


def _spelled(value: int | float | bool | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
