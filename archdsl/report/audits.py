"""What an audit of a search says of its scores: the agreement, and scores beside the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archdsl.report.figure import BLUE, figure
from archdsl.report.view import Facts, Grid, Part, Picture, Pictures
from archdsl.run.audited import COLUMNS, NAMES, AuditSummary, audit_facts, said

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def audit(summary: AuditSummary) -> Iterator[Part]:
    """The figures of an audit, and its picture where anything was measured."""
    yield Facts(tuple(audit_facts(summary)))
    if summary.compared:
        yield _taus(summary)
    if summary.architectures:
        yield Pictures((_drawn(summary),))


def _taus(summary: AuditSummary) -> Grid:
    """Kendall's tau by what is compared, for each part of the sample."""
    parts = [f"{one.part} ({one.score.count:,})" for one in summary.compared]
    rows = tuple(
        (NAMES[name], *(said(getattr(one, name)) for one in summary.compared)) for name in COLUMNS
    )
    return Grid(head=("95 % in brackets", *parts), rows=rows, named=True)


def _drawn(summary: AuditSummary) -> Picture:
    known = summary.architectures

    def draw(all_axes: Sequence[Axes]) -> None:
        (axes,) = all_axes
        axes.plot([one.score for one in known], [one.truth for one in known], ".", color=BLUE)
        axes.set_xlabel("score of the search")
        axes.set_ylabel("truth")

    alt = f"scores and truth of {len(known)} architectures"
    return Picture.of(figure(draw, width=5.8, height=3.4), alt, alt)
