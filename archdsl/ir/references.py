"""Which compositions have a hole somewhere inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from archdsl.syntax import tree
from archdsl.syntax.tree import Operator

MAX_CHAIN = 64


def holed_definitions(
    definitions: Mapping[str, tree.Operation | tree.Module],
    opens: Callable[[str, str], bool],
) -> frozenset[str]:
    """The `op`s that hold a hole, themselves or through another; modules decide on their own.

    `opens` says whether a rule gives an operation a hole where a definition applies it.
    """
    uses: dict[str, set[str]] = {}
    holed = set()
    for name, definition in definitions.items():
        if isinstance(definition, tree.Operation):
            inside = list(walk(definition.value))
            uses[name] = {e.name for e in inside if isinstance(e, (tree.Ref, tree.Call))}
            if any(isinstance(e, tree.Hole) for e in inside) or any(
                opens(used, name) for used in uses[name]
            ):
                holed.add(name)
    grew = True
    while grew:
        more = {name for name, used in uses.items() if used & holed} - holed
        holed |= more
        grew = bool(more)
    return frozenset(holed)


def smallest_sizes(
    definitions: Mapping[str, tree.Operation | tree.Module],
) -> dict[str, int]:
    """For each `op` the least number of operations that applying it makes.

    Repetitions and calls of other things count as nothing where they could be, so no small
    program is refused; but doubling upon doubling (`op b = a -> a`) is told before it is
    expanded.
    """
    sizes: dict[str, int] = {}
    for name in definitions:
        _size_of(name, definitions, sizes, frozenset())
    return sizes


def _size_of(
    name: str,
    definitions: Mapping[str, tree.Operation | tree.Module],
    sizes: dict[str, int],
    above: frozenset[str],
) -> int:
    definition = definitions.get(name)
    if not isinstance(definition, tree.Operation) or name in above or len(above) > MAX_CHAIN:
        return 0  # what contains itself is refused elsewhere
    if name not in sizes:
        own = {parameter.name for parameter in definition.parameters}
        sizes[name] = sum(
            _size_of(used, definitions, sizes, above | {name})
            if isinstance(definitions.get(used), tree.Operation)
            else 1
            for used in _surely_applied(definition.value)
            if used not in own
        )
    return sizes[name]


def _surely_applied(expression: tree.Expression) -> Iterator[str]:
    """The names in a composition that every application of it applies."""
    todo = [expression]
    while todo:
        match todo.pop():
            case tree.Ref(name=name, index=()) | tree.Call(name=name, index=()):
                yield name
            case tree.Binary(operator=Operator.ARROW | Operator.ADD | Operator.MULTIPLY) as both:
                todo += (both.left, both.right)
            case _:
                pass


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
