"""GLiT's two levels against evolution on one level, with as many evaluations, on the same images.

python -m benchmarks.glit_levels [--work FOLDER]

It may be killed: what is finished stands in FOLDER, and the same command goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from archdsl.controllers.seeds import seed_for
from archdsl.evaluate.data import Data
from archdsl.library import Library
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import AdamW, Cosine
from archdsl.space.view import SearchSpace
from benchmarks.cifar import subset
from benchmarks.frozen import Score, best, scores, search
from benchmarks.trainings import Kept, Trained, supernet, train

SCALE = {"classes": 10, "size": 24, "patch": 4, "width": 24, "depth": 6}
SEEN = 1000
"""Images of batch 5 that searches are told about; the other 9,000 judge what they found."""
BATCH, SUPERNET_EPOCHS, SUPERNET_SEED = 64, 12, 0
BUDGET, OUTER, POPULATION = 100, 50, 10
FLAT = "one level"
METHODS = {
    FLAT: f"generations(population={POPULATION}, parents=5)",
    "two levels": f"generations(population={POPULATION}, parents=5, outer={OUTER})",
}
SEEDS = 10
RECIPE = Recipe(
    epochs=2,
    batch_size=BATCH,
    optimizer=AdamW(learning_rate=3e-3),
    schedule=Cosine(by_step=True),
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
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    kept = Kept(given.work / "units.jsonl")
    space = space_of()
    data = subset(SCALE["size"], BATCH, slice(0, SEEN))
    rest = subset(SCALE["size"], BATCH, slice(SEEN, None))
    shared = supernet(
        space, data, SUPERNET_EPOCHS, SUPERNET_SEED, given.work / "supernet.safetensors"
    )
    found = searches(space, scores(shared, kept))
    others = scores(shared, kept, rest)
    unseen = {key: others(best(one)[0]) for key, one in found.items()}
    print(unseen, flush=True)
    for number in range(1):
        for one in found.values():
            retrained(best(one)[0], number, space, data, kept)


if __name__ == "__main__":
    main()
