"""Accuracy and measured latency on NAS-Bench-201: how much of the hypervolume a search finds.

python -m benchmarks.objectives [SEEDS]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from archdsl.controllers import Told, make_controller
from archdsl.evaluate.objectives import objectives_of, rule_of
from benchmarks.searches import BUDGETS, DATA, bench
from benchmarks.table import RESULTS, Row, write

HARDWARE = DATA.with_name("nb201_hw.csv.gz")
DEVICES = {
    "phone (Pixel 3)": "lat_pixel3",
    "GPU (1080 Ti, batch 32)": "lat_1080ti_32",
    "FPGA": "lat_fpga",
}
ACCURACY = "cifar10_valid"
METHODS = {
    "random": "random",
    "NSGA-II (Optuna)": "nsga2(objectives=2)",
    "Pareto evolution": "pareto",
    "REINFORCE, MnasNet's reward": "reinforce(learning_rate=0.01)",
}
SEEDS = 30
JOBS = 2


@dataclass(frozen=True, slots=True)
class Task:
    """One search on one device."""

    method: str
    device: str
    seed: int


def main(seeds: int = SEEDS) -> None:
    tasks = [Task(m, d, s) for d, m, s in product(DEVICES, METHODS, range(seeds))]
    with ProcessPoolExecutor(JOBS) as pool:
        found = dict(zip(tasks, pool.map(searched, tasks), strict=True))
    curves = {
        (device, method): np.array([found[Task(method, device, seed)] for seed in range(seeds)])
        for device in DEVICES
        for method in METHODS
    }
    _plot(curves)
    write(
        "objectives",
        "Accuracy and latency on NAS-Bench-201: how much of the hypervolume is found",
        f"python -m benchmarks.objectives {seeds}",
        [_row(device, method, curve) for (device, method), curve in curves.items()],
        [
            f"Validation accuracy on CIFAR-10 and measured latency; {seeds} seeds. The hypervolume "
            "of what nothing dominates (moocore), from 10 % and the greatest latency on, a share "
            "of that of all 15,625 architectures after so many evaluations; mean with its 95 % "
            "interval (bootstrap). MnasNet's reward: accuracy x (latency / median) ^ -0.07.",
            "![hypervolume over evaluations](objectives.svg)",
        ],
    )


@cache
def points(device: str) -> dict[str, tuple[float, float]]:
    """Accuracy and -latency of every architecture, scaled to 1."""
    column = DEVICES[device]
    rows = bench(str(HARDWARE))[1].rows
    most = max(row[column] for row in rows.values())
    objectives = objectives_of(f"{ACCURACY}, -{column}")
    scaled = {text: objectives(row) for text, row in rows.items()}
    return {text: (accuracy / 100, latency / most) for text, (accuracy, latency) in scaled.items()}


def searched(task: Task) -> NDArray[np.float64]:
    """The share of the hypervolume after each evaluation of one search."""
    space, table = bench(str(HARDWARE))
    column, known = DEVICES[task.device], points(task.device)
    median = float(np.median([row[column] for row in table.rows.values()]))
    rule = rule_of(f'mnasnet(value="{ACCURACY}", cost="{column}", target={median})')
    controller = make_controller(METHODS[task.method], space, seed=task.seed)
    whole = _volume(list(known.values()))
    found: list[tuple[float, float]] = []
    shares = []
    for _ in range(max(BUDGETS)):
        (text,) = controller.ask(1)
        found.append(known[text])
        controller.tell([Told(text, rule(table.rows[text]) / 100, known[text])])
        shares.append(_volume(found) / whole)
    return np.array(shares)


def _volume(found: Sequence[tuple[float, float]]) -> float:
    volume: Any = moocore.hypervolume(np.array(found), ref=[0.1, -1.0], maximise=True)
    return float(volume)


def _row(device: str, method: str, curve: NDArray[np.float64]) -> Row:
    row: dict[str, str | int | float] = {"device": device, "controller": method}
    for budget in BUDGETS:
        values = curve[:, budget - 1]
        interval = stats.bootstrap(
            (values,), np.mean, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        row[str(budget)] = f"{values.mean():.4f} ({interval.low:.4f} to {interval.high:.4f})"
    return row


def _plot(curves: Mapping[tuple[str, str], NDArray[np.float64]]) -> None:
    """Means over seeds, with the middle half of them."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "archdsl"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(DEVICES), figsize=(12, 4), sharey=True)
    for axis, device in zip(axes, DEVICES, strict=True):
        for method in METHODS:
            curve = curves[device, method]
            evaluations = np.arange(1, curve.shape[1] + 1)
            axis.plot(evaluations, curve.mean(0), label=method)
            low, high = np.quantile(curve, (0.25, 0.75), axis=0)
            axis.fill_between(evaluations, low, high, alpha=0.2)
        axis.set(title=device, xlabel="evaluations", ylim=(0.9, 1.0))
    axes[0].set_ylabel("share of the hypervolume")
    axes[-1].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(Path(RESULTS) / "objectives.svg", metadata={"Date": None})


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
