"""What the results of a graph depend on: where a value has a gradient at all."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from archdsl.ir.graph import Graph
from archdsl.passes.draft import Draft
from archdsl.passes.facts import taken_arguments
from archdsl.syntax.tree import ModuleKind

Modules = Mapping[str, Graph]


def taken(draft: Draft, modules: Modules) -> set[int]:
    """The values that some output depends on, through the modules that are used."""
    known: dict[str, tuple[bool, ...]] = {}
    found: set[int] = set()
    todo = [draft.value(output) for output in draft.graph.outputs]
    while todo:
        position = todo.pop()
        if position not in found:
            found.add(position)
            kind = draft.nodes[position].kind
            todo += taken_arguments(kind, draft.args(position), modules, known)
    return found


def results_reached(draft: Draft, taken: set[int]) -> Mapping[int, Hashable]:
    """Which results each value leads to. Those of the net are all taken, so they count as one."""
    results = [draft.value(output) for output in draft.graph.outputs]
    if len(results) == 1 or draft.graph.kind is ModuleKind.NET:
        return dict.fromkeys(taken)
    reached: dict[int, set[int]] = {position: set() for position in taken}
    for index, result in enumerate(results):
        reached[result].add(index)
    for position in reversed([p for p in draft.live() if p in taken]):
        for argument in draft.args(position):
            if argument in reached:
                reached[argument] |= reached[position]
    return {position: frozenset(found) for position, found in reached.items()}
