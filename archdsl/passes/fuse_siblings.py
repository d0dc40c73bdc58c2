"""Siblings: operations of one kind on one value, as one wide operation and a split.

conv_1(x), conv_2(x)                              -> split(conv(x))
relu(bn_1(conv_1(x))), relu(bn_2(conv_2(x)))      -> split(relu(bn(conv(x))))
linear_1(x), linear_2(x)                          -> split(linear(x))
mlp_1(x), mlp_2(x)                                -> mlps(x)
dwconv_1(x), dwconv_2(x)                          -> dwconvs(x)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from archdsl.ir.graph import Apply, Graph, Path
from archdsl.ops.base import Operation, Types
from archdsl.ops.convolution import Conv, DepthwiseConv, square_depthwise
from archdsl.ops.depthwise import DepthwiseConvs
from archdsl.ops.fused import PositionLinears, PositionMLPs, Split
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import TokensLinear, TokensMLP
from archdsl.ops.normalisation import BatchNorm
from archdsl.passes.device import CPU, Device
from archdsl.passes.draft import Draft, Rewrite, only_consumer
from archdsl.passes.facts import Modules
from archdsl.passes.layout import depthwise_rows, mlp_rows, stem_of, wide_rows
from archdsl.passes.reached import results_reached
from archdsl.passes.step import Applied, Pattern, Stand


def _sibling(seen: Applied) -> Hashable | None:
    return _but_width(seen.operation, seen.types)


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
    draft = Draft(graph, modules)
    consumers = draft.consumers()
    uses = Counter(node.path for node in graph.nodes if node.path)
    reach = results_reached(draft, modules)
    chains = [_chain(draft, p, consumers, uses) for p in draft.live() if p in reach]
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
            if len(group) < 2:
                continue
            saving = _saving(draft, group, device)
            if saving >= 0:
                _fuse(draft, group)
            else:
                draft.leave([link for chain in group for link in chain.links], -saving)
    return draft.finish()


def _saving(draft: Draft, group: list[Chain], device: Device) -> float:
    """Seconds that one wide operation saves, below 0 where it takes longer than several.

    It saves calls and reading the input again. A part of a map's channels is not in one piece
    though, so what takes it copies it.
    """
    apart = sum(
        device.seconds(operation, draft.inputs(link), draft.nodes[link].types)
        for chain in group
        for link in chain.links
        if (operation := draft.operation(link)) is not None
    )
    inputs, together = draft.inputs(group[0].first), 0.0
    for operation in _together(draft, group):
        results = operation.results(inputs)
        together += device.seconds(operation, inputs, results)
        inputs = results
    return apart - together


def _together(draft: Draft, group: list[Chain]) -> Iterator[Operation]:
    """The operations that a group becomes, each on the result of the one before."""
    first = group[0]
    operation = draft.operation(first.first)
    fused = _as_one(operation, draft.inputs(first.first), len(group)) if operation else None
    if fused is not None:
        yield fused
        return
    for depth, link in enumerate(first.links):
        operation = draft.operation(link)
        assert operation is not None
        channels = [draft.nodes[chain.links[depth]].type.channels for chain in group]
        yield _wide(operation, sum(channels))
    yield Split(sizes=tuple(draft.nodes[chain.last].type.channels for chain in group))


def _chain(
    draft: Draft, position: int, consumers: Mapping[int, list[int]], uses: Counter[Path]
) -> Chain | None:
    """The longest chain that starts at a node and could widen."""
    if uses[draft.nodes[position].path] > 1:
        return None
    operation = draft.operation(position)
    key = _but_width(operation, draft.inputs(position)) if operation else None
    if key is None:
        return None
    wide = isinstance(key, Conv) and key.groups == 1
    return Chain((position, *(_tail(draft, position, consumers, uses) if wide else ())))


def _common(draft: Draft, chain: Chain) -> Hashable:
    """What siblings agree in: their input, and all but their widths."""
    first, *others = [draft.operation(link) for link in chain.links]
    key = _but_width(first, draft.inputs(chain.first)) if first else None
    return (draft.args(chain.first), (key, *others))


def _but_width(operation: Operation, inputs: Types) -> Operation | None:
    """What an operation has in common with its siblings; None where it can have none."""
    match operation:
        case Conv(groups=1):
            return replace(operation, channels=1)
        case Conv() | DepthwiseConv():
            return depthwise(operation, inputs)
        case Linear():
            return replace(operation, features=1)
        case TokensLinear() | TokensMLP():
            return operation
        case _:
            return None


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


def depthwise(operation: Conv | DepthwiseConv, inputs: Types) -> Conv | None:
    """The depthwise convolution that an operation is, with a square kernel; or None.

    Of one channel it is a convolution like any other, whose siblings may be wider.
    """
    conv = square_depthwise(operation, inputs)
    return conv if conv and conv.groups > 1 else None


def _fuse(draft: Draft, group: list[Chain]) -> None:
    first = group[0].first
    operation = draft.operation(first)
    fused = _as_one(operation, draft.inputs(first), len(group)) if operation else None
    results = _side_by_side(draft, group, fused) if fused else _widen(draft, group)
    for chain, result in zip(group, results, strict=True):
        draft.replace(chain.last, result)


AsOne: TypeAlias = PositionLinears | PositionMLPs | DepthwiseConvs


def _as_one(operation: Operation, inputs: Types, count: int) -> AsOne | None:
    """The operation with several results that several of one kind become; None where they widen."""
    match operation:
        case TokensLinear():
            return PositionLinears(linear=operation, count=count)
        case TokensMLP():
            return PositionMLPs(mlp=operation, count=count)
        case Conv() | DepthwiseConv() if each := depthwise(operation, inputs):
            return DepthwiseConvs(conv=each, count=count)
        case _:
            return None


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


def _side_by_side(draft: Draft, group: list[Chain], fused: AsOne) -> tuple[int, ...]:
    """One operation with several results."""
    firsts = [chain.first for chain in group]
    (source,), inputs = draft.args(firsts[0]), draft.inputs(firsts[0])
    paths = [draft.nodes[first].path for first in firsts]
    path = draft.fresh(stem_of(fused.attribute, draft.nodes[source].label))
    match fused:
        case PositionMLPs():
            draft.rows.update(mlp_rows(fused.mlp, inputs, path, paths, summed=False))
        case PositionLinears():
            draft.rows.update(wide_rows(path, [(p, fused.linear, inputs) for p in paths]))
        case DepthwiseConvs():
            draft.rows.update(depthwise_rows(fused.conv, inputs, path, paths))
        case _:
            assert_never(fused)
    value = draft.add(fused, (source,), path, firsts[0])
    return draft.items(value, firsts[0])
