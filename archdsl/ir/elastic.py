"""Sizes that decisions leave open: the largest of an operation, and what each one takes of it.

Under `elastic` an operation is applied once, with its numbers undecided. All sizes share the
weights of the largest, so the operation has to say how (`Operation.elastic`, `.slices`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial

from archdsl.ir.arithmetic import is_number
from archdsl.ir.cases import Cases, Tree, change, ends
from archdsl.ir.graph import Number, Sizes, Variant
from archdsl.ir.values import Value, Varying
from archdsl.ops.base import Operation, OperationError, Types
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Span


def tree_of(value: Value) -> Tree[Value]:
    """A value that a hole decides, as a tree."""
    if isinstance(value, Varying):
        return Cases(value.hole, tuple((n, tree_of(case)) for n, case in value.cases))
    return value


def is_size(value: Value) -> bool:
    """Whether a hole decides a value between numbers."""
    while isinstance(value, Varying):
        value = value.cases[0][1]
    return is_number(value)


def largest(kinds: Sequence[Types]) -> Types | None:
    """The largest of each axis; None where the numbers of values or axes differ."""
    if len({tuple(len(type_.shape) for type_ in types) for types in kinds}) > 1:
        return None
    columns = zip(*kinds, strict=True)
    return tuple(
        replace(column[0], shape=tuple(map(max, zip(*(t.shape for t in column), strict=True))))
        for column in columns
    )


def largest_kinds(kinds: Tree[Types], span: Span | None) -> Types:
    found = largest(list(ends(kinds)))
    if found is None:
        shown = dict.fromkeys(", ".join(map(str, types)) for types in ends(kinds))
        raise fault(
            "E0515",
            "values of one place have as many axes, whatever is decided",
            span,
            found=" or ".join(shown),
        )
    return found


def sized(
    variants: Tree[Variant], labels: Mapping[str, str], span: Span
) -> tuple[Operation, Sizes, Types]:
    """The largest of an operation's variants, its sizes and its results' types."""
    every = list(dict.fromkeys(ends(variants)))
    operations = list(dict.fromkeys(v.operation for v in every if v.operation is not None))
    inputs, types = largest([v.inputs for v in every]), largest([v.types for v in every])
    first = operations[0]
    if inputs is None or types is None:
        raise _refused(first, "takes values of different numbers of axes", span)
    varying = tuple(
        field.name
        for field in fields(first)
        if len({getattr(operation, field.name) for operation in operations}) > 1
    )
    whole = _largest(first, operations, varying, inputs, span)
    sizes = Sizes(inputs=inputs, variants=variants)
    if len({v.operation.code(v.inputs) for v in every if v.operation is not None}) == 1:
        return first, sizes, types
    form = whole.elastic(inputs, operations)
    if form is None:
        raise _refused(first, "does not say how sizes share its weights", span)
    for name in varying:
        if name not in form.takes:
            raise _refused(first, f"cannot have {name} decided from call to call", span)
    numbers = tuple(
        Number(
            field=name,
            keyword=keyword,
            values=change(variants, partial(_argument, name)),
            label=labels.get(name, ""),
        )
        for name, keyword in form.takes.items()
        if name in varying
    )
    return whole, replace(sizes, form=form, numbers=numbers), types


def _argument(name: str, variant: Variant) -> int | float:
    value = getattr(variant.operation, name)
    if not is_number(value):
        raise AssertionError("a size is a number")
    return value


def _largest(
    first: Operation,
    operations: Sequence[Operation],
    varying: Sequence[str],
    inputs: Types,
    span: Span,
) -> Operation:
    most: dict[str, int | float] = {}
    for name in varying:
        values = [getattr(operation, name) for operation in operations]
        if not all(is_number(value) for value in values):
            raise _refused(first, f"cannot have {name} decided from call to call", span)
        most[name] = max(values)
    try:
        whole = replace(first, **most)
        whole.infer(inputs)
    except OperationError as problem:
        raise _refused(first, f"has largest sizes that do not fit: {problem}", span) from None
    return whole


def _refused(operation: Operation, why: str, span: Span) -> ArchError:
    return fault(
        "E0515",
        f"{operation.keyword} {why}",
        span,
        found=f"{operation.keyword} of several sizes",
        expected="sizes that can share one set of weights",
        hint="fix its size, or write the hole around it: {a = f(1) | b = f(2)}",
    )
