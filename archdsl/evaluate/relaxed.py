"""A supernet whose alternatives all run, weighed by gates, with its weights and their optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import torch
from torch import Tensor

from archdsl.controllers.gates import Gates, Weights
from archdsl.controllers.seeds import seed_for
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.evaluate.bilevel import first_order, second_order
from archdsl.evaluate.data import Batch, Data
from archdsl.evaluate.followed import Followed
from archdsl.evaluate.norms import calibrated
from archdsl.evaluate.training import Forward, correct, seeded
from archdsl.load import Mixture, Paths, load_mixture, load_paths
from archdsl.recipes import Recipe
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace


class _All:
    """All alternatives run."""

    def __init__(self, net: Mixture) -> None:
        self.net = net

    def under(self, weights: Weights, draw: int) -> Forward:
        gates = self.net.gates(weights)
        return lambda images: only(self.net(images, gates))

    def along(self, architecture: Architecture) -> Forward:
        gates = self.net.one_hot(architecture)
        return lambda images: only(self.net(images, gates))


class _Heaviest:
    """Of one of several, the heaviest alone runs; where several are taken, any of them may."""

    def __init__(self, net: Paths) -> None:
        self.net = net

    def under(self, weights: Weights, draw: int) -> Forward:
        heaviest = {key: int(weights[key].argmax()) for key in self.net.sizes}
        rest = self.net.space.sample(Random(draw))
        return self._run({key: {a: weights[key][a]} for key, a in heaviest.items()}, rest)

    def along(self, architecture: Architecture) -> Forward:
        taken = architecture.assignment
        numbers = {key: taken.get(key, (0,))[0] for key in self.net.sizes}
        one = torch.ones((), device=next(self.net.module.parameters()).device)
        return self._run({key: {a: one} for key, a in numbers.items()}, architecture)

    def _run(self, gates: Mapping[str, Mapping[int, Tensor]], rest: Architecture) -> Forward:
        given = self.net.gates(gates, rest)
        return lambda images: only(self.net(images, given))


def only(result: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The one output of a network that classifies."""
    assert isinstance(result, Tensor)
    return result


class RelaxedWeights:
    """The mixture of a space, or those of its paths that have a gate, in training.

    `gates` says which: where one alternative alone weighs, it alone runs.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        gates: Gates,
        *,
        recipe: Recipe,
        seed: int,
        device: str = "cpu",
        calibration: int = 2,
    ) -> None:
        """Raises ArchError E0906 where alternatives cannot be weighed."""
        self.space = space
        self.data = data
        self.gates = gates
        self.recipe = recipe
        self.seed = seed
        self.device = torch.device(device)
        self.calibration = calibration
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(seed, "supernet"))
            alone = gates.settings.relaxation == "one_hot"
            self.supernet = _Heaviest(load_paths(space)) if alone else _All(load_mixture(space))
        self.model = self.supernet.net.module.to(self.device)
        self.followed = Followed(
            recipe, self.model.parameters(), steps=data.steps, classes=data.classes
        )

    def learn_gates(self, epoch: int, step: int) -> None:
        """One step of the gates, on a batch that the weights are not trained on."""
        number = epoch * self.data.steps + step
        held = self._moved(self.data.held_batch(self.seed, number))
        self.followed.move(epoch, step)  # the rate of the step that the second order looks ahead
        self.model.train()
        logits = tuple(self.gates.logits.values())

        def validation() -> Tensor:
            return self._loss(held, epoch, step, "gates") + self.gates.penalty()

        if self.gates.settings.order == 1:
            first_order(validation, logits)
        else:
            batch = self._moved(self.data.training_batch(self.seed, epoch, step))
            second_order(
                validation,
                lambda: self._loss(batch, epoch, step, "step"),
                self.model,
                self.followed.optimizer,
                logits,
            )
        self.gates.optimizer.step()

    def train_step(self, epoch: int, step: int) -> float:
        """One step of the weights under the gates as they are; returns the loss."""
        batch = self._moved(self.data.training_batch(self.seed, epoch, step))
        self.model.train()
        forward = self._forward(epoch, step, "step", learned=False)
        drawn = seed_for(self.seed, "step", epoch, step)
        return self.followed.train(forward, batch, epoch, step, drawn)

    def judge(self, text: str, batches: Sequence[Batch]) -> list[tuple[int, int]]:
        """Hits and images of each batch for one architecture, under its own batch statistics."""
        forward = self.supernet.along(self.space.parse(text))
        prepared = self.data.calibration_batches(self.calibration)
        images = (images.to(self.device) for images, _ in prepared)
        with calibrated(self.model, forward, images):
            return correct(forward, (self._moved(batch) for batch in batches))

    def state(self) -> dict[str, Tensor]:
        """Weights, buffers and the optimizer's memory."""
        weights = {f"weights.{k}": v for k, v in self.model.state_dict().items()}
        return weights | {
            f"optimizer.{k}": v for k, v in pack_optimizer(self.followed.optimizer).items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the tensors of `state`."""
        self.model.load_state_dict(below(tensors, "weights."))
        unpack_optimizer(self.followed.optimizer, below(tensors, "optimizer."))

    def _loss(self, batch: Batch, epoch: int, step: int, purpose: str) -> Tensor:
        images, labels = batch
        forward = self._forward(epoch, step, purpose)
        with seeded(self.device, seed_for(self.seed, purpose, epoch, step)):
            return self.followed.loss(forward, images, labels)

    def _forward(self, epoch: int, step: int, purpose: str, learned: bool = True) -> Forward:
        """The supernet under what the gates say for a step; without gradients if not learned."""
        share = epoch / max(self.recipe.epochs - 1, 1)
        draw = seed_for(self.seed, purpose, "noise", epoch, step)
        weights = {
            key: (one if learned else one.detach()).to(self.device)
            for key, one in self.gates.weights(share, draw).items()
        }
        return self.supernet.under(weights, draw)

    def _moved(self, batch: Batch) -> Batch:
        images, labels = batch
        return images.to(self.device), labels.to(self.device)
