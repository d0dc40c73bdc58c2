"""REINFORCE with a moving-average baseline (Williams 1992) over the LSTM policy.

    reward    r = accuracy + 1e-4 x entropy            one entry a decision
    baseline  b <- 0.95 b + 0.05 r                     starts at the first reward
    loss      - sum over the decisions of log p x (r - b)

Numbers and order of steps: the released code of Zhang and Liu ("Efficient Neural Architecture
Search Based on MetaFormer", section 3.3), itself after ENAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from archdsl.controllers.base import State, Told
from archdsl.controllers.learner import Learner
from archdsl.controllers.settings import within
from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinforceSettings:
    """`learning_rate` is Adam's; `decay` the baseline's.

    `as_released` repeats a fault of the released code: baseline and optimiser start anew with
    every outer epoch, so that the first reward of each teaches nothing.
    """

    keyword: ClassVar[str] = "reinforce"

    learning_rate: float = 3.5e-4
    entropy_weight: float = 1e-4
    decay: float = 0.95
    as_released: bool = False

    def __post_init__(self) -> None:
        within(self, 0, "learning_rate", "entropy_weight")
        within(self, 0, "decay", most=1)

    def over(self, space: SearchSpace, seed: int) -> Reinforce:
        return Reinforce(space, self, seed=seed)


class Reinforce(Learner[ReinforceSettings]):
    """Learns to write better strings from their rewards."""

    def __init__(
        self, space: SearchSpace, settings: ReinforceSettings | None = None, *, seed: int
    ) -> None:
        super().__init__(space, settings or ReinforceSettings(), seed=seed)
        self._restart()

    def _restart(self) -> None:
        """A new optimiser, and a baseline (decisions,) of which nothing is known."""
        self.new_optimizer()
        self.baseline = torch.zeros(len(self.space.decisions), dtype=torch.float64)
        self.known = torch.zeros(len(self.space.decisions), dtype=torch.bool)

    def tell(self, results: Sequence[Told]) -> None:
        """One step of Adam on the mean loss of the results (the papers tell one at a time)."""
        losses = [self._loss(result) for result in results]
        losses = [loss for loss in losses if loss.requires_grad]
        if not losses:
            return
        self.optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        self.optimizer.step()

    def new_epoch(self) -> None:
        if self.settings.as_released:
            self._restart()

    def state(self) -> State:
        state = super().state()
        own = {"baseline": self.baseline.clone(), "known": self.known.clone()}
        return replace(state, tensors={**state.tensors, **own})

    def restore(self, state: State) -> None:
        super().restore(state)
        self.baseline = state.tensors["baseline"].clone()
        self.known = state.tensors["known"].clone()

    def _loss(self, result: Told) -> torch.Tensor:
        walk = self.policy.retrace(self.space.parse(result.text))
        rewards = result.reward + self.settings.entropy_weight * walk.entropy.detach().double()
        moved = self.settings.decay * self.baseline + (1 - self.settings.decay) * rewards
        first = walk.made & ~self.known
        self.baseline = torch.where(first, rewards, torch.where(walk.made, moved, self.baseline))
        self.known |= walk.made
        advantage = torch.where(walk.made, rewards - self.baseline, 0.0)
        return -(walk.log_probability * advantage.float()).sum()
