"""Values that a hole decides: applied case by case, joined again where types agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from archdsl.ir.arithmetic import is_number
from archdsl.ir.builder import Builder
from archdsl.ir.values import Series, Tensor, Value, Varying
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Span

MAX_CASES = 2_000


@dataclass(slots=True)
class Lifter:
    """Carries functions over varying values, within one module."""

    builder: Builder

    def sample(self, value: Value) -> Value:
        while isinstance(value, Varying):
            value = value.cases[0][1]
        return value

    def settle(self, value: Value) -> Value:
        """A varying value, as far as the enclosing alternatives leave it open."""
        while isinstance(value, Varying):
            cases = value.cases
            for hole, taken in self.builder.at.under:
                if hole == value.hole:
                    cases = tuple(case for case in cases if case[0] in taken) or cases
            if len(cases) > 1:
                return value if cases is value.cases else Varying(value.hole, cases, value.label)
            value = cases[0][1]
        return value

    def lift(self, function: Callable[..., Value], arguments: Sequence[Value], span: Span) -> Value:
        """Apply a function to arguments of which some vary: once for every case."""
        settled = [self.settle(argument) for argument in arguments]
        if any(isinstance(argument, Varying) for argument in settled):
            self._check_cases(settled, span)
            return self._each_case(function, settled, span)
        return function(*settled)

    def _each_case(
        self, function: Callable[..., Value], arguments: Sequence[Value], span: Span
    ) -> Value:
        settled = [self.settle(argument) for argument in arguments]
        position = next((i for i, a in enumerate(settled) if isinstance(a, Varying)), None)
        if position is None:
            return function(*settled)
        argument = settled[position]
        assert isinstance(argument, Varying)
        cases: list[tuple[int, Value]] = []
        for alternative, case in argument.cases:
            self.builder.budget.step(span)
            given = [*settled[:position], case, *settled[position + 1 :]]
            label = self.builder.labels[argument.hole][alternative]
            with self.builder.case(argument.hole, alternative, label, len(argument.cases)):
                cases.append((alternative, self._each_case(function, given, span)))
        return self.collapse(argument.hole, cases)

    def _check_cases(self, arguments: Sequence[Value], span: Span) -> None:
        """Refuse what would have to be worked out for too many combinations."""
        sizes: dict[str, int] = {}
        for argument in arguments:
            _count_cases(argument, sizes)
        total = self.builder.at.cases * prod(sizes.values())
        if total > MAX_CASES:
            raise fault(
                "E0511",
                "the shape here depends on too many holes at once",
                span,
                found=f"{total:,} cases",
                expected=f"at most {MAX_CASES:,}",
                hint="bring the alternatives to one shape before the next hole",
            )

    def collapse(self, hole: str, cases: Sequence[tuple[int, Value]]) -> Value:
        """Cases become one value where they have one type, else they stay varying."""
        values = [value for _, value in cases]
        first = values[0]
        if isinstance(first, Tensor):
            type_ = self.builder.type_of(first)
            if self.builder.elastic and all(isinstance(v, Tensor) for v in values):
                return self._choose(hole, cases)
            if all(isinstance(v, Tensor) and self.builder.type_of(v) == type_ for v in values):
                return self._choose(hole, cases)
        elif isinstance(first, Series):
            return self._together(hole, cases, first)
        elif isinstance(first, Varying):
            return self._turned(hole, cases, first.hole) or Varying(hole, tuple(cases))
        elif is_number(first) and all(is_number(v) and v == first for v in values):
            return first
        return Varying(hole, tuple(cases))

    def _turned(self, hole: str, cases: Sequence[tuple[int, Value]], inner: str) -> Value | None:
        """Cases that all vary with one inner hole, by that hole alone, where types allow it.

        Maps of several sizes that are brought to the size of the next level vary with the next
        level only.
        """
        columns: dict[int, list[tuple[int, Tensor]]] = {}
        for number, value in cases:
            if not isinstance(value, Varying) or value.hole != inner:
                return None
            for alternative, tensor in value.cases:
                if not isinstance(tensor, Tensor):
                    return None
                columns.setdefault(alternative, []).append((number, tensor))
        for column in columns.values():
            if len({self.builder.type_of(tensor) for _, tensor in column}) > 1:
                return None
        turned: list[tuple[int, Value]] = []
        for alternative in sorted(columns):
            label = self.builder.labels[inner][alternative]
            with self.builder.case(inner, alternative, label, len(columns)):
                turned.append((alternative, self.collapse(hole, columns[alternative])))
        return self.collapse(inner, turned)

    def _together(self, hole: str, cases: Sequence[tuple[int, Value]], first: Series) -> Value:
        """Several results in every case: each of them joined on its own."""
        rows = [(n, v) for n, v in cases if isinstance(v, Series) and v.labels == first.labels]
        if len(rows) < len(cases):
            return Varying(hole, tuple(cases))
        columns = range(len(first.values))
        joined = [self.collapse(hole, [(n, v.values[i]) for n, v in rows]) for i in columns]
        return Series(tuple(joined), first.labels)

    def _choose(self, hole: str, cases: Sequence[tuple[int, Value]]) -> Tensor:
        by_number = {n: value for n, value in cases if isinstance(value, Tensor)}
        fallback = next(iter(by_number.values()))  # stands where the context rules it out
        count = len(self.builder.labels[hole])
        args = [by_number.get(number, fallback) for number in range(count)]
        return self.builder.choose(hole, args, self.builder.span_of(fallback))


def _count_cases(value: Value, sizes: dict[str, int]) -> None:
    """The number of cases of every hole that a value varies with."""
    while isinstance(value, Varying):
        sizes[value.hole] = max(sizes.get(value.hole, 0), len(value.cases))
        for _, case in value.cases[1:]:
            if isinstance(case, Varying):
                _count_cases(case, sizes)
        value = value.cases[0][1]
