"""Shared weights: one supernet that is trained path by path and judges any architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from archdsl.controllers.seeds import seed_for
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.evaluate.data import Batch, Data, moved
from archdsl.evaluate.followed import DropPaths, Followed
from archdsl.evaluate.hypernetwork import Hypernetwork
from archdsl.evaluate.placed import placed
from archdsl.evaluate.ranks import SINGLE, Ranks
from archdsl.evaluate.training import Forward, judged
from archdsl.load import load_supernet
from archdsl.recipes import Recipe
from archdsl.space.view import SearchSpace


class SharedWeights:
    """The supernet of a space and an optimizer, trained along one or several paths at a time."""

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        *,
        recipe: Recipe,
        seed: int,
        device: str = "cpu",
        calibration: int = 2,
        code: int = 0,
        ranks: Ranks = SINGLE,
    ) -> None:
        """`calibration` batches set batch statistics before each judgement. With a `code` of so
        many numbers a hypernetwork works the weights out from the architecture."""
        self.space = space
        self.data = data
        self.recipe = recipe
        self.seed = seed
        self.ranks = ranks
        self.device = ranks.device(device)
        self.calibration = calibration
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(seed, "supernet"))
            self.supernet = load_supernet(space)
            module = self.supernet.module
            self.hyper = Hypernetwork(space, module, code=code) if code else None
        self.model = placed(self.hyper or module, space.program, self.device)
        self.drop_paths = DropPaths(recipe, self.model)
        self.new_optimizer()

    def new_optimizer(self) -> None:
        """The recipe's, with no memory."""
        self.followed = Followed(
            self.recipe,
            self.model.parameters(),
            steps=self.data.steps,
            classes=self.data.classes,
            ranks=self.ranks,
        )

    def train_step(
        self, texts: Sequence[str], epoch: int, step: int, *, distill: bool = False
    ) -> float:
        """One batch through the paths of architectures; returns the loss of the first.

        What no path uses has no gradient, so the optimizer leaves it alone. With `distill` all
        but the first learn from it.
        """
        batch = moved(self.data.training_batch(self.seed, epoch, step), self.device)
        self.drop_paths.rise(epoch)
        self.model.train()
        paths = [self._path(text) for text in texts]
        drawn = seed_for(self.seed, "step", epoch, step)
        return self.followed.train(paths, batch, epoch, step, drawn, distill=distill)

    def judge(self, text: str, batches: Sequence[Batch]) -> list[tuple[int, int]]:
        """Hits and images of each batch, under batch statistics measured for this path.

        Leaves the weights and their statistics as they were.
        """
        prepared = self.data.calibration_batches(self.calibration)
        return judged(self.model, self._path(text), prepared, batches, self.device, self.ranks)

    def state(self) -> dict[str, Tensor]:
        """Weights, buffers and the optimizer's memory."""
        weights = {f"weights.{k}": v for k, v in self.model.state_dict().items()}
        return weights | {
            f"optimizer.{k}": v for k, v in pack_optimizer(self.followed.optimizer).items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the tensors of `state`."""
        self.new_optimizer()
        self.take(tensors)
        unpack_optimizer(self.followed.optimizer, below(tensors, "optimizer."))

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """The weights and buffers of a `state`, to judge by."""
        self.model.load_state_dict(below(tensors, "weights."))

    def _path(self, text: str) -> Forward:
        """The supernet as one network: images to scores, along one architecture."""
        architecture = self.space.parse(text)
        choice = self.supernet.choice(architecture)
        given = () if choice is None else (choice,)
        module, hyper = self.supernet.module, self.hyper
        if hyper is None:
            return lambda images: module(images, *given)
        return lambda images: functional_call(module, hyper.weights(architecture), (images, *given))
