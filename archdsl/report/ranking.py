"""What a run says most for: the best by its scores, and what nothing dominates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from archdsl.evaluate.evaluator import Failed
from archdsl.evaluate.objectives import Objectives, objectives_of
from archdsl.front import front
from archdsl.ir.cost import cost
from archdsl.report.figure import BLUE, GREY, figure, with_units
from archdsl.report.outcome import figure_of
from archdsl.report.view import Grid, Part, Picture, Pictures, Words
from archdsl.run.record import Kind, Record, Score
from archdsl.run.tables import is_accuracy, percent
from archdsl.space.wording import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 20


def ranking(record: Record) -> Iterator[Part]:
    """A table of the best strings; of a search by gradients, of what its gates pointed to."""
    if record.kind is Kind.GATES:
        yield from _pointed(record)
        return
    scores = record.scores()
    if not scores:
        yield Words("Nothing was told yet.")
        return
    order = sorted(scores, key=lambda text: (-scores[text].reward, scores[text].step))
    if record.kind is Kind.SHARED:
        yield Words(
            "Accuracies under the shared weights of the last outer epoch and after it; those on "
            "one batch of validation say little about architectures that are close."
        )
    rows = []
    for place, (text, costs) in enumerate(_priced(record, order[:MOST_ROWS]), start=1):
        score = scores[text]
        told = (_score(record, score), f"{score.times}", f"{score.step:,}")
        rows.append((f"{place}", *told, *costs, text))
    head = ("", "score", "asked", "step", "parameters", "MACs", "architecture")
    yield Grid(head=head, rows=tuple(rows))
    if len(order) > MOST_ROWS:
        yield Words(f"The first {MOST_ROWS} of {len(order):,}; all are in the ledger.")


def _pointed(record: Record) -> Iterator[Part]:
    """What gates pointed to: from which epoch to which."""
    spans: list[tuple[str, int, int]] = []
    for entry in record.entries:
        if entry.kind != "derive":
            continue
        if spans and spans[-1][0] == entry.text:
            spans[-1] = (entry.text, spans[-1][1], entry.epoch + 1)
        else:
            spans.append((entry.text, entry.epoch + 1, entry.epoch + 1))
    if not spans:
        yield Words("Nothing was told yet.")
        return
    last = spans[-MOST_ROWS:][::-1]
    rows = [
        (f"{first}" if first == end else f"{first} to {end}", *costs, text)
        for (_, first, end), (text, costs) in zip(
            last, _priced(record, [text for text, _, _ in last]), strict=True
        )
    ]
    yield Grid(head=("epoch", "parameters", "MACs", "architecture"), rows=tuple(rows))
    if len(spans) > MOST_ROWS:
        yield Words(f"The last {MOST_ROWS} of {len(spans):,}; all are in the ledger.")


def _priced(record: Record, texts: Sequence[str]) -> list[tuple[str, tuple[str, str]]]:
    """Strings with their parameters and MACs."""
    prices = (cost(record.network(record.architecture(text))) for text in texts)
    return [
        (text, (f"{price.params:,}", f"{price.macs:,}"))
        for text, price in zip(texts, prices, strict=True)
    ]


def _score(record: Record, score: Score) -> str:
    if record.kind is Kind.EXPLORE and not is_accuracy(score.reward, score.values):
        return f"{score.reward:.6g}"
    return percent(score.reward)


# --- several objectives ----------------------------------------------------------------------


def pareto(record: Record) -> Iterator[Part]:
    """What nothing dominates, where a search had objectives; nothing where it had none."""
    objectives = objectives_of(str(record.settings.get("objectives", "")))
    if not objectives.signs:
        return
    points = _points(objectives, record.scores())
    if not points:
        yield Words("Nothing was told yet.")
        return
    texts = list(points)
    kept = [texts[i] for i in front(list(points.values()))]
    best = sorted(kept, key=points.__getitem__, reverse=True)
    yield _drawn(objectives, points, best)
    signs = list(objectives.signs.values())
    rows = tuple(
        (*(figure_of(sign * x) for sign, x in zip(signs, points[text], strict=True)), text)
        for text in best
    )
    yield Grid(head=(*objectives.signs, "architecture"), rows=rows)


Points = Mapping[str, tuple[float, ...]]
"""What is to be large, by architecture."""


def _points(objectives: Objectives, scores: Mapping[str, Score]) -> Points:
    found = {}
    for text, score in scores.items():
        try:
            found[text] = objectives(score.values)
        except Failed:  # rows of another evaluator, which measured other things
            continue
    return found


def _drawn(objectives: Objectives, points: Points, best: Sequence[str]) -> Pictures:
    """The first two objectives; what nothing dominates in all of them is marked."""
    (x_name, x_sign), (y_name, y_sign) = list(objectives.signs.items())[:2]

    def values(texts: Sequence[str]) -> tuple[list[float], list[float]]:
        return [x_sign * points[t][0] for t in texts], [y_sign * points[t][1] for t in texts]

    def draw(all_axes: Sequence[Axes]) -> None:
        (axes,) = all_axes
        axes.plot(*values(list(points)), ".", color=GREY, markersize=4, label="judged")
        style = "o-" if len(objectives.signs) == 2 else "o"
        axes.plot(*values(best), style, color=BLUE, markersize=4, linewidth=1, label="the front")
        with_units(axes, *values(list(points)))
        axes.set_xlabel(f"{x_name} ({_wanted(x_sign)})")
        axes.set_ylabel(f"{y_name} ({_wanted(y_sign)})")
        axes.legend(loc="best")

    named = listed(objectives.signs, "and")
    alt = f"{len(best)} of {len(points)} architectures are dominated by none, in {named}"
    return Pictures((Picture.of(figure(draw, width=6.4, height=3.6), alt, alt),))


def _wanted(sign: int) -> str:
    return "large is better" if sign > 0 else "small is better"
