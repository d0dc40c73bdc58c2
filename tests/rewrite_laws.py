"""The laws inside each pass, each told by what a rewrite left behind.

A law is a function of a graph and of its rewrite. Passes that hold one law need no row here: that
they changed something is counted anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeAlias

from archdsl.ir.graph import Apply, Graph, Invoke, Node
from archdsl.ops.base import Operation
from archdsl.ops.constants import Identity, Zero
from archdsl.ops.convolution import Conv
from archdsl.ops.depthwise import DepthwiseConvs
from archdsl.ops.fused import (
    Average,
    PositionLinears,
    PositionMLPs,
    PositionMLPSum,
    RepeatedLinear,
    Split,
    Zeros,
)
from archdsl.ops.gradients import ConvInParts
from archdsl.ops.hidden import HiddenLayer, HiddenToHidden, HiddenToMap
from archdsl.ops.joins import Join, Mean, Sum
from archdsl.ops.linear import Linear
from archdsl.ops.normalisation import BatchNorm
from archdsl.passes.draft import Rewrite
from archdsl.passes.weights import Same

Law: TypeAlias = Callable[[Graph, Rewrite], bool]


def _operations(graph: Graph) -> list[Operation]:
    return [node.kind.operation for node in graph.nodes if isinstance(node.kind, Apply)]


def _count(graph: Graph, *kinds: type[Operation]) -> int:
    return sum(isinstance(operation, kinds) for operation in _operations(graph))


def _in_parts(graph: Graph) -> list[Conv]:
    return [one.conv for one in _operations(graph) if isinstance(one, ConvInParts)]


def _linked(*known: Callable[[HiddenToHidden], bool]) -> Law:
    """Units made from units in such a way."""
    return lambda graph, rewrite: any(
        isinstance(one, HiddenToHidden) and all(holds(one) for holds in known)
        for one in _operations(rewrite.graph)
    )


def fewer(*kinds: type[Operation]) -> Law:
    return lambda graph, rewrite: _count(rewrite.graph, *kinds) < _count(graph, *kinds)


def more(*kinds: type[Operation]) -> Law:
    return lambda graph, rewrite: _count(rewrite.graph, *kinds) > _count(graph, *kinds)


def _weightless(graph: Graph) -> Counter[Operation]:
    return Counter(
        node.kind.operation
        for node in graph.nodes
        if isinstance(node.kind, Apply)
        and not graph.weights_of(node)
        and not isinstance(node.kind.operation, Join)
    )


def _shared(graph: Graph) -> int:
    """How many applications use weights that another one uses too."""
    paths = Counter(node.path for node in graph.nodes if graph.weights_of(node))
    return sum(count - 1 for count in paths.values())


def _uses(graph: Graph) -> int:
    return sum(isinstance(node.kind, Invoke) for node in graph.nodes)


def _joins_of(count: Callable[[int], bool], graph: Graph) -> int:
    return sum(
        isinstance(node.kind, Apply)
        and isinstance(node.kind.operation, Join)
        and count(len(node.args))
        for node in graph.nodes
    )


def fused(first: type[Operation], *following: bool) -> Law:
    """Wide operations that are split: with a norm behind them or not, an activation or not."""

    def applies(graph: Graph, rewrite: Rewrite) -> bool:
        nodes = rewrite.graph.nodes
        for node in nodes:
            if isinstance(node.kind, Apply) and isinstance(node.kind.operation, Split):
                chain = _behind(nodes, node)
                normed = any(isinstance(o, BatchNorm) for o in chain)
                active = not isinstance(chain[0], first | BatchNorm)
                if isinstance(chain[-1], first) and (normed, active) == following:
                    return True
        return False

    return applies


def _behind(nodes: tuple[Node, ...], split: Node) -> list[Operation]:
    """What a split takes, up to the operation that was widened."""
    found: list[Operation] = []
    node = split
    while not found or not isinstance(found[-1], Conv | Linear):
        node = nodes[node.args[0]]
        assert isinstance(node.kind, Apply)
        found.append(node.kind.operation)
    return found


LAWS: Mapping[str, Mapping[str, Law]] = {
    "prune": {
        "a + none = a": fewer(Zero),
        "mean(a, none) = a / 2": more(Average),
        "zeros that something reads": more(Zeros),
        "id(a) = a": fewer(Identity),
        "sum(a) = a": lambda g, r: (
            _joins_of(lambda n: n == 1, r.graph) < _joins_of(lambda n: n == 1, g)
        ),
        "a use that is its input or zero": lambda g, r: _uses(r.graph) < _uses(g),
    },
    "dedupe": {
        "f(a), f(a) = one": lambda g, r: bool(_weightless(g) - _weightless(r.graph)),
        "W@w a, W@w a = one": lambda g, r: _shared(r.graph) < _shared(g),
        "a + b, b + a = one": lambda g, r: (
            _joins_of(lambda n: n > 1, r.graph) < _joins_of(lambda n: n > 1, g)
        ),
        "norms without weights": lambda g, r: any(isinstance(s, Same) for s in r.rows.values()),
        "uses of one definition": lambda g, r: _uses(r.graph) < _uses(g),
    },
    "merge_sums": {
        "W a + W b = W (a + b)": lambda g, r: (
            _shared(r.graph) < _shared(g) and _count(r.graph, Mean) <= _count(g, Mean)
        ),
        "pool a + pool b = pool (a + b)": lambda g, r: bool(_weightless(g) - _weightless(r.graph)),
        "mean(W a + v, W b + v) = W mean(a, b) + v": lambda g, r: (
            _shared(r.graph) < _shared(g) and _count(g, Mean) > 0 and not _count(r.graph, Sum)
        ),
        "(W a + v) + (W b + v) = W (a + b) + 2 v": more(RepeatedLinear),
        "mlp_1 a + mlp_2 a = one": more(PositionMLPSum),
    },
    "batch_shared": {
        "W@w a, W@w b = W@w (a; b)": lambda g, r: _shared(r.graph) < _shared(g),
        "relu(W@w a), relu(W@w b) = relu(W@w (a; b))": lambda g, r: bool(
            _weightless(g) - _weightless(r.graph)
        ),
        "cell@c a, cell@c b = cell@c (a; b)": lambda g, r: _uses(r.graph) < _uses(g),
    },
    "link_perceptrons": {
        "mlp(mlp a)": _linked(lambda one: not one.pooled),
        "mlp(pool(mlp a))": _linked(lambda one: one.pooled == one.count),
        "mlp_1(pool(mlp a)), mlp_2(mlp a)": _linked(lambda one: 0 < one.pooled < one.count),
        "a sum of perceptrons that read one": lambda g, r: any(
            isinstance(one, HiddenToMap) and one.summed for one in _operations(r.graph)
        ),
    },
    "compose_perceptrons": {"mlp(mlp a), composed": more(HiddenLayer)},
    "split_gradients": {
        "columns of a wide kernel": lambda g, r: any(not one.d > 1 for one in _in_parts(r.graph)),
        "phases of a dilated kernel": lambda g, r: any(one.d > one.s for one in _in_parts(r.graph)),
        "a dilated kernel in its steps": lambda g, r: any(
            one.d > 1 and one.s > 1 for one in _in_parts(r.graph)
        ),
    },
    "fuse_siblings": {
        "conv": fused(Conv, False, False),
        "relu(conv)": fused(Conv, False, True),
        "bn(conv)": fused(Conv, True, False),
        "relu(bn(conv))": fused(Conv, True, True),
        "linear": fused(Linear, False, False),
        "tokens_linear": more(PositionLinears),
        "tokens_mlp": more(PositionMLPs),
        "dwconv": more(DepthwiseConvs),
    },
}
