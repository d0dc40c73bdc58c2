"""Gates of a supernet that are learned by their gradients: the DARTS family.

Such a method does not ask and is not told: a supernet in training asks it for the weights of
alternatives, and their gradients teach it. At the end it prints the string that they point to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import torch
from torch import Tensor

from archdsl.controllers.base import State
from archdsl.controllers.derive import derive
from archdsl.controllers.fairness import Fairness
from archdsl.controllers.seeds import seed_for
from archdsl.controllers.settings import within
from archdsl.controllers.stages import Labels, Stages, heaviest, stages_of
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.ops.base import OperationError
from archdsl.space.alternatives import skips
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity

Weights = dict[str, Tensor]
"""For each decision, by its key, the weights (alternatives,)."""
Relaxation = Literal["softmax", "gumbel", "one_hot", "two_paths"]
ALONE = ("one_hot", "two_paths")
"""Where few alternatives run, so that neither their next step nor parts of a mixture are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DartsSettings:
    """`relaxation` is how weights come from the logits of a decision:

    softmax    of the logits: Liu, Simonyan and Yang, "DARTS", equation 2
    gumbel     of the logits and Gumbel noise, by a temperature: Xie et al., "SNAS", equation 4
    one_hot    the same, but the heaviest alone runs, with the gradient of all: Dong and Yang,
               "Searching for a Robust Neural Architecture in Four GPU Hours" (GDAS), equation 4
    two_paths  two that are drawn run while gates learn, one while weights do: Cai, Zhu and Han,
               "ProxylessNAS", section 3.2

    The temperature falls from `hot` to `cold` with the epochs. `order` 2 looks one step of the
    supernet's weights ahead (DARTS, equations 7 and 8). `learning_rate` and `weight_decay` are
    those of Adam. The gates rest for `warmup` epochs. `sources`: also which of several are taken
    has gates, as in PC-DARTS; in DARTS all weigh 1. `none` may win only if so. `channels` and
    `tokens` are the share that mixtures run on, as 1/4 (PC-DARTS, DASViT). `fair_skip` and
    `fair_kind` are the factors of DASViT's penalties, with `least` and `most` as the share of all
    weight that a kind may have. After an epoch in which a definition points to so many `skips`,
    values passed on as they are, the search ends: Liang et al., "DARTS+", criterion 1.

    In stages (see stages.py), each as long as the recipe says: `keep`, as "8, 5, 3", is how many
    alternatives a decision has at most in each, the heaviest of the stage before; `grow`, as
    "layers=2, 4, 6", a parameter of the space in each; `skip_dropout`, as "0, 0.4, 0.7", the
    dropout behind skips when each begins. Weights and gates go on in the next stage unless
    `fresh`. Of a definition at most `skip_limit` skips are taken, if it is not 0 (P-DARTS).
    """

    keyword: ClassVar[str] = "darts"

    relaxation: Relaxation = "softmax"
    order: int = 1
    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    hot: float = 10.0
    cold: float = 0.1
    warmup: int = 0
    sources: bool = False
    none: bool = False
    channels: str = "1"
    tokens: str = "1"
    fair_skip: float = 0.0
    fair_kind: float = 0.0
    least: float = 0.1
    most: float = 0.6
    skips: int = 0
    keep: str = ""
    grow: str = ""
    fresh: bool = False
    skip_dropout: str = "0"
    skip_limit: int = 0

    def __post_init__(self) -> None:
        within(self, 1, "order", most=2)
        within(self, 0, "learning_rate", "weight_decay", "warmup", "skips", "skip_limit")
        within(self, 0, "fair_skip", "fair_kind")
        within(self, 0, "least", "most", most=1)
        within(self, 1e-6, "hot", "cold")
        if self.order == 2 and self.relaxation in ALONE:
            raise OperationError(
                "darts: what runs differs from step to step, so no step can be looked ahead",
                found="order=2",
                expected=f'order=1 with relaxation="{self.relaxation}"',
            )
        if self.shares and self.relaxation in ALONE:
            raise OperationError(
                "darts: a part of channels or tokens is for mixtures, where all alternatives run",
                found=f'relaxation="{self.relaxation}"',
                expected='relaxation="softmax" or "gumbel"',
            )
        if self.stages.dropout and self.relaxation in ALONE:
            raise OperationError(
                "darts: dropout behind skips is for mixtures, where all alternatives run",
                found=f'relaxation="{self.relaxation}"',
                expected='relaxation="softmax" or "gumbel"',
            )

    @property
    def stages(self) -> Stages:
        """The stages of the search. Raises OperationError for what says none."""
        return stages_of(self.keyword, self.keep, self.grow, self.skip_dropout)

    @property
    def shares(self) -> Mapping[str, Fraction]:
        """What mixtures run on a share of. Raises OperationError for what is no share."""
        given = {"channels": self.channels, "tokens": self.tokens}
        found = {what: _share(what, text) for what, text in given.items()}
        return {what: share for what, share in found.items() if share != 1}


def _share(what: str, text: str) -> Fraction:
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1:
        raise OperationError(
            f"darts: {what} is a share", found=f'{what}="{text}"', expected='as "1/4", at most "1"'
        )
    return share


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
        for index in space.free:
            decision = space.decisions[index]
            if decision.hole.quantity is not Quantity.SOME or settings.sources:
                start = torch.randn(len(decision.hole.labels), generator=generator)
                self.logits[decision.key] = (1e-3 * start).requires_grad_()
        self.optimizer = torch.optim.Adam(
            self.logits.values(),
            lr=settings.learning_rate,
            betas=(0.5, 0.999),
            weight_decay=settings.weight_decay,
        )

    def weights(self, share: float, draw: int) -> Weights:
        """The weights of all alternatives of all decisions, with gradients to the logits.

        `share` of the search is over; noise is drawn from `draw` alone. What has no logits weighs
        1. What takes any of several has a sigmoid for each.
        """
        generator = torch.Generator().manual_seed(seed_for(self.seed, "noise", draw))
        heat = self.settings.hot + (self.settings.cold - self.settings.hot) * share
        return self._weighed(lambda logits: self._relaxed(logits, heat, generator))

    def _weighed(self, relaxed: Callable[[Tensor], Tensor]) -> Weights:
        """The weights of all decisions, of which `relaxed` says those that sum to one."""
        found: Weights = {}
        for decision in self.space.decisions:
            logits = self.logits.get(decision.key)
            if logits is None:
                found[decision.key] = torch.ones(len(decision.hole.labels))
            elif decision.hole.quantity is Quantity.ANY:
                found[decision.key] = logits.sigmoid()
            else:
                found[decision.key] = relaxed(logits)
        return found

    def _relaxed(self, logits: Tensor, heat: float, generator: torch.Generator) -> Tensor:
        """The weights of one decision, which sum to one."""
        if self.settings.relaxation == "softmax":
            return logits.softmax(0)
        noise = -torch.empty_like(logits).exponential_(generator=generator).log()
        soft = softened(logits, noise, heat)
        return soft if self.settings.relaxation == "gumbel" else hardened(soft)

    @torch.no_grad()
    def probabilities(self) -> Mapping[str, list[float]]:
        """What every decision's alternatives weigh without noise."""
        plain = self._weighed(lambda logits: logits.softmax(0))
        return {key: weights.tolist() for key, weights in plain.items()}

    def penalty(self) -> Tensor | float:
        """What the gates pay, besides the loss, for favouring skips or kinds of operations."""
        settings = self.settings
        if not settings.fair_skip and not settings.fair_kind:
            return 0.0
        skipping, kinds = self.fairness.shares(
            {key: logits.softmax(0) for key, logits in self.logits.items()}
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
        tensors |= {f"adam.{name}": one for name, one in pack_optimizer(self.optimizer).items()}
        return State(tensors=tensors)

    def restore(self, state: State) -> None:
        with torch.no_grad():
            for key, one in below(state.tensors, "logits.").items():
                self.logits[key].copy_(one)
        unpack_optimizer(self.optimizer, below(state.tensors, "adam."))


def softened(logits: Tensor, noise: Tensor, heat: float) -> Tensor:
    """Weights under Gumbel noise at a temperature (SNAS, equation 4; GDAS, equation 4)."""
    return ((logits.log_softmax(0) + noise) / heat).softmax(0)


def hardened(soft: Tensor) -> Tensor:
    """1 for the heaviest and 0 for the rest, with the gradients of all (GDAS, equation 5)."""
    hard = torch.zeros_like(soft).scatter(0, soft.argmax(0, keepdim=True), 1.0)
    return hard - soft.detach() + soft
