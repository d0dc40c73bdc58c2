"""What an architecture costs, exactly, from its text alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from archdsl.ir.graph import Apply, Graph, Invoke, Item, Node, Path, Program
from archdsl.ir.types import Cost
from archdsl.ops.base import Operation, Types

FLOAT_BYTES = 4


def cost(program: Program, live: Mapping[str, frozenset[int]] | None = None) -> Cost:
    """Parameters, MACs and activation memory for one input.

    Tied weights count once. Every operation of the text counts, dead branches included, as
    published tables count; `live` (from `passes.live`) restricts the count to those nodes.
    For a supernet only `params` has a meaning: the other figures sum all alternatives.
    """
    return Pricer(program.modules, live).price(program.root)


@lru_cache(maxsize=2**14)
def price(operation: Operation, inputs: Types) -> tuple[int, int]:
    """Parameters and MACs of one operation on inputs of these types."""
    params = sum(weight.elements for weight in operation.weights(inputs) if not weight.buffer)
    return params, operation.macs(inputs)


@dataclass(slots=True)
class Pricer:
    """Prices graphs, each once."""

    modules: Mapping[str, Graph]
    live: Mapping[str, frozenset[int]] | None = None
    known: dict[str, Cost] = field(default_factory=dict)

    def price(self, key: str) -> Cost:
        """The cost of one use of a graph, its inputs' memory not counted."""
        if key not in self.known:
            self.known[key] = self._graph(
                self.modules[key], None if self.live is None else self.live[key]
            )
        return self.known[key]

    def _graph(self, graph: Graph, live: frozenset[int] | None) -> Cost:
        nodes = graph.nodes
        weights: dict[Path, int] = {}  # by path: what is tied counts once
        macs = activations = 0
        for position, node in enumerate(nodes):
            if live is not None and position not in live:
                continue
            match node.kind:
                case Apply(operation):
                    types = tuple([nodes[arg].types[0] for arg in node.args])
                    weights[node.path], spent = price(operation, types)
                    macs += spent
                    activations += _bytes(node)
                case Invoke(module):
                    inner = self.price(module)
                    weights[node.path] = inner.params
                    macs += inner.macs
                    activations += inner.activation_bytes
                case _:
                    pass
        return Cost(
            params=sum(weights.values()),
            macs=macs,
            activation_bytes=activations,
            peak_bytes=self._peak(graph),
        )

    def _peak(self, graph: Graph) -> int:
        """The most bytes alive at once when nodes run in order and die after their last use."""
        last = {arg: position for position, node in enumerate(graph.nodes) for arg in node.args}
        last |= dict.fromkeys(graph.outputs, len(graph.nodes))
        alive = peak = 0
        dying: dict[int, int] = {}
        for position, node in enumerate(graph.nodes):
            size = 0 if isinstance(node.kind, Item) else _bytes(node)
            alive += size
            inner = self.price(node.kind.module).peak_bytes if isinstance(node.kind, Invoke) else 0
            peak = max(peak, alive + inner)
            end = last.get(position, position)
            dying[end] = dying.get(end, 0) + size
            alive -= dying.pop(position, 0)
        return peak


def _bytes(node: Node) -> int:
    return FLOAT_BYTES * sum([type_.elements for type_ in node.types])
