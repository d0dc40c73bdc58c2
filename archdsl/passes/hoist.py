"""First operations of modules, where what they read is read alike elsewhere.

one(x), other(x), each relu first    -> r = relu(x): one(r), other(r)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Node
from archdsl.ops.base import Operation
from archdsl.passes.draft import frames_used
from archdsl.passes.facts import Modules


def hoist(graph: Graph, modules: Modules) -> tuple[Graph, dict[str, Graph]]:
    """The graph with shared first operations before its modules, and these modules without them.

    Only operations without weights and chance move; `dedupe` then makes one of equal ones. What
    is computed is the same, operation by operation.
    """
    found: dict[int, Operation] = {}
    paths = Counter(node.path for node in graph.nodes)
    wanted: Counter[tuple[int, Operation]] = Counter()
    for position, node in enumerate(graph.nodes):
        match node.kind:
            case Invoke(module, 0) if len(node.args) == 1:
                operation = first_operation(modules[module])
                if operation is not None:
                    found[position] = operation
                    wanted[node.args[0], operation] += 1
            case Apply(operation, ()) if len(node.args) == 1:
                wanted[node.args[0], operation] += 1
            case _:
                pass
    moved = {
        i: operation
        for i, operation in found.items()
        if wanted[graph.nodes[i].args[0], operation] > 1 and paths[graph.nodes[i].path] == 1
    }
    return _rebuilt(graph, modules, moved) if moved else (graph, {})


def first_operation(graph: Graph) -> Operation | None:
    """What a module of one input does to it before anything else, if it owns no weights."""
    (source, *others) = graph.inputs
    users = [node for node in graph.nodes if source in node.args]
    if others or source in graph.outputs or not users:
        return None
    first = users[0].kind
    if not isinstance(first, Apply) or any(user.kind != first for user in users):
        return None
    types = (graph.nodes[source].type,)
    traits = first.operation.traits(types)
    effects = traits.random or traits.batch_statistics or first.operation.weights(types)
    plain = users[0].args == (source,) and len(users[0].types) == 1
    return first.operation if plain and not effects else None


def _rebuilt(
    graph: Graph, modules: Modules, moved: Mapping[int, Operation]
) -> tuple[Graph, dict[str, Graph]]:
    nodes: list[Node] = []
    position: dict[int, int] = {}
    made: dict[str, Graph] = {}
    for old, node in enumerate(graph.nodes):
        args = tuple(position[arg] for arg in node.args)
        kind = node.kind
        if old in moved and isinstance(kind, Invoke):
            key = f"{kind.module}.bare"
            made[key] = _without_first(modules[kind.module])
            before = made[key].nodes[made[key].inputs[0]].types
            path = (f"{moved[old].attribute}_{old}",)
            nodes.append(Node(kind=Apply(moved[old]), args=args, types=before, path=path))
            kind, args = replace(kind, module=key), (len(nodes) - 1,)
        position[old] = len(nodes)
        nodes.append(replace(node, kind=kind, args=args))
    outputs = tuple(position[output] for output in graph.outputs)
    return replace(graph, nodes=tuple(nodes), outputs=outputs), made


def _without_first(graph: Graph) -> Graph:
    """A module that is given what its first operation gave."""
    (source,) = graph.inputs
    nodes: list[Node] = []
    position: dict[int, int] = {}
    for old, node in enumerate(graph.nodes):
        if source in node.args:
            position[old] = position[source]
            continue
        if isinstance(node.kind, Input):
            after = next(user for user in graph.nodes if source in user.args)
            node = replace(node, types=after.types)
        position[old] = len(nodes)
        nodes.append(replace(node, args=tuple(position[arg] for arg in node.args)))
    outputs = tuple(position[output] for output in graph.outputs)
    frames = frames_used(graph.frames, nodes)
    return replace(graph, nodes=tuple(nodes), outputs=outputs, frames=frames)
