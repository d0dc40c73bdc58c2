"""Which alternatives of a decision are `none`: nothing comes through them."""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.ir.graph import Apply, Choose, Graph, Program
from archdsl.ir.scopes import decisions

NONE = "none"
Zeros = Mapping[str, frozenset[int]]


def zeros(program: Program) -> Zeros:
    """For every decision, by its key, the alternatives that give `none` wherever it chooses."""
    graphs = {key: _of_graph(graph) for key, graph in program.modules.items()}
    return {
        decision.key: graphs[decision.scope.module].get(decision.hole.name, frozenset())
        for decision in decisions(program)
    }


def _of_graph(graph: Graph) -> dict[str, frozenset[int]]:
    """The same for the holes of one graph, by their names."""
    found: dict[str, frozenset[int]] = {}
    for node in graph.nodes:
        if isinstance(node.kind, Choose):
            hole = node.kind.hole
            here = frozenset(i for i, arg in enumerate(node.args) if _gives_none(graph, arg))
            found[hole] = found[hole] & here if hole in found else here
    return found


def _gives_none(graph: Graph, number: int) -> bool:
    kind = graph.nodes[number].kind
    return isinstance(kind, Apply) and kind.operation.keyword == NONE
