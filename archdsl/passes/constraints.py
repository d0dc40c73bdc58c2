"""The `where` of a space at work: what it accepts, what guides drawing, how much it leaves.

Figures that are sums over decisions (parameters, MACs, counts) are told without a network, and
the one that seems to leave least guides what is drawn. The others are tested on what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil, erfc, floor, inf, lcm, sqrt
from random import Random
from statistics import fmean, pstdev
from weakref import WeakKeyDictionary, ref

from archdsl.ir.conditions import (
    COMPARISONS,
    Compare,
    Constraint,
    Count,
    Exact,
    Figure,
    Measure,
    conjuncts,
    linear,
    parts_of,
    spelled_measure,
    value_of,
)
from archdsl.ir.formula import Formula, Taken, holds
from archdsl.ir.graph import Program
from archdsl.passes.additive import Additive, Sum
from archdsl.passes.figures import figures
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices
from archdsl.space.guide import Guide, Unguided
from archdsl.space.subsets import Taken as Take
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError, Diagnostic

MAX_LISTED = 4_096
"""Architectures that are all looked at for the exact share."""
DRAWN = 1_000
LOOKED_AT = 100
"""Draws that tell which bound is the tightest."""
SEED = 0
Z = 1.959964
"""Two-sided 95 % of a normal distribution."""


@dataclass(slots=True)
class Totals:
    """A sum over decisions, quick to evaluate: what each take adds is worked out once."""

    sum: Sum
    keys: tuple[str, ...]
    position: dict[str, int] = field(init=False)
    known: dict[tuple[int, Take], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.position = {key: i for i, key in enumerate(self.keys)}

    def of(self, choices: Choices) -> int:
        total = self.sum.base
        for i in self.sum.single:
            taken = choices[i]
            if taken is not None:
                total += self.adds(i, taken)
        for formula, number in self.sum.mixed:
            if self._holds(formula, choices):
                total += number
        return total

    def adds(self, i: int, taken: Take) -> int:
        """What one decision adds with what it takes."""
        found = self.known.get((i, taken))
        if found is None:
            found = self.known[i, taken] = sum(
                number
                for formula, number in self.sum.single.get(i, ())
                if holds(formula, lambda atom: atom.alternative in taken)
            )
        return found

    def _holds(self, formula: Formula, choices: Choices) -> bool:
        def taken(atom: Taken) -> bool:
            found = choices[self.position[atom.hole]]
            return found is not None and atom.alternative in found

        return holds(formula, taken)


@dataclass(slots=True)
class Bound:
    """One comparison of sums: what it adds up, and between which bounds."""

    text: str
    totals: Totals
    low: int | None
    high: int | None
    loose: bool

    def guide(self, space: SearchSpace) -> Guide:
        """Raises Unguided."""
        return Guide(space.forest, self.totals.adds, *self.between, self.text)

    @property
    def between(self) -> tuple[int | None, int | None]:
        """The bounds of what single decisions add, whatever the mixed terms are."""
        base = self.totals.sum.base
        mixed = [number for _, number in self.totals.sum.mixed]
        most, least = (base + sum(n for n in mixed if sign * n > 0) for sign in (1, -1))
        low = None if self.low is None else self.low - most
        high = None if self.high is None else self.high - least
        return low, high

    def tightness(self, drawn: Sequence[Choices]) -> tuple[float, float]:
        """Smaller where less is let through, as a normal distribution of these sums has it."""
        adds = self.totals.adds
        sums = [
            sum(adds(i, taken) for i in self.totals.sum.single if (taken := one[i]) is not None)
            for one in drawn
        ]
        middle, width = fmean(sums), pstdev(sums) or 1.0
        low, high = self.between
        below = -inf if low is None else (low - 0.5 - middle) / width
        above = inf if high is None else (high + 0.5 - middle) / width
        far = max(below, -above)
        if below > 0:  # the lower tail is where the difference keeps its digits
            below, above = -above, -below
        return (erfc(-above / sqrt(2)) - erfc(-below / sqrt(2))) / 2, -far


class Rules:
    """The constraints of one space."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = ref(space)
        self._additive = Additive(space.program, space.decisions)
        self._keys = tuple(decision.key for decision in space.decisions)
        self._totals: dict[Figure | Count, Totals | None] = {}
        self._conditions = [c.condition for c in space.program.constraints]

    @property
    def space(self) -> SearchSpace:
        found = self._space()
        assert found is not None, "who asks has the space"
        return found

    def accept(self, architecture: Architecture) -> bool:
        """Whether an architecture satisfies them all."""
        known = self.measured(architecture)
        return all(value_of(condition, known) for condition in self._conditions)

    def violated(self, architecture: Architecture) -> Iterator[tuple[Constraint, str]]:
        """The constraints that it breaks, each with what was found."""
        known = self.measured(architecture)
        for constraint in self.space.program.constraints:
            if not value_of(constraint.condition, known):
                parts = dict.fromkeys(parts_of(constraint.condition))
                found = (f"{spelled_measure(part)} = {known(part):,}" for part in parts)
                yield constraint, ", ".join(found)

    def require(self, architecture: Architecture) -> None:
        """Raise ArchError (E0522) with the constraints that it breaks."""
        findings = [
            Diagnostic(
                code="E0522",
                message=f"{self.space.program.space} wants {broken}",
                span=broken.span,
                found=figures,
                expected=str(broken),
            )
            for broken, figures in self.violated(architecture)
        ]
        if findings:
            raise ArchError(findings)

    def measured(self, architecture: Architecture) -> Callable[[Figure | Count], int]:
        """The figures and counts of one architecture; a network is made only where one must be."""
        network: dict[str, int] = {}

        def known(part: Figure | Count) -> int:
            totals = self._totals_of(part)
            if totals is not None:
                return totals.of(architecture.choices)
            assert isinstance(part, Figure), "counts are sums"
            if not network:
                network.update(figures(self.space.resolve(architecture)))
            return network[part.name]

        return known

    def _totals_of(self, part: Figure | Count) -> Totals | None:
        if part not in self._totals:
            found = self._additive.sum_of(part)
            self._totals[part] = None if found is None else Totals(found, self._keys)
        return self._totals[part]

    # --- guides --------------------------------------------------------------------------------

    def guide(self) -> Guide | None:
        """Of the bounds on sums the one that lets least through; None where there is none."""
        return None if self._tightest is None else self._tightest[1]

    @cached_property
    def _tightest(self) -> tuple[Bound, Guide] | None:
        """Counting is slow, so which bound is the tightest is estimated from a few draws."""
        bounds = list(self._bounds())
        if len(bounds) > 1:
            forest, rng = self.space.forest, Random(SEED)
            draw = forest.uniform(rng)
            drawn = [forest.fill(forest.empty(), draw) for _ in range(LOOKED_AT)]
            bounds.sort(key=lambda bound: bound.tightness(drawn))
        try:
            return (bounds[0], bounds[0].guide(self.space)) if bounds else None
        except Unguided:  # so are the others: it is the decisions that cannot be listed
            return None

    def _bounds(self) -> Iterator[Bound]:
        for whole in self._conditions:
            for condition in conjuncts(whole):
                bound = self._bound(condition)
                if bound is not None:
                    yield bound

    def _bound(self, condition: Measure) -> Bound | None:
        """`left - right` against 0, times what makes it whole: a sum between bounds."""
        if not isinstance(condition, Compare) or condition.operator not in COMPARISONS:
            return None
        difference = linear(Compare("-", condition.left, condition.right))
        if difference is None or condition.operator == "!=":
            return None
        parts, rest = difference
        scale = lcm(*(factor.denominator for factor in parts.values()))
        whole = Sum(0, {})
        for part, factor in parts.items():
            one = self._additive.sum_of(part)
            if one is None:
                return None
            whole = whole.plus(one.scaled(int(factor * scale)))
        low, high = _limits(condition.operator, -rest * scale)
        name = spelled_measure(condition)
        return Bound(name, Totals(whole, self._keys), low, high, bool(whole.mixed))

    # --- the share -----------------------------------------------------------------------------

    def share(self) -> Share:
        """How much of the space is accepted; the same on every call."""
        size = self.space.size
        if size <= MAX_LISTED:
            accepted = sum(self.accept(self.space.unrank(i)) for i in range(size))
            return Share.exactly(accepted, size)
        exact = self._exact()
        if exact is not None:
            return Share.exactly(exact, size)
        guide = self.space.guide
        among = size if guide is None else guide.size
        if not among:
            return Share.exactly(0, size)
        rng = Random(SEED)
        drawn = (self.space.build(self.space.candidate(rng)) for _ in range(DRAWN))
        return Share.estimated(sum(map(self.accept, drawn)), DRAWN, among, size)

    def _exact(self) -> int | None:
        """The number accepted where one exact guide says it all."""
        if self._tightest is None:
            return None
        if sum(1 for c in self._conditions for _ in conjuncts(c)) != 1:
            return None
        bound, guide = self._tightest
        return guide.size if guide.exact and not bound.loose else None


def _limits(operator: str, bound: Exact) -> tuple[int | None, int | None]:
    """From where to where a whole number may lie that is compared so with a bound."""
    match operator:
        case "<=":
            return None, floor(bound)
        case "<":
            return None, ceil(bound) - 1
        case ">=":
            return ceil(bound), None
        case ">":
            return floor(bound) + 1, None
        case _:
            return ceil(bound), floor(bound)  # nothing lies between where it is not whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of a space is accepted: `low` to `high` holds it with 95 % probability.

    `accepted` is the number of architectures where it is known exactly, `drawn` how many were
    looked at otherwise.
    """

    share: Fraction
    low: Fraction
    high: Fraction
    accepted: int | None = None
    drawn: int = 0

    @staticmethod
    def exactly(accepted: int, size: int) -> Share:
        share = Fraction(accepted, size)
        return Share(share=share, low=share, high=share, accepted=accepted)

    @staticmethod
    def estimated(accepted: int, drawn: int, among: int, size: int) -> Share:
        """From draws out of a part of the space that holds all that is accepted."""
        part = Fraction(among, size)
        low, high = wilson(accepted, drawn)
        return Share(
            share=part * Fraction(accepted, drawn),
            low=part * Fraction(low),
            high=part * Fraction(high),
            drawn=drawn,
        )


def wilson(successes: int, trials: int, z: float = Z) -> tuple[float, float]:
    """Wilson's score interval for a probability (E. B. Wilson, JASA 22, 1927)."""
    rate = successes / trials
    middle = rate + z * z / (2 * trials)
    reach = z * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


_KNOWN: WeakKeyDictionary[SearchSpace, Rules] = WeakKeyDictionary()


def rules(space: SearchSpace) -> Rules:
    """The constraints of a space, with what is known of them so far."""
    found = _KNOWN.get(space)
    if found is None:
        found = _KNOWN[space] = Rules(space)
    return found


def constrained(program: Program) -> SearchSpace:
    """A space that draws only what its constraints accept."""
    space = SearchSpace(program)
    if program.constraints:
        reference = ref(space)  # what is known of a space does not keep it alive

        def known() -> Rules:
            found = reference()
            assert found is not None, "who asks has the space"
            return rules(found)

        space.constrain(lambda one: known().accept(one), lambda: known().guide())
    return space
