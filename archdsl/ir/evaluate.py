"""Expressions where they stand for values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from archdsl.ir import arithmetic, functions
from archdsl.ir.find import find_operation
from archdsl.ir.graph import Static
from archdsl.ir.joining import JOINS, OPERATORS
from archdsl.ir.misread import hint_for
from archdsl.ir.turns import turns
from archdsl.ir.values import Closure, Family, Names, Series, Tensor, Terms, Value, Varying, kind_of
from archdsl.ops import OPERATIONS
from archdsl.ops.synonyms import written_here
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Operator

if TYPE_CHECKING:
    from archdsl.ir.work import Work

MAX_RANGE = 20_000
SCAN = "scan"
WORDS = frozenset((*JOINS, *functions.FUNCTIONS, SCAN))
"""Functions of the language: no name can take their place."""


@dataclass(slots=True)
class Evaluator:
    """Evaluates the expressions of one module into its builder."""

    work: Work

    def value(self, expression: tree.Expression, names: Names) -> Value:
        """What an expression stands for; an unapplied function becomes a closure."""
        self.work.builder.budget.step(expression.span)
        match expression:
            case tree.Number() | tree.Flag() | tree.Text():
                return expression.value
            case _ if self.is_function(expression, names):
                return Closure(expression, names, tuple(self.work.elaborator.stack.names))
            case tree.Ref():
                return self.work.lifter.settle(self._reference(expression, names))
            case tree.Call():
                return self._call(expression, names)
            case tree.Hole():
                return self.work.holes.of_values(expression, names)
            case tree.Negate():
                return self.work.lifter.lift(
                    lambda v: -self._number(v, expression.span),
                    [self.value(expression.value, names)],
                    expression.span,
                )
            case tree.Select():
                return self._select(expression, names)
            case tree.Binary():
                return self._binary(expression, names)
            case tree.Tied():
                raise fault(
                    "E0303",
                    "@ ties the weights of an operation",
                    expression.span,
                    found="a value",
                    hint="write it behind the operation: x -> conv(8)@w",
                )

    def argument(self, expression: tree.Expression, names: Names, name: str) -> Value:
        """What an argument of that name stands for; a hole in it is called so."""
        match expression:
            case tree.Number() | tree.Flag() | tree.Text() | tree.Ref(index=()):
                return self.value(expression, names)  # no hole in these: most arguments
            case _:
                with self.work.builder.hinted(name):
                    return self.value(expression, names)

    # --- names -----------------------------------------------------------------------------

    def _reference(self, expression: tree.Ref, names: Names) -> Value:
        value = names.find(expression.name)
        if value is None:
            raise self.unknown(expression.name, names, expression.span)
        if not expression.index:
            return value
        if isinstance(value, Series) and len(expression.index) == 1:
            value = Family({(int(k),): v for k, v in zip(value.labels, value.values, strict=True)})
        if not isinstance(value, Family):
            raise fault(
                "E0302",
                f"{expression.name} has no index",
                expression.span,
                found=kind_of(value),
                hint=f"{expression.name}[1] needs a binding {expression.name}[1] = ...",
            )
        index = [self.value(part, names) for part in expression.index]
        if len(index) == 1 and isinstance(index[0], Series):
            members = [self._member(expression, value, (i,)) for i in index[0].values]
            return Series(tuple(members), index[0].labels)
        return self.work.lifter.lift(
            lambda *parts: self._member(expression, value, parts), index, expression.span
        )

    def _member(self, expression: tree.Ref, family: Family, index: tuple[Value, ...]) -> Value:
        key = tuple(part for part in index if type(part) is int)
        if len(key) < len(index):
            wrong = next(part for part in index if type(part) is not int)
            raise fault(
                "E0302", "an index is a whole number", expression.span, found=kind_of(wrong)
            )
        if key in family.members:
            return family.members[key]
        spelled = ", ".join(map(str, key))
        known = [f"[{', '.join(map(str, k))}]" for k in family.members]
        raise fault(
            "E0302",
            f"{expression.name}[{spelled}] is not bound here",
            expression.span,
            found=f"[{spelled}]",
            expected=" ".join(known[:8]) + (" ..." if len(known) > 8 else ""),
            hint="a name is bound before it is used",
        )

    def unknown(self, name: str, names: Names, span: tree.Span) -> ArchError:
        known = {
            *names.all_names(),
            *self.work.elaborator.definitions,
            *JOINS,
            *functions.FUNCTIONS,
        }
        known |= {operation.keyword for operation in OPERATIONS}
        close = get_close_matches(name, sorted(known), n=1)
        near = written_here(name) or (close[0] if close else "")
        return fault(
            "E0301",
            f"unknown name {name}",
            replace(span, end=min(span.end, span.start + len(name))),
            found=name,
            expected="a name that is bound before, a definition or an operation",
            hint=f"did you mean {near}?" if near else "",
        )

    # --- functions -------------------------------------------------------------------------

    def is_function(self, expression: tree.Expression, names: Names) -> bool:
        """Whether an expression has to be applied to something before it is a value."""
        match expression:
            case tree.Ref(name=name, index=index):
                value = names.find(name)
                if value is not None:
                    return isinstance(value, Closure)
                return name in self.work.elaborator.definitions or (
                    not index and find_operation(name, expression.span) is not None
                )
            case tree.Call(name=name):
                return self._is_function_call(expression, names)
            case tree.Hole(alternatives=alternatives):
                return any(self._is_alternative(part, names) for part in alternatives)
            case tree.Binary(operator=Operator.ARROW | Operator.REPEAT):
                return self.is_function(expression.left, names)
            case tree.Binary(operator=Operator.ADD | Operator.MULTIPLY):
                return any(self.is_function(e, names) for e in (expression.left, expression.right))
            case tree.Select():
                return any(self.is_function(e, names) for e in (expression.yes, expression.no))
            case tree.Tied():
                return self.is_function(expression.value, names)
            case _:
                return False

    def _is_alternative(self, alternative: tree.Alternative, names: Names) -> bool:
        """Whether an alternative is a function; what its `for` runs over is none."""
        own = {part.name: 0 for part in alternative.comprehensions}
        return self.is_function(alternative.value, names.inside(own) if own else names)

    def _is_function_call(self, call: tree.Call, names: Names) -> bool:
        if call.name == SCAN:
            return False
        if isinstance(names.find(call.name), Closure):
            return True
        if call.name in JOINS:
            own = {part.name: 0 for part in call.comprehensions}
            inner = names.inside(own) if own else names
            return any(self.is_function(argument.value, inner) for argument in call.arguments)
        definition = self.work.elaborator.definitions.get(call.name)
        if isinstance(definition, tree.Module):
            return not any(argument.name is None for argument in call.arguments)
        return definition is not None or (
            call.name not in functions.FUNCTIONS
            and find_operation(call.name, call.span) is not None
        )

    # --- calls -----------------------------------------------------------------------------

    def _call(self, call: tree.Call, names: Names) -> Value:
        definition = self.work.elaborator.definitions.get(call.name)
        if call.name == SCAN:
            return self.work.uses.scan(call, names)
        if call.name in JOINS:
            return self.work.joiner.join(JOINS[call.name], self.arguments(call, names), call.span)
        if call.name in functions.FUNCTIONS:
            arguments = [value for value, _ in self.arguments(call, names)]
            return self.work.lifter.lift(
                lambda *values: functions.call(call.name, values, self.work.builder, call.span),
                arguments,
                call.span,
            )
        if isinstance(definition, tree.Module):
            return self.work.uses.module_call(call, definition, names)
        bound = names.find(call.name)
        if bound is None:
            raise self.unknown(call.name, names, call.span)
        raise fault(
            "E0303",
            f"{call.name} takes no arguments",
            call.span,
            found=kind_of(bound),
            expected="an operation, a function or a definition",
        )

    def arguments(self, call: tree.Call, names: Names) -> list[tuple[Value, tree.Span]]:
        """The values of a join's or function's arguments, comprehensions unrolled."""
        result: list[tuple[Value, tree.Span]] = []
        for argument in call.arguments:
            if argument.name is not None:
                raise fault(
                    "E0304",
                    f"{call.name} takes no named arguments",
                    argument.span,
                    found=f"{argument.name}=",
                )
            for turn in turns(self.work, call.comprehensions, names):
                with self.work.builder.moved(turn.at(self.work.builder.at)):
                    value = self.value(argument.value, turn.names)
                result.append((turn.present(value, argument.span), argument.span))
        return result

    def series(self, expression: tree.Expression, names: Names) -> Series:
        """The values that a loop runs over."""
        value = self.value(expression, names)
        if isinstance(value, Series):
            return value
        raise fault(
            "E0306",
            "for needs a range",
            expression.span,
            found=kind_of(value),
            expected="a range such as 1..4",
        )

    # --- operators -------------------------------------------------------------------------

    def _select(self, expression: tree.Select, names: Names) -> Value:
        def selected(condition: Value) -> Value:
            if not isinstance(condition, bool):
                raise fault(
                    "E0303",
                    "a condition is yes or no",
                    expression.condition.span,
                    found=kind_of(condition),
                )
            return self.value(expression.yes if condition else expression.no, names)

        condition = self.value(expression.condition, names)
        return self.work.lifter.lift(selected, [condition], expression.condition.span)

    def _binary(self, expression: tree.Binary, names: Names) -> Value:
        match expression.operator:
            case Operator.ARROW:
                return self.work.applier.arrow(expression, names)
            case Operator.RANGE:
                return self._range(expression, names)
            case Operator.AND | Operator.OR:
                return self._logic(expression, names)
            case Operator.ADD | Operator.MULTIPLY:
                return self._sum_or_product(expression, names)
            case _:
                operands = [self.value(e, names) for e in (expression.left, expression.right)]
                around = expression if self.is_function(expression.right, names) else None
                return self.work.lifter.lift(
                    lambda a, b: arithmetic.binary(
                        expression.operator,
                        self._static(a, expression.left.span, around),
                        self._static(b, expression.right.span, around),
                        expression.span,
                    ),
                    operands,
                    expression.span,
                )

    def _sum_or_product(self, expression: tree.Binary, names: Names) -> Value:
        """`a + b + c` is one sum of three; the same sign between numbers is arithmetic."""
        parts = flatten(expression, expression.operator)
        values = [(self.value(part, names), part.span) for part in parts]
        if any(
            isinstance(self.work.lifter.sample(value), (Tensor, Terms, Series))
            for value, _ in values
        ):
            return self.work.joiner.join(OPERATORS[expression.operator], values, expression.span)

        def folded(*operands: Value) -> Value:
            total = self._static(operands[0], values[0][1])
            for operand, (_, place) in zip(operands[1:], values[1:], strict=True):
                total = arithmetic.binary(
                    expression.operator, total, self._static(operand, place), expression.span
                )
            return total

        return self.work.lifter.lift(folded, [value for value, _ in values], expression.span)

    def _logic(self, expression: tree.Binary, names: Names) -> Value:
        def combined(left: Value) -> Value:
            first = self._flag(left, expression.left.span)
            if first is (expression.operator is Operator.OR):
                return first  # the right side is not looked at, so `i > 0 and 6 / i > 1` is fine
            return self.work.lifter.lift(
                lambda right: self._flag(right, expression.right.span),
                [self.value(expression.right, names)],
                expression.right.span,
            )

        left = self.value(expression.left, names)
        return self.work.lifter.lift(combined, [left], expression.left.span)

    def _range(self, expression: tree.Binary, names: Names) -> Value:
        ends = [self.value(e, names) for e in (expression.left, expression.right)]
        first, last = ends
        if type(first) is not int or type(last) is not int:
            wrong = first if type(first) is not int else last
            raise fault(
                "E0306",
                "a range runs between whole numbers",
                expression.span,
                found=kind_of(wrong),
                expected="two whole numbers, first..last",
                hint="a hole cannot decide a range; f^{1..4} repeats f as often as a hole says"
                if isinstance(wrong, Varying)
                else "",
            )
        if last - first >= MAX_RANGE:
            raise fault(
                "E0113",
                "a range is too long",
                expression.span,
                found=f"{last - first + 1:,} numbers",
                expected=f"at most {MAX_RANGE:,}",
            )
        numbers = tuple(range(first, last + 1))
        return Series(numbers, tuple(str(number) for number in numbers))

    def _static(self, value: Value, span: tree.Span, around: tree.Binary | None = None) -> Static:
        if isinstance(value, (int, float, str)):
            return value
        raise fault(
            "E0303",
            "a number is needed here",
            span,
            found=kind_of(value),
            hint=hint_for(value, around),
        )

    def _number(self, value: Value, span: tree.Span) -> int | float:
        if arithmetic.is_number(value):
            return value
        raise fault("E0303", "a number is needed here", span, found=kind_of(value))

    def _flag(self, value: Value, span: tree.Span) -> bool:
        if isinstance(value, bool):
            return value
        raise fault("E0303", "yes or no is needed here", span, found=kind_of(value))


def flatten(expression: tree.Expression, operator: Operator) -> list[tree.Expression]:
    """The operands of a chain of one operator, in order, without recursion."""
    parts: list[tree.Expression] = []
    while isinstance(expression, tree.Binary) and expression.operator is operator:
        parts.append(expression.right)
        expression = expression.left
    return [expression, *reversed(parts)]
