"""Convolutions in a row, as one: their kernels are composed once, not at every call.

conv_2(conv_1(x))       -> conv(x)      where the second convolution is not padded

Where both are matrices of the channels, `collapse_sums` has multiplied them as far as that pays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from archdsl.ir.graph import Graph, Path
from archdsl.ir.types import Weight
from archdsl.ops.base import Axis, Operation, Types
from archdsl.passes.draft import Draft, Rewrite, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.laws import SUM, THROUGH, composed
from archdsl.passes.weights import Keep, Source


def collapse_affine(graph: Graph, modules: Modules) -> Rewrite:
    """Compose two linear maps where the one is no more work than the two.

    For deployment: training would move the product otherwise than its factors.
    """
    draft = Draft(graph, modules)
    readers = draft.consumers()
    uses = Counter(node.path for node in graph.nodes if node.path)
    for first in draft.live():
        takers = readers.get(first, []) if first not in draft.instead else []
        while len(takers) == 1 and takers[0] >= 0:
            made = _collapse(draft, first, takers[0], uses)
            if made is None:
                break
            first, takers = made, readers.get(takers[0], [])
    return draft.finish()


def _collapse(draft: Draft, first: int, second: int, uses: Mapping[Path, int]) -> int | None:
    before, behind = draft.operation(first), draft.operation(second)
    if before is None or behind is None or behind.arity != 1:
        return None
    if any(uses[draft.nodes[position].path] > 1 for position in (first, second)):
        return None
    inputs, between = draft.inputs(first), draft.inputs(second)
    if behind.biased(between) is None or not behind.reads_whole(between):
        return None
    whole = before.followed_by(behind, inputs)
    if whole is None or (_matrices(before, inputs) and _matrices(behind, between)):
        return None
    if whole.operation.macs(inputs) > before.macs(inputs) + behind.macs(between):
        return None
    path, old = draft.nodes[second].path, draft.nodes[first].path
    one, two = (
        _bias(draft, old, before.weights(inputs)),
        _bias(draft, path, behind.weights(between)),
    )
    weights = _weight(draft, path, "weight"), _weight(draft, old, "weight")
    passed = THROUGH(weights[0], one) if one else None
    if shift := SUM(two, passed) if two and passed else two or passed:
        draft.rows[weight_name(path, "bias")] = shift
    draft.rows[weight_name(path, "weight")] = composed(whole.stride)(*weights)
    made = draft.add(whole.operation, draft.args(first), path, second)
    draft.replace(second, made)
    return made


def _matrices(operation: Operation, inputs: Types) -> bool:
    return operation.axis_map(Axis.CHANNELS, inputs) is not None


def _bias(draft: Draft, path: Path, weights: Sequence[Weight]) -> Source | None:
    has = any(weight.name == "bias" for weight in weights)
    return _weight(draft, path, "bias") if has else None


def _weight(draft: Draft, path: Path, name: str) -> Source:
    full = weight_name(path, name)
    return draft.rows.get(full, Keep(full))
