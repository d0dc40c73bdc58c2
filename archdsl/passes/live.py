"""What of a network its outputs need: the parts that `prune` would leave, told without rewriting.

Pricing thousands of architectures asks for the cost of the live part alone; this answers from
the graphs as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.ir.graph import Apply, Graph, Invoke, Item, Program
from archdsl.passes.facts import gives_zero

Live = Mapping[str, frozenset[int]]


def live_nodes(program: Program) -> Live:
    """For each graph the nodes that compute something an output depends on."""
    live: dict[str, frozenset[int]] = {}
    for key, graph in program.modules.items():
        live[key] = _needed(graph, _zeros(graph, program.modules, live), program.modules, live)
    return live


def _zeros(graph: Graph, modules: Mapping[str, Graph], live: Live) -> set[int]:
    """The nodes that are zero whatever the input is."""
    zero: set[int] = set()
    for position, node in enumerate(graph.nodes):
        empty = [argument in zero for argument in node.args]
        match node.kind:
            case Apply(operation):
                types = tuple(graph.nodes[argument].type for argument in node.args)
                zero |= {position} if gives_zero(operation, types, empty) else set()
            case Invoke(module):
                used = modules[module]
                zero |= set() if set(used.outputs) & live[module] else {position}
            case Item():
                zero |= {position} if all(empty) else set()
            case _:
                pass
    return zero


def _needed(
    graph: Graph, zero: set[int], modules: Mapping[str, Graph], live: Live
) -> frozenset[int]:
    needed: set[int] = set()
    todo = [output for output in graph.outputs if output not in zero]
    while todo:
        position = todo.pop()
        if position in needed:
            continue
        needed.add(position)
        node = graph.nodes[position]
        args = node.args
        if isinstance(node.kind, Invoke):
            used = modules[node.kind.module]
            inputs = zip(used.inputs, args, strict=True)
            args = tuple(arg for inner, arg in inputs if inner in live[node.kind.module])
        todo += [argument for argument in args if argument not in zero]
    return frozenset(needed)
