"""CIFAR-10 as the image packs beside the project hold it, in three parts that never change."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from archdsl.evaluate.data import Data
from archdsl.evaluate.images import MemoryImages

PACKS = Path(__file__).parents[2] / "shared" / "data"
TRAIN, HELD, TEST = "cifar10_data_batch_1", "cifar10_data_batch_5", "cifar10_test1k"
SIDE = 32
WORDS = (
    "CIFAR-10: trained on batch 1 (10,000 images), cropped from a border of an eighth and flipped; "
    "batch 5 (10,000) is held out; `test`: the first 1,000 test images."
)


def subset(size: int, batch_size: int = 128, validation: slice = slice(None)) -> Data:
    """Batch 1 trains, the images `validation` of batch 5 validate, the first 1,000 test images
    test; all resized to (3, size, size). Raises FileNotFoundError without the packs.
    """
    resize = v2.Resize((size, size), antialias=True)

    def images(name: str) -> tuple[Tensor, Tensor]:
        pixels, labels = unpacked(PACKS / f"{name}.tar")
        return (pixels if size == SIDE else resize(pixels)).contiguous(), labels

    border = max(size // 8, 1)
    augment = v2.Compose([v2.RandomCrop((size, size), padding=border), v2.RandomHorizontalFlip()])
    held, classes = images(HELD)
    return Data(
        name="cifar10 subset",
        classes=10,
        shape=(3, size, size),
        train=MemoryImages(*images(TRAIN), augment=augment),
        validation=MemoryImages(held[validation], classes[validation]),
        test=MemoryImages(*images(TEST)),
        batch_size=batch_size,
    )


def unpacked(path: Path) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32) as bytes, and labels (N,), of mosaics of 40 x 50 tiles."""
    tiles, labels = [], np.empty(0)
    with tarfile.open(path) as pack:
        for name in sorted(pack.getnames()):
            member = pack.extractfile(name)
            assert member is not None
            content = io.BytesIO(member.read())
            if name == "labels.npy":
                labels = np.load(content, allow_pickle=False)
                continue
            mosaic = np.asarray(Image.open(content).convert("RGB"))
            grid = mosaic.reshape(len(mosaic) // SIDE, SIDE, 50, SIDE, 3).transpose(0, 2, 4, 1, 3)
            tiles.append(grid.reshape(-1, 3, SIDE, SIDE))
    return torch.from_numpy(np.concatenate(tiles)), torch.from_numpy(labels.astype(np.int64))
