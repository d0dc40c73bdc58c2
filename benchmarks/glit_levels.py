"""GLiT's two levels against evolution on one level, with as many evaluations, on the same images.

python -m benchmarks.glit_levels [--work FOLDER]

It may be killed: what is finished stands in FOLDER, and the same command goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from archdsl.controllers.seeds import seed_for
from archdsl.evaluate.data import Data
from archdsl.ir.cost import cost
from archdsl.library import Library
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import AdamW, Cosine
from archdsl.space.view import SearchSpace
from benchmarks.cifar import WORDS, subset
from benchmarks.compared import against, chance, interval
from benchmarks.frozen import Score, best, scores, search
from benchmarks.table import Row, write
from benchmarks.trainings import Kept, Trained, supernet, train

SCALE = {"classes": 10, "size": 24, "patch": 4, "width": 24, "depth": 6}
SEEN = 500
"""Images of batch 5 that searches are told about; the other 9,500 judge what they found."""
BATCH, SUPERNET_SEED = 64, 0
BUDGET, OUTER, POPULATION = 80, 40, 10
FLAT, TWO = "one level", "two levels"
METHODS = {
    FLAT: f"generations(population={POPULATION}, parents=5)",
    TWO: f"generations(population={POPULATION}, parents=5, outer={OUTER})",
}
SEEDS = 10
TRAININGS = 1
"""Of each network that a search found."""
SUPERNET, RECIPE = (
    Recipe(
        epochs=epochs,
        batch_size=BATCH,
        optimizer=AdamW(learning_rate=3e-3),
        schedule=Cosine(by_step=True),
    )
    for epochs in (24, 6)
)

Searches = Mapping[tuple[str, int], list[tuple[str, float]]]
"""What was proposed, by method and seed."""


def space_of() -> SearchSpace:
    """The space at the scale of the study."""
    return Library().space("glit_tiny", SCALE)


def searches(space: SearchSpace, score: Score) -> Searches:
    """All searches, seed by seed; rounds of whole populations."""
    found = {}
    for seed in range(SEEDS):
        for method, controller in METHODS.items():
            found[method, seed] = search(
                controller, space, score, seed=seed, budget=BUDGET, batch=POPULATION
            )
            print(f"{method}, seed {seed}: {best(found[method, seed])}", flush=True)
    return found


def retrained(text: str, number: int, space: SearchSpace, data: Data, kept: Kept) -> Trained:
    """One training from scratch of what a search found."""
    program = space.resolve(space.parse(text))
    found = kept.once(
        f"train {text} {number}",
        lambda: asdict(train(program, data, RECIPE, seed_for(number, "training", text))),
    )
    print(f"{number} {found}", flush=True)
    return Trained(**found)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=Path("runs/glit_levels"))
    parser.add_argument("--trainings", type=int, default=TRAININGS)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    kept = Kept(given.work / "units.jsonl")
    space = space_of()
    data = subset(SCALE["size"], BATCH, slice(0, SEEN))
    rest = subset(SCALE["size"], BATCH, slice(SEEN, None))
    weights = given.work / "supernet.safetensors"
    shared = supernet(space, data, SUPERNET, SUPERNET_SEED, weights)
    found = searches(space, scores(shared, kept))
    winners = {key: best(one)[0] for key, one in found.items()}
    others = scores(shared, kept, rest)
    unseen = {key: 100 * others(text) for key, text in winners.items()}
    judges = replace(data, validation=rest.validation)
    runs: dict[tuple[str, int], list[Trained]] = {key: [] for key in winners}
    for number in range(given.trainings):
        for key, text in winners.items():
            runs[key].append(retrained(text, number, space, judges, kept))
    write(
        "glit_levels",
        "GLiT: two levels against one, with as many evaluations, on the same images",
        "python -m benchmarks.glit_levels",
        rows(space, found, unseen, runs),
        notes(found, unseen, runs, given.trainings),
    )


def rows(
    space: SearchSpace,
    found: Searches,
    unseen: Mapping[tuple[str, int], float],
    runs: Mapping[tuple[str, int], Sequence[Trained]],
) -> list[Row]:
    """One for each search, with what it found."""
    made: list[Row] = []
    for key in sorted(found):
        one = found[key]
        text, score = best(one)
        price = cost(space.resolve(space.parse(text)))
        made.append(
            {
                "method": key[0],
                "seed": key[1],
                f"score at {OUTER}": f"{100 * best(one[:OUTER])[1]:.1f}",
                f"score at {BUDGET}": f"{100 * score:.1f}",
                "supernet, unseen": f"{unseen[key]:.2f}",
                **_figures(runs[key]),
                "distinct": len(dict(one)),
                "parameters": price.params,
                "MACs": price.macs,
                "layers": text.partition("/layer")[2],
            }
        )
    return made


def _figures(runs: Sequence[Trained]) -> dict[str, str]:
    """What trainings of one network came to, in percent; nothing where there are none."""
    if not runs:
        return {}
    return {
        "trained, unseen": f"{100 * np.mean([one.held for one in runs]):.2f}",
        "trained, test": f"{100 * np.mean([one.test for one in runs]):.1f}",
    }


def notes(
    found: Searches,
    unseen: Mapping[tuple[str, int], float],
    runs: Mapping[tuple[str, int], Sequence[Trained]],
    trainings: int,
) -> list[str]:
    """The head of the table, and what its rows say together."""
    measures = {
        f"score at {BUDGET}": {key: 100 * best(one)[1] for key, one in found.items()},
        "supernet, unseen": dict(unseen),
    }
    if trainings:
        measures["trained, unseen"] = {
            key: 100 * float(np.mean([run.held for run in some])) for key, some in runs.items()
        }
    return [
        f"Scale: images of {SCALE['size']} pixels, patches of {SCALE['patch']}, {SCALE['width']} "
        f"wide, {SCALE['depth']} layers, 3 heads. {WORDS} One supernet, {SUPERNET.epochs} epochs, "
        f"batches of {BATCH}, each of which trained another path, drawn uniformly; AdamW "
        f"{SUPERNET.optimizer.learning_rate:g}, cosine, float32, one thread.",
        f"Both evolve by generations of {POPULATION} from the best 5, with {BUDGET} evaluations: "
        f"`{METHODS[TWO]}` spends the first {OUTER} on the kinds of layers, with details "
        "held, then freezes the best's kinds and spends the rest on details; "
        f"`{METHODS[FLAT]}` changes all at once. A score is the accuracy (%) of a path on "
        f"the first {SEEN:,} images of batch 5; `unseen`: on its other {10_000 - SEEN:,}, which no "
        "search saw.",
        *[_compared(name, values) for name, values in measures.items()],
        (
            f"Trained: from scratch, {trainings} training(s) of {RECIPE.epochs} epochs each, AdamW "
            f"{RECIPE.optimizer.learning_rate:g}, cosine; each training has a seed of its own."
            if trainings
            else "What was found was not trained from scratch."
        ),
    ]


def _compared(name: str, values: Mapping[tuple[str, int], float]) -> str:
    """The mean of each method, and their difference."""
    some, others = (
        [value for (method, _), value in values.items() if method == one] for one in (TWO, FLAT)
    )
    return (
        f"{name}: {TWO} {interval(some)}, {FLAT} {interval(others)} (mean of {len(some)} seeds, "
        f"95 % interval by bootstrap); difference {against(some, others, chance(some, others))} "
        "(permutation test)."
    )


if __name__ == "__main__":
    main()
