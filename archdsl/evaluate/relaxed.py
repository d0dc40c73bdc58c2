"""A supernet whose alternatives all run, weighed by gates, with its weights and their optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import torch
from torch import Tensor, nn

from archdsl.controllers.gates import ALONE, Gates, Weights
from archdsl.controllers.seeds import seed_for
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.evaluate.bilevel import first_order, second_order
from archdsl.evaluate.data import Batch, Data, moved
from archdsl.evaluate.followed import Followed
from archdsl.evaluate.training import Forward, judged, seeded
from archdsl.evaluate.two_paths import keep_rest, two_paths
from archdsl.load import Mixture, Paths, load_mixture, load_paths
from archdsl.passes.skip_dropout import NAME
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


class _Few:
    """Those run that have a gate; where several are taken, any of them may."""

    def __init__(self, net: Paths) -> None:
        self.net = net

    def under(self, weights: Weights, draw: int) -> Forward:
        """Of one of several, the heaviest alone."""
        heaviest = {key: int(weights[key].argmax()) for key in self.net.sizes}
        return self.given({key: {a: weights[key][a]} for key, a in heaviest.items()}, draw)

    def given(self, gates: Mapping[str, Mapping[int, Tensor]], draw: int) -> Forward:
        """The alternatives that have these gates."""
        return self._run(gates, self.net.space.sample(Random(draw)))

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
            few = gates.settings.relaxation in ALONE
            self.supernet = _Few(load_paths(space)) if few else _All(load_mixture(space))
        self.model = self.supernet.net.module.to(self.device)
        self.followed = Followed(
            recipe, self.model.parameters(), steps=data.steps, classes=data.classes
        )

    def learn_gates(self, epoch: int, step: int) -> None:
        """One step of the gates, on a batch that the weights are not trained on."""
        number = epoch * self.data.steps + step
        held = moved(self.data.held_batch(self.seed, number), self.device)
        self.model.train()
        if self.gates.settings.relaxation == "two_paths":
            self._learn_pairs(held, epoch, step)
            return
        self.followed.move(epoch, step)  # the rate of the step that the second order looks ahead
        logits = tuple(self.gates.logits.values())

        def validation() -> Tensor:
            return self._loss(held, epoch, step, "gates") + self.gates.penalty()

        if self.gates.settings.order == 1:
            first_order(validation, logits)
        else:
            batch = moved(self.data.training_batch(self.seed, epoch, step), self.device)
            second_order(
                validation,
                lambda: self._loss(batch, epoch, step, "step"),
                self.model,
                self.followed.optimizer,
                logits,
            )
        self.gates.optimizer.step()

    def _learn_pairs(self, held: Batch, epoch: int, step: int) -> None:
        """The same for two alternatives of every decision, whose logits alone move."""
        assert isinstance(self.supernet, _Few)
        draw = seed_for(self.seed, "pairs", epoch, step)
        sizes = self.supernet.net.sizes
        logits = {key: self.gates.logits[key] for key in sizes if key in self.gates.logits}
        drawn = two_paths(logits, torch.Generator().manual_seed(draw))
        ones = {key: {0: torch.ones(())} for key in sizes if key not in logits}
        running = {
            key: {number: gate.to(self.device) for number, gate in gates.items()}
            for key, gates in (ones | dict(drawn)).items()
        }
        forward = self.supernet.given(running, draw)

        def validation() -> Tensor:
            return self._loss_of(forward, held, epoch, step, "gates") + self.gates.penalty()

        first_order(validation, tuple(self.gates.logits.values()))
        before = {key: one.detach().clone() for key, one in logits.items()}
        self.gates.optimizer.step()
        keep_rest(logits, before, drawn)

    def train_step(self, epoch: int, step: int) -> float:
        """One step of the weights under the gates as they are; returns the loss."""
        batch = moved(self.data.training_batch(self.seed, epoch, step), self.device)
        self.model.train()
        forward = self._forward(epoch, step, "step", learned=False)
        drawn = seed_for(self.seed, "step", epoch, step)
        return self.followed.train((forward,), batch, epoch, step, drawn)

    def judge(self, text: str, batches: Sequence[Batch]) -> list[tuple[int, int]]:
        """Hits and images of each batch for one architecture, under its own batch statistics."""
        forward = self.supernet.along(self.space.parse(text))
        prepared = self.data.calibration_batches(self.calibration)
        return judged(self.model, forward, prepared, batches, self.device)

    @torch.no_grad()
    def follow(self, before: RelaxedWeights) -> None:
        """Begin with the weights of another supernet, where names and shapes agree."""
        known = before.model.state_dict()
        for name, tensor in self.model.state_dict().items():
            if name in known and known[name].shape == tensor.shape:
                tensor.copy_(known[name])

    def let_fall(self, rate: float, epoch: int) -> None:
        """Dropout behind skips falls to none with the epochs, from this rate."""
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Dropout) and NAME in name.rpartition(".")[2]:
                module.p = rate * (1 - epoch / self.recipe.epochs)

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
        forward = self._forward(epoch, step, purpose)
        return self._loss_of(forward, batch, epoch, step, purpose)

    def _loss_of(
        self, forward: Forward, batch: Batch, epoch: int, step: int, purpose: str
    ) -> Tensor:
        images, labels = batch
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
