"""How passes go wrong: functions of passes and traits of operations with a slip in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archdsl.ir.graph import Apply, Graph, Item
from archdsl.ops.base import Helper, Operation, Traits
from archdsl.ops.constants import Zero
from archdsl.ops.convolution import Conv
from archdsl.ops.fused import Average, PositionMLPSum, RepeatedLinear, Split
from archdsl.ops.gradients import ConvInParts
from archdsl.ops.hidden import HiddenToHidden
from archdsl.ops.joins import Concat, Mean, Product
from archdsl.ops.mlp import TokensMLP
from archdsl.ops.normalisation import BatchNorm
from archdsl.ops.pooled import POSITIONAL, Pooled
from archdsl.ops.pooling import Pool
from archdsl.passes import (
    dedupe,
    driver,
    fuse_siblings,
    inline,
    merge_sums,
    prune,
    split_gradients,
)
from archdsl.passes.draft import Draft, Rewrite
from archdsl.passes.driver import optimise
from archdsl.passes.facts import Inside, Modules
from archdsl.passes.fold_pool import _Fold
from archdsl.passes.link_perceptrons import Perceptrons, Reader, _Links
from archdsl.passes.weights import Concat as ConcatRow
from archdsl.passes.weights import Keep, Source, Stack
from tests.fixed_masks import FixedMask

Change = tuple[object, str, Any]

# What the slips fall back on.
RIGHT_TERMS = prune.set_terms
RIGHT_SIMPLIFY = prune._simplify
RIGHT_ZERO = prune.gives_zero
RIGHT_KEY = dedupe._key
RIGHT_COMMON = fuse_siblings._common
RIGHT_CHAIN = fuse_siblings._chain
RIGHT_WIDE = fuse_siblings._wide
RIGHT_EXPAND = driver.expand
RIGHT_COPIED = inline._copied
RIGHT_TAKE_IN = _Fold.take_in
RIGHT_READ = _Links._read
RIGHT_PERCEPTRONS = _Links._perceptrons


@dataclass(frozen=True, slots=True)
class Slip:
    """A wrong pass: what is replaced by what, attribute by attribute."""

    name: str
    changes: tuple[Change, ...]


def traits(kind: type[Operation], **claimed: bool) -> Change:
    """An operation that claims more than it holds."""
    right = kind.traits

    def wrong(self: Operation, inputs: Any) -> Traits:
        return replace(right(self, inputs), **claimed)

    return kind, "traits", wrong


def after(name: str, change: Callable[[Rewrite], Rewrite]) -> Change:
    """A pass of the pipeline whose result is spoilt before it is returned."""
    step = next(step for step in driver.PIPELINE if step.name == name)

    def run(graph: Graph, *given: Any) -> Rewrite:
        rewrite = step.run(graph, *given)
        return rewrite if rewrite.graph is graph else change(rewrite)

    run.__name__ = name
    steps = tuple(replace(s, run=run) if s is step else s for s in driver.PIPELINE)
    return optimise, "__kwdefaults__", {**(optimise.__kwdefaults__ or {}), "passes": steps}


def operations(change: Callable[[Operation], Operation]) -> Callable[[Rewrite], Rewrite]:
    """Other operations at nodes that a pass made."""

    def spoil(rewrite: Rewrite) -> Rewrite:
        made = {name.split(".")[0] for name in rewrite.rows}
        nodes = tuple(
            replace(node, kind=Apply(change(node.kind.operation)))
            if isinstance(node.kind, Apply) and node.path and node.path[0] in made
            else node
            for node in rewrite.graph.nodes
        )
        return replace(rewrite, graph=replace(rewrite.graph, nodes=nodes))

    return spoil


def rows(ending: str, change: Callable[[Source], Source]) -> Callable[[Rewrite], Rewrite]:
    """Another source for new weights whose names end so."""
    return lambda rewrite: replace(
        rewrite,
        rows={n: change(s) if n.endswith(ending) else s for n, s in rewrite.rows.items()},
    )


def reversed_parts(source: Source) -> Source:
    if isinstance(source, ConcatRow | Stack):
        return replace(source, parts=source.parts[::-1])
    return source


def first_for_all(source: Source) -> Source:
    if isinstance(source, ConcatRow | Stack):
        return replace(source, parts=source.parts[:1] * len(source.parts))
    return source


def swapped_items(rewrite: Rewrite) -> Rewrite:
    """The parts of a split in another order."""
    graph = rewrite.graph

    def swapped(node: Any) -> Any:
        if not isinstance(node.kind, Item):
            return node
        types = graph.nodes[node.args[0]].types
        other = len(types) - 1 - node.kind.index
        return replace(node, kind=Item(other)) if types[other] == node.types[0] else node

    return replace(rewrite, graph=replace(graph, nodes=tuple(map(swapped, graph.nodes))))


def key_without(*drop: int) -> Change:
    """The key of equal values without some of its parts."""
    right = dedupe._key

    def wrong(*given: Any) -> Hashable | None:
        key = right(*given)
        if not isinstance(key, tuple):
            return key
        return tuple(part for i, part in enumerate(key) if i not in drop)

    return dedupe, "_key", wrong


def told_of_uses(owner: Any, name: str, **told: Any) -> Change:
    """A question about a node that is answered wrongly of what is in a module that it uses."""
    right = getattr(owner, name)

    class Wrong(Modules):
        def inside(self, key: str) -> Inside:
            return replace(super().inside(key), **told)

    def wrong(draft: Draft, position: int, modules: Modules, *rest: Any) -> Any:
        return right(draft, position, Wrong(modules), *rest)

    return owner, name, wrong


def rule(index: int, **parts: Any) -> Change:
    """One rule of merge_sums with another key or another merge."""
    changed = list(merge_sums.RULES)
    changed[index] = replace(changed[index], **parts)
    return merge_sums, "RULES", tuple(changed)


def keyed(index: int, change: Callable[[tuple[Any, ...]], Hashable]) -> Change:
    right = merge_sums.RULES[index].key

    def wrong(draft: Draft, term: int, uses: Any) -> Hashable | None:
        key = right(draft, term, uses)
        return None if key is None else change(key)  # type: ignore[arg-type]

    return rule(index, key=wrong)


def set_terms(draft: Draft, position: int, terms: tuple[int, ...], count: int) -> None:
    """The divisor of a mean falls with its terms."""
    if isinstance(draft.operation(position), Mean) and terms:
        draft.change(position, Apply(Mean()), terms)
    else:
        RIGHT_TERMS(draft, position, terms, count)


def affine_once(draft: Draft, join: Any, terms: tuple[int, ...]) -> Any:
    merged = merge_sums._merge_mean(draft, join, terms)
    return merged or merge_sums._sum_inside(draft, terms, draft.nodes[terms[0]].kind)


def mean_of_some(draft: Draft, join: Any, terms: tuple[int, ...]) -> Any:
    """Takes any terms of a mean for all of them."""
    right = merge_sums._merge_mean
    return right(draft, replace(join, terms=terms, divisor=len(terms)), terms)


def divided_twice(draft: Draft, join: Any, terms: tuple[int, ...]) -> Any:
    if not len(terms) == join.divisor == len(join.terms):
        return None
    inner = merge_sums._inside(draft, terms, Mean())
    draft.change(terms[0], draft.nodes[terms[0]].kind, (inner,))
    draft.change(join.position, Apply(Average(divisor=len(terms))), terms)
    return terms[0], inner


def repeated(draft: Draft, join: Any, terms: tuple[int, ...]) -> Any:
    """A sum of three has two biases."""
    operation = draft.operation(terms[0])
    if not isinstance(operation, merge_sums.Linear) or operation.weight_bits is not None:
        return None
    return merge_sums._sum_inside(draft, terms, Apply(RepeatedLinear(linear=operation, count=3)))


def any_zero(operation: Operation, types: Any, empty: Any) -> bool:
    """One zero makes a zero of any operation that keeps zero."""
    return isinstance(operation, Zero) or (any(empty) and operation.traits(types).zero)


def no_zero_product(operation: Operation, types: Any, empty: Any) -> bool:
    """A product is zero where all factors are."""
    return RIGHT_ZERO(operation, types, empty) and (
        not isinstance(operation, Product) or all(empty)
    )


def factors_left_out(draft: Draft, position: int, operation: Operation, empty: Any) -> None:
    """A product loses its zero factors, as a sum loses its zero terms."""
    args = draft.args(position)
    if isinstance(operation, Product) and any(empty) and not all(empty):
        left = [argument for argument, is_zero in zip(args, empty, strict=True) if not is_zero]
        if draft.nodes[left[0]].types == draft.nodes[position].types:
            draft.replace(position, left[0])
    else:
        RIGHT_SIMPLIFY(draft, position, operation, empty)


def common(*ignored: str) -> Change:
    """Siblings that differ in an argument, taken for alike."""
    right = fuse_siblings._common

    def wrong(draft: Draft, chain: Any) -> Hashable:
        args, (first, *rest) = right(draft, chain)  # type: ignore[misc]
        if isinstance(first, Conv):
            first = replace(first, **{name: getattr(Conv(channels=1), name) for name in ignored})
        return (args, (first, *rest))

    return fuse_siblings, "_common", wrong


def as_written(draft: Draft, chain: Any) -> Hashable:
    return (draft.args(chain.first), tuple(draft.operation(link) for link in chain.links))


def classes_alone(draft: Draft, chain: Any) -> Hashable:
    """Norms and activations with other arguments, taken for alike."""
    args, (first, *rest) = RIGHT_COMMON(draft, chain)  # type: ignore[misc]
    return (args, first, tuple(type(operation) for operation in rest))


def first_reader(position: int, consumers: Mapping[int, list[int]]) -> int | None:
    takers = consumers.get(position, [])
    return takers[0] if takers and takers[0] >= 0 else None


def elementwise(draft: Draft, position: int) -> bool:
    """What keeps the shape, channels mixed or not."""
    operation = draft.operation(position)
    return (
        operation is not None
        and operation.arity == 1
        and draft.weightless(position)
        and draft.nodes[position].types == draft.inputs(position)
    )


def any_groups(draft: Draft, position: int, consumers: Any, uses: Any) -> Any:
    if isinstance(draft.operation(position), Conv) and uses[draft.nodes[position].path] < 2:
        tail = fuse_siblings._tail(draft, position, consumers, uses)
        return fuse_siblings.Chain((position, *tail))
    return RIGHT_CHAIN(draft, position, consumers, uses)


def uses_ignored(draft: Draft, position: int, consumers: Any, uses: Any) -> Any:
    return RIGHT_CHAIN(draft, position, consumers, Counter())


def default_norms(operation: Operation, channels: int) -> Operation:
    """Widened norms start from their defaults."""
    if isinstance(operation, BatchNorm):
        return BatchNorm(affine=operation.affine)
    return RIGHT_WIDE(operation, channels)


def no_momentum(operation: Operation, channels: int) -> Operation:
    if isinstance(operation, BatchNorm):
        return replace(operation, momentum=0.1)
    return RIGHT_WIDE(operation, channels)


def passed_first(draft: Draft, position: int, used: Graph) -> None:
    """A module that returns an input, taken to return its first."""
    if used.outputs[0] in used.inputs:
        draft.replace(position, draft.args(position)[0])


def statistics_once(draft: Draft, position: int, modules: Any, uses: Any) -> Hashable | None:
    """A norm that is applied twice to one value, applied once."""
    return RIGHT_KEY(draft, position, modules, Counter())


def norms_alike(draft: Draft, position: int, modules: Any, uses: Any) -> Hashable | None:
    """Norms of one value, whatever their weights."""
    operation = draft.operation(position)
    if isinstance(operation, BatchNorm):
        return ("apply", operation, draft.args(position))
    return RIGHT_KEY(draft, position, modules, uses)


def draws_alike(draft: Draft, position: int, modules: Any, uses: Any) -> Hashable | None:
    """Two draws of one dropout, taken for one."""
    operation = draft.operation(position)
    if isinstance(operation, FixedMask):
        return ("apply", operation, draft.args(position))
    return RIGHT_KEY(draft, position, modules, uses)


def unordered(draft: Draft, position: int, modules: Any, uses: Any) -> Hashable | None:
    """A concatenation, taken for a set."""
    key = RIGHT_KEY(draft, position, modules, uses)
    if isinstance(draft.operation(position), Concat):
        return ("concat", tuple(sorted(draft.args(position))))
    return key


def by_class(draft: Draft, position: int, modules: Any, uses: Any) -> Hashable | None:
    """Operations of one class with other arguments, taken for one."""
    key = RIGHT_KEY(draft, position, modules, uses)
    if isinstance(key, tuple) and key[0] == "apply" and draft.weightless(position):
        return ("apply", type(key[1]), draft.nodes[position].types, *key[2:])
    return key


def following_first(draft: Draft, members: Sequence[int], readers: Any) -> Any:
    """What follows the first use, taken to follow all."""
    takers = [readers.get(member, [-1]) for member in members]
    if any(len(taken) != 1 or taken[0] < 0 for taken in takers):
        return None
    found = [taken[0] for taken in takers]
    first = found[0]
    alike = all(draft.nodes[p].types == draft.nodes[first].types for p in found)
    plain = draft.operation(first) is not None and draft.weightless(first)
    single = len(set(found)) == len(found) and all(len(draft.args(p)) == 1 for p in found)
    return found if alike and plain and single and len(draft.nodes[first].types) == 1 else None


def results_swapped(draft: Draft, position: int, used: Graph) -> list[int]:
    """A module's results in another order."""
    return RIGHT_COPIED(draft, position, used)[::-1]


def inputs_swapped(draft: Draft, position: int, used: Graph) -> list[int]:
    """A module that is given its inputs in another order."""
    draft.change(position, draft.nodes[position].kind, draft.args(position)[::-1])
    return RIGHT_COPIED(draft, position, used)


def equal_sizes(operation: Operation) -> Operation:
    if isinstance(operation, Split):
        return replace(operation, sizes=operation.sizes[::-1])
    return operation


def split_reversed(rewrite: Rewrite) -> Rewrite:
    nodes = tuple(
        replace(node, kind=Apply(equal_sizes(node.kind.operation)))
        if isinstance(node.kind, Apply)
        else node
        for node in rewrite.graph.nodes
    )
    return replace(rewrite, graph=replace(rewrite.graph, nodes=nodes))


def other_axis(source: Source) -> Source:
    return replace(source, axis=1 - source.axis) if isinstance(source, ConcatRow) else source


def nothing_dropped(*given: Any) -> Any:
    """Dead weights, reported as weights of the new network."""
    found = RIGHT_EXPAND(*given)
    dead = {name: Keep(name) for name in found.dropped}
    return replace(found, entries={**found.entries, **dead}, dropped=())


def pooled_twice(fold: _Fold, pool: int, reader: int, operation: Operation) -> None:
    """The reader pools its weights, and still reads the pooled value."""
    fold.draft.change(reader, Apply(operation), fold.draft.args(reader))


def not_pooled(fold: _Fold, pool: int, reader: int, operation: Operation) -> None:
    """The reader reads what is not pooled, and pools nothing."""
    RIGHT_TAKE_IN(fold, pool, reader, fold.operation(reader))


def any_reader(fold: _Fold, reader: int) -> bool:
    """Whether something else uses a reader's weights is not asked."""
    return reader >= 0 and isinstance(fold.draft.operation(reader), POSITIONAL)


class PooledAsValues(Pooled):
    """Weights pooled as values are: the same inside a map, another at its edges."""

    helpers = tuple(
        replace(helper, source=helper.source.replace("weight / share", "weight"))
        for helper in Pooled.helpers
    )


def pooled_as_values(fold: _Fold, pool: int, reader: int, operation: Operation) -> None:
    """The reader pools its weights in the wrong way."""
    assert isinstance(operation, Pooled)
    RIGHT_TAKE_IN(fold, pool, reader, PooledAsValues(operation=operation.operation))


def unpooled(links: _Links, position: int) -> tuple[Reader, ...]:
    """Those that read a map pooled read it as it is."""
    return tuple(replace(one, pooled=False) for one in RIGHT_READ(links, position))


def half_pooled(links: _Links, position: int) -> tuple[Reader, ...]:
    """Those that read a map pooled come last, where those that do not are looked for."""
    return RIGHT_READ(links, position)[::-1]


def own_weights(links: _Links, position: int) -> Perceptrons | None:
    """Whether something else uses the weights is not asked."""
    links.uses.clear()
    return RIGHT_PERCEPTRONS(links, position)


def read_by_some(links: _Links, position: int) -> tuple[Reader, ...]:
    """What is no perceptron is not among those that read a map."""
    before = dict(links.consumers)
    links.consumers[position] = [
        taker
        for taker in before.get(position, ())
        if taker >= 0
        and isinstance(links.draft.operation(taker), TokensMLP | PositionMLPSum | Pool)
    ]
    found = RIGHT_READ(links, position)
    links.consumers.update(before)
    return found


class WithoutShift(HiddenToHidden):
    """The bias of the layer between left out."""

    helpers = tuple(
        replace(
            helper,
            source=helper.source.replace("first(last.bias)", "first.bias").replace(
                "first[-1] + self", "self"
            ),
        )
        for helper in HiddenToHidden.helpers
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongParts(ConvInParts):
    """`ConvInParts` with `old` of its source exchanged for `new`."""

    old: str
    new: str

    @property
    def helpers(self) -> tuple[Helper, ...]:  # type: ignore[override]
        return tuple(
            replace(helper, source=helper.source.replace(self.old, self.new))
            for helper in ConvInParts.helpers
        )


def in_wrong_parts(old: str, new: str) -> Change:
    """Gradients in parts whose code has something else in one place."""
    right = split_gradients.in_parts
    assert any(old in helper.source for helper in ConvInParts.helpers)

    def wrong(conv: Conv, inputs: Any) -> ConvInParts | None:
        parts = right(conv, inputs)
        return parts and WrongParts(conv=parts.conv, old=old, new=new)

    return split_gradients, "in_parts", wrong
