"""What the results of a graph depend on: where a value has a gradient at all."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from archdsl.passes.draft import Draft
from archdsl.passes.facts import Modules, leads_to
from archdsl.syntax.tree import ModuleKind


def results_reached(draft: Draft, modules: Modules) -> Mapping[int, Hashable]:
    """Which results each value leads to, through the modules that are used; some lead to none.

    Those of the net are all taken, so they count as one.
    """
    outputs = [draft.value(output) for output in draft.graph.outputs]
    reached = leads_to(
        outputs,
        draft.live(),
        lambda position: (draft.nodes[position].kind, draft.args(position)),
        modules,
    )
    return dict.fromkeys(reached) if draft.graph.kind is ModuleKind.NET else reached
