"""Figures as sums over decisions, exactly, from the graphs with holes: no network is made.

    params = what is always there + one number for each alternative taken + ...

A node counts where its formula over decisions holds, so a figure is a sum of numbers times
formulas. Most formulas speak of one decision; the few others are kept as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from archdsl.ir.conditions import Count, Figure
from archdsl.ir.formula import (
    ALWAYS,
    NEVER,
    All,
    Any,
    Formula,
    Taken,
    all_of,
    any_of,
    atoms,
    holds,
    negate,
)
from archdsl.ir.graph import Program
from archdsl.ir.scopes import Decision
from archdsl.ir.where import stem_of
from archdsl.passes.tariff import APPLY, Tariff, Unpriced, tariff
from archdsl.passes.uses import distinct, uses

Terms = Mapping[Formula, int]
"""Numbers by the formula under which they count; holes are qualified."""

ADDITIVE = ("params", "macs", "flops", "activation_bytes")
MAX_TERMS = 200_000


@dataclass(frozen=True, slots=True)
class Sum:
    """`base`, and for each decision by index its terms; `mixed` depend on several decisions."""

    base: int
    single: Mapping[int, tuple[tuple[Formula, int], ...]]
    mixed: tuple[tuple[Formula, int], ...] = ()

    def scaled(self, factor: int) -> Sum:
        def times(terms: Iterable[tuple[Formula, int]]) -> tuple[tuple[Formula, int], ...]:
            return tuple((formula, factor * number) for formula, number in terms)

        single = {i: times(terms) for i, terms in self.single.items()}
        return Sum(factor * self.base, single, times(self.mixed))

    def plus(self, other: Sum) -> Sum:
        single = dict(self.single)
        for i, terms in other.single.items():
            single[i] = (*single.get(i, ()), *terms)
        return Sum(self.base + other.base, single, (*self.mixed, *other.mixed))


@dataclass(slots=True)
class Additive:
    """The figures of one space that are sums."""

    program: Program
    decisions: Sequence[Decision]
    _figures: dict[Figure | Count, Sum | None] = field(default_factory=dict)
    _known: dict[str, Terms] | None = None
    _priced: bool = True

    def sum_of(self, part: Figure | Count) -> Sum | None:
        """A figure or count as a sum; None where it is none."""
        if part not in self._figures:
            self._figures[part] = self._sum(part)
        return self._figures[part]

    def _sum(self, part: Figure | Count) -> Sum | None:
        if isinstance(part, Count):
            return _split(_counted(part, self.decisions), self.decisions)
        if part.name not in ADDITIVE or not self._priced:
            return None
        if self._known is None:
            try:
                self._known = _terms(self.program, self.decisions)
            except Unpriced:
                self._priced = False
                return None
        if part.name == "flops":
            return _split(self._known["macs"], self.decisions).scaled(2)
        return _split(self._known[part.name], self.decisions)


# --- counts ----------------------------------------------------------------------------------


def _counted(count: Count, decisions: Sequence[Decision]) -> Terms:
    terms: dict[Formula, int] = {}
    for decision in decisions:
        names = {decision.scope.group, stem_of(decision.hole.name)}
        if names.issuperset(count.names):
            for i, label in enumerate(decision.hole.labels):
                if not count.labels or label in count.labels:
                    terms[Taken(decision.key, i)] = 1
    return terms


# --- figures ---------------------------------------------------------------------------------


def _terms(program: Program, decisions: Sequence[Decision]) -> dict[str, Terms]:
    """Parameters, MACs and bytes of activations of the whole. Raises Unpriced."""
    keys = tuple(decision.key for decision in decisions)
    found: dict[int, dict[str, Terms]] = {}
    work = 0
    whole: dict[str, Terms] = {}
    for use in distinct(uses(program, keys)):
        each = _Use(tariff(use), keys, found)
        whole = found[id(use)] = {
            "params": each.params(),
            "macs": each.spent("macs"),
            "activation_bytes": each.spent("activation_bytes"),
        }
        work += sum(len(terms) for terms in whole.values())
        if work > MAX_TERMS:
            raise Unpriced
    return whole


@dataclass(slots=True)
class _Use:
    """One use: its nodes under formulas of the whole space."""

    tariff: Tariff
    keys: Sequence[str]
    inner: Mapping[int, Mapping[str, Terms]]

    def under(self, position: int) -> Formula:
        return self.renamed(self.tariff.entries[position].under)

    def renamed(self, formula: Formula) -> Formula:
        """A formula of the graph, with the space's decisions in place of its holes."""
        if formula in (ALWAYS, NEVER):
            return formula
        names = dict(zip(self.tariff.holes, self.tariff.use.holes, strict=True))
        return renamed(formula, {hole: self.keys[i] for hole, i in names.items() if i >= 0})

    def below(self, position: int, figure: str) -> Terms:
        return self.inner[id(self.tariff.use.inner[position])][figure]

    def spent(self, figure: str) -> Terms:
        total: defaultdict[Formula, int] = defaultdict(int)
        for position, entry in enumerate(self.tariff.entries):
            if position in self.tariff.use.inner:
                _add(total, self.below(position, figure), self.under(position))
            elif entry.kind == APPLY:
                price = self.tariff.prices[position][1]
                own = price if figure == "macs" else entry.size * self.tariff.unit
                _add(total, {ALWAYS: own} if own else {}, self.under(position))
        return total

    def params(self) -> Terms:
        """Weights by their path: those of several nodes count once."""
        total: defaultdict[Formula, int] = defaultdict(int)
        for nodes in self.tariff.paths:
            kinds = {self.owned(position) for position in nodes}
            if len(kinds) != 1:  # which of them counts depends on the order of what is there
                raise Unpriced
            first = nodes[0]
            own: Terms = {ALWAYS: self.tariff.prices[first][0]}
            if first in self.tariff.use.inner:
                own = self.below(first, "params")
            _add(total, own, any_of(self.under(position) for position in nodes))
        return total

    def owned(self, position: int) -> object:
        """What tells the weights of a node from others."""
        inner = self.tariff.use.inner.get(position)
        return self.tariff.prices[position] if inner is None else id(inner)


def _add(total: defaultdict[Formula, int], terms: Terms, under: Formula) -> None:
    for formula, number in terms.items():
        both = all_of((under, formula))
        if both != NEVER:
            total[both] += number


def renamed(formula: Formula, names: Mapping[str, str]) -> Formula:
    """A formula with its holes renamed; those without a name are never taken."""
    match formula:
        case Taken(hole, alternative):
            return Taken(names[hole], alternative) if hole in names else NEVER
        case All(terms):
            return all_of(renamed(term, names) for term in terms)
        case Any(terms):
            return any_of(renamed(term, names) for term in terms)
        case _:
            return negate(renamed(formula.term, names))


# --- by decision -----------------------------------------------------------------------------


def _split(terms: Terms, decisions: Sequence[Decision]) -> Sum:
    """The terms by the one decision that each depends on, where it is one."""
    position = {decision.key: i for i, decision in enumerate(decisions)}
    base = 0
    single: defaultdict[int, list[tuple[Formula, int]]] = defaultdict(list)
    mixed: list[tuple[Formula, int]] = []
    for formula, number in terms.items():
        formula = _without_ancestors(formula, decisions, position)
        on = {atom.hole for atom in atoms(formula)}
        if formula == ALWAYS:
            base += number
        elif len(on) == 1 and not _negates(formula):
            single[position[on.pop()]].append((formula, number))
        else:
            mixed.append((formula, number))
    return Sum(base, {i: tuple(found) for i, found in single.items()}, tuple(mixed))


def _negates(formula: Formula) -> bool:
    """Whether a formula may hold where its decision does not exist."""
    return holds(formula, lambda _: False)


def _without_ancestors(
    formula: Formula, decisions: Sequence[Decision], position: Mapping[str, int]
) -> Formula:
    """A conjunction without what follows from the existence of its last decision."""
    if not isinstance(formula, All) or len(formula.terms) < 2:
        return formula
    last = max(position[atom.hole] for atom in atoms(formula))
    kept = [t for t in formula.terms if any(position[a.hole] == last for a in atoms(t))]
    if any(_negates(term) for term in kept):
        return formula
    implied: set[Formula] = set()
    parent = decisions[last].parent
    while parent is not None:
        key, when = parent
        implied.add(any_of(Taken(key, alternative) for alternative in sorted(when)))
        parent = decisions[position[key]].parent
    return all_of(t for t in formula.terms if t in kept or t not in implied)
