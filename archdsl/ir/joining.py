"""Sums, means, products and concatenations: what they join, and when each part is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.ir.formula import ALWAYS, Formula, Taken
from archdsl.ir.values import Family, Series, Tensor, Terms, Value, kind_of
from archdsl.ops.base import Operation
from archdsl.ops.joins import Concat, Lerp, Mean, Product, Sum
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Operator

if TYPE_CHECKING:
    from archdsl.ir.work import Work

JOINS: dict[str, type[Operation]] = {
    "sum": Sum,
    "mean": Mean,
    "concat": Concat,
    "product": Product,
    "lerp": Lerp,
}
OPERATORS: dict[Operator, type[Operation]] = {Operator.ADD: Sum, Operator.MULTIPLY: Product}


@dataclass(slots=True)
class Joiner:
    """Joins values inside one module."""

    work: Work

    def join(
        self,
        operation: type[Operation],
        values: Sequence[tuple[Value, tree.Span]],
        span: tree.Span,
    ) -> Value:
        """A sum, mean, product or concatenation of tensors, some perhaps optional."""

        def joined(*arguments: Value) -> Value:
            terms: list[tuple[Tensor, Formula]] = []
            for argument, (_, place) in zip(arguments, values, strict=True):
                terms += self._terms(argument, operation.keyword, place)
            self._check_terms(terms, operation.keyword, span)
            if operation is Concat and any(when != ALWAYS for _, when in terms):
                raise fault(
                    "E0517",
                    "the width of a concatenation depends on a hole",
                    span,
                    found="values that are not always there",
                    expected="the same values under every decision",
                    hint="sum them, or give each a 1x1 of its own and sum those",
                )
            if operation.arity is not None and any(when != ALWAYS for _, when in terms):
                raise fault(
                    "E0303",
                    f"{operation.keyword} takes values that are always there",
                    span,
                    found="a set of values",
                    hint="join the set first, as in sum(...)",
                )
            tensors = [tensor for tensor, _ in terms]
            return self.work.builder.apply(
                operation(), tensors, span, when=tuple(when for _, when in terms)
            )

        return self.work.lifter.lift(joined, [value for value, _ in values], span)

    def _check_terms(
        self, terms: Sequence[tuple[Tensor, Formula]], keyword: str, span: tree.Span
    ) -> None:
        """A join needs something to join, whatever holes take."""
        if not terms:
            raise fault(
                "E0303",
                f"{keyword} of nothing",
                span,
                found="no values",
                expected="at least one value of the network",
            )
        sets = self.work.builder.sets()
        if all(isinstance(when, Taken) and when.hole in sets for _, when in terms):
            raise fault(
                "E0516",
                f"{keyword} may be left with nothing",
                span,
                found="only values of `any of`, which may take none",
                expected="at least one value that is always there",
                hint=f"add one, as in {keyword}(x, any of {{...}}), or take `1 of` or more",
            )

    def _terms(self, value: Value, keyword: str, span: tree.Span) -> list[tuple[Tensor, Formula]]:
        match value:
            case Tensor():
                return [(value, ALWAYS)]
            case Terms(terms):
                return list(terms)
            case Series(values):
                return [term for inner in values for term in self._terms(inner, keyword, span)]
            case Family(members):
                return [
                    term for inner in members.values() for term in self._terms(inner, keyword, span)
                ]
            case _:
                raise fault(
                    "E0303", f"{keyword} joins values of the network", span, found=kind_of(value)
                )
