"""A recipe as a network follows it: optimizer, rate, mixed batches, precision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.evaluate.data import Batch
from archdsl.evaluate.ranks import SINGLE, Ranks
from archdsl.evaluate.training import Forward, outputs, seeded
from archdsl.recipes import Recipe
from archdsl.syntax.errors import fault


class Followed:
    """The optimizer of a recipe over parameters, and its steps.

    `steps` are those of one epoch, `classes` the number of them. Of several `ranks` each takes
    its part of every batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        parameters: Iterable[Tensor],
        *,
        steps: int,
        classes: int,
        ranks: Ranks = SINGLE,
    ) -> None:
        self.recipe = recipe
        self.ranks = ranks
        self.steps = steps
        self.classes = classes
        groups = [{"params": list(parameters)}] if recipe.decay_vectors else _by_axes(parameters)
        self.optimizer = recipe.optimizer.over(groups)

    def move(self, epoch: int, number: int) -> float:
        """Set the rate for a step of an epoch, and return it."""
        # A warm-up ends with the full rate, and its first step has more than none.
        done = epoch + (number + (epoch < self.recipe.warmup)) / self.steps
        rate = self.recipe.learning_rate(done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def train(
        self,
        forwards: Sequence[Forward],
        batch: Batch,
        epoch: int,
        number: int,
        seed: int,
        *,
        distill: bool = False,
    ) -> float:
        """One step of an epoch on a batch; returns the first loss. `seed` is all it draws from.

        Where there are several ways through a network, the step is on the sum of their losses.
        With `distill` all but the first learn its scores in place of the labels, which are soft
        already: Yu and Huang, "Universally Slimmable Networks", section 3.3.
        """
        images, labels = batch
        self.move(epoch, number)
        first = 0.0
        with seeded(images.device, seed):
            images, targets = self._mixed(images, labels)
            self.optimizer.zero_grad(set_to_none=True)
            with self.ranks.part(images, targets, seed) as (images, targets, share):
                for way, forward in enumerate(forwards):
                    scores = self.scores(forward, images)
                    smoothing = 0.0 if distill and way else self.recipe.label_smoothing
                    loss = share * self._losses(scores, targets, smoothing)
                    loss.backward()
                    if way == 0:
                        first = loss.item()
                        targets = scores[0].detach().softmax(1) if distill else targets
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.ranks.add_gradients(parameters)
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        self.optimizer.step()
        return self.ranks.sums([first])[0]

    def loss(self, forward: Forward, images: Tensor, targets: Tensor) -> Tensor:
        """The cross entropy of a batch, in the recipe's precision."""
        smoothing = self.recipe.label_smoothing
        return self._losses(self.scores(forward, images), targets, smoothing)

    def scores(self, forward: Forward, images: Tensor) -> tuple[Tensor, ...]:
        """What a network and its auxiliary heads say of a batch, each (B, classes), worked out in
        the recipe's precision."""
        with self.precision(images.device):
            found = outputs(forward(images))
        return tuple(one.float() if one.dtype == torch.bfloat16 else one for one in found)

    def _losses(self, scores: Sequence[Tensor], targets: Tensor, smoothing: float) -> Tensor:
        """That of the network, and a part of those of its auxiliary heads."""
        first, *others = (
            F.cross_entropy(one, targets, label_smoothing=smoothing) for one in scores
        )
        return first + self.recipe.auxiliary * torch.stack(others).sum() if others else first

    @contextmanager
    def precision(self, device: torch.device) -> Iterator[None]:
        """Autocast, where the recipe asks for it."""
        low = self.recipe.precision == "bfloat16"
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=low):
            yield

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The batch, mixed with itself where the recipe says so; then labels are (B, classes)."""
        from torchvision.transforms import v2

        kinds = ((v2.MixUp, self.recipe.mixup), (v2.CutMix, self.recipe.cutmix))
        ways = [kind(alpha=alpha, num_classes=self.classes) for kind, alpha in kinds if alpha]
        if not ways:
            return images, labels
        way = ways[int(torch.randint(len(ways), ()))]
        mixed, targets = way(images, labels)
        return mixed, targets


def _by_axes(parameters: Iterable[Tensor]) -> list[dict[str, Any]]:
    """The parameters of several axes, and those that have one and do not decay."""
    several: list[Tensor] = []
    vectors: list[Tensor] = []
    for one in parameters:
        (several if one.ndim > 1 else vectors).append(one)
    groups: list[dict[str, Any]] = [{"params": several}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


class DropPaths:
    """The drop paths of a network, which rise over the epochs to what a recipe says.

    Raises ArchError E0810 where there are none.
    """

    def __init__(self, recipe: Recipe, model: nn.Module) -> None:
        self.recipe = recipe
        found = (m for m in model.modules() if type(m).__name__ == "DropPath")
        self.modules = list(found) if recipe.drop_path >= 0 else []
        refuse_drop_paths(recipe, len(self.modules))

    def rise(self, epoch: int) -> None:
        """Set them for an epoch."""
        for module in self.modules:
            module.p = self.recipe.drop_path * epoch / self.recipe.epochs  # type: ignore[assignment]


def refuse_drop_paths(recipe: Recipe, count: int) -> None:
    """Raise ArchError E0810 where a recipe sets drop paths of a network that has `count` of 0."""
    if recipe.drop_path > 0 and not count:
        raise fault(
            "E0810",
            f"{recipe.name} sets the drop paths of a network that has none",
            found=f"drop_path = {recipe.drop_path}",
            expected="a network with drop_path",
            hint="write `-> drop_path(0.1)` in its text, or leave the setting out",
        )
