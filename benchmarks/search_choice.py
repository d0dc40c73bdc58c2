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

CHOSEN = "predictor(start=20)"
COLUMN = "e12_cifar100_valid"
FIRST = 10_000
SEEDS = 20
JOBS = 2
TRIED = (
    *(
        f'predictor(model="{model}", acquisition="{acquisition}", start={start}, parents={parents})'
        for model, acquisition, start, parents in product(
            ("process", "ensemble"), ("improvement", "thompson"), (10, 20), (5, 10)
        )
    ),
    "local",
)


def main(seeds: int = SEEDS) -> None:
    tasks = {
        text: [
            Task(controller=text, valid=COLUMN, test=COLUMN, seed=FIRST + number)
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
        for index, budget in enumerate(BUDGETS):
            regrets = [best - found[task].values[index] for task in some]
            row[f"regret at {budget}"] = f"{np.mean(regrets):.3f}"
        rows.append(row)
    write(
        "search_choice",
        "Predictors on CIFAR-100 after 12 epochs",
        f"python -m benchmarks.search_choice {seeds}",
        rows,
        [
            f"Mean regret in validation accuracy, seeds {FIRST} to {FIRST + seeds - 1}. The least "
            f"at 100 evaluations is named in `benchmarks.search`: `{CHOSEN}`.",
        ],
    )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
