"""What holes decide, as a tree: one branch for each alternative, the same wherever it ends.

Under `elastic` the size of a value, the arguments of an operation and the graph of a use are
such trees. Equal branches are one, so a tree asks only for holes that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Cases(Generic[T]):
    """One branch for each alternative that a hole may take here, by index."""

    hole: str
    of: tuple[tuple[int, T | Cases[T]], ...]


Tree: TypeAlias = T | Cases[T]
Known: TypeAlias = Mapping[str, tuple[int, ...]]
"""The alternatives that are still possible, for holes of which some are ruled out."""


def settle(tree: Tree[T], known: Known) -> Tree[T]:
    """A tree as far as what is known leaves it open at its root."""
    while isinstance(tree, Cases):
        taken = known.get(tree.hole)
        of = tree.of
        if taken is not None:
            of = tuple(case for case in of if case[0] in taken) or of
        if len(of) > 1:
            return tree if of is tree.of else Cases(tree.hole, of)
        tree = of[0][1]
    return tree


def branch(hole: str, of: tuple[tuple[int, Tree[T]], ...]) -> Tree[T]:
    """A tree that asks for a hole, unless that makes no difference."""
    first = of[0][1]
    return first if all(case == first for _, case in of[1:]) else Cases(hole, of)


def combine(function: Callable[..., T], trees: list[Tree[Any]], known: Known) -> Tree[T]:
    """A function of several values, worked out for every combination that can be."""
    settled = [settle(tree, known) for tree in trees]
    first = next((tree for tree in settled if isinstance(tree, Cases)), None)
    if first is None:
        return function(*settled)
    return branch(
        first.hole,
        tuple(
            (number, combine(function, settled, {**known, first.hole: (number,)}))
            for number, _ in first.of
        ),
    )


def change(tree: Tree[T], function: Callable[[T], S]) -> Tree[S]:
    """A function of the value at the end of every branch."""
    if isinstance(tree, Cases):
        return branch(tree.hole, tuple((n, change(case, function)) for n, case in tree.of))
    return function(tree)


def ends(tree: Tree[T]) -> Iterator[T]:
    """The values at the ends, branch by branch."""
    if isinstance(tree, Cases):
        for _, case in tree.of:
            yield from ends(case)
    else:
        yield tree


def select(tree: Tree[T], taken: Callable[[str], int]) -> T:
    """The value that an architecture takes."""
    while isinstance(tree, Cases):
        number = taken(tree.hole)
        tree = next(case for i, case in tree.of if i == number)
    return tree


def rename(tree: Tree[T], names: Mapping[str, str]) -> Tree[T]:
    """A tree with its holes renamed; those without another name keep theirs."""
    if isinstance(tree, Cases):
        return Cases(
            names.get(tree.hole, tree.hole), tuple((n, rename(case, names)) for n, case in tree.of)
        )
    return tree


def holes_of(tree: Tree[T]) -> Iterator[str]:
    """The holes that a tree asks for, each once."""
    found: dict[str, None] = {}

    def visit(part: Tree[T]) -> None:
        if isinstance(part, Cases):
            found.setdefault(part.hole)
            for _, case in part.of:
                visit(case)

    visit(tree)
    yield from found
