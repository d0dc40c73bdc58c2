"""Random search: uniform over architectures, deaf to rewards. The baseline of every search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from archdsl.controllers.base import State, Told
from archdsl.controllers.seeds import stream
from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSettings:
    """There is nothing to set."""

    keyword: ClassVar[str] = "random"

    def over(self, space: SearchSpace, seed: int) -> RandomController:
        return RandomController(space, seed=seed)


class RandomController:
    """Draws architectures uniformly, with replacement."""

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        self.space = space
        self.seed = seed
        self.asked = 0

    def ask(self, n: int) -> list[str]:
        first, self.asked = self.asked, self.asked + n
        return [
            self.space.sample(stream(self.seed, "random", i)).text for i in range(first, self.asked)
        ]

    def path(self, number: int) -> str:
        return self.space.sample(stream(self.seed, "random", "path", number)).text

    def tell(self, results: Sequence[Told]) -> None:
        """Nothing is learned."""

    def new_epoch(self) -> None:
        """Nothing to begin."""

    def state(self) -> State:
        return State(values={"asked": self.asked})

    def restore(self, state: State) -> None:
        self.asked = state.values["asked"]
