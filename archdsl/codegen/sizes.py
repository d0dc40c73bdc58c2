"""Sizes that a choice decides, as expressions of `forward`.

A number that a hole takes as it stands is the choice's field (`choice.kernel`), one that the
use of a module decides is a parameter of its `forward`; any other is looked up in a table that
`__init__` keeps (`self.mid[choice.ratio]`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from archdsl.codegen.code import join
from archdsl.codegen.conditions import hole_values
from archdsl.codegen.literals import Table, literal
from archdsl.ir.cases import Cases, Tree, holes_of
from archdsl.ir.formula import ALWAYS
from archdsl.ir.graph import USE, Graph, Number, Static

Size = int | float


@dataclass(frozen=True, slots=True)
class Spelled:
    """An expression; where it looks something up, `{table}` stands for the table's name."""

    text: str
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Sizing:
    """Spells the numbers of one graph; `name` says how its code calls a hole's decision."""

    graph: Graph
    name: Callable[[str], str]

    def spell(self, number: Number) -> Spelled:
        tree: Tree[Size] = number.values
        if not isinstance(tree, Cases):
            return Spelled(literal(tree))
        axes = [self._axis(hole, tree) for hole in holes_of(number.values)]
        if len(axes) == 1 and all(select_by(tree, [row]) == row.value for row in axes[0].rows):
            return Spelled(axes[0].text)
        keys = [axis.text for axis in axes]
        rows = {
            tuple(row.value for row in taken): select_by(tree, taken)
            for taken in product(*(axis.rows for axis in axes))
        }
        table = Table(tuple((key if len(key) > 1 else key[0], size) for key, size in rows.items()))
        return Spelled(f"{{table}}[{join(keys)}]", table)

    def _axis(self, hole: str, tree: Tree[Size]) -> Axis:
        if hole == USE:
            name = use_parameter(self.graph, tree)
            values = {given[name]: row for row, given in enumerate(self.graph.rows)}
            return Axis(self.name(name), tuple(Row(USE, row, v) for v, row in values.items()))
        known = next(h for h in self.graph.holes if h.name == hole)
        rows = [Row(hole, i, value) for i, value in enumerate(hole_values(known))]
        if known.under != ALWAYS:
            rows.append(Row(hole, -1, None))
        return Axis(self.name(hole), tuple(rows))


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a table: the hole's alternative and how the choice holds it."""

    hole: str
    number: int
    value: object


@dataclass(frozen=True, slots=True)
class Axis:
    """A decision that a number depends on: its expression, and what it may take."""

    text: str
    rows: tuple[Row, ...]


def select_by(tree: Tree[Size], taken: Sequence[Row]) -> Size:
    """The number for some decisions; for those that it does not ask, whatever they are."""
    known = {row.hole: row.number for row in taken}
    while isinstance(tree, Cases):
        numbers = dict(tree.of)
        tree = numbers.get(known[tree.hole], tree.of[0][1])
    return tree


def use_parameter(graph: Graph, tree: Tree[Size]) -> str:
    """The parameter of a definition that says which of its uses' sizes a number depends on."""
    varying = [name for name in graph.rows[0] if len({given[name] for given in graph.rows}) > 1]
    for name in varying:
        groups: dict[object, set[object]] = {}
        for row, given in enumerate(graph.rows):
            groups.setdefault(given[name], set()).add(_restricted(tree, row))
        if all(len(found) == 1 for found in groups.values()):
            return name
    raise AssertionError("a size that no parameter of the use decides")


def number_in(given: Mapping[str, Static], name: str) -> Size:
    """One of the numbers that a use gives."""
    value = given[name]
    if isinstance(value, str):
        raise AssertionError("a size is a number")
    return value


def _restricted(tree: Tree[Size], row: int) -> Tree[Size]:
    """A tree for one use."""
    if not isinstance(tree, Cases):
        return tree
    if tree.hole == USE:
        return _restricted(dict(tree.of).get(row, tree.of[0][1]), row)
    return Cases(tree.hole, tuple((n, _restricted(case, row)) for n, case in tree.of))


def use_parameters(graph: Graph, numbers: Iterator[Number]) -> tuple[str, ...]:
    """The parameters whose sizes some numbers need to be told, in the definition's order."""
    needed = {
        use_parameter(graph, number.values) for number in numbers if USE in holes_of(number.values)
    }
    return tuple(name for name in graph.arguments if name in needed)
