"""Holes that are written with nothing to decide: told from the text alone."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir.references import walk
from archdsl.lint.names import expressions_of
from archdsl.syntax import tree
from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.tree import Quantity


def lone_alternatives(space: tree.Space) -> Iterator[Diagnostic]:
    """E0554 for holes that are written with nothing to decide.

    What a parameter may widen, `{x for ...}`, `{1..most}` and `{v[0..i-1]}`, is
    left alone: it came out as one.
    """
    for item in space.items:
        for expression in expressions_of(item):
            for part in walk(expression):
                if isinstance(part, tree.Hole) and _is_decided(part):
                    count = len(part.alternatives)
                    yield Diagnostic(
                        code="E0554",
                        message="a hole with nothing to decide",
                        span=part.span,
                        found="one alternative" if count == 1 else f"all {count} are taken",
                        expected="two alternatives or more, of which some are left out",
                        hint="write another one behind `|`, or take the braces away",
                    )


def _is_decided(hole: tree.Hole) -> bool:
    taken = {Quantity.ONE: 1, Quantity.SOME: hole.count}.get(hole.quantity, 0)
    return len(hole.alternatives) <= taken and not any(map(_is_family, hole.alternatives))


def _is_family(alternative: tree.Alternative) -> bool:
    """Whether an alternative may stand for several: `x for ...`, `1..most`, `v[0..i-1]`."""
    value = alternative.value
    parts = value.index if isinstance(value, tree.Ref) else (value,)
    return bool(alternative.comprehensions) or any(
        isinstance(part, tree.Binary) and part.operator is tree.Operator.RANGE for part in parts
    )
