"""Labelled images: in memory where they are small, read when needed where they are not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cached_property
from typing import Any, Protocol

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


class MemoryImages:
    """Images that all lie in memory, in their final shape (N, C, H, W), as bytes or floats.

    `augment` is applied to one image after the other; None leaves them as they are.
    """

    def __init__(self, images: Tensor, labels: Tensor, augment: Transform | None = None) -> None:
        self.images = images
        self.labels = labels
        self.augment = augment

    def __len__(self) -> int:
        return len(self.labels)

    def plain(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        index = torch.as_tensor(rows, dtype=torch.long)
        return as_float(self.images[index]), self.labels[index]

    def augmented(self, rows: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
        if self.augment is None:
            return self.plain(rows)
        with torch.random.fork_rng(devices=[]):  # v2 transforms draw from the global generator
            torch.manual_seed(seed)
            images = torch.stack([self.augment(self.images[row]) for row in rows])
        return as_float(images), self.labels[torch.as_tensor(rows, dtype=torch.long)]

    def augmented_by(self, parts: Sequence[AugmentPart], size: tuple[int, int]) -> MemoryImages:
        from torchvision.transforms import v2

        if not parts:
            return MemoryImages(self.images, self.labels)
        # Some of torchvision's transforms take bytes only.
        bytes_ = v2.ToDtype(torch.uint8, scale=True)
        chain = v2.Compose([bytes_, *(part.transform(size) for part in parts)])
        return MemoryImages(self.images, self.labels, chain)


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

    def __len__(self) -> int:
        return len(self.rows)

    def plain(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        images = [self.judge(image) for image in self._read(rows)]
        return torch.stack(images), self.labels[torch.as_tensor(rows, dtype=torch.long)]

    def augmented(self, rows: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
        images = self._read(rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            images = [self.augment(image) for image in images]
        return torch.stack(images), self.labels[torch.as_tensor(rows, dtype=torch.long)]

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

    def _read(self, rows: Sequence[int]) -> list[Any]:
        """Decoded in parallel; the random part stays in order, on one thread."""
        return list(self._readers.map(lambda row: self.dataset[self.rows[row]][0], rows))

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8))


def as_float(images: Tensor) -> Tensor:
    """Bytes 0..255 as floats 0..1; floats as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images
