"""What lies between a choice and the one value that all ways to it lead through."""

from __future__ import annotations

from archdsl.ir.graph import Graph, Input


def dominators(graph: Graph) -> list[frozenset[int]]:
    """For each node the nodes that all ways from the inputs to it lead through, with itself."""
    found: list[frozenset[int]] = []
    for position, node in enumerate(graph.nodes):
        before = [found[arg] for arg in node.args if found[arg]]
        common = frozenset.intersection(*before) if before else frozenset[int]()
        free = not before and not isinstance(node.kind, Input)
        found.append(frozenset() if free else common | {position})
    return found


def between(graph: Graph, source: int, choice: int) -> frozenset[int] | None:
    """The nodes behind a value that a choice needs, with the choice itself.

    None where there are none, or where anything else needs one of them too.
    """
    needed = {choice}
    for position in range(choice, source, -1):
        if position in needed:
            needed.update(arg for arg in graph.nodes[position].args if arg > source)
    users = ((i, arg) for i, node in enumerate(graph.nodes) for arg in node.args)
    inner = needed - {choice}
    if not inner or any(arg in inner and i not in needed for i, arg in users):
        return None
    return None if inner & set(graph.outputs) else frozenset(needed)
