"""What pricing needs of a graph, once: sizes, prices, and how zeros pass each node.

Numbers only, so that thousands of architectures are priced without a program of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

from archdsl.ir.cost import bytes_of, price
from archdsl.ir.formula import Formula
from archdsl.ir.graph import Apply, Choose, Graph, Input, Invoke, Item, Node, Path
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Zero
from archdsl.ops.joins import Join, Product
from archdsl.passes.uses import Use

INPUT, ITEM, USE, CHOICE, APPLY = range(5)
NEVER, ALWAYS, ANY, ALL = range(4)
"""When a node is zero: never, always, when one of its inputs is, when all are."""


class Unpriced(Exception):
    """A graph that only the pricing of one network at a time knows."""


class Entry(NamedTuple):
    """One node. `number`: the hole of a CHOICE."""

    kind: int
    args: tuple[int, ...]
    under: Formula
    when: tuple[Formula, ...]
    number: int = 0
    zero: int = NEVER
    size: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """A graph's entries, their sizes in units of so many bytes.

    `prices`: parameters and MACs of each node. `paths`: the nodes that hold weights, by path,
    tied ones together.
    """

    use: Use
    holes: tuple[str, ...]
    entries: tuple[Entry, ...]
    unit: int
    prices: tuple[tuple[int, int], ...]
    paths: tuple[tuple[int, ...], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def key(self) -> object:
        """What graphs have in common that differ in widths alone."""
        if self.use.inner:
            return id(self.use)
        return self.use.holes, self.holes, self.entries, self.inputs, self.outputs


def tariff(use: Use) -> Tariff:
    """The tariff of a use. Raises Unpriced for nodes whose price depends on decisions."""
    graph = use.graph
    holes = tuple(hole.name for hole in graph.holes)
    entries = [_entry(graph, node, holes) for node in graph.nodes]
    unit = 1 if use.inner else gcd(*(entry.size for entry in entries)) or 1
    prices = tuple(_price(graph, node) for node in graph.nodes)
    paths: dict[Path, list[int]] = {}
    for position, node in enumerate(graph.nodes):
        if isinstance(node.kind, (Apply, Invoke)):
            paths.setdefault(node.path, []).append(position)
    costly = (
        nodes for nodes in paths.values() if any(prices[p][0] or p in use.inner for p in nodes)
    )
    return Tariff(
        use=use,
        holes=holes,
        entries=tuple(entry._replace(size=entry.size // unit) for entry in entries),
        unit=unit,
        prices=prices,
        paths=tuple(tuple(nodes) for nodes in costly),
        inputs=graph.inputs,
        outputs=graph.outputs,
    )


def _price(graph: Graph, node: Node) -> tuple[int, int]:
    if not isinstance(node.kind, Apply):
        return 0, 0
    return price(node.kind.operation, _types(graph, node))


def _types(graph: Graph, node: Node) -> Types:
    return tuple(graph.nodes[arg].types[0] for arg in node.args)


def _entry(graph: Graph, node: Node, holes: tuple[str, ...]) -> Entry:
    if node.sizes is not None:
        raise Unpriced
    entry = Entry(INPUT, node.args, node.under, (), size=bytes_of(node))
    match node.kind:
        case Input():
            return entry
        case Item():
            return entry._replace(kind=ITEM)
        case Invoke(steps=0):
            return entry._replace(kind=USE)
        case Choose(hole):
            return entry._replace(kind=CHOICE, number=holes.index(hole), size=0)
        case Apply(operation, when):
            if when and not isinstance(operation, Join):
                raise Unpriced
            keeps = bool(node.args) and operation.traits(_types(graph, node)).zero
            return entry._replace(kind=APPLY, when=when, zero=_zero(operation, keeps))
        case _:
            raise Unpriced


def _zero(operation: Operation, keeps: bool) -> int:
    if type(operation) is Zero:
        return ALWAYS
    if type(operation) is Product:
        return ANY
    return ALL if keeps else NEVER
