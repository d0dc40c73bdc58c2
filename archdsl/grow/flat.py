"""A network without modules: every value once, under the full name of its weights.

Correspondence between two networks is sought in this form, so that it does not matter which of
them writes as a module what the other writes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Node, Path, Program
from archdsl.ir.types import TensorType
from archdsl.ops.base import Operation, Types
from archdsl.syntax.tree import ModuleKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value: what an `operation` gives, an input (neither), or result `item` of a scan.

    `owner` is the name before those of its weights; `name` what it is called when two networks
    are compared. `scan` is what a scan does at every element of a sequence.
    """

    operation: Operation | None = None
    scan: Flat | None = None
    item: int | None = None
    args: tuple[int, ...] = ()
    type: TensorType
    owner: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Flat:
    """The values in topological order, and which of them the network returns."""

    values: tuple[Value, ...]
    outputs: tuple[int, ...]

    def inputs(self, value: Value) -> Types:
        """The types of what a value is computed from."""
        return tuple(self.values[arg].type for arg in value.args)

    def weighted(self, value: Value) -> bool:
        """Whether it has weights of its own."""
        if value.operation is None:
            return value.scan is not None
        return bool(value.operation.weights(self.inputs(value)))

    def graph(self) -> Graph:
        """As one graph, for alignment: only what has weights has a name."""
        return Graph(
            definition="",
            kind=ModuleKind.NET,
            nodes=tuple(self._node(i, value) for i, value in enumerate(self.values)),
            outputs=self.outputs,
        )

    def _node(self, position: int, value: Value) -> Node:
        path = (value.name,) if self.weighted(value) else ()
        kind: Apply | Input | Invoke | Item
        if value.operation is not None:
            kind = Apply(value.operation)
        elif value.scan is not None:
            kind = Invoke("scan", 1)
        elif value.item is not None:
            kind = Item(value.item)
        else:
            kind = Input(f"{position}")
        return Node(kind=kind, args=value.args, types=(value.type,), path=path)


def flat(program: Program, *, numbered: bool = False) -> Flat:
    """All values of a network. `numbered`: uses of modules are known by their number, not name.

    Numbers stay when operations come and go; names stay when uses do.
    """
    return _flat(program, program.root, numbered)


def _flat(program: Program, key: str, numbered: bool) -> Flat:
    flattener = _Flattener(program, numbered)
    graph = program.modules[key]
    inputs = [flattener.add(Value(type=graph.nodes[i].type)) for i in graph.inputs]
    outputs = flattener.module(key, inputs, (), ())
    return Flat(tuple(flattener.values), tuple(outputs))


@dataclass(slots=True)
class _Flattener:
    program: Program
    numbered: bool
    values: list[Value] = field(default_factory=list)

    def add(self, value: Value) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def module(self, key: str, inputs: list[int], path: Path, called: Path) -> list[int]:
        """The values of a module used on some; where its results are."""
        graph = self.program.modules[key]
        given = iter(inputs)
        uses = uses_of(graph)
        results: list[list[int]] = []
        for node in graph.nodes:
            args = [results[arg][0] for arg in node.args]
            own = (*path, *node.path)
            match node.kind:
                case Input():
                    found = [next(given)]
                case Apply(operation):
                    found = [self._applied(node, operation, args, own, (*called, *node.path))]
                case Invoke(module, 0):
                    use = (f"use{uses[node.path]}",) if self.numbered else node.path
                    found = self.module(module, args, own, (*called, *use))
                case Invoke(module):
                    found = list(self._scanned(node, module, args, own))
                case Item(index):
                    found = [results[node.args[0]][index]]
                case _:
                    raise AssertionError("a network has no holes")
            results.append(found)
        return [results[output][0] for output in graph.outputs]

    def _applied(
        self, node: Node, operation: Operation, args: list[int], own: Path, called: Path
    ) -> int:
        return self.add(
            Value(
                operation=operation,
                args=tuple(args),
                type=node.types[0],
                owner=".".join(own),
                name="_".join(called).rstrip("_"),
            )
        )

    def _scanned(self, node: Node, module: str, args: list[int], own: Path) -> Iterator[int]:
        owner = ".".join(own)
        scan = self.add(
            Value(
                scan=_flat(self.program, module, self.numbered),
                args=tuple(args),
                type=node.types[0],
                owner=owner,
                name=owner,
            )
        )
        if len(node.types) == 1:
            yield scan
            return
        for item, type_ in enumerate(node.types):
            yield self.add(Value(item=item, args=(scan,), type=type_, owner=owner))


def uses_of(graph: Graph) -> dict[Path, int]:
    """The paths under which a module uses others, numbered in order."""
    paths = (node.path for node in graph.nodes if isinstance(node.kind, Invoke))
    return {path: number for number, path in enumerate(dict.fromkeys(paths))}


def unnamed(network: Flat) -> Flat:
    """What a network computes, whatever its parts are called."""
    values = (
        replace(v, owner="", name="", scan=v.scan and unnamed(v.scan)) for v in network.values
    )
    return Flat(tuple(values), network.outputs)


def owned(network: Flat) -> Iterator[tuple[str, str]]:
    """The weights of a network, in order, tied ones once: their owner and their own name."""
    seen: set[str] = set()
    for value in network.values:
        if value.owner in seen or value.item is not None:
            continue
        seen.add(value.owner)
        if value.scan is not None:
            for owner, name in owned(value.scan):
                yield f"{value.owner}.{owner}", name
        elif value.operation is not None:
            for weight in value.operation.weights(network.inputs(value)):
                yield value.owner, weight.name
