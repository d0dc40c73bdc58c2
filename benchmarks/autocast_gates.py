"""Gates learned under autocast in bfloat16 beside those learned in float32.

python -m benchmarks.autocast_gates
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.evaluate.data import classifies, open_data
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.library import Library
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import AdamW
from benchmarks.table import Row, write

SPACES = {
    "nas_bench_201": "nas_bench_201(width=8, cells=1, size=8, channels=1)",
    "darts_search": "darts_search(width=4, layers=2, size=8)",
    "dasvit": "dasvit(width=24, depth=2, size=8, patch=2, channels=1, heads1=2, "
    "heads2=4, heads3=6)",
}
SEEDS = (0, 1, 2)
EPOCHS, BATCH = 4, 64
RATE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The gradient of the first batch, and weights and string when the search is over."""

    gradient: Tensor
    weights: Mapping[str, list[float]]
    text: str


def learned(name: str, seed: int, precision: str, epochs: int = EPOCHS) -> Learned:
    """One search; `precision` is all that may differ."""
    space = Library().find(SPACES[name]).space
    shape, classes = classifies(space.program.net)
    data = open_data("digits", shape=shape, classes=classes, batch_size=BATCH)
    gates = Gates(space, DartsSettings(learning_rate=RATE, weight_decay=0.0), seed=seed)
    recipe = Recipe(
        epochs=epochs,
        batch_size=BATCH,
        optimizer=AdamW(learning_rate=1e-3),
        precision=precision,
    )
    weights = RelaxedWeights(space, data, gates, recipe=recipe, seed=seed)
    first: Tensor | None = None
    for epoch in range(epochs):
        for step in range(data.steps):
            weights.learn_gates(epoch, step)
            if first is None:
                first = torch.cat([_given(one) for one in gates.logits.values()])
            weights.train_step(epoch, step)
    assert first is not None
    return Learned(gradient=first, weights=gates.probabilities(), text=gates.derived())


def _given(logits: Tensor) -> Tensor:
    assert logits.grad is not None
    return logits.grad.clone()


def compared(one: Learned, other: Learned) -> dict[str, float]:
    """How far two searches are from each other."""
    pairs = [(a, other.weights[key]) for key, a in one.weights.items() if len(a) > 1]
    learned_ = [(a, b) for a, b in pairs if a != [1.0] * len(a)]
    apart = [abs(x - y) for a, b in learned_ for x, y in zip(a, b, strict=True)]
    same = [a.index(max(a)) == b.index(max(b)) for a, b in learned_]
    gap = (one.gradient - other.gradient).norm() / one.gradient.norm()
    return {
        "gradient": float(gap),
        "farthest": max(apart),
        "mean": fmean(apart),
        "heaviest": fmean(same),
        "string": float(one.text == other.text),
    }


def main() -> None:
    torch.set_num_threads(1)
    rows: list[Row] = []
    for name in SPACES:
        plain = {seed: learned(name, seed, "float32") for seed in SEEDS}
        low = {seed: learned(name, seed, "bfloat16") for seed in SEEDS}
        others = [compared(plain[s], plain[SEEDS[s - 1]]) for s in SEEDS]
        for what, found in (
            ("bfloat16, same seed", [compared(plain[s], low[s]) for s in SEEDS]),
            ("float32, another seed", others),
        ):
            rows.append(
                {
                    "space": name,
                    "beside float32": what,
                    "first gradient, relative": max(one["gradient"] for one in found),
                    "weights apart, most": max(one["farthest"] for one in found),
                    "weights apart, mean": fmean(one["mean"] for one in found),
                    "same heaviest": fmean(one["heaviest"] for one in found),
                    "same string": f"{sum(int(one['string']) for one in found)} of {len(SEEDS)}",
                }
            )
    write(
        "autocast_gates",
        "Gates under autocast",
        "python -m benchmarks.autocast_gates",
        rows,
        [
            f"Searches by first-order gradients with softmax on the digits, {EPOCHS} epochs of "
            f"batches of {BATCH}, gates at a rate of {RATE}; the recipe differs in `precision` "
            f"alone. {len(SEEDS)} seeds: the worst of the gradients (norm of the difference over "
            "the norm) and of the weights of alternatives (0 to 1), else means. The second row of "
            "a space is the scale: what another seed changes.",
        ],
    )


if __name__ == "__main__":
    main()
