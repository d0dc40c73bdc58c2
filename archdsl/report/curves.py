"""What a run's ledger tells over time: rewards, losses, the weights of gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import isnan, nan
from typing import TYPE_CHECKING

from archdsl.report.figure import (
    BLUE,
    GREY,
    MOST_DOTS,
    ORANGE,
    RED,
    dots,
    figure,
    framed,
    running_best,
    running_mean,
    whole_numbers,
)
from archdsl.report.view import Part, Picture, Pictures, Words
from archdsl.run.ledger import Entry
from archdsl.run.moved import deciding, moved
from archdsl.run.record import Kind, Record
from archdsl.space.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3
CAPTION = "Each titled by the heaviest alternative at the end; the grey line is the even weight. "
CAPTION += "Where weights have hardly left it, the axis shows that part alone."
MOST_GATES = 48
"""Decisions whose gates are drawn; a page of more is not looked at."""
STYLES = ("-", "--", "-.", ":")
NEAR = 0.1
"""Weights as near to even ones are drawn on an axis of their own range, not from 0."""
COLOURS = ("#1f4e9c", "#e08a00", "#1b9e77", "#c2185b", "#7d5bb0", "#8a6a4f", "#d172b0", "#66717f",
           "#a9a72c", "#2f9fb5", "#9fc0e8", "#f2bd83", "#9ad3a6", "#e69a95", "#c2b0de")  # fmt: skip


def curves(record: Record) -> Iterator[Part]:
    """The curves of a run; words where there is nothing to draw yet."""
    drawn = list(DRAWN[record.kind](record))
    yield from drawn or [Words("Nothing was told yet.")]


def _shared(record: Record) -> Iterator[Part]:
    learned = record.told("search")
    trained = [(e.epoch + 1, e.detail["loss"]) for e in record.entries if e.kind == "train"
               and e.detail and "loss" in e.detail]  # fmt: skip
    drawn = []
    if learned:
        drawn.append(_rewards(learned, "proposal", "accuracy on one batch", smooth=True))
    if trained:
        drawn.append(_line(trained, "epoch", "loss", "loss of the shared weights, by outer epoch"))
    if drawn:
        yield Pictures(tuple(drawn))


def _explored(record: Record) -> Iterator[Part]:
    told = record.told("search")
    if told:
        failed = [e.step + 1 for e in record.entries if e.detail and "failed" in e.detail]
        yield Pictures((_rewards(told, "evaluation", "reward", failed=failed),))


def _retrained(record: Record) -> Iterator[Part]:
    judged = [(e.epoch, e.reward) for e in record.told("judge") if e.reward is not None]
    if judged:
        yield Pictures((_line(judged, "epoch", "accuracy", "accuracy on validation, by epoch"),))


def _gates(record: Record) -> Iterator[Part]:
    derived = [e for e in record.entries if e.kind == "derive" and e.detail]
    losses = [(e.epoch + 1, e.detail["loss"]) for e in derived if e.detail and "loss" in e.detail]
    drawn = []
    if losses:
        drawn.append(_line(losses, "epoch", "loss", "loss of the supernet's weights, by epoch"))
    weights = _weights(record, derived)
    if weights:
        sharp = [(e.epoch + 1, _sharpness(record, e)) for e in derived]
        drawn.append(_line(sharp, "epoch", "weight", "largest weight of a decision, the mean"))
    if drawn:
        yield Pictures(tuple(drawn))
    epochs = [e.epoch + 1 for e in derived]
    for labels, keys in _alike(record, weights).items():
        yield _panels(epochs, labels, {key: weights[key] for key in keys})
    if len(weights) < sum(len(d.hole.labels) > 1 for d in record.space.decisions):
        yield Words(f"The first {len(weights)} decisions with gates; all are in the ledger.")


DRAWN = {
    Kind.SHARED: _shared,
    Kind.GATES: _gates,
    Kind.EXPLORE: _explored,
    Kind.RETRAIN: _retrained,
}


# --- one curve -------------------------------------------------------------------------------


def _rewards(
    told: Sequence[Entry],
    what: str,
    unit: str,
    *,
    smooth: bool = False,
    failed: Sequence[int] = (),
) -> Picture:
    """Rewards one by one, and what they come to: their running mean, or the best so far."""
    ys = [e.reward for e in told if e.reward is not None]
    xs = list(range(1, len(ys) + 1)) if smooth else [e.step + 1 for e in told]
    window = max(len(ys) // 20, 5)
    hidden = 0

    def draw(all_axes: Sequence[Axes]) -> None:
        nonlocal hidden
        (axes,) = all_axes
        dots(axes, xs, ys, what)
        hidden = framed(axes, ys)
        if smooth:
            means = running_mean(ys, window)
            stride = len(xs) // MOST_DOTS + 1
            axes.plot(xs[::stride], means[::stride], color=BLUE, label=f"mean of {window}")
        else:
            axes.step(*running_best(xs, ys), where="post", color=BLUE, label="best so far")
        if failed:
            least = [axes.get_ylim()[0]] * len(failed)
            axes.plot(failed, least, "x", color=RED, markersize=4, label="failed", clip_on=False)
        axes.set_xlabel(what)
        axes.set_ylabel(unit)
        axes.legend(loc="best")

    drawn = figure(draw, width=5.8, height=3.0)
    ending = f"the mean of {window}" if smooth else "the best so far"
    alt = f"{unit} of {count(len(ys), what)}, and {ending}"
    alt += f"; {hidden} far below are not in sight" if hidden else ""
    return Picture.of(drawn, alt, alt)


def _line(points: Sequence[tuple[int, float]], x: str, y: str, alt: str) -> Picture:
    def draw(all_axes: Sequence[Axes]) -> None:
        (axes,) = all_axes
        axes.plot(*zip(*points, strict=True), ".-", color=ORANGE, markersize=4, linewidth=1.2)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        whole_numbers(axes)

    return Picture.of(figure(draw, width=5.8, height=3.0), alt, alt)


# --- gates -----------------------------------------------------------------------------------

Weights = Mapping[str, Sequence[Sequence[float]]]
"""By decision, for every epoch the weights of its alternatives."""


def _weights(record: Record, derived: Sequence[Entry]) -> Weights:
    """Of the decisions that have gates, the first of many."""
    labels = {d.key: d.hole.labels for d in record.space.decisions if len(d.hole.labels) > 1}
    told = [_told(entry, labels) for entry in derived]
    known = (key for key in labels if any(key in one for one in told))
    return {
        key: [[one.get(key, {}).get(label, nan) for label in labels[key]] for one in told]
        for key in islice(known, MOST_GATES)
    }


def _told(entry: Entry, labels: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """The weights of one epoch, by decision and alternative: a stage has less than the whole."""
    detail = entry.detail or {}
    left = {**labels, **detail.get("left", {})}
    return {
        key: dict(zip(left[key], gates, strict=True))
        for key, gates in detail.get("gates", {}).items()
        if len(left.get(key, ())) == len(gates)
    }


def _sharpness(record: Record, entry: Entry) -> float:
    """The largest weight of a decision, the mean over those that decide something."""
    return moved(deciding(record.space, (entry.detail or {}).get("gates", {}))).sharpness


def _alike(record: Record, weights: Weights) -> dict[tuple[str, ...], list[str]]:
    """Decisions by their alternatives: those of the same share a legend."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for decision in record.space.decisions:
        if decision.key in weights:
            groups.setdefault(decision.hole.labels, []).append(decision.key)
    return groups


def _heaviest(labels: Sequence[str], weights: Sequence[float]) -> str:
    known = [(weight, label) for weight, label in zip(weights, labels, strict=True)
             if not isnan(weight)]  # fmt: skip
    return max(known, key=lambda one: one[0])[1] if known else "not decided"


def _against_even(axes: Axes, told: Sequence[Sequence[float]]) -> None:
    """The weight of each of as many as are left, were they alike; the axis around it where little
    has moved, else from 0."""
    known = [[one for one in row if not isnan(one)] for row in told]
    even = 1 / max(len(known[-1]), 1)
    axes.axhline(even, color=GREY, linewidth=0.8, zorder=1)
    reach = max((abs(one - even) for row in known for one in row), default=0.0)
    if reach < NEAR * even:
        axes.set_ylim(even - 1.2 * max(reach, 1e-6), even + 1.2 * max(reach, 1e-6))
        axes.ticklabel_format(axis="y", useOffset=False)
    else:
        axes.set_ylim(0, None)


def _panels(epochs: Sequence[int], labels: Sequence[str], weights: Weights) -> Pictures:
    """A small plot for each of some decisions with the same alternatives."""
    columns = min(ACROSS, len(weights))
    rows = -(-len(weights) // columns)
    plotted = labels[: len(COLOURS)]

    def draw(all_axes: Sequence[Axes]) -> None:
        for axes, (key, told) in zip(all_axes, weights.items(), strict=False):
            for i, label in enumerate(plotted):
                values = [one[i] for one in told]
                style = STYLES[i % len(STYLES)]
                axes.plot(epochs, values, style, color=COLOURS[i], marker=".", markersize=4,
                          label=label)  # fmt: skip
            _against_even(axes, told)
            axes.set_title(f"{key}: {_heaviest(labels, told[-1])}", loc="left", fontsize=7.5)
            axes.tick_params(labelsize=7)
            whole_numbers(axes)
        for axes in all_axes[len(weights) :]:
            axes.set_axis_off()
        whole = all_axes[0].figure
        lines, names = all_axes[0].get_legend_handles_labels()
        whole.legend(lines, names, loc="outside lower center", ncols=min(len(names), 5))

    alt = f"weights of {', '.join(labels[:8])} by epoch, for {len(weights)} decisions"
    height = 2.1 * rows + 0.35 + 0.2 * -(-len(plotted) // 5)
    svg = figure(draw, columns=columns, rows=rows, width=max(3.2 * columns, 4), height=height)
    return Pictures((Picture.of(svg, alt, CAPTION),))
