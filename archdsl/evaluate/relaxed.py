"""A supernet whose alternatives all run, weighed by gates, with its weights and their optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import torch
from torch import Tensor, nn

from archdsl.controllers.darts import ALONE
from archdsl.controllers.gates import Gates, Weights
from archdsl.controllers.sampler import Sampler
from archdsl.controllers.seeds import seed_for
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.evaluate.bilevel import first_order, second_order
from archdsl.evaluate.data import Batch, Data, moved
from archdsl.evaluate.expected import Expected
from archdsl.evaluate.followed import DropPaths, Followed
from archdsl.evaluate.placed import placed
from archdsl.evaluate.ranks import SINGLE, Ranks
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
        return lambda images: self.net(images, gates)

    def along(self, architecture: Architecture) -> Forward:
        gates = self.net.one_hot(architecture)
        return lambda images: self.net(images, gates)


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
        return self.run(gates, self.net.space.sample(Random(draw)))

    def along(self, architecture: Architecture) -> Forward:
        one = torch.ones((), device=next(self.net.module.parameters()).device)
        gates = {key: {a: one} for key, (a,) in self.taken(architecture).items()}
        return self.run(gates, architecture)

    def taken(self, architecture: Architecture) -> Mapping[str, tuple[int]]:
        """What decisions for one take; the first of what is not decided, and then does not run."""
        known = architecture.assignment
        return {key: (known.get(key, (0,))[0],) for key in self.net.sizes}

    def run(self, gates: Mapping[str, Mapping[int, Tensor]], rest: Architecture) -> Forward:
        """The alternatives that have these gates, and what `rest` takes of several."""
        given = self.net.gates(gates, rest)
        return lambda images: self.net(images, given)


def _mixture(space: SearchSpace, ranks: Ranks) -> Mixture:
    """As written where a fused operation takes batch statistics by itself: each process would take
    those of its own slice."""
    net = load_mixture(space)
    apart = any(callable(getattr(one, "statistics", None)) for one in net.module.modules())
    return load_mixture(space, level=0) if ranks.several and apart else net


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
        ranks: Ranks = SINGLE,
    ) -> None:
        """Raises ArchError E0906 where alternatives cannot be weighed, E0708 and E0828 where the
        table of a cost does not fit."""
        self.space = space
        self.data = data
        self.gates = gates
        self.recipe = recipe
        self.seed = seed
        self.ranks = ranks
        self.device = ranks.device(device)
        self.calibration = calibration
        self._drawn: tuple[int, Architecture] | None = None
        cost = gates.settings.cost
        self.expected = Expected(gates.space, cost) if cost else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(seed, "supernet"))
            few = gates.settings.relaxation in ALONE
            self.supernet = _Few(load_paths(space)) if few else _All(_mixture(space, ranks))
        self.model = placed(self.supernet.net.module, space.program, self.device)
        self.drop_paths = DropPaths(recipe, self.model)
        self.followed = Followed(
            recipe,
            self.model.parameters(),
            steps=data.steps,
            classes=data.classes,
            ranks=ranks,
        )

    def learn_gates(self, epoch: int, step: int) -> None:
        """One step of the gates, on a batch that the weights are not trained on.

        Their loss is times what the expected cost makes of it, where it has a part (FBNet).
        """
        if not self.gates.logits:
            return
        number = epoch * self.data.steps + step
        held = moved(self.data.held_batch(self.seed, number), self.device)
        self.model.train()
        if self.gates.settings.relaxation == "two_paths":
            self._learn_pairs(held, epoch, step)
            return
        if self.gates.sampler is not None:
            self._learn_sampled(self.gates.sampler, held, epoch, step)
            return
        self.followed.move(epoch, step)  # the rate of the step that the second order looks ahead
        logits = tuple(self.gates.logits.values())

        def validation() -> Tensor:
            weights = self._weights(epoch, step, "gates")
            loss = self._loss(held, epoch, step, "gates", weights)
            return loss * self._cost_factor(weights) + self._penalty()

        if self.gates.settings.order == 1:
            first_order(validation, logits, self.ranks)
        else:
            batch = moved(self.data.training_batch(self.seed, epoch, step), self.device)
            second_order(
                validation,
                lambda: self._loss(batch, epoch, step, "step"),
                self.model,
                self.followed.optimizer,
                logits,
                self.ranks,
            )
        self.gates.step()

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
            loss = self._loss_of(forward, held, epoch, step, "gates")
            return loss * self._cost_factor(self.gates.plain()) + self._penalty()

        first_order(validation, tuple(self.gates.logits.values()), self.ranks)
        before = {key: one.detach().clone() for key, one in logits.items()}
        self.gates.step()
        keep_rest(logits, before, drawn)

    def _learn_sampled(self, sampler: Sampler, held: Batch, epoch: int, step: int) -> None:
        """The same for the logits of what one architecture takes, which the sampler then hears of.

        Straight-through: a gate is 1, and has the gradient of its probability.
        """
        assert isinstance(self.supernet, _Few)
        one = self._sampled(sampler, epoch, step)
        gates = {}
        for key, (taken,) in self.supernet.taken(one).items():
            gates[key] = {taken: torch.ones(())}
            if key in self.gates.logits and key in one.assignment:
                chance = self.gates.logits[key].softmax(0)[taken]
                gates[key] = {taken: 1 + (chance - chance.detach())}
        moved_ = {k: {a: g.to(self.device) for a, g in row.items()} for k, row in gates.items()}
        forward = self.supernet.run(moved_, one)
        heard: list[float] = []

        def validation() -> Tensor:
            loss = self._loss_of(forward, held, epoch, step, "gates")
            heard.append(-loss.item())
            return loss * self._cost_factor(self.gates.plain()) + self._penalty()

        first_order(validation, tuple(self.gates.logits.values()), self.ranks)
        self.gates.step()
        sampler.tell(one, self.ranks.sums(heard)[0])

    def _sampled(self, sampler: Sampler, epoch: int, step: int) -> Architecture:
        """The architecture whose gates and weights learn in a step."""
        number = epoch * self.data.steps + step
        if self._drawn is None or self._drawn[0] != number:
            self._drawn = number, sampler.draw(number)
        return self._drawn[1]

    def train_step(self, epoch: int, step: int) -> float:
        """One step of the weights under the gates as they are; returns the loss."""
        batch = moved(self.data.training_batch(self.seed, epoch, step), self.device)
        self.model.train()
        forward = self._trained_path(epoch, step)
        drawn = seed_for(self.seed, "step", epoch, step)
        return self.followed.train((forward,), batch, epoch, step, drawn)

    def _trained_path(self, epoch: int, step: int) -> Forward:
        """What of the supernet learns in a step."""
        if self.gates.sampler is not None:
            return self.supernet.along(self._sampled(self.gates.sampler, epoch, step))
        weights = {k: one.detach() for k, one in self._weights(epoch, step, "step").items()}
        return self.supernet.under(weights, self._draw(epoch, step, "step"))

    def judge(self, text: str, batches: Sequence[Batch]) -> list[tuple[int, int]]:
        """Hits and images of each batch for one architecture, under its own batch statistics."""
        forward = self.supernet.along(self.space.parse(text))
        prepared = self.data.calibration_batches(self.calibration)
        return judged(self.model, forward, prepared, batches, self.device, self.ranks)

    @torch.no_grad()
    def follow(self, before: RelaxedWeights) -> None:
        """Begin with the weights of another supernet, where names and shapes agree."""
        known = before.model.state_dict()
        for name, tensor in self.model.state_dict().items():
            if name in known and known[name].shape == tensor.shape:
                tensor.copy_(known[name])

    def begin_epoch(self, epoch: int, skip_dropout: float) -> None:
        """Drop paths rise with the epochs; dropout behind skips falls to none, from this rate."""
        self.drop_paths.rise(epoch)
        for name, module in self.model.named_modules():
            if isinstance(module, nn.Dropout) and NAME in name.rpartition(".")[2]:
                module.p = skip_dropout * (1 - epoch / self.recipe.epochs)

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

    @torch.no_grad()
    def expected_cost(self) -> float | None:
        """What a network costs on average as the gates weigh now; None where nobody asks."""
        return None if self.expected is None else float(self.expected(self.gates.plain()))

    def _cost_factor(self, weights: Weights) -> Tensor | float:
        """alpha log(1 + cost)^beta; 1 where the cost has no part in the loss."""
        if self.expected is None:
            return 1.0
        settings = self.gates.settings
        if settings.relaxation == "scale":  # scales are no chances
            weights = self.gates.plain()
        expected = self.expected({key: one.cpu() for key, one in weights.items()})
        factor: Tensor = settings.cost_alpha * expected.log1p() ** settings.cost_beta
        return factor.to(self.device)

    def _loss(
        self, batch: Batch, epoch: int, step: int, purpose: str, weights: Weights | None = None
    ) -> Tensor:
        weights = weights or self._weights(epoch, step, purpose)
        forward = self.supernet.under(weights, self._draw(epoch, step, purpose))
        return self._loss_of(forward, batch, epoch, step, purpose)

    def _loss_of(
        self, forward: Forward, batch: Batch, epoch: int, step: int, purpose: str
    ) -> Tensor:
        """Of several processes the share of it that is this one's."""
        drawn = seed_for(self.seed, purpose, epoch, step)
        with (
            seeded(self.device, drawn),
            self.ranks.part(*batch, drawn) as (images, labels, share),
        ):
            return share * self.followed.loss(forward, images, labels)

    def _penalty(self) -> Tensor | float:
        """What the gates pay; of several processes each has an equal share of it."""
        return self.gates.penalty() / self.ranks.world

    def _draw(self, epoch: int, step: int, purpose: str) -> int:
        return seed_for(self.seed, purpose, "noise", epoch, step)

    def _weights(self, epoch: int, step: int, purpose: str) -> Weights:
        """What the gates say for a step."""
        share = epoch / max(self.recipe.epochs - 1, 1)
        weights = self.gates.weights(share, self._draw(epoch, step, purpose))
        return {key: one.to(self.device) for key, one in weights.items()}
