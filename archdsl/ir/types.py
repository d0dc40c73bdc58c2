"""What a value of a graph is, and what computing it costs. Plain integers: torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class TensorType:
    """A float tensor without its batch axis.

    Three axes are a map (channels, height, width), two are tokens (tokens, channels), one is
    a vector of features (channels,). Where `below` is set, the values are indices instead:
    whole numbers from 0, below it.
    """

    shape: tuple[int, ...]
    below: int | None = None

    @property
    def channels(self) -> int:
        return self.shape[1] if len(self.shape) == 2 else self.shape[0]

    @property
    def elements(self) -> int:
        """Elements for one input of a batch."""
        return prod(self.shape)

    def __str__(self) -> str:
        axes = " x ".join(str(axis) for axis in self.shape)
        return axes if self.below is None else f"{axes} of {self.below}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One tensor that an operation owns, under its name in the `state_dict`.

    A buffer (running statistics, fixed tables kept in the state) is no parameter.
    """

    name: str
    shape: tuple[int, ...]
    buffer: bool = False

    @property
    def elements(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a graph costs for one input: exact integers.

    `macs` are multiply-accumulates of convolutions, linear maps and attention products, as
    torch's `FlopCounterMode` / 2 counts them; `activation_bytes` sums all float32 results,
    `peak_bytes` is the most that is alive at once in inference, in the order of the text.
    """

    params: int = 0
    macs: int = 0
    activation_bytes: int = 0
    peak_bytes: int = 0
