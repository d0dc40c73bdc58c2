"""Controllers on NAS-Bench-201: what each finds with so many evaluations, and what it costs.

python -m benchmarks.search [--seeds 200] [--fitted 50] [--jobs 2] [--kept FILE]

Searches see validation accuracy, tables report test accuracy. `--kept` remembers finished searches
in a file and goes on from it; give another file after any change of a controller.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from statsmodels.stats.multitest import multipletests

from benchmarks.compared import against, chance, interval
from benchmarks.search_choice import CHOSEN
from benchmarks.searches import BUDGETS, Found, Task, optimum, run
from benchmarks.table import Row, write

DATA_SETS = ("cifar10", "cifar100")
BAR = "local search"
CHOICE = "predictor"
METHODS: Mapping[str, str] = {
    "random": "random",
    "REINFORCE, 3.5e-4": "reinforce",
    "REINFORCE, 1e-2": "reinforce(learning_rate=0.01)",
    "PPO": "ppo",
    "TNAS-OS": "tnas",
    "ageing evolution": "evolution(population=30, sample=10)",
    "tree search": "tree",
    "Q-learning": "qlearning",
    "PNAS": "pnas",
    CHOICE: CHOSEN,
    "NAO": "nao",
    "TPE": "tpe",
    BAR: "local",
    "local search, 10 starts": "local(starts=10)",
}
FITTED = ("REINFORCE, 3.5e-4", "REINFORCE, 1e-2", "PPO", "TNAS-OS", "PNAS", CHOICE, "NAO", "TPE")
"""Those that fit a surrogate or a network: fewer seeds do."""
FIRST = 1_000
"""Seeds of the study, which nobody looked at before."""
AT = 100
"""Evaluations at which every controller is compared with the bar."""

Values = Mapping[tuple[str, str], Sequence[Found]]
"""What was found, by method and data set, seed by seed."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--fitted", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kept", type=Path)
    given = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = _all(given, given.kept or Path(folder) / "runs.jsonl")
    minutes = (time.monotonic() - start) / 60
    compared = compare(
        {key: [one.values[BUDGETS.index(AT)] for one in found[key]] for key in found}
    )
    write(
        "search",
        "Controllers on NAS-Bench-201",
        "python -m benchmarks.search",
        [_row(method, data, found, compared) for data in DATA_SETS for method in METHODS],
        [
            f"Seeds from {FIRST:,} on. Mean test accuracy (%) of the architecture with the best "
            "validation accuracy after so many evaluations, with its 95 % interval (bootstrap over "
            "seeds); `regret`: the best "
            f"test accuracy of all 15,625 less that, at {AT}. `distinct`: architectures that were "
            "not proposed before, of 300. `of 100 distinct`: repeated proposals not counted, in "
            "those searches that came so far in 300.",
            f"`against the bar`: the difference to {BAR} at {AT} evaluations with its 95 % "
            "interval (bootstrap), and p by a permutation test of the means, corrected for all "
            "comparisons of the table (Holm).",
            f"The learned controller that is to beat the bar is `{CHOSEN}`, chosen on other seeds "
            "by validation accuracy on CIFAR-100 after 12 epochs (`benchmarks.search_choice`). "
            "It was chosen among 13 settings; all others have their defaults, or what is named. "
            "That decisions alone do not do was seen on CIFAR-10, on other seeds, before.",
            f"`s for 100`: processor seconds for 100 proposals, ask and tell, over all 300. All "
            f"searches together: {minutes:.0f} minutes in {given.jobs} processes"
            + (", and what --kept had." if given.kept else "."),
        ],
    )


def _all(given: argparse.Namespace, kept: Path) -> Values:
    tasks = {
        (method, data): [
            Task(
                controller=METHODS[method],
                valid=f"{data}_valid",
                test=f"{data}_test",
                seed=seed,
            )
            for seed in range(FIRST, FIRST + (given.fitted if method in FITTED else given.seeds))
        ]
        for method in METHODS
        for data in DATA_SETS
    }
    known = run([task for some in tasks.values() for task in some], given.jobs, kept)
    return {key: [known[task] for task in some] for key, some in tasks.items()}


def compare(values: Mapping[tuple[str, str], Sequence[float]]) -> Mapping[tuple[str, str], float]:
    """p of the difference of means to the bar, for each method and data set, by Holm."""
    keys = [key for key in values if key[0] != BAR]
    chances = [chance(values[key], values[BAR, key[1]]) for key in keys]
    return dict(zip(keys, multipletests(chances, method="holm")[1], strict=True))


def _row(method: str, data: str, known: Values, compared: Mapping[tuple[str, str], float]) -> Row:
    found, at = known[method, data], BUDGETS.index(AT)
    bar = [one.values[at] for one in known[BAR, data]]
    values = {b: [one.values[i] for one in found] for i, b in enumerate(BUDGETS)}
    distinct = [one.of_distinct[at] for one in found]
    reached = [value for value in distinct if value is not None]
    seconds = float(np.mean([one.seconds for one in found])) / max(BUDGETS) * 100
    return {
        "data": data,
        "controller": method,
        "seeds": len(found),
        **{str(budget): interval(values[budget]) for budget in BUDGETS},
        "regret": f"{optimum(f'{data}_test') - np.mean(values[AT]):.2f}",
        "against the bar": _against(values[AT], bar, compared.get((method, data))),
        "of 100 distinct": (
            f"{np.mean(reached):.2f} ({len(reached)} of {len(found)})" if reached else ""
        ),
        "distinct": f"{np.mean([one.distinct[-1] for one in found]):.0f}",
        "s for 100": seconds,
        "proposals a second": 100 / seconds,
    }


def _against(some: Sequence[float], bar: Sequence[float], p: float | None) -> str:
    return "the bar" if p is None else against(some, bar, p)


if __name__ == "__main__":
    main()
