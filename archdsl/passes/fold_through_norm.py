"""A batch norm between two convolutions: all three as one convolution.

conv_2(bn(conv_1(x)))  -> convs(x)

The norm is affine once its statistics are known, and those of W p are W E[p] and
diag(W Cov[p] W'): moments of the input's patches, far fewer numbers than the output between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

from archdsl.ir.graph import Graph, Path
from archdsl.ops.convolution import Conv
from archdsl.ops.folded import ConvNormConv
from archdsl.ops.normalisation import BatchNorm
from archdsl.passes.draft import Draft, Rewrite, only_consumer, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.layout import stem_of
from archdsl.passes.step import Applied, Pattern, Stand
from archdsl.passes.weights import Keep


def _link(seen: Applied) -> Hashable | None:
    return "link" if isinstance(seen.operation, Conv | BatchNorm) else None


LINKS = Pattern(Stand.LINKS, _link)


def fold_through_norm(graph: Graph, modules: Modules) -> Rewrite:
    """Compose a convolution, a batch norm and an unpadded convolution where that is less work.

    Exact in training: every parameter stays, gradients pass through the composition and through
    the statistics. Never done where something else reads what is between, or where one of the
    three has other uses.
    """
    draft = Draft(graph, modules)
    consumers = draft.consumers()
    uses = Counter(node.path for node in graph.nodes if node.path)
    for position in draft.live():
        links = _links(draft, position, consumers, uses)
        if links is not None:
            _fold(draft, links)
    return draft.finish()


def _links(
    draft: Draft, first: int, consumers: Mapping[int, list[int]], uses: Counter[Path]
) -> tuple[int, int, int] | None:
    """Both convolutions and the norm between, where they can be one and it pays."""
    norm = only_consumer(first, consumers)
    second = only_consumer(norm, consumers) if norm is not None else None
    if norm is None or second is None:
        return None
    if any(uses[draft.nodes[link].path] > 1 for link in (first, norm, second)):
        return None
    folded = _folded(draft, (first, norm, second))
    return (first, norm, second) if folded and _pays(draft, folded, first) else None


def _folded(draft: Draft, links: tuple[int, int, int]) -> ConvNormConv | None:
    match tuple(draft.operation(link) for link in links):
        case (Conv(bias=False) as first, BatchNorm(affine=True) as norm, Conv() as second):
            fits = _plain(first) and _plain(second) and second.padding == (0, 0)
            return ConvNormConv(first=first, norm=norm, second=second) if fits else None
        case _:
            return None


def _plain(conv: Conv) -> bool:
    square = conv.kw is conv.sw is conv.pw is None
    return square and conv.groups == conv.d == 1 and not conv.rounds


def _pays(draft: Draft, folded: ConvNormConv, first: int) -> bool:
    """Whether there is less to compute, and no more to keep for the gradients."""
    inputs = draft.inputs(first)
    apart = sum(operation.macs(types) for _, operation, types in folded.parts(inputs))
    taps = inputs[0].channels * folded.first.k**2
    return folded.macs(inputs) <= apart and taps <= 2 * folded.first.channels


def _fold(draft: Draft, links: tuple[int, int, int]) -> None:
    folded = _folded(draft, links)
    assert folded is not None
    first, _, last = links
    inputs, args = draft.inputs(first), draft.args(first)
    path = draft.fresh(stem_of(folded.attribute, draft.nodes[last].label))
    for link, (name, operation, types) in zip(links, folded.parts(inputs), strict=True):
        for weight in operation.weights(types):
            old = weight_name(draft.nodes[link].path, weight.name)
            draft.rows[weight_name(path, f"{name}.{weight.name}")] = Keep(old)
    draft.replace(last, draft.add(folded, args, path, last))
