"""Sibling sums: one operation on a sum instead of a sum of one operation.

W a + W b                    -> W (a + b)
pool a + pool b              -> pool (a + b)
mean(W a + v, W b + v)       -> W mean(a, b) + v
(W a + v) + (W b + v)        -> W (a + b) + 2 v
mlp_1 a + mlp_2 a            -> one MLP with all units and both biases
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeAlias

from archdsl.ir.graph import Apply, Graph, Kind, Path
from archdsl.ops.base import Operation
from archdsl.ops.fused import Average, PositionMLPSum, RepeatedLinear, Zeros
from archdsl.ops.joins import Mean, Sum
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import TokensMLP
from archdsl.passes.draft import Draft, Rewrite
from archdsl.passes.facts import Modules
from archdsl.passes.layout import mlp_rows, stem_of
from archdsl.passes.prune import set_terms
from archdsl.passes.step import Applied, Pattern, Stand

Merged: TypeAlias = tuple[int, int | None] | None


def _term(seen: Applied) -> Hashable | None:
    """What terms that become one have in common, whatever takes them beside the sum."""
    operation, traits = seen.operation, seen.traits
    if isinstance(operation, TokensMLP):
        return operation
    if operation.arity != 1 or traits.random or not (traits.linear or traits.affine):
        return None
    return (operation, seen.types, () if seen.weightless else seen.path)


TERMS = Pattern(Stand.TERMS, _term)


@dataclass(frozen=True, slots=True)
class Join:
    """A sum or mean under rewriting: its node, its terms, what it divides by."""

    position: int
    terms: tuple[int, ...]
    divisor: int


def merge_sums(graph: Graph, modules: Modules) -> Rewrite:
    """Merge the terms of every sum and mean that share an operation and its weights.

    Exact in training: the gradient of shared weights is the same sum, and no weight is
    multiplied. Max pooling is not linear and stays; the 1/n of a mean stays outside.
    """
    draft = Draft(graph, modules)
    waiting = [i for i in range(len(graph.nodes)) if _is_join(draft, i)]
    readers = Readers(draft)
    while waiting:
        position = waiting.pop()
        for rule in RULES:
            if position in draft.instead or len(set(draft.args(position))) < 2:
                break
            waiting.extend(_apply(draft, position, rule, readers))
    return draft.finish()


def _is_join(draft: Draft, position: int) -> bool:
    return isinstance(draft.operation(position), Sum | Mean | Average)


class Readers:
    """Who reads each value, and how often each path is used, kept true from merge to merge."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.of = {value: Counter(takers) for value, takers in draft.consumers().items()}
        self.uses = Counter(draft.nodes[i].path for i in draft.live() if draft.nodes[i].path)

    def only(self, value: int, position: int) -> bool:
        """Whether a node is all that reads a value, and reads it once."""
        return self.of.get(value) == {position: 1}

    def leave(self, position: int) -> None:
        """A node goes, or is about to read other values."""
        self.uses[self.draft.nodes[position].path] -= 1
        for argument in self.draft.args(position):
            known = self.of[argument]
            known[position] -= 1
            if not known[position]:
                del known[position]

    def come(self, position: int) -> None:
        """A node reads what it reads now."""
        self.uses[self.draft.nodes[position].path] += 1
        for argument in self.draft.args(position):
            self.of.setdefault(argument, Counter())[position] += 1

    def moved(self, position: int) -> None:
        """A node that left comes back, or what stands for it takes over its readers."""
        if position not in self.draft.instead:
            self.come(position)
            return
        left = self.of.pop(position, Counter())
        self.of.setdefault(self.draft.value(position), Counter()).update(left)


# --- rules: which terms belong together, and what becomes of them ---------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """`key` says which terms of a join are alike (None: none), `merge` makes one of them.

    `merge` returns the new term, and an inner sum to look at in its turn.
    """

    key: Callable[[Draft, int, Counter[Path]], Hashable | None]
    merge: Callable[[Draft, Join, tuple[int, ...]], Merged]


def _linear_key(draft: Draft, term: int, uses: Counter[Path]) -> Hashable | None:
    operation = draft.operation(term)
    if operation is None or operation.arity != 1 or isinstance(operation, Zeros):
        return None
    traits = draft.traits(term)
    if not traits.linear or traits.random or len(draft.nodes[term].types) != 1:
        return None
    path = () if draft.weightless(term) else draft.nodes[term].path
    return (operation, draft.inputs(term), path)


def _affine_key(draft: Draft, term: int, uses: Counter[Path]) -> Hashable | None:
    operation, traits = draft.operation(term), draft.traits(term)
    if operation is None or operation.arity != 1 or not traits.affine or traits.linear:
        return None
    return (operation, draft.inputs(term), draft.nodes[term].path)


def _mlp_key(draft: Draft, term: int, uses: Counter[Path]) -> Hashable | None:
    if not isinstance(draft.operation(term), TokensMLP) or uses[draft.nodes[term].path] > 1:
        return None
    return (draft.operation(term), draft.args(term))


def _inside(draft: Draft, terms: tuple[int, ...], operation: Operation) -> int:
    """The join of what the terms are applied to, in front of the first of them."""
    inputs = tuple(draft.args(term)[0] for term in terms)
    path = draft.fresh(operation.attribute)
    return draft.add(operation, inputs, path, min(terms))


def _merge_linear(draft: Draft, join: Join, terms: tuple[int, ...]) -> Merged:
    # f(a) + f(b) = f(a + b) for linear f
    return _merge_mean(draft, join, terms) or _sum_inside(draft, terms, draft.nodes[terms[0]].kind)


def _merge_affine(draft: Draft, join: Join, terms: tuple[int, ...]) -> Merged:
    # (W a + v) + (W b + v) = W (a + b) + 2 v
    if merged := _merge_mean(draft, join, terms):
        return merged
    operation = draft.operation(terms[0])
    if not isinstance(operation, Linear) or operation.weight_bits is not None:
        return None
    repeated = RepeatedLinear(linear=operation, count=len(terms))
    return _sum_inside(draft, terms, Apply(repeated))


def _merge_mean(draft: Draft, join: Join, terms: tuple[int, ...]) -> Merged:
    # mean(f(a), f(b)) = f(mean(a, b)) for affine f: the constant counts once
    if not len(terms) == join.divisor == len(join.terms):
        return None
    inner = _inside(draft, terms, Mean())
    draft.change(terms[0], draft.nodes[terms[0]].kind, (inner,))
    draft.change(join.position, Apply(Sum()), join.terms)
    return terms[0], inner


def _sum_inside(draft: Draft, terms: tuple[int, ...], kind: Kind) -> Merged:
    inner = _inside(draft, terms, Sum())
    draft.change(terms[0], kind, (inner,))
    return terms[0], inner


def _merge_mlps(draft: Draft, join: Join, terms: tuple[int, ...]) -> Merged:
    # U f(A x) + V f(B x) = (U V) f((A B) x), side by side
    operation = draft.operation(terms[0])
    assert isinstance(operation, TokensMLP)
    inputs = draft.inputs(terms[0])
    source = draft.args(terms[0])[0]
    path = draft.fresh(stem_of("mlps", draft.nodes[source].label))
    fused = PositionMLPSum(mlp=operation, count=len(terms))
    paths = [draft.nodes[term].path for term in terms]
    draft.rows.update(mlp_rows(operation, inputs, path, paths, summed=True))
    return draft.add(fused, (source,), path, terms[0]), None


RULES = (
    Rule(_linear_key, _merge_linear),
    Rule(_affine_key, _merge_affine),
    Rule(_mlp_key, _merge_mlps),
)


def _apply(draft: Draft, position: int, rule: Rule, readers: Readers) -> list[int]:
    """One rule at one join; the inner joins that it made."""
    made: list[int] = []
    groups: dict[Hashable, list[int]] = {}
    for term in draft.args(position):
        key = rule.key(draft, term, readers.uses)
        if key is not None and readers.only(term, position):
            groups.setdefault(key, []).append(term)
    for group in groups.values():
        if len(group) < 2 or position in draft.instead:
            continue
        made += _merge(draft, position, rule, tuple(group), readers)
    return made


def _merge(
    draft: Draft, position: int, rule: Rule, group: tuple[int, ...], readers: Readers
) -> list[int]:
    """Some terms of a join become one, where the rule can."""
    for node in (position, *group):
        readers.leave(node)
    terms = draft.args(position)
    merged = rule.merge(draft, Join(position, terms, _divisor(draft, position)), group)
    if merged is None:
        for node in (position, *group):
            readers.come(node)
        return []
    term, inner = merged
    rest = tuple(term if t == group[0] else t for t in terms if t not in group[1:])
    set_terms(draft, position, rest, len(terms))
    if inner is not None:
        readers.come(inner)
    readers.come(term)
    readers.moved(position)
    return [inner] if inner is not None else []


def _divisor(draft: Draft, position: int) -> int:
    match draft.operation(position):
        case Mean():
            return len(draft.args(position))
        case Average(divisor=divisor):
            return divisor
        case _:
            return 1
