"""What `for` inside an expression runs over: numbers, members of a family, terms of a set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archdsl.ir.drafts import Position
from archdsl.ir.formula import ALWAYS, Formula, all_of
from archdsl.ir.values import Family, Names, Series, Tensor, Terms, Value, kind_of
from archdsl.syntax import tree
from archdsl.syntax.errors import fault

if TYPE_CHECKING:
    from archdsl.ir.work import Work


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a comprehension: the names it sees, its indices, and when it is there.

    A turn over a term of `leaves(n)` or `2 of {...}` is there where the term is: what it
    computes is computed only then, and what it gives is present only then.
    """

    names: Names
    indices: tuple[str, ...] = ()
    when: Formula = ALWAYS

    def at(self, position: Position) -> Position:
        """Where the work on this turn stands."""
        indices = position.indices + self.indices
        return replace(position, indices=indices, given=all_of((position.given, self.when)))

    def present(self, value: Value, span: tree.Span) -> Value:
        """What the turn gave, as a term that is there when the turn is."""
        if self.when == ALWAYS:
            return value
        match value:
            case Tensor():
                return Terms(((value, self.when),))
            case Terms(terms):
                return Terms(tuple((tensor, all_of((self.when, w))) for tensor, w in terms))
            case _:
                raise fault(
                    "E0303",
                    "a turn over values that are not always there gives one value",
                    span,
                    found=kind_of(value),
                    expected="a value of the network, of one shape",
                )


def turns(
    work: Work, comprehensions: Sequence[tree.Comprehension], names: Names, times: int = 1
) -> Iterator[Turn]:
    """Every turn of nested comprehensions, the last one fastest."""
    if not comprehensions:
        yield Turn(names)
        return
    first, *rest = comprehensions
    members = _members(work, first.values, names)
    times *= len(members)
    work.builder.check_turns(times, first.span)
    for value, label, when in members:
        for inner in turns(work, rest, names.inside({first.name: value}), times):
            yield Turn(inner.names, (label, *inner.indices), all_of((when, inner.when)))


def _members(
    work: Work, expression: tree.Expression, names: Names
) -> list[tuple[Value, str, Formula]]:
    value = work.evaluator.value(expression, names)
    match value:
        case Series(values, labels):
            return [(v, label, ALWAYS) for v, label in zip(values, labels, strict=True)]
        case Family(members):
            return [(v, ".".join(map(str, key)), ALWAYS) for key, v in members.items()]
        case Terms(terms, labels):
            return [(t, label, when) for (t, when), label in zip(terms, labels, strict=True)]
        case _:
            raise fault(
                "E0306",
                "for needs a range or values",
                expression.span,
                found=kind_of(value),
                expected="a range such as 1..4, a family, or a set such as leaves(n)",
            )
