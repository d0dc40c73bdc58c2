"""A graph under rewriting: values replaced one by one, then put in order again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from archdsl.ir.graph import Apply, Frame, Graph, Item, Kind, Node, Path
from archdsl.ir.types import TensorType
from archdsl.ops.base import Operation, Traits
from archdsl.passes.facts import Modules
from archdsl.passes.weights import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A fusion that a pass did not do: one operation for these nodes would take `loss` more.

    Seconds, forward, for a batch of 16, as the device's rates have it.
    """

    nodes: tuple[Node, ...]
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A graph rewritten. Names are within the module: `edge_1_2.fc1.weight`.

    `rows` says where the weights come from that have other names or shapes than before;
    `uses` maps paths of invokes that were renamed to those before. What neither holds is kept.
    `inlined`: the paths of uses that were dissolved, and their modules; what was in a module has
    its path behind that of the use. `left`: fusions that would not pay.
    """

    graph: Graph
    rows: Mapping[str, Source] = field(default_factory=dict)
    uses: Mapping[Path, Path] = field(default_factory=dict)
    inlined: Mapping[Path, str] = field(default_factory=dict)
    left: tuple[Left, ...] = ()


def frames_used(frames: Mapping[Path, Frame], nodes: Iterable[Node]) -> dict[Path, Frame]:
    """The frames that the path of a node still leads through."""
    paths = {node.path for node in nodes}
    prefixes = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
    return {prefix: frame for prefix, frame in frames.items() if prefix in prefixes}


def only_consumer(position: int, consumers: Mapping[int, list[int]]) -> int | None:
    """The node that takes a value, where that one does, once, and no output is the value.

    `consumers` are those of a draft.
    """
    takers = consumers.get(position, [])
    return takers[0] if len(takers) == 1 and takers[0] >= 0 else None


def weight_name(path: Path, weight: str) -> str:
    """The name of a weight within its module."""
    return ".".join((*path, weight))


def _updates_in_order(graph: Graph, modules: Modules) -> dict[int, int]:
    """For what updates statistics, norms and uses, the node before it that updates the same."""
    paths = Counter(node.path for node in graph.nodes if node.path)
    last: dict[Path, int] = {}
    found: dict[int, int] = {}
    for position, node in enumerate(graph.nodes):
        if paths[node.path] > 1 and modules.of(graph, node).batch_statistics:
            if node.path in last:
                found[position] = last[node.path]
            last[node.path] = position
    return found


class Draft:
    """The values of a graph, to be replaced and added to; positions of old nodes stay valid."""

    def __init__(self, graph: Graph, modules: Modules) -> None:
        self.graph = graph
        self.earlier = _updates_in_order(graph, modules)
        self.nodes: list[Node] = list(graph.nodes)
        self.places: list[float] = [float(i) for i in range(len(graph.nodes))]
        self.instead: dict[int, int] = {}
        self.rows: dict[str, Source] = {}
        self.uses: dict[Path, Path] = {}
        self.left: list[Left] = []
        self.used = {node.path[0] for node in graph.nodes if node.path}
        self.tried: dict[str, int] = {}

    def value(self, position: int) -> int:
        """What stands for a value now."""
        while position in self.instead:
            position = self.instead[position]
        return position

    def args(self, position: int) -> tuple[int, ...]:
        args = self.nodes[position].args
        return tuple([self.value(argument) for argument in args]) if self.instead else args

    def after(self, position: int) -> tuple[int, ...]:
        """What comes before a node: its arguments, and an earlier update of its statistics."""
        earlier = self.earlier.get(position)
        return self.args(position) if earlier is None else (*self.args(position), earlier)

    def inputs(self, position: int) -> tuple[TensorType, ...]:
        """The types of a node's arguments."""
        return tuple(self.nodes[argument].type for argument in self.args(position))

    def operation(self, position: int) -> Operation | None:
        kind = self.nodes[position].kind
        return kind.operation if isinstance(kind, Apply) else None

    def traits(self, position: int) -> Traits:
        operation = self.operation(position)
        return operation.traits(self.inputs(position)) if operation else Traits()

    def weightless(self, position: int) -> bool:
        """Whether a node is an operation without parameters and buffers."""
        operation = self.operation(position)
        return operation is not None and not operation.weights(self.inputs(position))

    def leave(self, positions: Iterable[int], loss: float) -> None:
        """Note that nodes stay apart, as one operation would take so many seconds more."""
        self.left.append(Left(nodes=tuple(self.nodes[p] for p in positions), loss=loss))

    def replace(self, position: int, by: int) -> None:
        """Let one value stand for another; a name the reader knows is not lost."""
        by = self.value(by)
        node, other = self.nodes[position], self.nodes[by]
        if node.label and not other.label and len(other.types) == 1:
            self.nodes[by] = replace(other, label=node.label)
        self.instead[position] = by

    def change(self, position: int, kind: Kind, args: tuple[int, ...]) -> None:
        """Another operation in the place of a node, with a result of the same type."""
        self.nodes[position] = replace(self.nodes[position], kind=kind, args=args)

    def add(
        self, operation: Operation, args: tuple[int, ...], path: Path, like: int, label: str = ""
    ) -> int:
        """A new operation, placed behind its arguments and near the node `like`."""
        args = tuple(self.value(argument) for argument in args)
        types = operation.results(tuple(self.nodes[argument].type for argument in args))
        return self._append(
            Node(
                kind=Apply(operation),
                args=args,
                types=types,
                path=path,
                label=label,
                span=self.nodes[like].span,
            ),
            like,
        )

    def again(self, position: int, args: tuple[int, ...], like: int) -> int:
        """What a node does, done to other values of the same types under the same path."""
        return self._append(replace(self.nodes[position], args=args, label=""), like)

    def insert(self, node: Node, like: int) -> int:
        """A node whose arguments are positions here, placed near another."""
        return self._append(node, like)

    def items(self, position: int, like: int) -> tuple[int, ...]:
        """The single results of a node with several."""
        types = self.nodes[position].types
        return tuple(
            self._append(Node(kind=Item(i), args=(position,), types=(type_,)), like)
            for i, type_ in enumerate(types)
        )

    def _append(self, node: Node, like: int) -> int:
        self.nodes.append(node)
        self.used.update(node.path[:1])
        self.places.append(self.places[like] + 1e-6 * len(self.nodes))
        return len(self.nodes) - 1

    def fresh(self, stem: str) -> Path:
        """A path that nothing has, made from a stem: `mlps_n1`, `mlps_n1_2`."""
        number = self.tried.get(stem, 1)
        name = stem if number == 1 else f"{stem}_{number}"
        while name in self.used:
            number += 1
            name = f"{stem}_{number}"
        self.tried[stem] = number
        return (name,)

    def consumers(self) -> dict[int, list[int]]:
        """Who takes each value, once for each time; outputs count as the consumer -1."""
        result: dict[int, list[int]] = {}
        for position in self.live():
            for argument in self.args(position):
                result.setdefault(argument, []).append(position)
        for output in self.graph.outputs:
            result.setdefault(self.value(output), []).append(-1)
        return result

    def live(self) -> list[int]:
        """What the outputs need, and all inputs, each after what it takes.

        Updates of the same statistics stay in the order of the graph: averages depend on it.
        """
        needed: set[int] = set()
        stack = [self.value(output) for output in self.graph.outputs]
        while stack:
            position = stack.pop()
            if position not in needed:
                needed.add(position)
                stack.extend(self.args(position))
        needed.update(self.graph.inputs)
        return self._order(needed)

    def _order(self, needed: set[int]) -> list[int]:
        """A topological order, as near to the order of the text as there is."""
        waiting: dict[int, int] = {}
        takers: dict[int, list[int]] = {}
        for position in needed:
            before = needed.intersection(self.after(position))
            waiting[position] = len(before)
            for other in before:
                takers.setdefault(other, []).append(position)
        ready = [(self.places[p], p) for p, count in waiting.items() if not count]
        heapify(ready)
        order = []
        while ready:
            _, position = heappop(ready)
            order.append(position)
            for taker in takers.get(position, ()):
                waiting[taker] -= 1
                if not waiting[taker]:
                    heappush(ready, (self.places[taker], taker))
        return order

    def finish(self) -> Rewrite:
        """The graph of what is still needed, and where its weights come from."""
        order = self.live()
        if not (self.instead or self.rows or self.uses) and self._as_before(order):
            return Rewrite(graph=self.graph, left=tuple(self.left))
        number = {position: i for i, position in enumerate(order)}
        nodes = tuple(
            replace(self.nodes[p], args=tuple(number[a] for a in self.args(p))) for p in order
        )
        outputs = tuple(number[self.value(output)] for output in self.graph.outputs)
        frames = frames_used(self.graph.frames, nodes)
        graph = replace(self.graph, nodes=nodes, outputs=outputs, frames=frames)
        return Rewrite(graph=graph, rows=self.rows, uses=self.uses, left=tuple(self.left))

    def _as_before(self, order: list[int]) -> bool:
        nodes = self.graph.nodes
        kept = [node is before for node, before in zip(self.nodes, nodes, strict=False)]
        return order == list(range(len(nodes))) and all(kept)
