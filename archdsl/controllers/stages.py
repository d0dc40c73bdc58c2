"""The stages of a progressive search: what each keeps, how deep it is.

Chen, Xie, Wu and Tian, "Progressive Differentiable Architecture Search: Bridging the Depth Gap
between Search and Evaluation" (P-DARTS), sections 3.2 and 3.3; "DASViT: Differentiable
Architecture Search for Vision Transformer", section III-A.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from archdsl.ops.base import OperationError
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity

T = TypeVar("T", int, float)
MOST_STAGES = 100
Labels = Mapping[str, tuple[str, ...]]
"""For every decision, by its key, the labels of the alternatives that are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """`keep`: how many alternatives decisions have at most, `parameter` of the space and its
    `values`, `dropout` behind skips, each one for every stage; empty where nothing changes.
    """

    keep: tuple[int, ...] = ()
    parameter: str = ""
    values: tuple[int, ...] = ()
    dropout: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        return max(len(self.keep), len(self.values), len(self.dropout), 1)

    def skip_dropout(self, stage: int) -> float:
        """The rate behind skips when a stage begins."""
        return self.dropout[min(stage, len(self.dropout) - 1)] if self.dropout else 0.0


def stages_of(keyword: str, keep: str, grow: str, skip_dropout: str) -> Stages:
    """The stages that settings say. Raises OperationError for what says none."""
    parameter, _, values = grow.partition("=")
    found = Stages(
        keep=_whole(keyword, "keep", keep),
        parameter=parameter.strip(),
        values=_whole(keyword, "grow", values) if grow else (),
        dropout=_rates(keyword, skip_dropout),
    )
    if grow and not (found.parameter.isidentifier() and found.values):
        raise _unread(keyword, "grow", grow, 'as "layers=2, 4, 6"')
    if len(found.keep) == 1 or list(found.keep) != sorted(found.keep, reverse=True):
        raise _unread(keyword, "keep", keep, 'numbers that fall, as "8, 5, 3"')
    lengths = {n for n in map(len, (found.keep, found.values, found.dropout)) if n > 1}
    if len(lengths) > 1:
        raise OperationError(
            f"{keyword}: keep, grow and skip_dropout are of as many stages",
            found=", ".join(map(str, sorted(lengths))),
            expected="one number for each stage",
        )
    return found


def _whole(keyword: str, name: str, text: str) -> tuple[int, ...]:
    """Whole numbers, at least 1 each, as `8, 5, 3`."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if not all(word.isdecimal() and 0 < int(word) < 10**6 for word in words):
        raise _unread(keyword, name, text, 'as "8, 5, 3"')
    return _few(keyword, name, tuple(int(word) for word in words))


def _rates(keyword: str, text: str) -> tuple[float, ...]:
    """Rates of dropout; none where all are 0."""
    try:
        rates = [float(word) for word in text.split(",")]
    except ValueError:
        rates = [-1.0]
    if not all(0 <= rate < 1 for rate in rates):
        raise _unread(keyword, "skip_dropout", text, 'as "0, 0.4, 0.7", each below 1')
    return _few(keyword, "skip_dropout", tuple(rates)) if any(rates) else ()


def _few(keyword: str, name: str, found: tuple[T, ...]) -> tuple[T, ...]:
    if len(found) > MOST_STAGES:
        raise _unread(keyword, name, f"{len(found)} stages", f"at most {MOST_STAGES}")
    return found


def _unread(keyword: str, name: str, text: str, expected: str) -> OperationError:
    return OperationError(
        f"{keyword}: {name} says no stages", found=f'{name}="{text}"', expected=expected
    )


def heaviest(
    space: SearchSpace, weights: Mapping[str, Sequence[float]], found: Architecture, most: int
) -> Labels:
    """What is left of every decision: of one of several, the `most` heaviest.

    What the found architecture takes is among them, so that something is left that constraints
    let through. Decisions for several keep all.
    """
    taken = found.assignment
    left: dict[str, tuple[str, ...]] = {}
    for one in space.decisions:
        labels, own = one.hole.labels, weights[one.key]
        numbers = range(len(labels))
        if one.hole.quantity is Quantity.ONE:
            first = set(taken.get(one.key, ()))
            ranked = sorted(numbers, key=lambda a: (a not in first, -own[a]))
            numbers = sorted(ranked[:most])  # type: ignore[assignment]
        left[one.key] = tuple(labels[a] for a in numbers)
    return left
