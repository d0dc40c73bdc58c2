"""Sizes that a choice decides, as expressions of `forward`.

A number that a hole takes as it stands is the choice's field (`choice.kernel`), one that the
use of a module decides is a parameter of its `forward`, or the product of several (`c * m`); any
other is looked up in a table that `__init__` keeps (`self.mid[choice.ratio]`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from math import prod

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
        if len(axes) == 1 and all(select_by(tree, [row]) == row.product for row in axes[0].rows):
            return Spelled(" * ".join(axes[0].texts))
        keys = [text for axis in axes for text in axis.texts]
        rows = {
            tuple(chain.from_iterable(row.values for row in taken)): select_by(tree, taken)
            for taken in product(*(axis.rows for axis in axes))
        }
        table = Table(tuple((key if len(key) > 1 else key[0], size) for key, size in rows.items()))
        return Spelled(f"{{table}}[{join(keys)}]", table)

    def _axis(self, hole: str, tree: Tree[Size]) -> Axis:
        if hole == USE:
            names = deciding(self.graph, tree)
            found = {values_of(given, names): row for row, given in enumerate(self.graph.rows)}
            rows = tuple(Row(USE, row, values) for values, row in found.items())
            return Axis(tuple(self.name(name) for name in names), rows)
        known = next(h for h in self.graph.holes if h.name == hole)
        taken = [Row(hole, i, (value,)) for i, value in enumerate(hole_values(known))]
        if known.under != ALWAYS:
            taken.append(Row(hole, -1, (None,)))
        return Axis((self.name(hole),), tuple(taken))


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a table: the hole's alternative and how the choice, or the use, holds it."""

    hole: str
    number: int
    values: tuple[object, ...]

    @property
    def product(self) -> object:
        """The value, or the product of several; None where that would not be exact."""
        if len(self.values) == 1:
            return self.values[0]
        whole = [value for value in self.values if type(value) is int]
        return prod(whole) if len(whole) == len(self.values) else None


@dataclass(frozen=True, slots=True)
class Axis:
    """A decision that a number depends on: its expressions, and what they may take.

    A hole is one expression; a use may need several of its parameters to be told apart.
    """

    texts: tuple[str, ...]
    rows: tuple[Row, ...]


def select_by(tree: Tree[Size], taken: Sequence[Row]) -> Size:
    """The number for some decisions; for those that it does not ask, whatever they are."""
    known = {row.hole: row.number for row in taken}
    while isinstance(tree, Cases):
        numbers = dict(tree.of)
        tree = numbers.get(known[tree.hole], tree.of[0][1])
    return tree


def deciding(graph: Graph, tree: Tree[Size]) -> tuple[str, ...]:
    """The fewest parameters of a definition that say which of its uses' sizes a number takes."""
    varying = [name for name in graph.rows[0] if len({given[name] for given in graph.rows}) > 1]
    sizes = [_restricted(tree, row) for row in range(len(graph.rows))]
    for count in range(1, len(varying) + 1):
        for names in combinations(varying, count):
            groups: dict[tuple[Static, ...], set[Tree[Size]]] = {}
            for given, size in zip(graph.rows, sizes, strict=True):
                groups.setdefault(values_of(given, names), set()).add(size)
            if all(len(found) == 1 for found in groups.values()):
                return names
    raise AssertionError("a size that no parameters of the use decide")


def values_of(given: Mapping[str, Static], names: Sequence[str]) -> tuple[Static, ...]:
    """What a use gives for some parameters."""
    return tuple(given[name] for name in names)


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
        name
        for number in numbers
        if USE in holes_of(number.values)
        for name in deciding(graph, number.values)
    }
    return tuple(name for name in graph.arguments if name in needed)
