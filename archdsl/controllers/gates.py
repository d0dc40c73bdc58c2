"""Gates of a supernet that are learned by their gradients: the DARTS family.

Such a method does not ask and is not told: a supernet in training asks it for the weights of
alternatives, and their gradients teach it. At the end it prints the string that they point to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from archdsl.controllers.base import State
from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.derive import derive
from archdsl.controllers.fairness import Fairness
from archdsl.controllers.relaxations import (
    Proximal,
    dropped,
    gumbel,
    hardened,
    shares,
    softened,
)
from archdsl.controllers.sampler import Sampler
from archdsl.controllers.seeds import seed_for
from archdsl.controllers.stages import Labels, heaviest
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.ir.scopes import Decision
from archdsl.space.alternatives import skips
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity

Weights = dict[str, Tensor]
"""For each decision, by its key, the weights (alternatives,)."""


class Gates:
    """The logits of a space's decisions, Adam, and what they point to."""

    def __init__(self, space: SearchSpace, settings: DartsSettings, *, seed: int) -> None:
        self.space = space
        self.settings = settings
        self.seed = seed
        generator = torch.Generator().manual_seed(seed_for(seed, "gates"))
        self.skips = skips(space)
        self.fairness = Fairness(space, self.skips)
        self.logits: Weights = {}
        free = set(space.free)
        for index, decision in enumerate(space.decisions if self.learns else ()):
            if self._has_gates(decision, index in free):
                start = 1e-3 * torch.randn(len(decision.hole.labels), generator=generator)
                start = torch.ones_like(start) if settings.relaxation == "scale" else start
                self.logits[decision.key] = start.requires_grad_()
        self.optimizer = self._optimizer() if self.logits else None
        self.sampler = Sampler(space, settings, seed=seed) if settings.sampled else None

    def _has_gates(self, decision: Decision, free: bool) -> bool:
        """Sources have gates where asked, also where all of them are taken: Xu et al., "PC-DARTS",
        equation 3, weighs those of the first node as it does all others."""
        if decision.hole.quantity is Quantity.SOME:
            return self.settings.sources and len(decision.hole.labels) > 1
        return free

    @property
    def learns(self) -> bool:
        """Whether anything is learned, or all that is trained are weights."""
        return self.settings.relaxation != "dropout"

    def _optimizer(self) -> torch.optim.Optimizer:
        rate = self.settings.learning_rate
        if self.settings.relaxation == "scale":
            return Proximal(self.logits.values(), lr=rate, sparsity=self.settings.sparsity)
        decay = self.settings.weight_decay
        return torch.optim.Adam(
            self.logits.values(), lr=rate, betas=(0.5, 0.999), weight_decay=decay
        )

    def weights(self, share: float, draw: int) -> Weights:
        """The weights of all alternatives of all decisions, with gradients to the logits.

        `share` of the search is over; noise is drawn from `draw` alone. What has no logits weighs
        1. What takes any of several has a sigmoid for each.
        """
        generator = torch.Generator().manual_seed(seed_for(self.seed, "noise", draw))
        if not self.learns:
            return self._thinned(share, generator)
        heat = self.settings.hot + (self.settings.cold - self.settings.hot) * share
        return self._weighed(lambda logits: self._relaxed(logits, heat, generator))

    def _thinned(self, share: float, generator: torch.Generator) -> Weights:
        """All weigh 1, but for those that are gone; a decision without a choice has all."""
        sizes = {one.key: len(one.hole.labels) for one in self.space.decisions}
        free = {self.space.decisions[index].key for index in self.space.free}
        return {
            key: dropped(size, share, self.settings.drop, generator)
            if key in free
            else torch.ones(size)
            for key, size in sizes.items()
        }

    def _weighed(self, relaxed: Callable[[Tensor], Tensor], plain: bool = False) -> Weights:
        """The weights of all decisions, of which `relaxed` says those that take one of several.

        `plain`: as what they point to, not as they run.
        """
        found: Weights = {}
        scale = self.settings.relaxation == "scale"
        for decision in self.space.decisions:
            logits = self.logits.get(decision.key)
            if logits is None:
                found[decision.key] = torch.ones(len(decision.hole.labels))
            elif decision.hole.quantity is not Quantity.ANY:
                found[decision.key] = relaxed(logits)
            elif scale:
                found[decision.key] = (logits != 0).float() if plain else relaxed(logits)
            else:
                found[decision.key] = logits.sigmoid()
        return found

    def _relaxed(self, logits: Tensor, heat: float, generator: torch.Generator) -> Tensor:
        """The weights of one decision, which sum to one unless they are scales."""
        match self.settings.relaxation:
            case "scale":
                return 1 * logits
            case "softmax":
                return logits.softmax(0)
            case "gumbel":
                return softened(logits, gumbel(logits, generator), heat)
            case _:
                return hardened(softened(logits, gumbel(logits, generator), heat))

    def chances(self, logits: Tensor) -> Tensor:
        """The weights of one decision without noise, which sum to one."""
        return shares(logits) if self.settings.relaxation == "scale" else logits.softmax(0)

    @torch.no_grad()
    def probabilities(self) -> Mapping[str, list[float]]:
        """What every decision's alternatives weigh without noise."""
        return {key: weights.tolist() for key, weights in self.plain().items()}

    def plain(self) -> Weights:
        """The same with gradients to the logits: weights of one of several sum to one."""
        return self._weighed(self.chances, plain=True)

    def penalty(self) -> Tensor | float:
        """What the gates pay, besides the loss, for favouring skips or kinds of operations."""
        settings = self.settings
        if not settings.fair_skip and not settings.fair_kind:
            return 0.0
        skipping, kinds = self.fairness.shares(
            {key: self.chances(logits) for key, logits in self.logits.items()}
        )
        unfair = torch.relu(kinds - settings.most) + torch.relu(settings.least - kinds)
        return settings.fair_skip * skipping + settings.fair_kind * unfair.sum()

    def derived(self) -> str:
        """The string that the gates point to."""
        return self.architecture().text

    def enough(self) -> bool:
        """Whether a definition points to so many skips that the search is to end."""
        if not self.settings.skips:
            return False
        skipping = self._skipping(self.architecture())
        return max(map(len, skipping.values()), default=0) >= self.settings.skips

    def _skipping(self, found: Architecture) -> Mapping[str, list[str]]:
        """For each definition, by its name, the decisions that take a skip."""
        groups = {one.key: one.scope.group for one in self.space.decisions}
        skipping: dict[str, list[str]] = {}
        for key, taken in found.assignment.items():
            skipping.setdefault(groups[key], []).extend(key for _ in self.skips[key] & set(taken))
        return skipping

    def architecture(self) -> Architecture:
        """What the gates point to; with fewer skips, the lightest left out first, where limited.

        Chen et al., "P-DARTS", section 3.3.2: the weight of a skip too many counts as 0.
        """
        weights = {key: list(one) for key, one in self.probabilities().items()}
        while True:
            found = derive(self.space, weights, none=self.settings.none)
            over = self._too_many(found, weights)
            if over is None:
                return found
            for number in self.skips[over]:
                weights[over][number] = 0.0

    def _too_many(self, found: Architecture, weights: Mapping[str, list[float]]) -> str | None:
        """The decision with the lightest skip of a definition that has more than it may."""
        if not self.settings.skip_limit:
            return None
        for keys in self._skipping(found).values():
            light = {key: max(weights[key][a] for a in self.skips[key]) for key in keys}
            light = {key: weight for key, weight in light.items() if weight > 0}
            if len(keys) > self.settings.skip_limit and light:
                return min(light, key=light.__getitem__)
        return None

    def left(self, most: int) -> Labels:
        """What a next stage has of every decision: the `most` heaviest alternatives."""
        return heaviest(self.space, self.probabilities(), self.architecture(), most)

    @torch.no_grad()
    def follow(self, before: Gates) -> None:
        """Begin with the logits of another stage, where decisions have the same alternatives."""
        labels = {one.key: one.hole.labels for one in self.space.decisions}
        others = {one.key: one.hole.labels for one in before.space.decisions}
        for key, logits in self.logits.items():
            for number, label in enumerate(labels[key]):
                if key in before.logits and label in others[key]:
                    logits[number] = before.logits[key][others[key].index(label)]

    def state(self) -> State:
        tensors = {f"logits.{key}": one.detach().clone() for key, one in self.logits.items()}
        moved = pack_optimizer(self.optimizer) if self.optimizer else {}
        tensors |= {f"adam.{name}": one for name, one in moved.items()}
        return State(tensors=tensors, values=self.sampler.values() if self.sampler else {})

    def restore(self, state: State) -> None:
        """Go on from a `state`. Raises ValueError for one with gates of other decisions, since what
        Adam remembers goes by their order."""
        saved = below(state.tensors, "logits.")
        if saved.keys() != self.logits.keys():
            raise ValueError("it has gates of other decisions")
        with torch.no_grad():
            for key, one in saved.items():
                self.logits[key].copy_(one)
        if self.optimizer:
            unpack_optimizer(self.optimizer, below(state.tensors, "adam."))
        if self.sampler:
            self.sampler.restore(state.values)

    def step(self) -> None:
        """Move the logits along their gradients."""
        if self.optimizer:
            self.optimizer.step()
