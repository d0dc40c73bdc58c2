"""Labelled images: in memory where they are small, read when needed where they are not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cached_property
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from archdsl.recipes.augment import AugmentPart, ResizedCrop

Transform = Callable[[Any], Any]
"""A torchvision v2 transform of one image, or of a batch where it is not random."""


class Images(Protocol):
    """One part of a data set."""

    def __len__(self) -> int: ...

    def plain(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) as they are judged, and labels (B,)."""

    def augmented(self, rows: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
        """The same as they are trained on; the augmentation depends on `seed` alone."""

    def augmented_by(self, parts: Sequence[AugmentPart], size: tuple[int, int]) -> Images:
        """The same images, but for what is done to them in training."""

    def normalised(
        self, normal: Transform, behind: Sequence[AugmentPart], size: tuple[int, int]
    ) -> Images:
        """The same images, normalised; `behind` that, training does this to each as well."""


class MemoryImages:
    """Images that all lie in memory, in their final shape (N, C, H, W), as bytes or floats.

    `augment` is applied to one image after the other; None leaves them as they are.
    """

    def __init__(self, images: Tensor, labels: Tensor, augment: Transform | None = None) -> None:
        self.images = images
        self.labels = labels
        self.augment = augment
        self.normal: Transform = _same
        self.behind: Transform | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def plain(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        index = torch.as_tensor(rows, dtype=torch.long)
        return self.normal(as_float(self.images[index])), self.labels[index]

    def augmented(self, rows: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
        if self.augment is None and self.behind is None:
            return self.plain(rows)
        index = torch.as_tensor(rows, dtype=torch.long)
        with torch.random.fork_rng(devices=[]):  # v2 transforms draw from the global generator
            torch.manual_seed(seed)
            images = self.normal(as_float(_each(self.augment, self.images[index])))
            return _each(self.behind, images), self.labels[index]

    def augmented_by(self, parts: Sequence[AugmentPart], size: tuple[int, int]) -> MemoryImages:
        from torchvision.transforms import v2

        if not parts:
            return MemoryImages(self.images, self.labels)
        # Some of torchvision's transforms take bytes only.
        bytes_ = v2.ToDtype(torch.uint8, scale=True)
        chain = v2.Compose([bytes_, *(part.transform(size) for part in parts)])
        return MemoryImages(self.images, self.labels, chain)

    def normalised(
        self, normal: Transform, behind: Sequence[AugmentPart], size: tuple[int, int]
    ) -> MemoryImages:
        return _normalised(copy(self), normal, behind, size)


class FileImages:
    """Images read from files (a torchvision data set of PIL images) batch by batch."""

    def __init__(
        self, dataset: Any, rows: Sequence[int], labels: Sequence[int], judge: Transform,
        augment: Transform,
    ) -> None:  # fmt: skip
        self.dataset = dataset
        self.rows = tuple(rows)
        self.labels = torch.tensor([labels[row] for row in rows], dtype=torch.long)
        self.judge = judge
        self.augment = augment
        self.normal: Transform = _same
        self.behind: Transform | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def plain(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        images = torch.stack([self.judge(image) for image in self._read(rows)])
        return self.normal(images), self.labels[torch.as_tensor(rows, dtype=torch.long)]

    def augmented(self, rows: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
        images = self._read(rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            shown = self.normal(torch.stack([self.augment(image) for image in images]))
            shown = _each(self.behind, shown)
        return shown, self.labels[torch.as_tensor(rows, dtype=torch.long)]

    def augmented_by(self, parts: Sequence[AugmentPart], size: tuple[int, int]) -> FileImages:
        from torchvision.transforms import v2

        first = isinstance(parts[0], ResizedCrop) if parts else False
        chain = [
            v2.ToImage(),
            *([] if first else [v2.Resize(round(max(size) * 8 / 7), antialias=True)]),
            *(part.transform(size) for part in parts),
            v2.CenterCrop(size),
            v2.ToDtype(torch.float32, scale=True),
        ]
        changed = copy(self)
        changed.augment = v2.Compose(chain)
        return changed

    def normalised(
        self, normal: Transform, behind: Sequence[AugmentPart], size: tuple[int, int]
    ) -> FileImages:
        return _normalised(copy(self), normal, behind, size)

    def _read(self, rows: Sequence[int]) -> list[Any]:
        """Decoded in parallel; the random part stays in order, on one thread."""
        return list(self._readers.map(lambda row: self.dataset[self.rows[row]][0], rows))

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8))


Kind = TypeVar("Kind", MemoryImages, FileImages)


def _normalised(
    images: Kind, normal: Transform, behind: Sequence[AugmentPart], size: tuple[int, int]
) -> Kind:
    from torchvision.transforms import v2

    images.normal = normal
    images.behind = v2.Compose([part.transform(size) for part in behind]) if behind else None
    return images


def _same(images: Tensor) -> Tensor:
    return images


def _each(transform: Transform | None, images: Tensor) -> Tensor:
    """One image after the other, so that each has draws of its own."""
    return images if transform is None else torch.stack([transform(image) for image in images])


def as_float(images: Tensor) -> Tensor:
    """Bytes 0..255 as floats 0..1; floats as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images
