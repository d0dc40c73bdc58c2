"""Constraints of a space as plain data, and back. Reading believes nothing; see plain.py."""

from __future__ import annotations

from math import isfinite
from typing import Any as Json

from archdsl.diff.plain import Malformed, items, shorten, texts
from archdsl.ir.conditions import (
    METRICS,
    OPERATORS,
    Compare,
    Constraint,
    Count,
    Figure,
    Measure,
)


def encode_constraints(constraints: tuple[Constraint, ...]) -> Json:
    return [_encode_measure(constraint.condition) for constraint in constraints]


def _encode_measure(measure: Measure) -> Json:
    match measure:
        case Figure(name):
            return name
        case Count(names, labels):
            return {"count": list(names), "labels": list(labels)}
        case Compare(operator, left, right):
            return [operator, _encode_measure(left), _encode_measure(right)]
        case _:
            return measure


def decode_constraints(value: Json) -> tuple[Constraint, ...]:
    return items(_constraint)(value)


def _constraint(value: Json) -> Constraint:
    condition = _measure(value)
    if not isinstance(condition, Compare):
        raise Malformed(f"{shorten(value)} where a condition belongs")
    return Constraint(condition=condition)


def _measure(value: Json) -> Measure:
    match value:
        case str() if value in METRICS:
            return Figure(value)
        case int() | float() if not isinstance(value, bool) and isfinite(value):
            return value
        case {"count": names, "labels": labels, **rest} if not rest:
            return Count(texts(names), texts(labels))
        case [str() as operator, left, right] if operator in OPERATORS:
            return Compare(operator, _measure(left), _measure(right))
        case _:
            raise Malformed(f"{shorten(value)} where a figure, a count or a number belongs")
