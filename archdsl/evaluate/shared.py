"""Shared weights: one supernet that is trained path by path and judges any architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archdsl.controllers.seeds import seed_for
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.evaluate.data import Batch, Data, moved
from archdsl.evaluate.ranks import SINGLE, Ranks
from archdsl.evaluate.training import Forward, judged, training_step
from archdsl.load import load_supernet
from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSettings:
    """How shared weights are trained and judged. The defaults are those of Zhang and Liu's code;
    batch statistics, which it does not measure anew, are an average over two batches."""

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    calibration: int = 2


class SharedWeights:
    """The supernet of a space with AdamW, trained one path at a time."""

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        *,
        seed: int,
        device: str = "cpu",
        settings: SharedSettings | None = None,
        ranks: Ranks = SINGLE,
    ) -> None:
        self.space = space
        self.data = data
        self.seed = seed
        self.ranks = ranks
        self.device = ranks.device(device)
        self.settings = settings or SharedSettings()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(seed, "supernet"))
            self.supernet = load_supernet(space)
        self.model = self.supernet.module.to(self.device)
        self.new_optimizer()

    def new_optimizer(self) -> None:
        """AdamW with no memory."""
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )

    def train_step(self, text: str, epoch: int, step: int) -> float:
        """One batch through the path of one architecture; returns the loss."""
        images, labels = moved(self.data.training_batch(self.seed, epoch, step), self.device)
        self.model.train()
        forward = self._path(text)
        seed = seed_for(self.seed, "step", epoch, step)
        return training_step(forward, self.optimizer, images, labels, seed)

    def judge(self, text: str, batches: Sequence[Batch]) -> list[tuple[int, int]]:
        """Hits and images of each batch, under batch statistics measured for this path.

        Leaves the weights and their statistics as they were.
        """
        forward = self._path(text)
        prepared = self.data.calibration_batches(self.settings.calibration)
        return judged(self.model, forward, prepared, batches, self.device, self.ranks)

    def state(self) -> dict[str, Tensor]:
        """Weights, buffers and the optimiser's memory."""
        weights = {f"weights.{k}": v for k, v in self.model.state_dict().items()}
        return weights | {f"adamw.{k}": v for k, v in pack_optimizer(self.optimizer).items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the tensors of `state`."""
        self.new_optimizer()
        self.model.load_state_dict(below(tensors, "weights."))
        unpack_optimizer(self.optimizer, below(tensors, "adamw."))

    def _path(self, text: str) -> Forward:
        """The supernet as one network: images to scores, along one architecture."""
        architecture = self.space.parse(text)
        choice = self.supernet.choice(architecture)
        given = () if choice is None else (choice,)
        return lambda images: self.supernet.module(images, *given)
