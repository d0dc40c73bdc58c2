"""When something is there: and, or, not over 'this hole takes that alternative'.

Formulas say under which decisions a node lives, a term of a sum is present, a node of a
family is a leaf. They are evaluated when an architecture is resolved, and printed as Python
on the choice in a generated supernet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never


@dataclass(frozen=True, slots=True)
class Taken:
    """The hole of that name (in the same module) takes this alternative, by its index."""

    hole: str
    alternative: int


@dataclass(frozen=True, slots=True)
class All:
    """Every term holds; without terms, always."""

    terms: tuple[Formula, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((All, self.terms)))

    def __hash__(self) -> int:
        return self._hash  # kept: formulas are deep, and looked up at every node


@dataclass(frozen=True, slots=True)
class Any:
    """Some term holds; without terms, never."""

    terms: tuple[Formula, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((Any, self.terms)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Not:
    term: Formula


Formula: TypeAlias = Taken | All | Any | Not

ALWAYS = All()
NEVER = Any()


def all_of(terms: Iterable[Formula]) -> Formula:
    """The conjunction, flattened, without repeats and trivial terms."""
    kept: dict[Formula, None] = {}
    for term in terms:
        for part in term.terms if isinstance(term, All) else (term,):
            if part == NEVER:
                return NEVER
            kept[part] = None
    return next(iter(kept)) if len(kept) == 1 else All(tuple(kept))


def any_of(terms: Iterable[Formula]) -> Formula:
    """The disjunction, flattened, without repeats and trivial terms."""
    kept: dict[Formula, None] = {}
    for term in terms:
        for part in term.terms if isinstance(term, Any) else (term,):
            if part == ALWAYS:
                return ALWAYS
            kept[part] = None
    return next(iter(kept)) if len(kept) == 1 else Any(tuple(kept))


def negate(term: Formula) -> Formula:
    match term:
        case Not(inner):
            return inner
        case All() if term == ALWAYS:
            return NEVER
        case Any() if term == NEVER:
            return ALWAYS
        case _:
            return Not(term)


def holds(formula: Formula, taken: Callable[[Taken], bool]) -> bool:
    """The truth of a formula, given the truth of its atoms."""
    match formula:
        case Taken():
            return taken(formula)
        case All(terms):
            return all(holds(term, taken) for term in terms)
        case Any(terms):
            return any(holds(term, taken) for term in terms)
        case Not(term):
            return not holds(term, taken)
        case _:
            assert_never(formula)


def atoms(formula: Formula) -> frozenset[Taken]:
    """Every `Taken` that occurs in a formula."""
    match formula:
        case Taken():
            return frozenset({formula})
        case All(terms) | Any(terms):
            return frozenset().union(*(atoms(term) for term in terms))
        case Not(term):
            return atoms(term)
        case _:
            assert_never(formula)


def size_of(formula: Formula) -> int:
    """How many atoms are written in a formula, and at least one."""
    match formula:
        case All(terms) | Any(terms):
            return max(1, sum(size_of(term) for term in terms))
        case Not(term):
            return size_of(term)
        case _:
            return 1


def exhaust(formula: Formula, sizes: Mapping[str, int]) -> Formula:
    """The formula without case distinctions that make no difference.

    `sizes` gives the number of alternatives of every hole that takes exactly one: where a
    disjunction runs through all of them, otherwise alike, one of them always holds.
    """
    match formula:
        case Any(terms):
            return _merge_cases([exhaust(term, sizes) for term in terms], sizes)
        case All(terms):
            return all_of(exhaust(term, sizes) for term in terms)
        case Not(term):
            return negate(exhaust(term, sizes))
        case Taken():
            return formula


def _merge_cases(terms: list[Formula], sizes: Mapping[str, int]) -> Formula:
    while True:
        cases: dict[tuple[str, frozenset[Formula]], dict[int, Formula]] = {}
        for term in terms:
            parts = frozenset(term.terms if isinstance(term, All) else (term,))
            for part in parts:
                if isinstance(part, Taken) and part.hole in sizes:
                    cases.setdefault((part.hole, parts - {part}), {})[part.alternative] = term
        for (hole, rest), found in cases.items():
            if len(found) == sizes[hole]:
                merged = set(found.values())
                kept = [part for part in next(iter(merged)).terms if part in rest] if rest else []  # type: ignore[union-attr]
                terms = [term for term in terms if term not in merged] + [all_of(kept)]
                break
        else:
            return any_of(terms)
