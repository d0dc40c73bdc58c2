"""Where images come from. torchvision and scikit-learn are imported when one is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archdsl.controllers.seeds import stream
from archdsl.evaluate.images import FileImages, Images, MemoryImages, Transform
from archdsl.syntax.errors import ArchError, fault

Shape = tuple[int, int, int]
"""(C, H, W)."""

EXPECTED = "digits, cifar10:ROOT, cifar100:ROOT, flowers102:ROOT or folder:PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The three parts of a data set, in the shape asked for."""

    classes: int
    train: Images
    validation: Images
    test: Images


def open_source(name: str, root: str, shape: Shape) -> Source:
    """The data set of that name. Raises ArchError (E0802, E0803, E0804)."""
    if name == "digits" and not root:
        return digits(shape)
    opener = {"cifar10": cifar, "cifar100": cifar, "flowers102": flowers, "folder": folder}
    if name not in opener:
        raise fault("E0802", f"there is no data called {name!r}", found=name, expected=EXPECTED)
    if not root:
        raise fault(
            "E0802", f"{name} needs the folder that holds it", found=name, expected=f"{name}:PATH"
        )
    return opener[name](name, Path(root), shape)


def split(
    labels: Sequence[int], shares: Sequence[float], purpose: str
) -> tuple[tuple[int, ...], ...]:
    """Rows cut into parts of about these shares, class by class, by a shuffle fixed for ever.

    Every row is in exactly one part; the first part takes what rounding leaves.
    """
    parts: list[list[int]] = [[] for _ in shares]
    for label in sorted(set(labels)):
        rows = [row for row, other in enumerate(labels) if other == label]
        stream(0, "split", purpose, label).shuffle(rows)
        counts = [round(share * len(rows)) for share in shares[1:]]
        for part, count in zip(parts[1:], counts, strict=True):
            part += rows[:count]
            rows = rows[count:]
        parts[0] += rows
    return tuple(tuple(sorted(part)) for part in parts)


def digits(shape: Shape) -> Source:
    """scikit-learn's digits (test part of the UCI set of Alpaydin and Kaynak, 1998).

    The set has no official split: half is trained on, a quarter validates, a quarter tests.
    Grey is repeated over the channels; no augmentation.
    """
    from sklearn.datasets import load_digits
    from torchvision.transforms import v2

    pack = load_digits()
    grey = torch.tensor(pack.images, dtype=torch.float32)[:, None] / 16  # (1797, 1, 8, 8)
    labels = torch.tensor(pack.target, dtype=torch.long)
    resize = v2.Resize(shape[1:], antialias=True)
    images = resize(grey).clamp(0, 1).repeat(1, shape[0], 1, 1).contiguous()
    parts = split(labels.tolist(), (0.5, 0.25, 0.25), "digits")
    train, validation, test = (
        MemoryImages(images[list(rows)], labels[list(rows)]) for rows in parts
    )
    return Source(classes=10, train=train, validation=validation, test=test)


def cifar(name: str, root: Path, shape: Shape) -> Source:
    """CIFAR-10 and CIFAR-100 (Krizhevsky 2009) with their official test part.

    A tenth of the training images validates. Training crops at random from a border of an
    eighth, and flips.
    """
    from torchvision import datasets
    from torchvision.transforms import v2

    kind = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    learn = _opened(name, root, lambda: kind(root, train=True, download=False))
    judge = _opened(name, root, lambda: kind(root, train=False, download=False))
    _need_colour(name, shape)
    resize = v2.Resize(shape[1:], antialias=True)

    def pixels(dataset: Any, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        images = torch.from_numpy(dataset.data[list(rows)]).permute(0, 3, 1, 2)
        labels = torch.tensor([dataset.targets[row] for row in rows], dtype=torch.long)
        same = tuple(images.shape[2:]) == shape[1:]
        return (images if same else resize(images)).contiguous(), labels

    train, validation = split(learn.targets, (0.9, 0.1), name)
    border = max(shape[1] // 8, 1)
    augment = v2.Compose([v2.RandomCrop(shape[1:], padding=border), v2.RandomHorizontalFlip()])
    return Source(
        classes=len(learn.classes),
        train=MemoryImages(*pixels(learn, train), augment=augment),
        validation=MemoryImages(*pixels(learn, validation)),
        test=MemoryImages(*pixels(judge, range(len(judge.targets)))),
    )


def flowers(name: str, root: Path, shape: Shape) -> Source:
    """Oxford Flowers-102 (Nilsback and Zisserman 2008): 1,020, 1,020 and 6,149 images."""
    from torchvision import datasets

    _need_colour(name, shape)
    parts = []
    for part in ("train", "val", "test"):
        opened = _opened(name, root, lambda p=part: datasets.Flowers102(root, p, download=False))  # type: ignore[misc]
        parts.append(_files(opened, range(len(opened)), opened._labels, shape))
    return Source(classes=102, train=parts[0], validation=parts[1], test=parts[2])


def folder(name: str, root: Path, shape: Shape) -> Source:
    """One folder of images a class, below `train`, `val` and `test` or all together.

    Without `val` a tenth of `train` validates; without any parts, half is trained on, a quarter
    validates and a quarter tests.
    """
    from torchvision import datasets

    _need_colour(name, shape)

    def opened(path: Path) -> Any:
        return _opened(name, path, lambda: datasets.ImageFolder(path))

    if not (root / "train").is_dir():
        whole = opened(root)
        rows = split(whole.targets, (0.5, 0.25, 0.25), "folder")
        train, validation, test = (_files(whole, part, whole.targets, shape) for part in rows)
        return Source(classes=len(whole.classes), train=train, validation=validation, test=test)
    learn, judge = opened(root / "train"), opened(root / "test")
    sets = [learn, judge]
    learned, validated = tuple(range(len(learn))), None
    if (root / "val").is_dir():
        sets.append(validated := opened(root / "val"))
        validation = _files(validated, range(len(validated)), validated.targets, shape)
    else:
        learned, held = split(learn.targets, (0.9, 0.1), "folder")
        validation = _files(learn, held, learn.targets, shape)
    if len({tuple(part.classes) for part in sets}) != 1:
        raise fault("E0803", f"the parts of {root} hold different classes")
    return Source(
        classes=len(learn.classes),
        train=_files(learn, learned, learn.targets, shape),
        validation=validation,
        test=_files(judge, range(len(judge)), judge.targets, shape),
    )


def _files(dataset: Any, rows: Sequence[int], labels: Sequence[int], shape: Shape) -> FileImages:
    """Judged by the centre after a resize by 8/7, trained on random resized crops and flips."""
    from torchvision.transforms import v2

    _, height, width = shape
    end = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    shorter = round(max(height, width) * 8 / 7)
    judge: Transform = v2.Compose(
        [v2.Resize(shorter, antialias=True), v2.CenterCrop((height, width)), *end]
    )
    augment: Transform = v2.Compose(
        [v2.RandomResizedCrop((height, width), antialias=True), v2.RandomHorizontalFlip(), *end]
    )
    return FileImages(dataset, rows, labels, judge, augment)


def _need_colour(name: str, shape: Shape) -> None:
    if shape[0] != 3:
        raise fault(
            "E0804",
            f"{name} holds colour images, the network takes {shape[0]} channels",
            found=f"{shape[0]} channels",
            expected="3",
        )


def _opened(name: str, path: Path, opener: Callable[[], Any]) -> Any:
    """What torchvision opens, or the reason in words."""
    try:
        return opener()
    except (RuntimeError, OSError, ImportError) as error:
        raise missing(name, path, str(error).splitlines()[0]) from error


def missing(name: str, path: Path, reason: str) -> ArchError:
    """The error for files that are not where the user says."""
    hints = {
        "cifar10": "unpack cifar-10-python.tar.gz from www.cs.toronto.edu/~kriz/cifar.html there,"
        " so that the folder holds cifar-10-batches-py",
        "cifar100": "unpack cifar-100-python.tar.gz from www.cs.toronto.edu/~kriz/cifar.html"
        " there, so that the folder holds cifar-100-python",
        "flowers102": "put 102flowers.tgz (unpacked as jpg), imagelabels.mat and setid.mat from"
        " www.robots.ox.ac.uk/~vgg/data/flowers/102 into its folder flowers-102",
        "folder": "it should hold train, val and test, or the classes, one folder of images each",
    }
    return fault(
        "E0803",
        f"{name} is not in {path}: {reason}",
        found=str(path),
        expected=f"the files of {name}",
        hint=hints[name] + "; nothing is downloaded",
    )
