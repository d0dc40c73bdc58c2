"""Arithmetic on the numbers of a text, exact and bounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeGuard

from archdsl.ir.graph import Static
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Operator, Span

LARGEST = 10**15
"""No number of an architecture is larger; products of sizes stay below it."""

Number = int | float


def is_number(value: object) -> TypeGuard[Number]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def divide(left: Number, right: Number) -> Number:
    """Exact division: integers whose quotient is none are refused."""
    if isinstance(left, int) and isinstance(right, int):
        quotient, rest = divmod(left, right)
        if rest:
            raise ValueError(f"{left} / {right} is not a whole number")
        return quotient
    return left / right


def power(left: Number, right: Number) -> Number:
    if abs(right) > 64:
        raise ValueError(f"the exponent {right} is larger than 64")
    if left == 0 and right < 0:
        raise ValueError("zero has no negative power")
    value = left**right
    if isinstance(value, complex):
        raise ValueError("a negative number has no fractional power")
    result: Number = value
    return result


ARITHMETIC: Mapping[Operator, Callable[[Number, Number], Number]] = {
    Operator.ADD: lambda a, b: a + b,
    Operator.SUBTRACT: lambda a, b: a - b,
    Operator.MULTIPLY: lambda a, b: a * b,
    Operator.DIVIDE: divide,
    Operator.FLOOR_DIVIDE: lambda a, b: a // b,
    Operator.MODULO: lambda a, b: a % b,
    Operator.REPEAT: power,
}

ORDER: Mapping[Operator, Callable[[Number, Number], bool]] = {
    Operator.LESS: lambda a, b: a < b,
    Operator.GREATER: lambda a, b: a > b,
    Operator.LESS_EQUAL: lambda a, b: a <= b,
    Operator.GREATER_EQUAL: lambda a, b: a >= b,
}


def binary(operator: Operator, left: Static, right: Static, span: Span) -> Static:
    """The value of `left operator right`, or E0305 at `span`."""
    if operator is Operator.EQUAL:
        return same(left, right, span)
    if operator is Operator.NOT_EQUAL:
        return not same(left, right, span)
    if not (is_number(left) and is_number(right)):
        raise _refuse(f"{operator.value} needs numbers", span, f"{spell(left)} and {spell(right)}")
    if operator in ORDER:
        return ORDER[operator](left, right)
    try:
        return bounded(ARITHMETIC[operator](left, right), span)
    except ZeroDivisionError:
        raise _refuse("division by zero", span, f"{left} {operator.value} {right}") from None
    except (ValueError, OverflowError) as problem:
        raise fault(
            "E0305",
            str(problem),
            span,
            found=f"{left} {operator.value} {right}",
            hint="divide exactly, or say floor(a / b) or a // b" if "whole" in str(problem) else "",
        ) from None


def same(left: Static, right: Static, span: Span) -> bool:
    """Equality of two values of one kind; comparing different kinds is a slip."""
    if (is_number(left) and is_number(right)) or type(left) is type(right):
        return left == right
    raise _refuse(
        "values of different kinds are never equal", span, f"{spell(left)} and {spell(right)}"
    )


def bounded(value: Number, span: Span | None) -> Number:
    """The value itself, refused where it is too large or not finite."""
    if value != value or abs(value) > LARGEST:
        raise fault("E0112", "a number is too large", span, expected=f"at most {LARGEST:.0e}")
    return value


def spell(value: Static) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _refuse(message: str, span: Span, found: str) -> ArchError:
    return fault("E0305", message, span, found=found)
