"""A recipe, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from archdsl.ops.base import OperationError
from archdsl.recipes.augment import AugmentPart
from archdsl.recipes.optimizers import AdamW, Constant, OptimizerPart, SchedulePart
from archdsl.recipes.ranges import at_least, share


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """The settings of a recipe that are one word each.

    `warmup` epochs lead from nothing to the full rate; then the schedule runs over the rest.
    `mixup` and `cutmix` are the alpha of their Beta distributions (Zhang et al., Yun et al.), 0
    is off; where both are on, each batch has one of them. `drop_path` is what the drop paths of
    a network rise to, over the epochs (Zoph et al., "Learning Transferable Architectures",
    appendix A.7); left out, they keep what the text of the network says. `clip` bounds the norm
    of the gradient, 0 is off. `auxiliary` is the weight of the loss of every output of a network
    behind the first (as in that paper); without any it says nothing. `judge_every` epochs
    validation says which weights are the best, and all is saved. Without `decay_vectors` the decay
    of the optimizer leaves parameters of one axis alone: biases, and what norms scale by (as
    DeiT's code does). `normalise`: images have the mean of those trained on taken away, and are
    over their deviation, channel by channel. `precision` is that of autocast. `compile`: a network
    that is retrained is compiled by torch; supernets, which run another path each time, are not.
    """

    keyword: ClassVar[str] = "train"

    epochs: int = 600
    batch_size: int = 128
    warmup: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    drop_path: float = -1.0
    clip: float = 0.0
    auxiliary: float = 0.4
    judge_every: int = 10
    decay_vectors: bool = True
    normalise: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        at_least(self, 1, ("epochs", "batch_size", "judge_every"))
        at_least(self, 0, ("warmup", "mixup", "cutmix", "clip", "auxiliary"))
        share(self, ("label_smoothing",))
        if self.drop_path >= 1:
            raise OperationError(
                f"train: drop_path cannot be {self.drop_path}",
                found=f"drop_path = {self.drop_path}",
                expected="from 0 to below 1",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Plain):
    """How a network is trained. `augment`: None leaves it to the data; `text` is its canonical
    text, the same for recipes that are written alike."""

    name: str = ""
    text: str = ""
    optimizer: OptimizerPart = field(default_factory=AdamW)
    schedule: SchedulePart = field(default_factory=Constant)
    augment: tuple[AugmentPart, ...] | None = None

    def learning_rate(self, epoch: float) -> float:
        """The rate after so many epochs; fractions count."""
        if epoch < self.warmup:
            return self.optimizer.learning_rate * epoch / self.warmup
        left = self.epochs - self.warmup
        return self.optimizer.learning_rate * self.schedule.factor(epoch - self.warmup, left)
