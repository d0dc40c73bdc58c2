"""Functions applied: operations, compositions, modules and holes, each application anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archdsl.ir.evaluate import flatten
from archdsl.ir.find import find_operation
from archdsl.ir.graph import FrameKind
from archdsl.ir.joining import JOINS, OPERATORS
from archdsl.ir.paths import Step
from archdsl.ir.references import walk
from archdsl.ir.values import Closure, Names, Series, Tensor, Terms, Value, Varying, kind_of
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Operator

if TYPE_CHECKING:
    from archdsl.ir.work import Work


@dataclass(slots=True)
class Applier:
    """Applies functions inside one module."""

    work: Work

    # --- application -----------------------------------------------------------------------

    def arrow(self, expression: tree.Binary, names: Names) -> Value:
        """`x -> f -> g` where x is a value."""
        head, *stages = flatten(expression, Operator.ARROW)
        value = self.work.evaluator.value(head, names)
        for stage in stages:
            value = self.apply(stage, names, value)
        return value

    def sequence(
        self, head: tree.Expression, stages: Sequence[tree.Expression], names: Names, step: Step
    ) -> Value:
        """A chain under a name of its own: its members are numbered."""

        def applied(value: Value) -> Value:
            with self.work.builder.framed(step):
                return self._members(stages, names, value, 0)[0]

        return self.work.lifter.lift(applied, [self.work.evaluator.value(head, names)], head.span)

    def _members(
        self, stages: Sequence[tree.Expression], names: Names, value: Value, ordinal: int
    ) -> tuple[Value, int]:
        for stage in stages:
            if isinstance(stage, tree.Binary) and stage.operator is Operator.REPEAT:
                times = self._times(stage.right, names)
                inner = flatten(stage.left, Operator.ARROW)
                with self.work.builder.turned(times, stage.span):
                    for _ in range(times):
                        value, ordinal = self._members(inner, names, value, ordinal)
            elif isinstance(stage, tree.Binary) and stage.operator is Operator.ARROW:
                inner = flatten(stage, Operator.ARROW)
                value, ordinal = self._members(inner, names, value, ordinal)
            else:
                value = self.apply(stage, names, value, Step(str(ordinal)))
                ordinal += 1
        return value, ordinal

    def apply(
        self, function: tree.Expression, names: Names, value: Value, step: Step | None = None
    ) -> Value:
        """A function applied to a value; `step` is the name it goes by, if not its own."""

        self.work.builder.budget.step(function.span)

        def applied(tensor: Value) -> Value:
            if not isinstance(tensor, Tensor):
                raise fault(
                    "E0303",
                    "-> applies an operation to one value",
                    function.span,
                    found=kind_of(tensor),
                    hint="join them first, as in sum(y), or take one of several results: y[0]"
                    if isinstance(tensor, (Terms, Series))
                    else "",
                )
            return self._apply(function, names, tensor, step)

        return self.work.lifter.lift(applied, [value], function.span)

    def _apply(
        self, function: tree.Expression, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        match function:
            case tree.Ref() | tree.Call():
                return self.work.uses.named(function, names, value, step)
            case tree.Hole():
                with self.work.builder.framed(step and replace(step, frame=FrameKind.OPERATION)):
                    return self.work.holes.of_functions(function, names, value)
            case tree.Tied():
                step = self._tie(function, names)
                at = self.work.builder.at
                with self.work.builder.moved(replace(at, prefix=names.find_home())):
                    return self.apply(function.value, names, value, step)
            case tree.Select():
                chosen = self.work.evaluator.value(function.condition, names)
                return self.work.lifter.lift(
                    lambda condition: self.apply(
                        function.yes if self._flag(condition, function) else function.no,
                        names,
                        value,
                        step,
                    ),
                    [chosen],
                    function.condition.span,
                )
            case tree.Binary(operator=Operator.ARROW):
                return self._composition(function, names, value, step)
            case tree.Binary(operator=Operator.REPEAT):
                return self._repeat(function, names, value, step)
            case tree.Binary(operator=Operator.ADD | Operator.MULTIPLY):
                with self.work.builder.framed(step and replace(step, frame=FrameKind.OPERATION)):
                    return self._pointwise(function, names, value)
            case _:
                raise fault(
                    "E0303",
                    "-> needs an operation on its right",
                    function.span,
                    found=kind_of(self.work.evaluator.value(function, names)),
                    expected="an operation, a cell, a block or an op",
                )

    def _flag(self, condition: Value, select: tree.Select) -> bool:
        if isinstance(condition, bool):
            return condition
        raise fault(
            "E0303", "a condition is yes or no", select.condition.span, found=kind_of(condition)
        )

    def _composition(
        self, function: tree.Binary, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        stages = flatten(function, Operator.ARROW)
        if step is not None and self.is_sequence(stages, names):
            with self.work.builder.framed(replace(step, frame=FrameKind.SEQUENCE)):
                return self._members(stages, names, value, 0)[0]
        result: Value = value
        with self.work.builder.framed(step and replace(step, frame=FrameKind.OPERATION)):
            for stage in stages:
                result = self.apply(stage, names, result)
        return result

    def _pointwise(self, function: tree.Binary, names: Names, value: Tensor) -> Value:
        """`f + g`: both applied to the same value; an operand may also be a value."""
        operands = [
            (self.operand(part, names, value), part.span)
            for part in flatten(function, function.operator)
        ]
        return self.work.joiner.join(OPERATORS[function.operator], operands, function.span)

    def operand(self, part: tree.Expression, names: Names, value: Tensor) -> Value:
        if self.work.evaluator.is_function(part, names):
            return self.apply(part, names, value)
        return self.work.evaluator.value(part, names)

    def _repeat(
        self, function: tree.Binary, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        """`f^k`: k applications in a row, numbered; a hole may decide how many."""
        with self.work.builder.hinted("depth"):
            times = self.work.lifter.settle(self.work.evaluator.value(function.right, names))
        base = step or self.work.builder.step(self._stem(function.left, names), function.span)
        tied = isinstance(function.left, tree.Tied)
        with self.work.builder.framed(None if tied else replace(base, frame=FrameKind.SEQUENCE)):
            if isinstance(times, Varying):
                return self._varying_repeat(function, names, value, times, tied)
            result: Value = value
            count = self._count(times, function.right.span)
            with self.work.builder.turned(count, function.span):
                for ordinal in range(count):
                    result = self._turn(function, names, result, ordinal, tied)
            return result

    def _turn(
        self, function: tree.Binary, names: Names, value: Value, ordinal: int, tied: bool
    ) -> Value:
        return self.apply(function.left, names, value, None if tied else Step(str(ordinal)))

    def _varying_repeat(
        self, function: tree.Binary, names: Names, value: Tensor, times: Varying, tied: bool
    ) -> Value:
        counts = {
            alternative: self._count(case, function.right.span) for alternative, case in times.cases
        }
        results: list[Value] = [value]
        most = max(counts.values())
        with self.work.builder.turned(most, function.span):
            for ordinal in range(most):
                deep = tuple(a for a, count in counts.items() if count > ordinal)
                with ExitStack() as stack:
                    if len(deep) < len(counts):  # what every depth has, no hole decides
                        stack.enter_context(self.work.builder.inside(times.hole, deep))
                    results.append(self._turn(function, names, results[-1], ordinal, tied))
        return self.work.lifter.collapse(
            times.hole, [(alternative, results[count]) for alternative, count in counts.items()]
        )

    def _times(self, expression: tree.Expression, names: Names) -> int:
        return self._count(self.work.evaluator.value(expression, names), expression.span)

    def _count(self, value: Value, span: tree.Span) -> int:
        if type(value) is int and value >= 0:
            self.work.builder.check_turns(value, span)
            return value
        raise fault(
            "E0306",
            "^ repeats a whole number of times",
            span,
            found=kind_of(value),
            expected="0 or more",
        )

    # --- names of weights ------------------------------------------------------------------

    def _tie(self, tied: tree.Tied, names: Names) -> Step:
        indices = tuple(self.work.holes.index(index, names) for index in tied.index)
        return Step(tied.name, (-1,), indices)

    def _stem(self, function: tree.Expression, names: Names) -> str:
        match function:
            case tree.Ref(name=name) | tree.Call(name=name):
                return name
            case tree.Tied(value=inner):
                return self._stem(inner, names)
            case _:
                return "layers"

    def is_sequence(self, stages: Sequence[tree.Expression], names: Names) -> bool:
        """Whether a chain is plain: applications of named things without holes or ties."""
        return all(self._is_plain(stage, names) for stage in stages)

    def _is_plain(self, stage: tree.Expression, names: Names) -> bool:
        match stage:
            case tree.Ref(name=name):
                bound = names.find(name)
                if isinstance(bound, Closure):
                    return self._is_plain(bound.expression, bound.scope)
                return name in JOINS or not self.work.elaborator.has_hole(name)
            case tree.Call(name=name, arguments=arguments):
                return (
                    not self._takes_several(stage)
                    and not self.work.elaborator.has_hole(name)
                    and not any(contains_hole(argument.value) for argument in arguments)
                    and not self._varies(arguments, names)
                )
            case tree.Binary(operator=Operator.REPEAT, left=left, right=right):
                fixed = not contains_hole(right) and not isinstance(
                    self.work.evaluator.value(right, names), Varying
                )
                return fixed and self.is_sequence(flatten(left, Operator.ARROW), names)
            case tree.Binary(operator=Operator.ARROW):
                return self.is_sequence(flatten(stage, Operator.ARROW), names)
            case _:
                return False

    def _takes_several(self, call: tree.Call) -> bool:
        """Whether what is called takes more than one value, as a join does."""
        if call.name in JOINS:
            return True
        operation = find_operation(call.name, call.span)
        return operation is not None and operation.arity != 1

    def _varies(self, arguments: Sequence[tree.Argument], names: Names) -> bool:
        return any(
            isinstance(argument.value, tree.Ref)
            and isinstance(names.find(argument.value.name), Varying)
            for argument in arguments
        )


def contains_hole(expression: tree.Expression) -> bool:
    """Whether a hole is written anywhere in an expression."""
    return any(isinstance(part, tree.Hole) for part in walk(expression))
