"""Data for searching and training: named by a string, cut into fixed parts.

    digits             1,797 handwritten digits of scikit-learn, 8 x 8, embedded
    cifar10:ROOT       the official training and test images (also cifar100:ROOT)
    flowers102:ROOT    the official three parts
    folder:PATH        PATH/train/CLASS/*.jpg, PATH/val/..., PATH/test/..., or PATH/CLASS/*.jpg

Where the source has a validation part, that is used; else one is cut from what may be trained
on, the same share of every class, by a fixed shuffle (`split`). What is validated or tested on
is never trained on. Inputs are scaled to 0..1, and normalised where a recipe says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from archdsl.controllers.seeds import seed_for, stream
from archdsl.evaluate.images import Images
from archdsl.evaluate.normal import Normal, normal_of
from archdsl.evaluate.ranks import LEAST, SINGLE, Ranks
from archdsl.evaluate.sources import open_source
from archdsl.ir.graph import Graph
from archdsl.recipes import Recipe
from archdsl.recipes.augment import AugmentPart, zeroed_last
from archdsl.syntax.errors import fault

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W), float32, and labels (B,), int64."""


def moved(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device."""
    images, labels = batch
    return images.to(device), labels.to(device)


@dataclass(frozen=True, kw_only=True)
class Data:
    """Three disjoint parts of one set of images, in the shape that a network takes.

    `name` is the string that it was opened by, without a path; `shape` is (C, H, W).
    """

    name: str
    classes: int
    shape: tuple[int, int, int]
    train: Images
    validation: Images
    test: Images
    batch_size: int = 128
    normal: Normal | None = None

    @property
    def steps(self) -> int:
        """Training batches in one epoch; a last short batch counts, a lone image does not."""
        full, rest = divmod(len(self.train), self.batch_size)
        return full + (rest > 1)

    def training_batch(self, seed: int, epoch: int, step: int) -> Batch:
        """One batch of one epoch: the same images, equally augmented, for the same numbers."""
        order = self._order(seed, epoch)
        rows = order[step * self.batch_size : (step + 1) * self.batch_size]
        return self.train.augmented(rows, seed_for(seed, "augment", epoch, step))

    def calibration_batches(self, count: int) -> tuple[Batch, ...]:
        """The first training images of a fixed shuffle, not augmented: for batch statistics.

        Prepared at the first call and kept.
        """
        while len(self._calibration) < min(count, self.steps):
            order = self._order(0, 0)
            start = len(self._calibration) * self.batch_size
            self._calibration.append(self.train.plain(order[start : start + self.batch_size]))
        return tuple(self._calibration[:count])

    def prepared(self, recipe: Recipe) -> Data:
        """The same images, augmented and normalised as a recipe says; as they are where it is
        silent.

        Zeros that training writes last are zeros of normalised images, as in the code of DARTS.
        """
        parts = recipe.augment
        behind: tuple[AugmentPart, ...] = ()
        if recipe.normalise and parts:
            parts, behind = zeroed_last(parts)
        data = self if parts is None else self.augmented_by(parts)
        return data.normalised(normal_of(self.train), behind) if recipe.normalise else data

    def normalised(self, normal: Normal, behind: Sequence[AugmentPart] = ()) -> Data:
        """The same images, normalised; `behind` that, training does this as well."""
        _, *size = self.shape
        train, validation, test = (
            part.normalised(normal, parts, (size[0], size[1]))
            for part, parts in ((self.train, behind), (self.validation, ()), (self.test, ()))
        )
        return replace(self, train=train, validation=validation, test=test, normal=normal)

    @property
    def inputs(self) -> dict[str, list[float]]:
        """What has to be done to images in 0..1 before a network trained on this sees them."""
        return self.normal.inputs if self.normal else {}

    def augmented_by(self, parts: Sequence[AugmentPart]) -> Data:
        """The same images, of which those that are trained on are changed as a recipe says."""
        _, height, width = self.shape
        return replace(self, train=self.train.augmented_by(parts, (height, width)))

    @cached_property
    def _calibration(self) -> list[Batch]:
        return []

    @cached_property
    def validation_batches(self) -> tuple[Batch, ...]:
        """The whole validation part, prepared once and kept in memory; the last may be short."""
        order = list(range(len(self.validation)))
        stream(0, "validation order").shuffle(order)  # sources are often sorted by class
        return tuple(self._cut(self.validation, order))

    @property
    def reward_batches(self) -> tuple[Batch, ...]:
        """The validation batches of full size: those that rewards are measured on."""
        full = tuple(b for b in self.validation_batches if len(b[1]) == self.batch_size)
        return full or self.validation_batches

    def held_batch(self, seed: int, number: int) -> Batch:
        """A batch of what validates, for what is learned from it: one pass after the other, each in
        an order of its own. Images as they are judged; a last short batch is left out.
        """
        steps = max(len(self.validation) // self.batch_size, 1)
        turn, step = divmod(number, steps)
        order = list(range(len(self.validation)))
        stream(seed, "held", turn).shuffle(order)
        return self.validation.plain(order[step * self.batch_size : (step + 1) * self.batch_size])

    def test_batches(self, ranks: Ranks = SINGLE) -> Iterator[Batch]:
        """The test part, batch by batch; of several processes each has some of them."""
        return self._cut(self.test, range(len(self.test)), ranks)

    def _cut(self, images: Images, order: Sequence[int], ranks: Ranks = SINGLE) -> Iterator[Batch]:
        for start in ranks.own(range(0, len(order), self.batch_size)):
            yield images.plain(order[start : start + self.batch_size])

    def _order(self, seed: int, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed_for(seed, "order", epoch))
        order: list[int] = torch.randperm(len(self.train), generator=generator).tolist()
        return order


def opened_for(net: Graph, name: str, batch_size: int) -> Data:
    """Data in the shape that a net takes. Raises ArchError E0804 as `classifies` does, those of
    `open_data`, and E0810 for batches of one image, which have no batch statistics."""
    image, classes = classifies(net)
    if batch_size < LEAST:
        raise fault(
            "E0810",
            f"batch_size cannot be {batch_size}",
            found=str(batch_size),
            expected="at least 2: one image has no batch statistics",
        )
    return open_data(name, shape=image, classes=classes, batch_size=batch_size)


def classifies(net: Graph) -> tuple[tuple[int, ...], int]:
    """The shape of the images that a net takes, and how many classes it tells apart.

    Outputs behind the first are auxiliary heads. Raises ArchError E0804 where a net does not
    classify images: training needs one that does.
    """
    takes = [net.nodes[i].type for i in net.inputs]
    gives = net.result_types
    scores = len(set(gives)) == 1 and len(gives[0].shape) == 1
    if len(takes) != 1 or takes[0].below is not None or not scores:
        raise fault(
            "E0804",
            "only networks with one image in and scores of classes out are trained here",
            found=f"{', '.join(map(str, takes))} in, {', '.join(map(str, gives))} out",
            expected="one input such as image: 3 x 32 x 32; scores (10) out, also of heads",
            hint="compile the network and train the file: it needs torch only",
        )
    return takes[0].shape, gives[0].channels


def open_data(text: str, *, shape: tuple[int, ...], classes: int, batch_size: int = 128) -> Data:
    """The data named by `text`, for networks that take `shape` (C, H, W) and tell `classes`.

    Raises ArchError: E0802 an unknown name, E0803 files that are not there, or too few, E0804 a
    network that does not fit the data.
    """
    if len(shape) != 3:
        raise fault(
            "E0804",
            "images need a network that takes channels, height and width",
            found=f"{len(shape)} axes",
        )
    channels, height, width = shape
    name, _, root = text.partition(":")
    source = open_source(name, root, (channels, height, width))
    if source.classes != classes:
        raise fault(
            "E0804",
            f"{name} has {source.classes} classes, the network tells {classes} apart",
            found=f"{classes} classes",
            expected=str(source.classes),
            hint=f"give the space that parameter, for example classes={source.classes}",
        )
    parts = {"train": source.train, "validate": source.validation, "test": source.test}
    if few := [part for part, images in parts.items() if len(images) < LEAST]:
        counts = ", ".join(f"{len(images)} to {part}" for part, images in parts.items())
        raise fault(
            "E0803",
            f"{name} has too few images to {few[0]}",
            found=counts,
            expected=f"at least {LEAST} of each",
            hint="what is cut off for a part is a share of every class, rounded",
        )
    return Data(
        name=name,
        classes=classes,
        shape=(channels, height, width),
        train=source.train,
        validation=source.validation,
        test=source.test,
        batch_size=batch_size,
    )
