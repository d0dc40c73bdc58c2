"""Training from scratch as an evaluator, as long and on as much data as is asked for.

Asked for an architecture again, it is trained `grow` times as long: successive halving and its
kin spend their budget so. By default it is not: other controllers ask for the best again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, ClassVar, Protocol

from archdsl.controllers.settings import within
from archdsl.evaluate.candidate import Candidate
from archdsl.evaluate.evaluator import Failed
from archdsl.ops.binding import LIMIT
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

if TYPE_CHECKING:
    from torch import nn

    from archdsl.evaluate.data import Data
    from archdsl.ir.graph import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """AdamW for `epochs` epochs, each of a `share` of the steps through `data`, judged on all of
    validation after each. `horizon`: the reward is the accuracy that a power law through those
    promises after so many epochs, where that is more than was trained.
    """

    keyword: ClassVar[str] = "train"

    data: str = "digits"
    epochs: int = 3
    grow: float = 1.0
    share: float = 1.0
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    horizon: int = 0
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        within(self, 1, "epochs", "grow", "batch_size", "threads")
        within(self, 0, "learning_rate", "weight_decay", "horizon")
        within(self, 0, "seed", most=LIMIT)
        within(self, 1e-6, "share", most=1)

    def over(self, space: SearchSpace) -> Trained:
        """Raises ArchError E0802 to E0804 where the data is not there or does not fit."""
        return Trained(space, self)


class Trained:
    """The data, opened once for all networks of a space."""

    def __init__(self, space: SearchSpace, settings: TrainSettings) -> None:
        from archdsl.evaluate.data import opened_for

        self.space = space
        self.settings = settings
        self.data: Data = opened_for(space.program.net, settings.data, settings.batch_size)

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        from archdsl.evaluate.training import torch_settings

        settings = self.settings
        epochs = round(settings.epochs * settings.grow**again)
        with torch_settings(settings.threads):
            candidate = Candidate(self.space, architecture, settings.seed, 0)
            curve = learned(candidate.network(), candidate.program, self.data, settings, epochs)
        reward = promised(curve, settings.horizon) if settings.horizon > epochs else curve[-1]
        return {"reward": reward, "accuracy": curve[-1], "epochs": float(epochs)}


class Learning(Protocol):
    """How a network is trained."""

    @property
    def share(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def seed(self) -> int: ...


def learned(
    network: nn.Module, program: Program, data: Data, settings: Learning, epochs: int
) -> list[float]:
    """Train a network from the weights that it has; the accuracy on validation after each epoch.

    Raises Failed where the loss is no number.
    """
    from archdsl.evaluate.followed import Followed
    from archdsl.evaluate.placed import placed
    from archdsl.evaluate.training import accuracy, correct
    from archdsl.recipes import Recipe
    from archdsl.recipes.optimizers import AdamW

    seed, steps = settings.seed, max(1, round(settings.share * data.steps))
    adamw = AdamW(learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
    recipe = Recipe(epochs=epochs, optimizer=adamw)
    network = placed(network, program)
    followed = Followed(recipe, network.parameters(), steps=steps, classes=data.classes)
    curve = []
    for epoch in range(epochs):
        network.train()
        for number in range(steps):
            batch = data.training_batch(seed, epoch, number)
            drawn = (seed * epochs + epoch) * steps + number
            loss = followed.train((network,), batch, epoch, number, drawn)
            if isnan(loss):
                raise Failed("not a number", f"the loss, in epoch {epoch + 1}")
        network.eval()
        curve.append(accuracy(correct(network, data.validation_batches)))
    return curve


SHORT = 5
"""A law of three numbers goes through three points, whatever they say."""


def promised(curve: Sequence[float], horizon: int) -> float:
    """What a power law a - b n^-c through accuracies after 1, 2, ... epochs is after `horizon`.

    Of Domhan, Springenberg and Hutter 2015, "Speeding up Automatic Hyperparameter Optimization of
    Deep Neural Networks by Extrapolation of Learning Curves", table 1, the one with the fewest
    numbers. No curve shorter than five says anything: then it is the last accuracy.
    """
    import numpy as np
    from scipy.optimize import OptimizeWarning, curve_fit

    if len(curve) < SHORT:
        return curve[-1]
    epochs = np.arange(1, len(curve) + 1, dtype=np.float64)
    try:
        found, _ = curve_fit(
            lambda n, a, b, c: a - b * n**-c,
            epochs,
            curve,
            p0=(curve[-1], 0.5, 1.0),
            bounds=((0, 0, 0.01), (1, 10, 5)),
        )
    except (RuntimeError, OptimizeWarning):
        return curve[-1]
    a, b, c = found
    return float(min(max(a - b * horizon**-c, 0.0), 1.0))
