"""Which values must have as many channels as another one, and all of them wider.

A sum has the channels of what it adds, a norm those of its input, a module those that all its uses
have; only what has a width of its own (`Operation.wider`) sets one. So values fall into classes,
and a class grows together, as the widths of a residual stage do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Node, Program
from archdsl.ops.base import Operation, OperationError, Types
from archdsl.ops.binding import LIMIT
from archdsl.syntax.errors import fault

Place: TypeAlias = tuple[str, int]
"""A value: its module and its position there. The position -1 is what cannot grow."""

FIXED: Place = ("", -1)


def widened(program: Program, place: Place, channels: int) -> Program:
    """The network with so many channels in the class of a value; types are to be found anew.

    Raises ArchError E0840 where the class cannot grow.
    """
    _check(channels)
    classes = _Classes(program)
    root = classes.find(place)
    node = program.modules[place[0]].nodes[place[1]]
    if channels <= node.type.channels:
        raise _refused(f"{channels} channels are not more than {node.type.channels}")
    if root == classes.find(FIXED):
        raise _refused("its width is that of an input or of a result of the network")
    modules = {
        key: _wider(graph, [i for i in _inside(classes, key, graph, root)], channels)
        for key, graph in program.modules.items()
    }
    if modules == program.modules:
        raise _refused("nothing in the text says its width")
    return replace(program, modules=modules)


def with_units(program: Program, place: Place, units: int) -> Program:
    """The network with so many hidden units in a perceptron. Raises ArchError E0840."""
    _check(units)
    key, position = place
    graph = program.modules[key]
    node = graph.nodes[position]
    grown = None
    if isinstance(node.kind, Apply):
        grown = node.kind.operation.with_units(graph.types_in(node), units)
    if grown is None:
        raise _refused("it has no hidden units")
    nodes = list(graph.nodes)
    nodes[position] = replace(node, kind=Apply(grown))
    return replace(program, modules={**program.modules, key: replace(graph, nodes=tuple(nodes))})


def _inside(classes: _Classes, key: str, graph: Graph, root: Place) -> Iterator[int]:
    for position in range(len(graph.nodes)):
        if classes.find((key, position)) == root:
            yield position


def _wider(graph: Graph, positions: list[int], channels: int) -> Graph:
    """A module whose values at some positions have so many channels."""
    if not positions:
        return graph
    inside = set(positions)
    nodes = []
    for position, node in enumerate(graph.nodes):
        if isinstance(node.kind, Apply):
            inputs = graph.types_in(node)
            operation = node.kind.operation
            if position in inside:
                operation = operation.wider(inputs, channels) or operation
            if inside & set(node.args):
                operation = _settled(operation, inputs)
            node = replace(node, kind=Apply(operation))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _settled(operation: Operation, inputs: Types) -> Operation:
    try:
        return operation.settled(inputs)
    except OperationError as problem:
        raise _refused(str(problem)) from problem


class _Classes:
    """Values that must have equally many channels, found by union."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.above: dict[Place, Place] = {}
        for key, graph in program.modules.items():
            for position, node in enumerate(graph.nodes):
                for other in self._as_wide(key, graph, position, node):
                    self.join((key, position), other)
        net = program.net
        for position in (*net.inputs, *net.outputs):
            self.join((program.root, position), FIXED)

    def find(self, place: Place) -> Place:
        path = []
        while place in self.above:
            path.append(place)
            place = self.above[place]
        for one in path:
            self.above[one] = place
        return place

    def join(self, one: Place, other: Place) -> None:
        one, other = self.find(one), self.find(other)
        if one != other:
            self.above[one] = other

    def _as_wide(self, key: str, graph: Graph, position: int, node: Node) -> Iterator[Place]:
        """What must have as many channels as a node."""
        match node.kind:
            case Apply(operation):
                for arg in _kept(operation, graph.types_in(node), node):
                    yield key, node.args[arg]
            case Invoke(module, steps):
                yield from self._used(key, module, steps, position, node)
            case Item(index):
                yield from self._item(key, graph, index, node)
            case Input() | _:
                return

    def _used(
        self, key: str, module: str, steps: int, position: int, node: Node
    ) -> Iterator[Place]:
        """A use of a module: what goes in and comes out is as wide as inside it."""
        used = self.program.modules[module]
        if steps:  # what a scan hands on has the width of what it takes
            for arg in node.args:
                self.join((key, arg), FIXED)
            for inner in range(len(used.nodes)):
                self.join((module, inner), FIXED)
            yield FIXED
            return
        for arg, inner in zip(node.args, used.inputs, strict=True):
            self.join((key, arg), (module, inner))
        if len(used.outputs) == 1:
            yield module, used.outputs[0]

    def _item(self, key: str, graph: Graph, index: int, node: Node) -> Iterator[Place]:
        kind = graph.nodes[node.args[0]].kind
        if isinstance(kind, Invoke) and not kind.steps:
            yield kind.module, self.program.modules[kind.module].outputs[index]
        else:
            yield FIXED


def _kept(operation: Operation, inputs: Types, node: Node) -> Iterator[int]:
    """The arguments whose channels an operation keeps: all of a join, one with no width."""
    per_channel = operation.traits(inputs).per_channel
    free = operation.wider(inputs, node.type.channels) is not None and not per_channel
    if free or operation.routes(inputs) is not None or operation.takes_indices:
        return
    for arg, type_ in enumerate(inputs):
        if type_.channels == node.type.channels and (per_channel or type_ == node.type):
            yield arg


def _check(width: int) -> None:
    """Refuse what no text can say."""
    if width > LIMIT:
        raise _refused(f"it would be wider than {LIMIT:,}")


def _refused(message: str) -> Exception:
    return fault(
        "E0840",
        f"this cannot be made wider: {message}",
        expected="a value whose width an operation such as conv(64) says",
    )
