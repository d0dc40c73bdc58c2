"""What a controller is: `ask` for strings, `tell` it what they were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Told:
    """What one architecture was worth, as a controller hears of it (higher is better).

    `objectives` are what a search wants large, each for itself; empty where that is the reward.
    """

    text: str
    reward: float
    objectives: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that a controller remembers: tensors for safetensors, the rest for JSON."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


class Controller(Protocol):
    """Proposes architectures of one space as strings. Deterministic given its seed and what it
    was told."""

    def ask(self, n: int) -> list[str]:
        """The next n proposals, as canonical strings."""

    def tell(self, results: Sequence[Told]) -> None:
        """Rewards of proposals, in any order and number."""

    def path(self, number: int) -> str:
        """What it would propose now, to train shared weights along: it is told nothing of it.

        Drawn from `number`; what is proposed and learned later does not depend on it, unless it
        is somebody's program.
        """

    def new_epoch(self) -> None:
        """Called before each outer epoch of a search."""

    def state(self) -> State:
        """A copy of what it remembers."""

    def restore(self, state: State) -> None:
        """Go on from that state exactly."""
