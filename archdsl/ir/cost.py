"""What an architecture costs, exactly, from its text alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod

from archdsl.ir.graph import Apply, Graph, Invoke, Item, Node, Path, Program
from archdsl.ir.scan import emitted
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
        sizes = [bytes_of(node) for node in nodes]
        peaks = [0] * len(nodes)
        weights: dict[Path, int] = {}  # by path: what is tied counts once
        macs = activations = 0
        for position, node in enumerate(nodes):
            kind = node.kind
            if isinstance(kind, Invoke):
                inner = self.price(kind.module)
                peaks[position] = inner.peak_bytes
            if live is not None and position not in live:
                continue
            if isinstance(kind, Apply):
                weights[node.path], spent = price(kind.operation, graph.types_in(node))
                if node.sizes is not None:
                    own = graph.weights_of(node)
                    weights[node.path] = sum(w.elements for w in own if not w.buffer)
                macs += spent
                activations += sizes[position]
            elif isinstance(kind, Invoke):
                weights[node.path] = inner.params
                times = kind.steps or 1
                macs += inner.macs * times
                activations += inner.activation_bytes * times
                if kind.steps:  # what is stacked is written once more
                    used = self.modules[kind.module]
                    count = emitted(len(used.inputs) - 1, len(used.outputs))
                    activations += FLOAT_BYTES * sum(t.elements for t in node.types[:count])
        return Cost(
            params=sum(weights.values()),
            macs=macs,
            activation_bytes=activations,
            peak_bytes=_peak(graph, sizes, peaks),
        )


def _peak(graph: Graph, sizes: Sequence[int], inner: Sequence[int]) -> int:
    """The most bytes alive at once when nodes run in order and die after their last use.

    `inner` is what the modules used need besides their inputs and results.
    """
    last = {arg: position for position, node in enumerate(graph.nodes) for arg in node.args}
    last |= dict.fromkeys(graph.outputs, len(graph.nodes))
    for position in range(len(graph.nodes) - 1, -1, -1):
        if isinstance(graph.nodes[position].kind, Item):  # a part lives in the whole
            (whole,) = graph.nodes[position].args
            last[whole] = max(last[whole], last.get(position, position))
    dying = [0] * (len(graph.nodes) + 1)
    alive = peak = 0
    for position, size in enumerate(sizes):
        alive += size
        peak = max(peak, alive + inner[position])
        dying[last.get(position, position)] += size
        alive -= dying[position]
    return peak


def bytes_of(node: Node) -> int:
    """What a node allocates; an item of several results is a part of them."""
    if isinstance(node.kind, Item):
        return 0
    if len(node.types) == 1:
        return FLOAT_BYTES * prod(node.types[0].shape)
    return FLOAT_BYTES * sum(type_.elements for type_ in node.types)
