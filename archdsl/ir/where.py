"""From the text of a `where` to its condition: what is a figure stays, what is a number is one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from archdsl.ir.arithmetic import is_number
from archdsl.ir.conditions import (
    ARITHMETIC,
    COMPARISONS,
    LOGIC,
    METRICS,
    OPERATORS,
    Compare,
    Constraint,
    Count,
    Figure,
    Measure,
    exact,
    parts_of,
)
from archdsl.ir.evaluate import Evaluator
from archdsl.ir.graph import Graph
from archdsl.ir.values import Names, kind_of
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault

HINT = "where params <= 12M, count(cell) <= 9"


class Conditions:
    """Reads the constraints of one space, whose graphs are made."""

    def __init__(self, graphs: Iterable[Graph], evaluator: Evaluator, names: Names) -> None:
        holes = [(graph.definition, hole) for graph in graphs for hole in graph.holes]
        self._names = {name for d, hole in holes for name in (d, stem_of(hole.name))}
        self._labels = {label for _, hole in holes for label in hole.labels}
        self._evaluator, self._bound = evaluator, names

    def constraint(self, part: tree.Expression) -> Constraint:
        """Raises ArchError (E0514) for what is no condition on figures or counts."""
        condition = self._measure(part)
        if not isinstance(condition, Compare) or not _is_condition(condition):
            raise _no_bound(part)
        if not any(parts_of(condition)):
            raise _no_bound(part)
        return Constraint(condition=condition, span=part.span)

    def _measure(self, part: tree.Expression) -> Measure:
        match part:
            case tree.Ref(name=name, index=()) if name in METRICS:
                return Figure(name)
            case tree.Call(name="count", index=(), comprehensions=()):
                return self._count(part)
            case tree.Binary(operator=operator) if operator.value in OPERATORS:
                return self._binary(part)
            case tree.Ref(name=name, index=()) if self._bound.find(name) is None:
                raise self._unknown(name, part)
            case _:
                return self._number(part)

    def _binary(self, part: tree.Binary) -> Measure:
        left, right = self._measure(part.left), self._measure(part.right)
        name = part.operator.value
        for side, text in ((left, part.left), (right, part.right)):
            if _is_condition(side) is not (name in LOGIC):
                raise _no_bound(text)
        if name in ARITHMETIC and not any((*parts_of(left), *parts_of(right))):
            return self._folded(part, left, right)
        return Compare(name, left, right)

    def _folded(self, part: tree.Binary, left: Measure, right: Measure) -> int | float:
        """Arithmetic of numbers, in decimals: 0.1 + 0.2 is 0.3."""
        value = self._number(part)
        if isinstance(value, int) or not (is_number(left) and is_number(right)):
            return value
        return float(ARITHMETIC[part.operator.value](exact(left), exact(right)))

    def _number(self, part: tree.Expression) -> int | float:
        value = self._evaluator.value(part, self._bound)
        if not is_number(value):
            raise _no_bound(part, kind_of(value))
        return value

    def _count(self, call: tree.Call) -> Count:
        names, labels = [], []
        for argument in call.arguments:
            match argument.value:
                case tree.Ref(name=name, index=()) if argument.name is None:
                    names.append(self._known(name, self._names, argument))
                case tree.Text(value=label) if argument.name is None:
                    labels.append(self._known(label, self._labels, argument))
                case _:
                    raise fault(
                        "E0514",
                        "count takes names of decisions, and labels as texts",
                        argument.span,
                        expected='count(cell), count(cell, source), count("none")',
                    )
        return Count(tuple(names), tuple(labels))

    @staticmethod
    def _known(name: str, known: Iterable[str], argument: tree.Argument) -> str:
        known = sorted(known)
        if name in known:
            return name
        raise fault(
            "E0514",
            f"no decision is called {name}, and none takes it",
            argument.span,
            found=name,
            expected=", ".join(known) or "no decisions",
            hint=_near(name, known),
        )

    @staticmethod
    def _unknown(name: str, part: tree.Expression) -> ArchError:
        return fault(
            "E0514",
            f"{name} is no cost",
            part.span,
            found=name,
            expected=f"{', '.join(METRICS)}, count(...)",
            hint=_near(name, METRICS),
        )


def stem_of(hole: str) -> str:
    """What a decision is called without its indices: `source` of `source_3`."""
    return re.sub(r"(_m?\d+)+$", "", hole)


def _is_condition(measure: Measure) -> bool:
    if not isinstance(measure, Compare):
        return False
    return measure.operator in COMPARISONS or measure.operator in LOGIC


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _no_bound(part: tree.Expression, found: str = "") -> ArchError:
    return fault(
        "E0514",
        "where compares costs and counts with numbers",
        part.span,
        found=found,
        expected="a cost or a count compared with a number",
        hint=HINT,
    )
