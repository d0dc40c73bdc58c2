"""How far gates have moved from where they began: from weighing all alternatives alike.

An architecture that gates point to says something only where they point. Adam moves a logit by
about its rate in a step, whatever it has learned, so in short runs some alternative is always a
little heavier. As a rule of thumb, and no test of significance, a decision counts as made from
`MADE` times the even weight on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from archdsl.space.view import SearchSpace

MADE = 1.1
Gates = Mapping[str, Sequence[float]]
"""By decision, the weights of its alternatives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """`sharpness`: the mean over decisions of their largest weight, of which `even` would be that
    of nothing learned. `furthest`: the largest share by which a weight is above even. In `made`
    of `decisions` it is enough."""

    sharpness: float
    even: float
    furthest: float
    made: int
    decisions: int

    @property
    def verdict(self) -> str:
        if not self.made:
            return "hardly moved: what they point to is little more than a guess"
        if self.made < self.decisions:
            return "moved, but not everywhere: the other decisions are little more than guesses"
        return "moved"


def deciding(space: SearchSpace, gates: Gates) -> Gates:
    """Of all decisions those that leave something to decide and have gates: others weigh 1."""
    fixed = {one.key for one in space.decisions} - {space.decisions[i].key for i in space.free}
    return {
        key: weights
        for key, weights in gates.items()
        if key not in fixed and any(weight != 1 for weight in weights)
    }


def moved(gates: Gates) -> Moved:
    """Of the weights of these decisions; those of one alternative decide nothing."""
    several = [one for one in gates.values() if len(one) > 1]
    above = [max(one) / fmean(one) - 1 if fmean(one) > 0 else 0.0 for one in several]
    return Moved(
        sharpness=fmean(map(max, several)) if several else 1.0,
        even=fmean(1 / len(one) for one in several) if several else 1.0,
        furthest=max(above, default=0.0),
        made=sum(one >= MADE - 1 for one in above),
        decisions=len(several),
    )


def moved_rows(found: Moved) -> Iterator[tuple[str, str]]:
    """Names and values, for people."""
    above = 100 * found.furthest
    percentage = f"{above:,.0f}" if above >= 10 else f"{above:.2g}"
    yield "largest weight, mean", f"{found.sharpness:.4f}; even weights would be {found.even:.4f}"
    yield (
        "furthest from even",
        f"{percentage} % above; {found.made:,} of {found.decisions:,} decisions "
        f"{100 * (MADE - 1):.0f} % or more",
    )
    yield "gates", found.verdict
