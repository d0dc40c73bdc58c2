"""What several compositions take, outside of all of them and under a name of its own.

one(relu(x)), other(relu(x))    -> r = relu(x): one(r), other(r)
"""

from __future__ import annotations

import re
from dataclasses import replace

from archdsl.ir.graph import Apply, Graph, Input, Node, Path


def set_apart(graph: Graph) -> Graph:
    """Shared values get names, and those without weights leave the composition they stood in.

    What is computed is the same; a composition whose first operation is shared stays one class.
    """
    users: dict[int, set[int]] = {}
    for position, node in enumerate(graph.nodes):
        for arg in node.args:
            users.setdefault(arg, set()).add(position)
    taken = {node.path[0] for node in graph.nodes if node.path}
    taken |= {node.label for node in graph.nodes}
    nodes = list(graph.nodes)
    for position, takers in users.items():
        node = nodes[position]
        if not isinstance(node.kind, Apply) or len(node.types) != 1:
            continue
        frame = _frame(graph, node.path)
        outside = bool(frame) and any(nodes[t].path[: len(frame)] != frame for t in takers)
        inside = bool(frame) and any(nodes[t].path[: len(frame)] == frame for t in takers)
        moves = outside and inside and not graph.weights_of(node)
        if not moves and (len(takers) < 2 or node.label):
            continue
        label = node.label or _label(nodes, position, taken, moves)
        taken.add(label)
        path = (label,) if moves else node.path
        nodes[position] = replace(node, path=path, label=label)
    return replace(graph, nodes=tuple(nodes))


def _frame(graph: Graph, path: Path) -> Path:
    """The outermost composition or chain that a path leads into."""
    depths = range(1, len(path))
    return next((path[:depth] for depth in depths if path[:depth] in graph.frames), ())


def _label(nodes: list[Node], position: int, taken: set[str], moves: bool) -> str:
    """`relu_n0`, `max_pool_3x3_n0`: what was done to the last value with a name."""
    node = nodes[position]
    assert isinstance(node.kind, Apply)
    known = re.sub(r"(_\d+)+$", "", node.path[0])
    words = [node.kind.operation.attribute if moves else known]
    while node.args:
        node = nodes[node.args[0]]
        name = node.kind.name if isinstance(node.kind, Input) else node.label
        if name:
            words.append(name)
            break
        if isinstance(node.kind, Apply) and moves:
            words.insert(0, node.kind.operation.attribute)
    wanted = re.sub(r"\W", "_", "_".join(words))
    number, label = 2, wanted
    while label in taken:
        label, number = f"{wanted}_{number}", number + 1
    return label
