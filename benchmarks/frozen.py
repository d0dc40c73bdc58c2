"""Searches over one frozen supernet, whose every judgement is kept: all see the same scores."""

from __future__ import annotations

from collections.abc import Callable

from archdsl.controllers import Told, make_controller
from archdsl.evaluate.data import Data
from archdsl.evaluate.shared import SharedWeights
from archdsl.evaluate.training import accuracy
from archdsl.space.view import SearchSpace
from benchmarks.trainings import Kept

Score = Callable[[str], float]
"""What one architecture is worth, 0 to 1."""


def scores(shared: SharedWeights, kept: Kept, data: Data | None = None) -> Score:
    """The accuracy of a path on all images of `data` that validate (those of the shared weights'
    own by default), worked out once for each architecture.
    """
    batches = (data or shared.data).validation_batches
    images = sum(len(labels) for _, labels in batches)

    def score(text: str) -> float:
        def judged() -> float:
            return accuracy(shared.judge(text, batches))

        return float(kept.once(f"score {text} {images}", judged))

    return score


def search(
    controller: str, space: SearchSpace, score: Score, *, seed: int, budget: int, batch: int = 1
) -> list[tuple[str, float]]:
    """What a controller proposed, in order, and what that was worth; told after each `batch`."""
    proposer = make_controller(controller, space, seed=seed)
    found: list[tuple[str, float]] = []
    while len(found) < budget:
        texts = proposer.ask(min(batch, budget - len(found)))
        told = [Told(text, score(text)) for text in texts]
        proposer.tell(told)
        found += [(one.text, one.reward) for one in told]
    return found


def best(found: list[tuple[str, float]]) -> tuple[str, float]:
    """The first of the best."""
    return max(found, key=lambda one: one[1])
