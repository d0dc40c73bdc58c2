"""Holes whose alternatives depend on an earlier hole: `{level[l-1]-1..level[l-1]+1}`.

Such a hole has the numbers of all cases as its alternatives, and what the earlier hole, its
governor, takes says which of them are open. So a path through a lattice is a hole for each step,
and no filling of them leaves the lattice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.ir.holes import MAX_ALTERNATIVES
from archdsl.ir.values import Names, Value, Varying, kind_of
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Operator, Quantity

if TYPE_CHECKING:
    from archdsl.ir.work import Work

Ends = tuple[int, int]


@dataclass(slots=True)
class Guards:
    """Makes the governed holes of one module."""

    work: Work

    def of_range(self, hole: tree.Hole, names: Names) -> Value | None:
        """The number that a hole over a range takes, where the range depends on another hole."""
        written = _range(hole)
        if written is None:
            return None
        ends = [self.work.evaluator.value(end, names) for end in (written.left, written.right)]
        varying = [end for end in ends if isinstance(end, Varying)]
        if not varying:
            return None
        governor = varying[0].hole
        if hole.quantity is not Quantity.ONE or any(end.hole != governor for end in varying):
            raise fault(
                "E0510",
                "the alternatives of this hole depend on another hole",
                written.span,
                found=" and ".join(kind_of(end) for end in ends),
                expected="one of a range, which one earlier hole decides",
            )
        cases = {alternative for end in varying for alternative, _ in end.cases}
        ranges = {a: self._ends(written, [_case(end, a) for end in ends]) for a in cases}
        return self._made(hole, governor, ranges)

    def _ends(self, written: tree.Binary, ends: list[Value]) -> Ends:
        first, last = ends
        if type(first) is int and type(last) is int and first <= last:
            if last - first < MAX_ALTERNATIVES:
                return first, last
            raise fault(
                "E0113",
                "a hole has too many alternatives",
                written.span,
                found=f"{last - first + 1:,}",
                expected=f"at most {MAX_ALTERNATIVES:,}",
            )
        raise fault(
            "E0510",
            "this hole has no alternatives where another hole takes some of its own",
            written.span,
            found=f"{kind_of(first)} to {kind_of(last)}",
            expected="whole numbers, at least one in every case",
            hint="min and max keep a range from being empty",
        )

    def _made(self, hole: tree.Hole, governor: str, ranges: Mapping[int, Ends]) -> Value:
        numbers = sorted({n for first, last in ranges.values() for n in range(first, last + 1)})
        index = {number: i for i, number in enumerate(numbers)}
        labels = tuple(str(number) for number in numbers)
        self._check_place(hole, governor)
        count = len(self.work.builder.labels[governor])
        allowed = tuple(
            tuple(index[n] for n in range(ranges[a][0], ranges[a][1] + 1)) if a in ranges else ()
            for a in range(count)
        )
        builder = self.work.builder
        stem = builder.at.hint or "number"
        key = builder.register(Quantity.ONE, 1, labels, stem, hole.span, governor, allowed)
        return self.work.lifter.collapse(key, list(enumerate(numbers)))

    def _check_place(self, hole: tree.Hole, governor: str) -> None:
        """Both holes exist together: written inside the same alternatives."""
        at, known = self.work.builder.at, self.work.builder.hole(governor)
        if known.parent == (at.written[-1] if at.written else None):
            return
        raise fault(
            "E0510",
            "the alternatives of this hole depend on a hole that is written elsewhere",
            hole.span,
            expected="both holes in the same alternative of a third one, or in none",
        )


def _range(hole: tree.Hole) -> tree.Binary | None:
    """The range of a hole that is nothing else."""
    match hole.alternatives:
        case [tree.Alternative(label=None, comprehensions=(), value=tree.Binary() as value)]:
            return value if value.operator is Operator.RANGE else None
        case _:
            return None


def _case(end: Value, alternative: int) -> Value:
    return dict(end.cases).get(alternative, end) if isinstance(end, Varying) else end
