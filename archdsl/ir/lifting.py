"""Values that a hole decides: applied case by case, joined again where types agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from archdsl.ir.arithmetic import is_number
from archdsl.ir.builder import Builder
from archdsl.ir.values import Closure, Series, Tensor, Terms, Value, Varying, kind_of
from archdsl.syntax.errors import fault


@dataclass(slots=True)
class Lifter:
    """Carries functions over varying values, within one module."""

    builder: Builder
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels of every hole, by key: what a case of a varying value is called."""

    def sample(self, value: Value) -> Value:
        return self.sample(value.cases[0][1]) if isinstance(value, Varying) else value

    def settle(self, value: Value) -> Value:
        """A varying value, as far as the enclosing alternatives leave it open."""
        if not isinstance(value, Varying):
            return value
        for hole, taken in self.builder.at.under:
            if hole == value.hole:
                cases = tuple(case for case in value.cases if case[0] in taken)
                if len(cases) == 1:
                    return self.settle(cases[0][1])
                value = Varying(hole, cases)
        return value

    def lift(self, function: Callable[..., Value], arguments: Sequence[Value]) -> Value:
        """Apply a function to arguments of which some vary: once for every case."""
        settled = [self.settle(argument) for argument in arguments]
        position = next((i for i, a in enumerate(settled) if isinstance(a, Varying)), None)
        if position is None:
            return function(*settled)
        argument = settled[position]
        assert isinstance(argument, Varying)
        cases: list[tuple[int, Value]] = []
        for alternative, case in argument.cases:
            given = [*settled[:position], case, *settled[position + 1 :]]
            label = self.labels[argument.hole][alternative]
            inside = self.builder.inside(argument.hole, (alternative,))
            with inside, self.builder.indexed((label,)):
                cases.append((alternative, self.lift(function, given)))
        return self.collapse(argument.hole, cases)

    def collapse(self, hole: str, cases: Sequence[tuple[int, Value]]) -> Value:
        """Cases become one value where they have one type, else they stay varying."""
        values = [value for _, value in cases]
        first = values[0]
        if all(isinstance(value, Tensor) for value in values):
            tensors = [value for value in values if isinstance(value, Tensor)]
            types = self.builder.types_of(tensors[0])
            if all(self.builder.types_of(tensor) == types for tensor in tensors):
                return self._choose(hole, cases)
        elif is_number(first) and all(value == first for value in values):
            return first
        elif any(isinstance(value, (Terms, Series, Closure)) for value in values):
            wrong = next(v for v in values if isinstance(v, (Terms, Series, Closure)))
            raise fault("E0503", "an alternative is one value", None, found=kind_of(wrong))
        return Varying(hole, tuple(cases))

    def _choose(self, hole: str, cases: Sequence[tuple[int, Value]]) -> Tensor:
        by_number = {n: value for n, value in cases if isinstance(value, Tensor)}
        fallback = next(iter(by_number.values()))  # stands where the context rules it out
        count = len(self.labels[hole])
        args = [by_number.get(number, fallback) for number in range(count)]
        return self.builder.choose(hole, args, None)
