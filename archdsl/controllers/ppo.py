"""Proximal policy optimisation over the LSTM policy.

    r = p / p before the update, of each decision
    loss = - sum of min(r A, clip(r, 1 - eps, 1 + eps) A) - w x entropy
    A = (reward - baseline) / their standard deviation, over the rewards of the update

Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7; for architectures
Zoph et al. 2018, "Learning Transferable Architectures", appendix A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from archdsl.controllers.base import State, Told
from archdsl.controllers.learner import Learner
from archdsl.controllers.policy import Walk
from archdsl.controllers.settings import within
from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOSettings:
    """The policy is updated after every `horizon` rewards, in `epochs` steps of Adam on all of
    them; `clip` is eps, `decay` that of the baseline, a moving average.
    """

    keyword: ClassVar[str] = "ppo"

    learning_rate: float = 1e-2
    horizon: int = 10
    epochs: int = 5
    clip: float = 0.2
    entropy_weight: float = 1e-2
    decay: float = 0.95

    def __post_init__(self) -> None:
        within(self, 0, "learning_rate", "clip", "entropy_weight")
        within(self, 1, "horizon", "epochs")
        within(self, 0, "decay", most=1)

    def over(self, space: SearchSpace, seed: int) -> PPO:
        return PPO(space, self, seed=seed)


class PPO(Learner[PPOSettings]):
    """The rewards since the last update."""

    def __init__(self, space: SearchSpace, settings: PPOSettings, *, seed: int) -> None:
        super().__init__(space, settings, seed=seed)
        self.told: list[tuple[str, float]] = []
        self.baseline: float | None = None

    def tell(self, results: Sequence[Told]) -> None:
        for result in results:
            self.told.append((result.text, result.reward))
            if len(self.told) == self.settings.horizon:
                self._update()

    def new_epoch(self) -> None:
        """The policy goes on."""

    def state(self) -> State:
        state = super().state()
        told = [list(one) for one in self.told]
        return replace(state, values={**state.values, "told": told, "baseline": self.baseline})

    def restore(self, state: State) -> None:
        super().restore(state)
        self.told = [(text, reward) for text, reward in state.values["told"]]
        self.baseline = state.values["baseline"]

    def _update(self) -> None:
        architectures = [self.space.parse(text) for text, _ in self.told]
        advantages = self._advantages([reward for _, reward in self.told])
        self.told = []
        with torch.no_grad():
            before = [self.policy.retrace(one).log_probability for one in architectures]
        if not len(self.space.free):
            return
        for _ in range(self.settings.epochs):
            walks = [self.policy.retrace(one) for one in architectures]
            losses = map(self._loss, walks, before, advantages)
            self.optimizer.zero_grad()
            torch.stack(list(losses)).mean().backward()
            self.optimizer.step()

    def _advantages(self, rewards: Sequence[float]) -> Tensor:
        """How much better than the baseline (rewards,), scaled to a deviation of 1; equal ones
        teach nothing."""
        for reward in rewards:
            before = reward if self.baseline is None else self.baseline
            self.baseline = self.settings.decay * before + (1 - self.settings.decay) * reward
        above = torch.tensor(rewards) - (self.baseline or 0.0)
        spread = above.std(correction=0)
        return above / (spread + 1e-8) if spread > 1e-6 else torch.zeros_like(above)

    def _loss(self, walk: Walk, before: Tensor, advantage: Tensor) -> Tensor:
        ratio = (walk.log_probability - before).exp()
        clipped = ratio.clamp(1 - self.settings.clip, 1 + self.settings.clip)
        gain = torch.minimum(ratio * advantage, clipped * advantage)[walk.made].sum()
        return -gain - self.settings.entropy_weight * walk.entropy.sum()
