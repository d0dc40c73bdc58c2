"""What `where` says: arithmetic over figures and counts, compared with each other.

params <= 12M
count(cell, source) <= 9
macs <= 600 * params and count("none") < 3
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias, assert_never

from archdsl.syntax.tree import Span

METRICS = (
    "params",
    "macs",
    "flops",
    "live_params",
    "live_macs",
    "activation_bytes",
    "peak_bytes",
)
"""What `where` may bound beside counts: the figures of `archdsl cost`."""

Exact: TypeAlias = int | Fraction
"""A number as the text writes it: 0.1 is a tenth, no float next to it."""

COMPARISONS: Mapping[str, Callable[[Exact, Exact], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC: Mapping[str, Callable[[Exact, Exact], Exact]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
LOGIC: Mapping[str, Callable[[bool, bool], bool]] = {"and": operator.and_, "or": operator.or_}
OPERATORS = (*COMPARISONS, *ARITHMETIC, *LOGIC)


@dataclass(frozen=True, slots=True)
class Figure:
    """One of METRICS."""

    name: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many alternatives are taken: by decisions of these names, with one of these labels.

    A name is a definition or what a decision is called in its key (`source` of
    `cell:source_3`); a decision counts if it has them all. Without labels, any label counts.
    """

    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """Two measures and an operator, as the text spells it: a number, or whether it holds."""

    operator: str
    left: Measure
    right: Measure


Measure: TypeAlias = int | float | Figure | Count | Compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One part of a `where`: a condition that every architecture drawn satisfies."""

    condition: Compare
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return spelled_measure(self.condition)


@lru_cache(maxsize=1024)
def exact(number: int | float) -> Exact:
    """The decimal that a number was written as."""
    return number if isinstance(number, int) else Fraction(str(number))


def value_of(measure: Measure, known: Callable[[Figure | Count], int]) -> Exact:
    """A measure's number, or 0 or 1 for a condition, given figures and counts."""
    match measure:
        case Figure() | Count():
            return known(measure)
        case Compare(name, left, right):
            a, b = value_of(left, known), value_of(right, known)
            if name in LOGIC:
                return LOGIC[name](bool(a), bool(b))
            return COMPARISONS[name](a, b) if name in COMPARISONS else ARITHMETIC[name](a, b)
        case _:
            return exact(measure)


def parts_of(measure: Measure) -> Iterator[Figure | Count]:
    """Every figure and count in a measure."""
    match measure:
        case Figure() | Count():
            yield measure
        case Compare(_, left, right):
            yield from parts_of(left)
            yield from parts_of(right)
        case _:
            pass


def conjuncts(condition: Measure) -> Iterator[Measure]:
    """The conditions that hold together where one does."""
    if isinstance(condition, Compare) and condition.operator == "and":
        yield from conjuncts(condition.left)
        yield from conjuncts(condition.right)
    else:
        yield condition


def linear(measure: Measure) -> tuple[dict[Figure | Count, Exact], Exact] | None:
    """A measure as a sum of multiples of figures and counts, and a number; None if it is none."""
    match measure:
        case Figure() | Count():
            return {measure: 1}, 0
        case Compare("+" | "-" as sign, left, right):
            a, b = linear(left), linear(right)
            return None if a is None or b is None else _added(a, b, 1 if sign == "+" else -1)
        case Compare("*", left, right):
            a, b = linear(left), linear(right)
            if a is None or b is None or (a[0] and b[0]):
                return None
            (terms, rest), factor = (a, b[1]) if a[0] else (b, a[1])
            return {part: factor * times for part, times in terms.items()}, factor * rest
        case Compare():
            return None
        case int() | float():
            return {}, exact(measure)
        case _:
            assert_never(measure)


Sum: TypeAlias = tuple[dict[Figure | Count, Exact], Exact]


def _added(a: Sum, b: Sum, sign: int) -> Sum:
    terms = dict(a[0])
    for part, times in b[0].items():
        terms[part] = terms.get(part, 0) + sign * times
    return terms, a[1] + sign * b[1]


def spelled_measure(measure: Measure, around: int = 0) -> str:
    """A measure as a text spells it, in parentheses where it stands inside a tighter one."""
    match measure:
        case Figure(name):
            return name
        case Count(names, labels):
            return f"count({', '.join((*names, *(f'{chr(34)}{one}{chr(34)}' for one in labels)))})"
        case Compare(name, left, right):
            own = _level(name)
            text = f"{spelled_measure(left, own)} {name} {spelled_measure(right, own + 1)}"
            return f"({text})" if own < around else text
        case _:
            return f"{measure:,}"


def _level(name: str) -> int:
    if name in LOGIC:
        return 1 if name == "or" else 2
    if name in COMPARISONS:
        return 3
    return 5 if name == "*" else 4
