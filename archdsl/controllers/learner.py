"""Controllers that are an LSTM policy and an optimiser: what those that learn by steps share."""

from __future__ import annotations

from typing import ClassVar, Generic, Protocol, TypeVar

import torch

from archdsl.controllers.base import State
from archdsl.controllers.policy import Policy
from archdsl.controllers.seeds import seed_for, stream
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.space.view import SearchSpace


class LearnerSettings(Protocol):
    """`learning_rate` is Adam's."""

    keyword: ClassVar[str]

    @property
    def learning_rate(self) -> float: ...


L = TypeVar("L", bound=LearnerSettings)


class Learner(Generic[L]):
    """The policy, its optimiser, and how often it was asked."""

    def __init__(self, space: SearchSpace, settings: L, *, seed: int) -> None:
        self.space = space
        self.settings = settings
        self.seed = seed
        self.asked = 0
        self.policy = Policy(space, torch.Generator().manual_seed(seed_for(seed, "policy")))
        self.new_optimizer()

    def new_optimizer(self) -> None:
        """Adam with no memory."""
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=self.settings.learning_rate)

    def ask(self, n: int) -> list[str]:
        first, self.asked = self.asked, self.asked + n
        return [
            self.policy.propose(stream(self.seed, self.settings.keyword, i)).text
            for i in range(first, self.asked)
        ]

    def path(self, number: int) -> str:
        rng = stream(self.seed, self.settings.keyword, "path", number)
        return self.policy.propose(rng).text

    def state(self) -> State:
        tensors = {f"policy.{k}": v.clone() for k, v in self.policy.state_dict().items()}
        tensors |= {f"adam.{k}": v for k, v in pack_optimizer(self.optimizer).items()}
        return State(tensors=tensors, values={"asked": self.asked})

    def restore(self, state: State) -> None:
        self.new_optimizer()
        self.policy.load_state_dict(below(state.tensors, "policy."))
        unpack_optimizer(self.optimizer, below(state.tensors, "adam."))
        self.asked = state.values["asked"]
