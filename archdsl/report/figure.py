"""Curves as SVG, by matplotlib: the same values give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from archdsl.syntax.errors import fault

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "archdsl",
    "text.parse_math": False,  # names from a text are no formulas
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#66717f",
    "axes.grid": True,
    "grid.color": "#e3e7ec",
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
BLUE, ORANGE, GREY, RED = "#3b6fb6", "#d07b1f", "#9aa7b8", "#b8433a"
MOST_DOTS = 1500
"""More are told by their mean and spread: a file of 10,000 dots is slow to show."""

Draw = Callable[["Sequence[Axes]"], None]


def check_matplotlib() -> None:
    """Raise ArchError E0821 where the package that draws curves is missing."""
    if find_spec("matplotlib") is None:
        raise fault(
            "E0821",
            "a report needs a package that is missing: matplotlib",
            expected="matplotlib",
            hint="pip install 'archdsl[report]'",
        )


def figure(draw: Draw, *, columns: int = 1, rows: int = 1, width: float, height: float) -> str:
    """An SVG with axes in a grid, drawn by `draw`; sizes in inches."""
    from matplotlib.figure import Figure

    with _plain_style():
        drawn = Figure(figsize=(width, height), layout="constrained")
        axes = [drawn.add_subplot(rows, columns, i + 1) for i in range(rows * columns)]
        draw(axes)
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawn.savefig(file, format="svg", metadata=nothing)
    # Without the line that names a document type at an address of the net.
    return re.sub(r"<!DOCTYPE[^>]*>\s*", "", file.getvalue())


@contextmanager
def _plain_style() -> Iterator[None]:
    """Ours alone: what the user's own settings of matplotlib say would change the bytes."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def dots(axes: Axes, xs: Sequence[float], ys: Sequence[float], label: str) -> None:
    """Values one by one; many as the mean and the middle 80 % of neighbours."""
    if len(xs) <= MOST_DOTS:
        axes.plot(xs, ys, ".", color=GREY, markersize=4, label=label)
        return
    import numpy as np

    groups = np.array_split(np.arange(len(xs)), 200)
    at = [float(np.mean(np.asarray(xs)[group])) for group in groups]
    parts = [np.asarray(ys)[group] for group in groups]
    low, high = ([float(np.quantile(part, q)) for part in parts] for q in (0.1, 0.9))
    axes.fill_between(at, low, high, color=GREY, alpha=0.35, linewidth=0, label="middle 80 %")
    axes.plot(at, [float(part.mean()) for part in parts], color=GREY, label=f"{label}, mean")


def framed(axes: Axes, ys: Sequence[float]) -> int:
    """Look at what most of the values are, where few are far below; how many are not seen."""
    ordered = sorted(ys)
    low, high = ordered[len(ordered) // 20], ordered[-1]
    if low - ordered[0] <= 2 * (high - low) or high == low:
        return 0
    least = low - 0.5 * (high - low)
    axes.set_ylim(least, high + 0.05 * (high - least))
    return sum(y < least for y in ys)


def whole_numbers(axes: Axes) -> None:
    """Epochs have no halves."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def with_units(axes: Axes, xs: Sequence[float], ys: Sequence[float]) -> None:
    """Large numbers as 1.2 M."""
    from matplotlib.ticker import EngFormatter

    for axis, values in ((axes.xaxis, xs), (axes.yaxis, ys)):
        if max(map(abs, values)) >= 1e5:
            axis.set_major_formatter(EngFormatter())


def running_mean(values: Sequence[float], count: int) -> list[float]:
    """The mean of each value and the `count - 1` before it, of fewer at the beginning."""
    means, total = [], 0.0
    for i, value in enumerate(values):
        total += value - (values[i - count] if i >= count else 0.0)
        means.append(total / min(i + 1, count))
    return means


def running_best(xs: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Where the best so far changes, what it becomes, and both at the end."""
    at, best = [xs[0]], [values[0]]
    for x, value in zip(xs, values, strict=True):
        if value > best[-1]:
            at.append(x)
            best.append(value)
    return [*at, xs[-1]], [*best, best[-1]]
