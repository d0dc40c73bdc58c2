"""What a recipe may say of the steps: the optimizer, and how its rate moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, pi
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from archdsl.ops.binding import Bound
from archdsl.recipes.ranges import at_least, share

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    Parameters = Iterable[Tensor] | Iterable[dict[str, Any]]


class OptimizerPart(Bound, Protocol):
    """`learning_rate` is that of the beginning, after any warm-up."""

    @property
    def learning_rate(self) -> float: ...

    def over(self, parameters: Parameters) -> Optimizer:
        """Torch's, with no memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """Stochastic gradient descent with momentum."""

    keyword: ClassVar[str] = "sgd"

    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        at_least(self, 0, ("learning_rate", "weight_decay"))
        share(self, ("momentum",))

    def over(self, parameters: Parameters) -> Optimizer:
        from torch import optim

        return optim.SGD(
            parameters,
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov and self.momentum > 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Loshchilov and Hutter, "Decoupled Weight Decay Regularization"."""

    keyword: ClassVar[str] = "adamw"

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999

    def __post_init__(self) -> None:
        at_least(self, 0, ("learning_rate", "weight_decay"))
        share(self, ("beta1", "beta2"))

    def over(self, parameters: Parameters) -> Optimizer:
        from torch import optim

        return optim.AdamW(
            parameters,
            lr=self.learning_rate,
            betas=(self.beta1, self.beta2),
            weight_decay=self.weight_decay,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RMSprop:
    """The one of TensorFlow's mobile networks, whose epsilon stands in the root."""

    keyword: ClassVar[str] = "rmsprop"

    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    alpha: float = 0.9
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        at_least(self, 0, ("learning_rate", "weight_decay", "epsilon"))
        share(self, ("momentum", "alpha"))

    def over(self, parameters: Parameters) -> Optimizer:
        from torch import optim

        return optim.RMSprop(
            parameters,
            lr=self.learning_rate,
            alpha=self.alpha,
            eps=self.epsilon,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )


OPTIMIZERS: tuple[type[OptimizerPart], ...] = (SGD, AdamW, RMSprop)


class SchedulePart(Bound, Protocol):
    """How the rate moves over the epochs, without the warm-up."""

    def factor(self, epoch: float, epochs: float) -> float:
        """What the rate is multiplied with after `epoch` of `epochs` (fractions count)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The rate as it is."""

    keyword: ClassVar[str] = "constant"

    def factor(self, epoch: float, epochs: float) -> float:
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The rate times `by` after every so many epochs (torch's StepLR)."""

    keyword: ClassVar[str] = "steps"

    every: int = 50
    by: float = 0.85

    def __post_init__(self) -> None:
        at_least(self, 1, ("every",))
        at_least(self, 0, ("by",))

    def factor(self, epoch: float, epochs: float) -> float:
        return float(self.by ** (int(epoch) // self.every))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine:
    """Half a cosine from the rate down to a share `least` of it.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5,
    without restarts; it moves with every epoch, or, `by_step`, with every step.
    """

    keyword: ClassVar[str] = "cosine"

    least: float = 0.0
    by_step: bool = False

    def __post_init__(self) -> None:
        share(self, ("least",))

    def factor(self, epoch: float, epochs: float) -> float:
        done = (epoch if self.by_step else int(epoch)) / max(epochs, 1e-9)
        return self.least + (1 - self.least) * (1 + cos(pi * min(done, 1.0))) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """From the rate down to zero in a straight line, step by step."""

    keyword: ClassVar[str] = "linear"

    def factor(self, epoch: float, epochs: float) -> float:
        return max(0.0, 1 - epoch / max(epochs, 1e-9))


SCHEDULES: tuple[type[SchedulePart], ...] = (Constant, Steps, Cosine, Linear)
