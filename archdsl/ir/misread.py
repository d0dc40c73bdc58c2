"""Where a number is wanted and an operation stands: which part makes it one, what was meant."""

from __future__ import annotations

from collections.abc import Callable

from archdsl.ir.values import Closure, Names, Series, Tensor, Terms, Value
from archdsl.syntax import tree
from archdsl.syntax.tree import Operator

ARROWS = frozenset({Operator.GREATER, Operator.SUBTRACT, Operator.GREATER_EQUAL})
"""What is written where `->` is meant."""
JOINED = "values are joined with + and *, sum(...), mean(...) or concat(...)"
SHOWN = 60


def operation_in(
    value: Value, is_function: Callable[[tree.Expression, Names], bool]
) -> tree.Span | None:
    """The part that makes an expression a function, `id` of `{1 | id | 4} * c`; None for others."""
    if not isinstance(value, Closure):
        return None
    expression = value.expression
    while True:
        parts = (part for part in _parts(expression) if is_function(part, value.scope))
        inner = next(parts, None)
        if inner is None:
            return expression.span
        expression = inner


def _parts(expression: tree.Expression) -> tuple[tree.Expression, ...]:
    """What a function may be made of, where numbers could stand as well."""
    match expression:
        case tree.Binary(operator=Operator.ADD | Operator.MULTIPLY, left=left, right=right):
            return left, right
        case tree.Hole(alternatives=alternatives):
            return tuple(alternative.value for alternative in alternatives)
        case tree.Select(yes=yes, no=no):
            return yes, no
        case _:
            return ()


def hint_for(value: Value, around: tree.Binary | None) -> str:
    """What may have been meant by an operator of numbers; `around` has a function behind it."""
    applied = isinstance(value, (Closure, Tensor, Terms, Series))
    if applied and around is not None and around.operator in ARROWS:
        left, right = _written(around.left), _written(around.right)
        sample = f": {left} -> {right}" if len(left + right) < SHOWN else ""
        return f"one operation is applied after the other by `->`{sample}"
    return JOINED if isinstance(value, (Tensor, Terms, Series)) else ""


def _written(expression: tree.Expression) -> str:
    span = expression.span
    return " ".join(span.source.text[span.start : span.end].split())
