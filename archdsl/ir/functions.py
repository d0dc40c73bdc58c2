"""What the compile-time functions of the language give: numbers, sets of nodes, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush

from archdsl.ir.arithmetic import Number, bounded, is_number
from archdsl.ir.builder import Builder
from archdsl.ir.drafts import Draft, condition
from archdsl.ir.formula import (
    ALWAYS,
    NEVER,
    Formula,
    Taken,
    all_of,
    any_of,
    exhaust,
    negate,
    size_of,
)
from archdsl.ir.graph import Apply, Choose, Static
from archdsl.ir.values import Family, Series, Tensor, Terms, Value, Varying, kind_of
from archdsl.ir.wiring import GRAPHS, graph
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Span

MAX_FORMULA = 5_000


def round_to(value: Number, multiple: Number) -> Number:
    """The nearest multiple, halves up, at least one multiple (channels of MobileNets)."""
    return max(multiple, int(value + multiple / 2) // multiple * multiple)


NUMERIC: Mapping[str, tuple[int, Callable[..., Number]]] = {
    "floor": (1, math.floor),
    "ceil": (1, math.ceil),
    "round_to": (2, round_to),
    "abs": (1, abs),
}
"""Functions of a fixed number of numbers."""

EXTREMES: Mapping[str, Callable[[Sequence[Number]], Number]] = {"min": min, "max": max}

FUNCTIONS = frozenset((*NUMERIC, *EXTREMES, *GRAPHS, "leaves", "count", "fail"))


def call(name: str, arguments: Sequence[Value], builder: Builder, span: Span) -> Value:
    """The value of a compile-time function."""
    match name:
        case "leaves":
            return _leaves(arguments, builder, span)
        case "count":
            return _count(arguments, span)
        case "fail":
            raise fault(
                "E0308",
                _text(arguments, span),
                span,
                hint="the space itself refuses this: look at its parameters",
            )
        case _ if name in GRAPHS:
            return graph(name, arguments, span)
        case _:
            return _numeric(name, arguments, span)


def _numeric(name: str, arguments: Sequence[Value], span: Span) -> Static:
    numbers = [argument for argument in arguments if is_number(argument)]
    if len(numbers) != len(arguments):
        wrong = next(a for a in arguments if not is_number(a))
        raise fault(
            "E0304", f"{name} takes numbers", span, found=kind_of(wrong), expected="numbers"
        )
    if name in EXTREMES:
        if not numbers:
            raise fault(
                "E0304",
                f"{name} takes at least one number",
                span,
                found="none",
                expected="one number or more",
            )
        return EXTREMES[name](numbers)
    count, function = NUMERIC[name]
    if len(numbers) != count:
        raise fault(
            "E0304",
            f"{name} takes another number of arguments",
            span,
            found=str(len(numbers)),
            expected=str(count),
        )
    try:
        return bounded(function(*numbers), span)
    except ZeroDivisionError:
        raise fault("E0305", f"{name} divides by zero", span, found="0") from None


def _text(arguments: Sequence[Value], span: Span) -> str:
    if len(arguments) == 1 and isinstance(arguments[0], str):
        return arguments[0]
    raise fault(
        "E0304",
        "fail takes one text",
        span,
        found=f"{len(arguments)} arguments",
        hint='fail("what is wrong")',
    )


def _count(arguments: Sequence[Value], span: Span) -> int:
    """How many values there are; sets that a hole decides have no number while compiling."""
    total = 0
    for argument in arguments:
        match argument:
            case Series(values):
                total += len(values)
            case Terms(terms) if all(when == ALWAYS for _, when in terms):
                total += len(terms)
            case Tensor():
                total += 1
            case Family(members):
                total += len(members)
            case _:
                raise fault(
                    "E0304",
                    "count takes values that no hole decides",
                    span,
                    found=kind_of(argument),
                    expected="a family or values of the network",
                )
    return total


def _leaves(arguments: Sequence[Value], builder: Builder, span: Span) -> Terms:
    """The members of a family that no other member takes, under the decisions made.

    With a second argument, those of the first that no member of the second takes.
    """
    if len(arguments) not in (1, 2):
        raise fault(
            "E0304",
            "leaves takes a family, or some values and a family",
            span,
            found=f"{len(arguments)} arguments",
            hint="leaves(n) gives the values n[i] that no other n[j] takes",
        )
    if len(arguments) == 1 and isinstance(arguments[0], Tensor):
        raise _no_family(arguments[0], span)
    labelled = _members(arguments[0], span)
    nodes = {tensor.node for _, tensor in labelled}
    takers = {node for _, value in _values(arguments[-1], span) for node in _cases(value)}
    used: dict[int, Formula] = dict.fromkeys(nodes, NEVER)
    for node in sorted(takers):
        for taken, when in takes(builder, node, frozenset(nodes | takers), span).items():
            if taken in nodes:
                used[taken] = any_of((used[taken], when))
    named = {tensor: label for label, tensor in reversed(labelled)}
    free = [t for t in dict.fromkeys(t for _, t in labelled) if used[t.node] != ALWAYS]
    return Terms(
        tuple((tensor, negate(used[tensor.node])) for tensor in free),
        tuple(named[tensor] for tensor in free),
    )


def _values(value: Value, span: Span) -> list[tuple[str, Value]]:
    """What a family or a series holds, by its indices, or one value of the network."""
    match value:
        case Family(members):
            return [(".".join(map(str, key)), member) for key, member in members.items()]
        case Series(given, indices):
            return list(zip(indices, given, strict=True))
        case Tensor():
            return [("0", value)]
        case other:
            raise _no_family(other, span)


def _no_family(value: Value, span: Span) -> ArchError:
    return fault(
        "E0304",
        "leaves takes a family",
        span,
        found=kind_of(value),
        expected="a family, bound as n[1] = ..., n[2] = ...",
    )


def _members(value: Value, span: Span) -> list[tuple[str, Tensor]]:
    """The values of the network, of one shape each, that a value holds."""
    values = _values(value, span)
    tensors = [(label, value) for label, value in values if isinstance(value, Tensor)]
    if len(tensors) != len(values) or not tensors:
        wrong = next((v for _, v in values if not isinstance(v, Tensor)), None)
        raise fault(
            "E0304",
            "leaves takes a family of values of one shape each",
            span,
            found="no members" if wrong is None else kind_of(wrong),
        )
    return tensors


def _cases(value: Value) -> Iterator[int]:
    """The nodes of a value, one for each case where its shape depends on a hole."""
    if isinstance(value, Varying):
        for _, case in value.cases:
            yield from _cases(case)
    elif isinstance(value, Tensor):
        yield value.node


def takes(builder: Builder, node: int, stop: frozenset[int], span: Span) -> dict[int, Formula]:
    """Which of `stop` the computation of `node` takes directly, and under which decisions."""
    sizes = builder.hole_sizes()
    draft = builder.drafts[node]
    needed: dict[int, Formula] = {node: condition(draft.under, draft.given)}
    found: dict[int, Formula] = {}
    todo = [-node]  # later nodes first, so that all ways to a node are known when it is met
    spent = 0
    while todo:
        current = -heappop(todo)
        when = exhaust(needed.pop(current), sizes)
        if when == NEVER:
            continue
        if current in stop and current != node:
            found[current] = when
            continue
        spent += size_of(when)
        if spent > MAX_FORMULA:
            raise fault(
                "E0511",
                "which values are leaves depends on too many holes at once",
                span,
                found=f"more than {MAX_FORMULA:,} cases",
                hint="name more of the values between as members of the family",
            )
        for argument, edge in _edges(builder.drafts[current], when):
            if argument not in needed:
                heappush(todo, -argument)
            needed[argument] = any_of((needed.get(argument, NEVER), edge))
    return found


def _edges(draft: Draft, when: Formula) -> Iterator[tuple[int, Formula]]:
    """The arguments of a node that is needed, and when they are."""
    for position, argument in enumerate(draft.args):
        if isinstance(draft.kind, Choose):
            yield argument, all_of((when, Taken(draft.kind.hole, position)))
        elif isinstance(draft.kind, Apply) and draft.kind.when:
            yield argument, all_of((when, draft.kind.when[position]))
        else:
            yield argument, when
