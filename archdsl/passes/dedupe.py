"""The same computation of the same values, once.

pool(a), pool(a)                    -> one
W@w a, W@w a                        -> one
bn(a), bn(a) without weights        -> one, whose statistics must have been equal
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from archdsl.ir.graph import Apply, Graph, Invoke, Item
from archdsl.ops.joins import Mean, Product, Sum
from archdsl.passes.draft import Draft, Rewrite, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.step import Applied, Pattern, Stand
from archdsl.passes.weights import Keep, Same


def _equal(seen: Applied) -> Hashable | None:
    """What equal operations have in common, but for their arguments."""
    if seen.traits.random:
        return None
    shared = seen.weightless or seen.traits.batch_statistics
    return (seen.operation, () if shared else seen.path)


EQUAL = Pattern(Stand.EQUAL, _equal)


def dedupe(graph: Graph, modules: Modules) -> Rewrite:
    """Merge values that are equal: same operation, same weights, same inputs.

    Operations with weights of their own are never equal. Random operations draw anew each
    time. A batch norm that is applied twice under one path updates its statistics twice, so
    both stay; two without parameters see the same values, update alike, and become one.
    """
    draft = Draft(graph, modules)
    uses = Counter(node.path for node in graph.nodes if node.path)
    first: dict[Hashable, int] = {}
    merged: dict[int, list[int]] = {}
    for position in range(len(graph.nodes)):
        key = _key(draft, position, modules, uses)
        if key is None:
            continue
        if key not in first:
            first[key] = position
            continue
        merged.setdefault(first[key], []).append(position)
        draft.replace(position, first[key])
    for kept, others in merged.items():
        _merge_buffers(draft, kept, others)
    return draft.finish()


def _key(
    draft: Draft, position: int, modules: Modules, uses: Counter[tuple[str, ...]]
) -> Hashable | None:
    """What equal values have in common; None where a value is like no other."""
    node = draft.nodes[position]
    args = draft.args(position)
    match node.kind:
        case Item(index):
            return ("item", index, args)
        case Invoke(module):
            inside = modules.inside(module)
            if inside.has_effects:
                return None
            return ("use", node.kind, args, node.path if inside.weights else ())
        case Apply(operation):
            traits = draft.traits(position)
            weights = operation.weights(draft.inputs(position))
            if traits.random:
                return None
            if traits.batch_statistics:
                if uses[node.path] > 1 or any(not weight.buffer for weight in weights):
                    return None
                return ("apply", operation, args)
            if isinstance(operation, Sum | Mean | Product):
                args = tuple(sorted(args))
            return ("apply", operation, args, node.path if weights else ())
        case _:
            return None


def _merge_buffers(draft: Draft, kept: int, others: list[int]) -> None:
    operation = draft.operation(kept)
    if operation is None or not draft.traits(kept).batch_statistics:
        return
    paths = [draft.nodes[position].path for position in (kept, *others)]
    for weight in operation.weights(draft.inputs(kept)):
        parts = tuple(Keep(weight_name(path, weight.name)) for path in paths)
        exact = bool(weight.shape)  # the count of batches is read by nothing
        draft.rows[parts[0].name] = Same(parts, exact)
