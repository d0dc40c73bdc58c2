"""Costs of many architectures at once: the rules of `ir.cost` and `passes.live` over arrays.

Tests hold the figures equal to those of the networks one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from archdsl.ir.graph import Program
from archdsl.passes.survey import Columns, Survey, Surveyor
from archdsl.passes.tariff import Tariff, Unpriced, tariff
from archdsl.passes.uses import distinct, uses
from archdsl.space.forest import Choices

if TYPE_CHECKING:
    from archdsl.passes.survey import Masks, Numbers

MOST_CELLS = 4_000_000
"""Nodes times architectures that are worked out together."""
LARGEST = 1 << 62


class Prices:
    """The costs of the architectures of one program."""

    def __init__(self, program: Program, keys: Sequence[str]) -> None:
        """`keys` are those of the program's decisions, in the order of an architecture's.

        Raises Unpriced for a program whose networks must be priced one by one.
        """
        self._tariffs = [tariff(use) for use in distinct(uses(program, keys))]
        nodes = sum(len(each.entries) for each in self._tariffs)
        self.together = max(1, min(4096, MOST_CELLS // nodes))
        if _bound(self._tariffs) >= LARGEST:
            raise Unpriced

    def of(self, many: Sequence[Choices]) -> Iterator[dict[str, int]]:
        """The figures of each architecture, as `figures` gives them."""
        for start in range(0, len(many), self.together):
            yield from self._chunk(many[start : start + self.together])

    def _chunk(self, many: Sequence[Choices]) -> Iterator[dict[str, int]]:
        import numpy as np  # slow to import

        choices, surveys, priced = Columns(many), dict[object, Survey](), dict[int, _Priced]()
        for each in self._tariffs:
            inner = {position: priced[id(use)] for position, use in each.use.inner.items()}
            survey = surveys.get(each.key)
            if survey is None:
                below = {position: used.survey for position, used in inner.items()}
                survey = surveys[each.key] = Surveyor(each, choices, below).run()
            priced[id(each.use)] = _priced(each, survey, inner)
        whole = priced[id(self._tariffs[-1].use)]
        columns = (
            whole.written.params,
            whole.written.macs,
            whole.live.params,
            whole.live.macs,
            2 * whole.written.macs,
            whole.survey.activations,
            whole.survey.peak,
        )
        rows = (np.broadcast_to(column, len(many)).tolist() for column in columns)
        for row in zip(*rows, strict=True):
            yield dict(zip(NAMES, row, strict=True))


NAMES = (
    "params",
    "macs",
    "live_params",
    "live_macs",
    "flops",
    "activation_bytes",
    "peak_bytes",
)


def _bound(tariffs: Sequence[Tariff]) -> int:
    """More than any figure can be."""
    bounds: dict[int, int] = {}
    for each in tariffs:
        own = sum(entry.size for entry in each.entries) * each.unit
        own += sum(params + 2 * macs for params, macs in each.prices)
        inner = sum(bounds[id(use)] for use in each.use.inner.values())
        bounds[id(each.use)] = own + inner
    return max(bounds.values())


class _Sums(NamedTuple):
    """What some nodes of a use cost together."""

    params: Numbers
    macs: Numbers


class _Priced(NamedTuple):
    """One use: its memory in bytes, and the sums over all its nodes and over those that live."""

    survey: Survey
    written: _Sums
    live: _Sums


def _priced(tariff: Tariff, survey: Survey, inner: dict[int, _Priced]) -> _Priced:
    written = {position: used.written for position, used in inner.items()}
    live = {position: used.live for position, used in inner.items()}
    return _Priced(
        survey=replace(
            survey,
            activations=survey.activations * tariff.unit,
            peak=survey.peak * tariff.unit,
        ),
        written=_Sums(
            _params(tariff, survey.exists, written), _macs(tariff, survey.exists, written)
        ),
        live=_Sums(_params(tariff, survey.lives, live), _macs(tariff, survey.lives, live)),
    )


def _params(tariff: Tariff, counted: Sequence[Masks], inner: Mapping[int, _Sums]) -> Numbers:
    """Of the nodes counted; those of one path share their weights."""
    import numpy as np

    total = np.zeros(1, np.int64)
    for nodes in tariff.paths:
        own = np.zeros(1, np.int64)
        for position in nodes:
            params = inner[position].params if position in inner else tariff.prices[position][0]
            own = np.where(counted[position], params, own)
        total = total + own
    return total


def _macs(tariff: Tariff, counted: Sequence[Masks], inner: Mapping[int, _Sums]) -> Numbers:
    import numpy as np

    total = np.zeros(1, np.int64)
    for position, used in inner.items():
        total = total + counted[position] * used.macs
    for position, (_, macs) in enumerate(tariff.prices):
        if macs:
            total = total + counted[position] * np.int64(macs)
    return total
