"""Which compositions have a hole somewhere inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archdsl.syntax import tree


def holed_definitions(
    definitions: Mapping[str, tree.Operation | tree.Module],
) -> frozenset[str]:
    """The `op`s that hold a hole, themselves or through another; modules decide on their own."""
    uses: dict[str, set[str]] = {}
    holed = set()
    for name, definition in definitions.items():
        if isinstance(definition, tree.Operation):
            inside = list(walk(definition.value))
            uses[name] = {e.name for e in inside if isinstance(e, (tree.Ref, tree.Call))}
            if any(isinstance(e, tree.Hole) for e in inside):
                holed.add(name)
    grew = True
    while grew:
        more = {name for name, used in uses.items() if used & holed} - holed
        holed |= more
        grew = bool(more)
    return frozenset(holed)


def walk(expression: tree.Expression) -> Iterator[tree.Expression]:
    """An expression and everything inside it."""
    todo = [expression]
    while todo:
        current = todo.pop()
        yield current
        todo += _parts(current)


def _parts(expression: tree.Expression) -> list[tree.Expression]:
    match expression:
        case tree.Binary(left=left, right=right):
            return [left, right]
        case tree.Negate(value=value):
            return [value]
        case tree.Tied(value=value, index=index):
            return [value, *index]
        case tree.Select(condition=condition, yes=yes, no=no):
            return [condition, yes, no]
        case tree.Ref(index=index):
            return list(index)
        case tree.Call(index=index, arguments=arguments, comprehensions=comprehensions):
            return [
                *index,
                *(argument.value for argument in arguments),
                *(comprehension.values for comprehension in comprehensions),
            ]
        case tree.Hole(alternatives=alternatives):
            return [
                part
                for alternative in alternatives
                for part in (alternative.value, *(c.values for c in alternative.comprehensions))
            ]
        case _:
            return []
