"""Search methods on one frozen supernet of MetaFormer-NAS: what each finds among kept scores.

python -m benchmarks.metaformer_search [--work FOLDER]

Scores are those of `benchmarks.metaformer_cells`, which says what they are worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from statsmodels.stats.multitest import multipletests

from benchmarks.cifar import subset
from benchmarks.compared import against, chance, interval
from benchmarks.frozen import best, search
from benchmarks.metaformer_cells import (
    RECIPE,
    SCALE,
    SUPERNET,
    WORK,
    frozen,
    scale,
    space_of,
)
from benchmarks.table import Row, write

BAR = "random"
METHODS = {
    BAR: "random",
    "REINFORCE, 3.5e-4": "reinforce",
    "REINFORCE, 1e-2": "reinforce(learning_rate=0.01)",
    "PPO": "ppo",
    "ageing evolution": "evolution(population=10, sample=3)",
}
SEEDS = 30
BUDGETS = (10, 20, 40)
AT = 20
"""Evaluations at which methods are compared."""

Searches = Mapping[str, Sequence[list[tuple[str, float]]]]
"""What was proposed, by method, seed by seed."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=WORK)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    space = space_of(4)
    data = subset(SCALE["size"], RECIPE.batch_size)
    known = {text: 100 * one for text, one in frozen(space, data, given.work).items()}
    found = {
        method: [
            search(controller, space, known.__getitem__, seed=seed, budget=max(BUDGETS))
            for seed in range(SEEDS)
        ]
        for method, controller in METHODS.items()
    }
    values = list(known.values())
    write(
        "metaformer_search",
        "Search methods on one frozen supernet of MetaFormer-NAS",
        "python -m benchmarks.metaformer_search",
        rows(found, max(values)),
        [
            f"{scale(space)} One supernet, {SUPERNET.epochs} epochs of CIFAR-10's batch 1, each "
            "batch of which trained another path, drawn uniformly; AdamW 3e-3, cosine. A score is "
            "the accuracy (%) of a path on all 10,000 images of batch 5, after statistics of its "
            f"own; all {len(values)} strings with 4 nodes were scored once, and every search reads "
            "these.",
            f"Scores: {min(values):.2f} to {max(values):.2f}, mean {np.mean(values):.2f}, standard "
            f"deviation {np.std(values, ddof=1):.2f}; the standard error of one by its images is "
            f"{(np.mean(values) * (100 - np.mean(values)) / 10_000) ** 0.5:.2f}. Numbers: the best "
            f"score seen after so many proposals, mean of {SEEDS} seeds with its 95 % interval "
            "(bootstrap). `short`: the "
            f"best of all less that, at {AT}. `against random`: the difference at {AT}, its "
            "interval, and p by a permutation test of the means, corrected for all rows (Holm). "
            f"`distinct`: architectures among {max(BUDGETS)} proposals.",
            "The best score says who searches well, not what trains well: the audit of scores is "
            "in `metaformer_cells.md`.",
        ],
    )


def rows(found: Searches, top: float) -> list[Row]:
    """One for each method."""
    reached = {
        method: {b: [best(one[:b])[1] for one in searches] for b in BUDGETS}
        for method, searches in found.items()
    }
    others = [method for method in METHODS if method != BAR]
    chances = [chance(reached[method][AT], reached[BAR][AT]) for method in others]
    corrected = dict(zip(others, multipletests(chances, method="holm")[1], strict=True))
    return [
        {
            "method": method,
            "seeds": len(found[method]),
            **{str(b): interval(reached[method][b]) for b in BUDGETS},
            "short": f"{top - np.mean(reached[method][AT]):.2f}",
            "against random": (
                against(reached[method][AT], reached[BAR][AT], corrected[method])
                if method in corrected
                else "the bar"
            ),
            "distinct": f"{np.mean([len(dict(one)) for one in found[method]]):.1f}",
        }
        for method in METHODS
    ]


if __name__ == "__main__":
    main()
