"""Modules used: their graphs made for the arguments, for each size that holes leave open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from archdsl.ir.cases import Tree, change, combine, ends
from archdsl.ir.elastic import is_size, tree_of
from archdsl.ir.graph import Static
from archdsl.ir.paths import Step
from archdsl.ir.scan import element, scan_types
from archdsl.ir.types import TensorType
from archdsl.ir.values import Tensor, Value, Varying, kind_of
from archdsl.ops.base import Types
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.render import position

if TYPE_CHECKING:
    from archdsl.ir.work import Work

Row: TypeAlias = tuple[tuple[tuple[str, type, Static], ...], tuple[TensorType, ...]]
"""One size of a module: its numbers, and the types of its inputs."""

SHAPES = "E04"
"""Codes of errors that one use of a module has and another has not."""


def invoked(
    work: Work,
    definition: tree.Module,
    family: Sequence[Value],
    bound: Mapping[str, Value],
    inputs: tuple[Tensor, ...],
    use: tree.Ref | tree.Call,
    step: Step | None,
    scanned: tree.Span | None,
) -> Value:
    """A use of a module on some values; `scanned`: where the text takes it over a sequence.

    Under `elastic` numbers and types may be open; there is then one graph for all of them.
    """
    builder = work.builder
    values = list(bound.values())
    open_ = [builder.elastic and isinstance(v, Varying) and is_size(v) for v in values]

    def applied(*cases: Value) -> Value:
        index, rest = cases[: len(family)], cases[len(family) :]
        given = [v if o else c for v, o, c in zip(values, open_, rest, strict=True)]
        kinds = [change(builder.kind(tensor), lambda types: types[0]) for tensor in inputs]
        overs: dict[int, None] = {}

        def row(*parts: Value | TensorType) -> Row:
            numbers, types = _row(definition, list(bound), parts, use)
            over = 0
            if scanned is not None:
                over, types = _over(types, scanned)
            overs.setdefault(over)
            return numbers, types

        rows: Tree[Row] = combine(row, [*map(tree_of, given), *kinds], builder.known())
        over, *others = overs
        if others:
            raise builder.decided_outside(scanned)
        every = tuple(dict.fromkeys(ends(rows)))
        try:
            key = work.elaborator.module(definition, index, every, use)
        except ArchError as error:
            raise _told_where(error, definition, use, builder.choices()) from None
        graph = work.elaborator.modules[key]
        numbers = change(rows, every.index)
        results = change(numbers, graph.result_types_of)
        if scanned is not None:
            results = change(
                numbers,
                lambda i: _scanned(
                    definition, over, every[i][1], graph.result_types_of(i), scanned
                ),
            )
        own = step or builder.step(definition.name, use.span)
        return builder.invoke(key, results, inputs, use.span, own, numbers, over)

    fixed = [0 if o else v for v, o in zip(values, open_, strict=True)]
    return work.lifter.lift(applied, [*family, *fixed], use.span)


def _row(
    definition: tree.Module,
    names: Sequence[str],
    parts: Sequence[Value | TensorType],
    use: tree.Node,
) -> Row:
    """What one size of a use gives: its numbers and the types of its inputs."""
    numbers = []
    for name, value in zip(names, parts, strict=False):
        if not isinstance(value, (int, float, str)):
            raise fault(
                "E0304",
                f"{name} of {definition.name} is a number, yes or no, or a text",
                use.span,
                found=kind_of(value) if not isinstance(value, TensorType) else str(value),
            )
        numbers.append((name, type(value), value))
    return tuple(numbers), tuple(t for t in parts[len(names) :] if isinstance(t, TensorType))


def _over(types: Types, span: tree.Span) -> tuple[int, Types]:
    """The length of the sequence that is gone over, and what one step takes."""
    inner = element(types[0])
    if inner is None or types[0].below is not None:
        raise fault(
            "E0401",
            "scan goes over tokens",
            span,
            found=str(types[0]),
            expected="a sequence of vectors (tokens, channels)",
            hint="give every index a vector first: x -> embedding(64)"
            if types[0].below is not None
            else "",
        )
    return types[0].shape[0], (inner, *types[1:])


def _scanned(
    definition: tree.Module, over: int, types: Types, results: Types, span: tree.Span
) -> Types:
    """The results of a scan, whose step must return its state as it takes it."""
    states = types[1:]
    following = results[len(results) - len(states) :] if len(results) >= len(states) else ()
    if following != states:
        raise fault(
            "E0401",
            f"{definition.name} does not return the next state as it takes it",
            span,
            found=", ".join(map(str, results)),
            expected=f"last {', '.join(map(str, states))}",
            hint="its inputs behind the first are the state; return the next state last",
        )
    return scan_types(over, len(states), results)


def _told_where(
    error: ArchError, definition: tree.Module, use: tree.Node, choices: str
) -> ArchError:
    """A wrong shape inside a module, with the use of it that is wrong."""
    line, _ = position(use.span)
    used = f"in {definition.name}, used in line {line}" + (f" {choices}" if choices else "")
    return ArchError(
        replace(found, where=f"{found.where} {used}".strip())
        if found.code.startswith(SHAPES)
        else found
        for found in error.diagnostics
    )
