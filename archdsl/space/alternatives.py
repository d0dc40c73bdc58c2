"""What the alternatives of a decision are: nothing, the value as it is, or a kind of operation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archdsl.ir.graph import Apply, Choose, Graph
from archdsl.space.view import SearchSpace

NONE, IDENTITY = "none", "id"
NUMBERS = re.compile(r"[_.]?\d.*$")
Numbers = Mapping[str, frozenset[int]]
"""For every decision, by its key, some of its alternatives."""


def zeros(space: SearchSpace) -> Numbers:
    """The alternatives that are `none`, wherever their decision chooses."""
    return _where(space, NONE)


def skips(space: SearchSpace) -> Numbers:
    """The alternatives that are `id`, wherever their decision chooses."""
    return _where(space, IDENTITY)


def kind_of(label: str) -> str:
    """The kind of an operation, by the label of its alternative: what stands before its numbers.

    `msa_1` and `msa_2` are of one kind, as are `sep_conv_3x3` and `sep_conv_5x5`.
    """
    return NUMBERS.sub("", label) or label


def _where(space: SearchSpace, keyword: str) -> Numbers:
    modules = space.program.modules
    graphs = {key: _of_graph(graph, keyword) for key, graph in modules.items()}
    return {
        one.key: graphs.get(one.scope.module, {}).get(one.hole.name, frozenset())
        for one in space.decisions
    }


def _of_graph(graph: Graph, keyword: str) -> dict[str, frozenset[int]]:
    """The same for the holes of one graph, by their names."""
    found: dict[str, frozenset[int]] = {}
    for node in graph.nodes:
        if isinstance(node.kind, Choose):
            hole = node.kind.hole
            here = frozenset(i for i, arg in enumerate(node.args) if _is(graph, arg, keyword))
            found[hole] = found[hole] & here if hole in found else here
    return found


def _is(graph: Graph, number: int, keyword: str) -> bool:
    kind = graph.nodes[number].kind
    return isinstance(kind, Apply) and kind.operation.keyword == keyword
