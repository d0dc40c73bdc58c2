"""REINFORCE with a moving-average baseline (Williams 1992) over the LSTM policy.

    reward    r = accuracy + 1e-4 x entropy            one entry a decision
    baseline  b <- 0.95 b + 0.05 r                     starts at the first reward
    loss      - sum over the decisions of log p x (r - b)

Numbers and order of steps: the released code of Zhang and Liu ("Efficient Neural Architecture
Search Based on MetaFormer", section 3.3), itself after ENAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from archdsl.controllers.base import State, Told
from archdsl.controllers.policy import Policy
from archdsl.controllers.seeds import seed_for, stream
from archdsl.controllers.settings import within
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
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


class Reinforce:
    """Learns to write better strings from their rewards."""

    def __init__(
        self, space: SearchSpace, settings: ReinforceSettings | None = None, *, seed: int
    ) -> None:
        self.space = space
        self.settings = settings or ReinforceSettings()
        self.seed = seed
        self.asked = 0
        generator = torch.Generator().manual_seed(seed_for(seed, "policy"))
        self.policy = Policy(space, generator)
        self._restart()

    def _restart(self) -> None:
        """A new optimiser, and a baseline (decisions,) of which nothing is known."""
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=self.settings.learning_rate)
        self.baseline = torch.zeros(len(self.space.decisions), dtype=torch.float64)
        self.known = torch.zeros(len(self.space.decisions), dtype=torch.bool)

    def ask(self, n: int) -> list[str]:
        first, self.asked = self.asked, self.asked + n
        return [
            self.policy.propose(stream(self.seed, "reinforce", i)).text
            for i in range(first, self.asked)
        ]

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
        tensors = {f"policy.{k}": v.clone() for k, v in self.policy.state_dict().items()}
        tensors |= {f"adam.{k}": v for k, v in pack_optimizer(self.optimizer).items()}
        tensors |= {"baseline": self.baseline.clone(), "known": self.known.clone()}
        return State(tensors=tensors, values={"asked": self.asked})

    def restore(self, state: State) -> None:
        self._restart()
        self.policy.load_state_dict(below(state.tensors, "policy."))
        unpack_optimizer(self.optimizer, below(state.tensors, "adam."))
        self.baseline = state.tensors["baseline"].clone()
        self.known = state.tensors["known"].clone()
        self.asked = state.values["asked"]

    def _loss(self, result: Told) -> torch.Tensor:
        walk = self.policy.retrace(self.space.parse(result.text))
        rewards = result.reward + self.settings.entropy_weight * walk.entropy.detach().double()
        moved = self.settings.decay * self.baseline + (1 - self.settings.decay) * rewards
        first = walk.made & ~self.known
        self.baseline = torch.where(first, rewards, torch.where(walk.made, moved, self.baseline))
        self.known |= walk.made
        advantage = torch.where(walk.made, rewards - self.baseline, 0.0)
        return -(walk.log_probability * advantage.float()).sum()
