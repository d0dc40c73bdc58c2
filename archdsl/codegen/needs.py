"""When a value is needed: formulas over the holes of one module, compared by meaning.

Formulas are compared as decision diagrams (Bryant, 1986, with one branch for each alternative
of a hole), which are equal exactly when the formulas are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from archdsl.ir.formula import ALWAYS, NEVER, All, Any, Formula, Not, Taken, all_of, any_of, negate
from archdsl.ir.graph import Hole
from archdsl.syntax.tree import Quantity, Span

Diagram: TypeAlias = int
FALSE: Diagram = 0
TRUE: Diagram = 1
LIMIT = 200_000
"""Nodes of all diagrams of a module."""
WORK = 2_000_000
"""Branches looked at for all diagrams of a module: some seconds."""


class TooLarge(Exception):
    """The diagram of a formula would be too large to build; `span` is its module's place."""

    def __init__(self, span: Span | None) -> None:
        super().__init__()
        self.span = span


@dataclass(slots=True)
class Diagrams:
    """All diagrams over some holes. Equal diagrams have equal numbers."""

    holes: Mapping[str, Hole]
    span: Span | None = None
    named: dict[str, Diagram] = field(default_factory=dict)
    """Atoms that stand for a formula: the named booleans of generated code."""
    _levels: dict[tuple[str, int], int] = field(default_factory=dict)
    _nodes: list[tuple[int, tuple[Diagram, ...]]] = field(default_factory=list)
    _numbers: dict[tuple[int, tuple[Diagram, ...]], Diagram] = field(default_factory=dict)
    _ands: dict[tuple[Diagram, Diagram], Diagram] = field(default_factory=dict)
    _nots: dict[Diagram, Diagram] = field(default_factory=dict)
    _work: int = 0

    def __post_init__(self) -> None:
        self._nodes += [(1 << 30, ()), (1 << 30, ())]
        self._nots |= {FALSE: TRUE, TRUE: FALSE}
        # The last hole first: what a later one takes decides whether an earlier one matters, so
        # in this order the diagram of a chain of sources need only know where the chain stands.
        for hole in _later_first(self.holes):
            parts = 1 if hole.quantity is Quantity.ONE else len(hole.labels)
            for part in range(parts):
                self._levels[hole.name, part] = len(self._levels)

    def of(self, formula: Formula) -> Diagram:
        """The diagram of a formula. Raises TooLarge."""
        match formula:
            case Taken():
                return self._atom(formula)
            case All(terms):
                return self.conjunction(self.of(term) for term in terms)
            case Any(terms):
                return self.disjunction(self.of(term) for term in terms)
            case Not(term):
                return self.negation(self.of(term))

    def conjunction(self, terms: Iterable[Diagram]) -> Diagram:
        result = TRUE
        for term in terms:
            result = self._and(result, term)
        return result

    def disjunction(self, terms: Iterable[Diagram]) -> Diagram:
        return self.negation(self.conjunction(self.negation(term) for term in terms))

    def negation(self, term: Diagram) -> Diagram:
        if term not in self._nots:
            level, children = self._nodes[term]
            result = self._node(level, tuple(self.negation(child) for child in children))
            self._nots[term] = result
            self._nots[result] = term
        return self._nots[term]

    def implies(self, first: Diagram, second: Diagram) -> bool:
        return self._and(first, self.negation(second)) == FALSE

    def _atom(self, taken: Taken) -> Diagram:
        if taken.hole in self.named:
            return self.named[taken.hole]
        hole = self.holes[taken.hole]
        if hole.quantity is Quantity.ONE:
            children = [FALSE] * len(hole.labels)
            children[taken.alternative] = TRUE
            return self._node(self._levels[taken.hole, 0], tuple(children))
        if hole.quantity is Quantity.SOME and hole.count >= len(hole.labels):
            return TRUE
        node = self._node(self._levels[taken.hole, taken.alternative], (FALSE, TRUE))
        if not hole.gated or taken.alternative < len(hole.labels) - 1:
            return node
        # One of them has a gate: the last, where no other has.
        others = [Taken(hole.name, i) for i in range(taken.alternative)]
        return self.disjunction((node, self.negation(self.disjunction(map(self._atom, others)))))

    def _node(self, level: int, children: tuple[Diagram, ...]) -> Diagram:
        if len(set(children)) == 1:
            return children[0]
        key = (level, children)
        if key not in self._numbers:
            if len(self._nodes) >= LIMIT:
                raise TooLarge(self.span)
            self._numbers[key] = len(self._nodes)
            self._nodes.append(key)
        return self._numbers[key]

    def _and(self, a: Diagram, b: Diagram) -> Diagram:
        if FALSE in (a, b):
            return FALSE
        if TRUE in (a, b) or a == b:
            return b if a == TRUE else a
        key = (min(a, b), max(a, b))
        if key not in self._ands:
            (level_a, in_a), (level_b, in_b) = self._nodes[a], self._nodes[b]
            level = min(level_a, level_b)
            width = len(in_a) if level_a == level else len(in_b)
            self._work += width
            if self._work > WORK:
                raise TooLarge(self.span)
            pairs = zip(
                in_a if level_a == level else (a,) * width,
                in_b if level_b == level else (b,) * width,
                strict=True,
            )
            self._ands[key] = self._node(level, tuple(self._and(x, y) for x, y in pairs))
        return self._ands[key]

    def simplify(self, formula: Formula, given: Diagram = TRUE) -> Formula:
        """A formula that means the same wherever `given` holds, without superfluous terms."""
        whole = self.of(formula)
        if self.implies(given, whole):
            return ALWAYS
        if self.implies(given, self.negation(whole)):
            return NEVER
        match formula:
            case All(terms):
                return self._pruned(terms, given, True)
            case Any(terms):
                return factored(self._pruned(terms, given, False))
            case Not(term):
                return negate(self.simplify(term, given))
            case Taken():
                return formula

    def single(self, diagram: Diagram) -> Formula | None:
        """The formula of a diagram that asks for what one hole takes, and nothing else."""
        level, children = self._nodes[diagram]
        if not children or not set(children) <= {FALSE, TRUE}:
            return None
        hole, part = list(self._levels)[level]
        if self.holes[hole].quantity is not Quantity.ONE:
            return Taken(hole, part) if children == (FALSE, TRUE) else None
        return any_of(Taken(hole, i) for i, child in enumerate(children) if child == TRUE)

    def _pruned(self, terms: tuple[Formula, ...], given: Diagram, conjunction: bool) -> Formula:
        kept = [self.simplify(term, given) for term in terms]
        position = 0
        while position < len(kept):
            rest = kept[:position] + kept[position + 1 :]
            joined = all_of(rest) if conjunction else any_of(rest)
            here, others = self.of(kept[position]), self.of(joined)
            first, second = (others, here) if conjunction else (here, others)
            if rest and self.implies(self._and(given, first), second):
                kept = rest
            else:
                position += 1
        return all_of(kept) if conjunction else any_of(kept)


def _later_first(holes: Mapping[str, Hole]) -> list[Hole]:
    """The last hole first, but each before those inside its alternatives.

    What an alternative holds matters only where it is taken: decided before, every inner hole
    would have to be remembered until the outer one says which of them counts.
    """
    below: dict[str, list[Hole]] = {}
    for hole in holes.values():
        below.setdefault(hole.parent[0] if hole.parent else "", []).append(hole)
    result: list[Hole] = []
    waiting = list(below.get("", ()))
    while waiting:
        hole = waiting.pop()
        result.append(hole)
        waiting += below.get(hole.name, ())
    return result


def factored(formula: Formula) -> Formula:
    """`(a and h is 1) or (a and h is 2)` -> `a and (h is 1 or h is 2)`."""
    if not isinstance(formula, Any):
        return formula
    groups: dict[tuple[frozenset[Formula], str], list[Formula]] = {}
    rests: dict[tuple[frozenset[Formula], str], tuple[Formula, ...]] = {}
    for term in formula.terms:
        parts = term.terms if isinstance(term, All) else (term,)
        last = parts[-1]
        rest = parts[:-1] if isinstance(last, Taken) else parts
        key = (frozenset(rest), last.hole if isinstance(last, Taken) else "")
        rests.setdefault(key, rest)
        groups.setdefault(key, [])
        if isinstance(last, Taken):
            groups[key].append(last)
    joined = any_of(
        all_of((*rests[key], *((any_of(atoms),) if atoms else ()))) for key, atoms in groups.items()
    )
    return _regrouped(joined) if len(formula.terms) > FEW else joined


FEW = 4
"""Cases that may stand side by side as they are."""


def _regrouped(formula: Formula) -> Formula:
    """What all cases ask for is said once, and what differs in one part only is joined.

    `(a and x) or (b and x) or (a and y) or (b and y)` -> `(a or b) and (x or y)`
    """
    if not isinstance(formula, Any):
        return formula
    cases: list[tuple[Formula, ...]] = [
        term.terms if isinstance(term, All) else (term,) for term in formula.terms
    ]
    common = [part for part in cases[0] if all(part in case for case in cases)]
    if common:
        others = any_of(all_of(p for p in case if p not in common) for case in cases)
        return all_of((*common, _regrouped(others)))
    for position in range(max(map(len, cases))):
        groups: dict[tuple[Formula, ...], list[Formula]] = {}
        for case in cases:
            rest = (*case[:position], *case[position + 1 :])
            if rest and len(rest) < len(case):
                groups.setdefault(rest, []).append(case[position])
        if any(len(parts) > 1 for parts in groups.values()):
            return _regrouped(any_of(_cases_joined(cases, position, groups)))
    return formula


def _cases_joined(
    cases: Sequence[tuple[Formula, ...]],
    position: int,
    groups: Mapping[tuple[Formula, ...], Sequence[Formula]],
) -> Iterator[Formula]:
    """The cases, those together that differ in the part at one position only."""
    for case in cases:
        rest = (*case[:position], *case[position + 1 :])
        parts = groups.get(rest, ()) if len(rest) < len(case) else ()
        if len(parts) < 2:
            yield all_of(case)
        elif case[position] == parts[0]:
            yield all_of((*rest[:position], any_of(parts), *rest[position:]))
