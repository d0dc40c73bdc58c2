"""Choices that change nothing, and spaces with many equal architectures: told by identity.

Two alternatives are called the same where architectures that differ in them alone have one
identity in every context that is looked at: all of a small space, fixed draws of a large one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

from archdsl.ir.scopes import Decision
from archdsl.passes.constraints import wilson
from archdsl.passes.many import Many, many
from archdsl.space.architecture import Architecture
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace
from archdsl.space.wording import number, share_text
from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.tree import Quantity, Span

SEED = 0
ALL = 1_000
"""Architectures of a space that are all compared."""
DRAWN = 100
CONTEXTS = 12
"""Contexts in which two alternatives are compared, and the fewest from which one may judge."""
FEWEST = 4
NEIGHBOURS, NODES, ELASTIC = 40, 800_000, 40
"""Neighbours looked at of each, nodes named in all, and what one of several sizes counts."""
BUDGET = 4_000
"""Identities asked for, in all, to compare alternatives."""
MANY_EQUAL = 0.1
"""The share of architectures that equal another one from which on it is told."""


def equal_choices(space: SearchSpace) -> Iterator[Diagnostic]:
    """E0555, once for each hole of the text and each group of alternatives that are the same."""
    known, rng = many(space), Random(SEED)
    contexts = [space.sample(rng) for _ in range(_contexts(space))]
    same: dict[tuple[Span | None, tuple[str, ...]], list[Decision]] = {}
    differ: dict[Span | None, set[tuple[str, ...]]] = {}
    for i in space.free:
        decision = space.decisions[i]
        span = decision.hole.span
        found = [c for c in contexts if c.choices[i] is not None]
        if len(found) < min(FEWEST, space.size):
            continue
        for pair in combinations(range(len(decision.hole.labels)), 2):
            labels = tuple(decision.hole.labels[a] for a in pair)
            if labels in differ.get(span, ()):
                continue
            if all(_alike(space, known, one, i, pair) for one in found):
                same.setdefault((span, labels), []).append(decision)
            else:
                differ.setdefault(span, set()).add(labels)
    for (span, labels), where in same.items():
        if labels not in differ.get(span, ()):
            yield Diagnostic(
                code="E0555",
                message=f"{labels[0]} and {labels[1]} are the same",
                span=span,
                found=f"equal networks in every context tried, at {_listed(where)}",
                expected="alternatives that make a difference",
                hint="leave one out, or see what makes them equal",
            )


def _contexts(space: SearchSpace) -> int:
    pairs = sum(len(space.decisions[i].hole.labels) for i in space.free)
    return max(FEWEST, min(CONTEXTS, BUDGET // max(1, pairs)))


def _alike(
    space: SearchSpace, known: Many, one: Architecture, i: int, pair: tuple[int, ...]
) -> bool:
    """Whether taking one of two alternatives is taking the other, all else as it is."""
    taken = one.choices[i] or ()
    first, second = (_taking(space.decisions[i].hole.quantity, taken, a, pair) for a in pair)
    made = [_changed(space, one, i, option) for option in (first, second)]
    return known.identity(made[0]) == known.identity(made[1])


def _changed(space: SearchSpace, one: Architecture, i: int, taken: Taken) -> Architecture:
    choices = (*one.choices[:i], taken, *one.choices[i + 1 :])
    return space.build(space.forest.fill(choices, space.forest.least))


def _taking(quantity: Quantity, taken: Taken, alternative: int, pair: Sequence[int]) -> Taken:
    if quantity is Quantity.ONE:
        return (alternative,)
    others = [a for a in taken if a not in pair]
    if quantity is Quantity.SOME:  # as many as before
        others = others[: max(0, len(taken) - 1)]
        spare = (a for a in range(len(taken) + 2) if a not in (*others, *pair))
        while len(others) < len(taken) - 1:
            others.append(next(spare))
    return tuple(sorted((*others, alternative)))


def _listed(where: Sequence[Decision]) -> str:
    keys = [decision.key for decision in where]
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


# --- equal architectures ---------------------------------------------------------------------


def equal_architectures(space: SearchSpace, place: Span | None) -> Iterator[Diagnostic]:
    """E0556 where at least a tenth of the space equals something else in it."""
    known = many(space)
    if space.size <= ALL:
        distinct = len({known.identity(space.unrank(i)) for i in range(space.size)})
        share = 1 - distinct / space.size
        found = f"{number(space.size)} architectures, {number(distinct)} of them different"
    else:
        draws, tries = _effort(space)
        rng = Random(SEED)
        drawn = [space.sample(rng) for _ in range(draws)]
        equal = sum(_has_equal(space, known, one, tries) for one in drawn)
        share, (low, high) = equal / draws, wilson(equal, draws)
        found = (
            f"at least {share_text(share)} have an equal neighbour "
            f"({share_text(low)} to {share_text(high)}, 95 %; {draws} drawn)"
        )
    if share >= MANY_EQUAL:
        yield Diagnostic(
            code="E0556",
            message=f"many architectures of {space.program.space} are equal",
            span=place,
            found=found,
            hint="searches should compare `archdsl id`, not strings",
        )


def _effort(space: SearchSpace) -> tuple[int, int]:
    """How many architectures are drawn, and how many neighbours of each are looked at."""
    nodes = [node for graph in space.program.modules.values() for node in graph.nodes]
    work = sum(1 if node.sizes is None else ELASTIC for node in nodes)
    tries = max(5, min(NEIGHBOURS, NODES // work // DRAWN))
    return max(20, min(DRAWN, NODES // work // tries)), tries


def _has_equal(space: SearchSpace, known: Many, one: Architecture, tries: int) -> bool:
    """Whether one of some neighbours is the same network."""
    own, rng = known.identity(one), Random(SEED)
    movable = [i for i in space.free if one.choices[i] is not None]
    for _ in range(tries if movable else 0):
        if known.identity(space.mutate(one, rng)) == own:
            return True
    return False
