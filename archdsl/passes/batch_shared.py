"""Shared weights: one call on values stacked along the batch, instead of a call for each of them.

W@w a, W@w b                 -> split(W@w stack(a, b))
relu(W@w a), relu(W@w b)     -> split(relu(W@w stack(a, b)))
cell@c a, cell@c b           -> split(cell@c stack(a, b))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias

from archdsl.ir.cost import FLOAT_BYTES
from archdsl.ir.graph import Apply, Graph, Invoke, Item
from archdsl.ops.batches import SplitBatch, StackBatch
from archdsl.passes.device import BATCH, CPU, Device
from archdsl.passes.draft import Draft, Rewrite, only_consumer
from archdsl.passes.facts import Modules
from archdsl.passes.reached import results_reached
from archdsl.passes.step import Applied, Pattern, Stand

Readers: TypeAlias = dict[int, list[int]]
"""Who takes each value of the graph as it was; what became part of a stack takes none any more."""

UNREAD = -1
"""Stands for a result that nothing reads."""


def _tied(seen: Applied) -> Hashable | None:
    return None if seen.weightless else seen.path


TIED = Pattern(Stand.TIED, _tied)


def batch_shared(graph: Graph, modules: Modules, device: Device = CPU) -> Rewrite:
    """Apply shared weights once to all that they are applied to at one time.

    Exact in training: what does not mix the batch gives each input what it gave alone, and the
    gradient of a shared weight is the same sum. So never over batch statistics, and never over
    chance, which would draw other numbers. No weight moves. As siblings do, uses that become one
    lead to the same results: a gradient of zero is not none.
    """
    paths = Counter(node.path for node in graph.nodes if node.path)
    shared = {path for path, count in paths.items() if count > 1}
    if not shared:
        return Rewrite(graph=graph)
    draft = Draft(graph, modules)
    reach = results_reached(draft, modules)
    groups: dict[Hashable, list[int]] = {}
    for position in draft.live():
        node = draft.nodes[position]
        if node.path in shared and position in reach and _batchable(draft, position, modules):
            key = (node.kind, node.path, draft.inputs(position), reach[position])
            groups.setdefault(key, []).append(position)
    readers = draft.consumers()
    for group in groups.values():
        for together in _independent(draft, group):
            if len(together) < 2:
                continue
            saving = _saving(draft, together, modules, device)
            if saving >= 0:
                _stack(draft, together, readers)
            else:
                draft.leave(together, -saving)
    return draft.finish()


def _saving(draft: Draft, group: Sequence[int], modules: Modules, device: Device) -> float:
    """Seconds that one call on all saves, below 0 where it takes longer than a call for each.

    Stacking copies the inputs, and the gradients of the results. It saves calls, and as often
    the gradient of the weights, which is written and then added. Measured from 8 to 64 pixels
    and channels, and on a table of 32,000 words.
    """
    first = group[0]
    values = (*draft.inputs(first), *draft.nodes[first].types)
    copied = len(group) * BATCH * FLOAT_BYTES * sum(type_.elements for type_ in values)
    inside = modules.of(draft.graph, draft.graph.nodes[first])
    saved = (len(group) - 1) * (device.call_bytes * inside.calls + 2 * FLOAT_BYTES * inside.weights)
    return (saved - copied) / device.bandwidth


def _batchable(draft: Draft, position: int, modules: Modules) -> bool:
    """Whether a node owns weights, and gives each input of a batch what it would give it alone."""
    match draft.nodes[position].kind:
        case Apply():
            return not draft.weightless(position) and _each_alone(draft, position)
        case Invoke(module, steps=0):
            inner = modules.inside(module)
            return bool(inner.weights) and not inner.has_effects
        case _:
            return False


def _each_alone(draft: Draft, position: int) -> bool:
    traits = draft.traits(position)
    return not traits.batch_statistics and not traits.random


def _independent(draft: Draft, group: Sequence[int]) -> Iterable[list[int]]:
    """Parts of a group in which no node comes before another: by how many are in a row.

    That holds when the parts before have become one: what is as deep needs only what is less so.
    """
    members, depths = set(group), dict[int, int]()
    todo = list(reversed(group))
    while todo:
        before = draft.after(todo[-1])
        waiting = [position for position in before if position not in depths]
        if waiting:
            todo += waiting
            continue
        depths[todo.pop()] = max((depths[p] + (p in members) for p in before), default=0)
    parts: dict[int, list[int]] = {}
    for position in group:
        parts.setdefault(depths[position], []).append(position)
    return parts.values()


def _stack(draft: Draft, group: Sequence[int], readers: Readers) -> None:
    """One node for a group, and for what follows all of them alike."""
    last = group[-1]
    columns = zip(*[draft.args(position) for position in group], strict=True)
    stacked = tuple(_together(draft, values, last) for values in columns)
    whole = draft.again(group[0], stacked, last)
    results = draft.items(whole, last) if len(draft.nodes[whole].types) > 1 else (whole,)
    for result, members in zip(results, _results(draft, group, readers), strict=True):
        like = last
        while (following := _following(draft, members, readers)) is not None:
            like = following[-1]
            result = draft.again(following[0], (result,), like)
            members = following
        path = draft.fresh(SplitBatch.attribute)
        split = draft.add(SplitBatch(count=len(group)), (result,), path, like)
        for member, part in zip(members, draft.items(split, like), strict=True):
            if member != UNREAD:
                draft.replace(member, part)


def _results(draft: Draft, group: Sequence[int], readers: Readers) -> list[list[int]]:
    """For each result of a group the nodes that stand for it, one for each member."""
    count = len(draft.nodes[group[0]].types)
    if count == 1:
        return [list(group)]
    found: list[list[int]] = []
    for index in range(count):
        found.append([])
        for position in group:
            items = [p for p in readers.get(position, ()) if draft.nodes[p].kind == Item(index)]
            for other in items[1:]:
                draft.replace(other, items[0])
                readers.setdefault(items[0], []).extend(readers.pop(other, ()))
            found[-1].append(items[0] if items else UNREAD)
    return found


def _together(draft: Draft, values: Sequence[int], like: int) -> int:
    """Values stacked along the batch: what they are the parts of, where they are all its parts."""
    nodes = [draft.nodes[value] for value in values]
    sources = {draft.value(node.args[0]) for node in nodes if isinstance(node.kind, Item)}
    if len(sources) == 1 and [n.kind for n in nodes] == [Item(i) for i in range(len(nodes))]:
        (split,) = sources
        if draft.operation(split) == SplitBatch(count=len(nodes)):
            return draft.args(split)[0]
    return draft.add(StackBatch(), tuple(values), draft.fresh(StackBatch.attribute), like)


def _following(draft: Draft, members: Sequence[int], readers: Readers) -> list[int] | None:
    """The nodes behind some values, where each is all that reads its value, and all are alike."""
    found: list[int] = []
    for member in members:
        taker = only_consumer(member, readers)
        if taker is None or taker in draft.instead:
            return None
        found.append(taker)
    first = draft.operation(found[0])
    alike = first is not None and all(draft.operation(position) == first for position in found)
    if not alike or len(set(found)) < len(found) or len(draft.nodes[found[0]].types) != 1:
        return None
    plain = draft.weightless(found[0]) and _each_alone(draft, found[0])
    return found if plain and len(draft.args(found[0])) == 1 else None
