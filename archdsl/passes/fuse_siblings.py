"""Siblings: operations of one kind on one value, as one wide operation and a split.

conv_1(x), conv_2(x)                              -> split(conv(x))
relu(bn_1(conv_1(x))), relu(bn_2(conv_2(x)))      -> split(relu(bn(conv(x))))
linear_1(x), linear_2(x)                          -> split(linear(x))
mlp_1(x), mlp_2(x)                                -> mlps(x)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

from archdsl.ir.cost import FLOAT_BYTES
from archdsl.ir.graph import Apply, Graph, Path
from archdsl.ops.base import Operation
from archdsl.ops.convolution import Conv
from archdsl.ops.fused import PositionLinears, PositionMLPs, Split
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import TokensLinear, TokensMLP
from archdsl.ops.normalisation import BatchNorm
from archdsl.passes.device import BATCH, CPU, Device
from archdsl.passes.draft import Draft, Rewrite, only_consumer
from archdsl.passes.layout import mlp_rows, stem_of, wide_rows
from archdsl.passes.reached import results_reached, taken
from archdsl.passes.step import Applied, Pattern, Stand

Modules = Mapping[str, Graph]


def _sibling(seen: Applied) -> Hashable | None:
    return _but_width(seen.operation) if _widens(seen.operation) else None


SIBLINGS = Pattern(Stand.SIBLINGS, _sibling)


@dataclass(frozen=True, slots=True)
class Chain:
    """An operation and what follows it channel by channel: each feeds the next alone."""

    links: tuple[int, ...]

    @property
    def first(self) -> int:
        return self.links[0]

    @property
    def last(self) -> int:
        return self.links[-1]


def fuse_siblings(graph: Graph, modules: Modules, device: Device = CPU) -> Rewrite:
    """Widen operations that leave one value where a device is faster with one large operation.

    Exact in training: outputs of a layer do not mix, a batch norm keeps its statistics for
    each channel, and SGD and Adam treat each element alone. Never done where a weight has
    other uses, nor where a result only goes into a module that does not take it: its weights
    have no gradient, and an optimiser leaves them alone, not so the rows of a wider one. For
    the same reason siblings in a module lead to the same of its results: a use may take one
    result and not another.
    """
    draft = Draft(graph)
    consumers = draft.consumers()
    uses = Counter(node.path for node in graph.nodes if node.path)
    alive = taken(draft, modules)
    reach = results_reached(draft, alive)
    chains = [_chain(draft, p, consumers, uses) for p in draft.live() if p in alive]
    single = [chain for chain in chains if chain is not None]
    for length in (3, 2, 1):  # as long as siblings agree
        groups: dict[Hashable, list[Chain]] = {}
        for chain in single:
            if len(chain.links) >= length:
                short = replace(chain, links=chain.links[:length])
                key = (reach[chain.first], _common(draft, short))
                groups.setdefault(key, []).append(short)
        fused = {chain.first for g in groups.values() if len(g) > 1 for chain in g}
        single = [chain for chain in single if chain.first not in fused]
        for group in groups.values():
            if len(group) > 1 and _pays(draft, group, device):
                _fuse(draft, group)
    return draft.finish()


def _pays(draft: Draft, group: list[Chain], device: Device) -> bool:
    """Whether one wide operation is faster than several.

    It saves calls and reading the input again. A part of a map's channels is not in one piece
    though, so what takes it copies it: measured on convolutions of 8 to 64 pixels and 16 to 256
    channels, the parts may be as large as what need not be read again.
    """
    first = group[0]
    if len(draft.nodes[first.last].type.shape) != 3 or not isinstance(
        draft.operation(first.first), Conv
    ):
        return True
    size, call = BATCH * FLOAT_BYTES, device.call_bytes
    (source,) = draft.inputs(first.first)
    saved = (len(group) - 1) * (size * source.elements + call * len(first.links))
    return size * sum(draft.nodes[chain.last].type.elements for chain in group) <= saved


def _chain(
    draft: Draft, position: int, consumers: Mapping[int, list[int]], uses: Counter[Path]
) -> Chain | None:
    """The longest chain that starts at a node and could widen."""
    if uses[draft.nodes[position].path] > 1:
        return None
    operation = draft.operation(position)
    if operation is None or not _widens(operation):
        return None
    tail = _tail(draft, position, consumers, uses) if isinstance(operation, Conv) else []
    return Chain((position, *tail))


def _widens(operation: Operation) -> bool:
    """Whether an operation could become a part of a wide one."""
    match operation:
        case Conv(groups=groups):
            return groups == 1
        case _:
            return isinstance(operation, Linear | TokensLinear | TokensMLP)


def _common(draft: Draft, chain: Chain) -> Hashable:
    """What siblings agree in: their input, and all but their widths."""
    operations = [draft.operation(link) for link in chain.links]
    return (draft.args(chain.first), _but_width(operations[0]), *operations[1:])


def _but_width(operation: Operation | None) -> Operation | None:
    match operation:
        case Conv():
            return replace(operation, channels=1)
        case Linear():
            return replace(operation, features=1)
        case _:
            return operation


def _tail(
    draft: Draft, position: int, consumers: Mapping[int, list[int]], uses: Counter[Path]
) -> list[int]:
    """A batch norm and a function of each element, where nothing else reads what is between."""
    links: list[int] = []
    following = only_consumer(position, consumers)
    if following is not None and isinstance(draft.operation(following), BatchNorm):
        if uses[draft.nodes[following].path] > 1:
            return []
        links.append(following)
        following = only_consumer(following, consumers)
    if following is not None and _elementwise(draft, following):
        links.append(following)
    return links


def _elementwise(draft: Draft, position: int) -> bool:
    operation = draft.operation(position)
    if operation is None or operation.arity != 1 or not draft.weightless(position):
        return False
    traits = draft.traits(position)
    keeps_shape = draft.nodes[position].types == draft.inputs(position)
    return keeps_shape and traits.per_channel and traits.per_position and not traits.random


def _fuse(draft: Draft, group: list[Chain]) -> None:
    match draft.operation(group[0].first):
        case Conv() | Linear():
            results = _widen(draft, group)
        case TokensLinear() as linear:
            results = _side_by_side(draft, group, linear)
        case TokensMLP() as mlp:
            results = _side_by_side(draft, group, mlp)
        case _:
            return
    for chain, result in zip(group, results, strict=True):
        draft.replace(chain.last, result)


def _widen(draft: Draft, group: list[Chain]) -> tuple[int, ...]:
    """The chains as one wide chain, link by link, and its parts."""
    (value,) = draft.args(group[0].first)
    label = draft.nodes[value].label
    for depth in range(len(group[0].links)):
        links = [chain.links[depth] for chain in group]
        first = draft.nodes[links[0]].kind
        assert isinstance(first, Apply)
        wide = _wide(first.operation, sum(draft.nodes[link].type.channels for link in links))
        path = draft.fresh(stem_of(f"{wide.attribute}s", label))
        parts = [
            (draft.nodes[link].path, kind.operation, draft.inputs(link))
            for link in links
            if isinstance(kind := draft.nodes[link].kind, Apply)
        ]
        draft.rows.update(wide_rows(path, parts))
        value = draft.add(wide, (value,), path, links[0])
    sizes = tuple(draft.nodes[chain.last].type.channels for chain in group)
    split = draft.add(
        Split(sizes=sizes), (value,), draft.fresh(stem_of("split", label)), group[0].last
    )
    return draft.items(split, group[0].last)


def _wide(operation: Operation, channels: int) -> Operation:
    match operation:
        case Conv():
            return replace(operation, channels=channels)
        case Linear():
            return replace(operation, features=channels)
        case _:
            return operation


def _side_by_side(
    draft: Draft, group: list[Chain], operation: TokensLinear | TokensMLP
) -> tuple[int, ...]:
    """Maps over positions: one operation with several results."""
    firsts = [chain.first for chain in group]
    (source,), inputs = draft.args(firsts[0]), draft.inputs(firsts[0])
    paths = [draft.nodes[first].path for first in firsts]
    fused: PositionLinears | PositionMLPs
    if isinstance(operation, TokensMLP):
        fused = PositionMLPs(mlp=operation, count=len(group))
        path = draft.fresh(stem_of(fused.attribute, draft.nodes[source].label))
        draft.rows.update(mlp_rows(operation, inputs, path, paths, summed=False))
    else:
        fused = PositionLinears(linear=operation, count=len(group))
        path = draft.fresh(stem_of(fused.attribute, draft.nodes[source].label))
        draft.rows.update(wide_rows(path, [(p, operation, inputs) for p in paths]))
    value = draft.add(fused, (source,), path, firsts[0])
    return draft.items(value, firsts[0])
