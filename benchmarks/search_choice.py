"""Which predictor is named for the study of controllers, and with which settings.

python -m benchmarks.search_choice [SEEDS]

Chosen on CIFAR-100 after 12 epochs, by validation accuracy, on seeds that the study does not use.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.searches import BUDGETS, Task, optimum, run
from benchmarks.table import Row, write

CHOSEN = 'predictor(refit=1, parents=5, edits=1, scale="rank", walks=3, start=10)'
COLUMN = "e12_cifar100_valid"
FIRST = 10_000
SEEDS = 40
JOBS = 2
LAST = 100
NEAR = "refit=1, parents=5, edits=1"
FAR = "start=20, refit=5, parents=10, edits=2"
TRIED = (
    *(
        f'predictor({NEAR}, scale="{scale}", walks={walks}, start={start})'
        for scale, walks, start in product(("rank", "log"), (2, 3), (10, 20))
    ),
    f"predictor({NEAR}, start=20, decisions=0.0)",
    f"predictor({NEAR}, start=20, walks=0)",
    f'predictor({NEAR}, start=20, acquisition="thompson")',
    f"predictor({FAR})",
    f'predictor({FAR}, model="trees")',
    "local",
)


def main(seeds: int = SEEDS) -> None:
    tasks = {
        text: [
            Task(controller=text, valid=COLUMN, test=COLUMN, seed=FIRST + number, last=LAST)
            for number in range(seeds)
        ]
        for text in TRIED
    }
    with tempfile.TemporaryDirectory() as folder:
        found = run([one for some in tasks.values() for one in some], JOBS, Path(folder) / "runs")
    best = optimum(COLUMN)
    rows: list[Row] = []
    for text, some in tasks.items():
        row: dict[str, str | int | float] = {"controller": text}
        for index, budget in enumerate(b for b in BUDGETS if b <= LAST):
            regrets = [best - found[task].values[index] for task in some]
            row[f"regret at {budget}"] = f"{np.mean(regrets):.3f}"
        row["seeds not within 0.1"] = sum(regret > 0.1 for regret in regrets)
        row["seeds at the best"] = sum(regret == 0 for regret in regrets)
        rows.append(row)
    write(
        "search_choice",
        "Predictors on CIFAR-100 after 12 epochs",
        f"python -m benchmarks.search_choice {seeds}",
        rows,
        [
            f"Mean regret in validation accuracy, seeds {FIRST} to {FIRST + seeds - 1}. The least "
            "at 100 evaluations, of equal ones at 50, is named in `benchmarks.search`: "
            f"`{CHOSEN}`.",
        ],
    )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
