"""Training children from inherited weights, beside fresh ones, epoch by epoch.

    python -m benchmarks.inherited DATA [SEEDS]

DATA is a folder with `cifar10_data_batch_1.tar` and `cifar10_data_batch_5.tar`: CIFAR-10 images as
mosaics. Part of the first is trained on, part of the fifth validates.
"""

from __future__ import annotations

import io
import statistics
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d

from archdsl.evaluate.data import Data
from archdsl.evaluate.images import MemoryImages
from archdsl.evaluate.scratch import TrainSettings, learned
from archdsl.evaluate.training import accuracy, correct, torch_settings
from archdsl.grow.draw import KINDS, drawn
from archdsl.grow.heir import heir
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import load_network
from benchmarks.table import RESULTS, Row, write

SPACE = "nas_bench_201(cells=1, width=8, size=16)"
PARENTS = (
    "infer[nor_conv_3x3; skip_connect nor_conv_3x3; nor_conv_1x1 none skip_connect]",
    "infer[skip_connect; nor_conv_3x3 none; nor_conv_3x3 avg_pool_3x3 nor_conv_1x1]",
)
IMAGES, HELD, SIZE = 2000, 1000, 16
BEFORE, AFTER = 5, 3
"""Epochs of a parent, and of a child that inherits; a fresh child has both."""


@dataclass(frozen=True, slots=True)
class Child:
    """A network that came of a parent, and how."""

    kind: str
    program: Program


@dataclass(frozen=True, slots=True)
class Curves:
    """Accuracies after 0, 1, ... epochs of one child with one seed."""

    kind: str
    parent: float
    inherited: tuple[float, ...]
    fresh: tuple[float, ...]
    preserved: bool


def images(path: Path, count: int) -> MemoryImages:
    """The first images of a pack, of half their size: the mean of 2 x 2 pixels."""
    tiles, labels = [], None
    with tarfile.open(path) as tar:
        for name in sorted(tar.getnames()):
            file = tar.extractfile(name)
            assert file is not None
            content = file.read()
            if name == "labels.npy":
                labels = np.load(io.BytesIO(content))
                continue
            mosaic = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            grid = mosaic.reshape(mosaic.shape[0] // 32, 32, 50, 32, 3).transpose(0, 2, 4, 1, 3)
            tiles.append(grid.reshape(-1, 3, 32, 32))
    pixels = torch.from_numpy(np.concatenate(tiles)[:count]).float() / 255
    assert labels is not None
    return MemoryImages(avg_pool2d(pixels, 2), torch.from_numpy(labels[:count]).long())


def opened(folder: Path) -> Data:
    train = images(folder / "cifar10_data_batch_1.tar", IMAGES)
    held = images(folder / "cifar10_data_batch_5.tar", HELD)
    shape = (3, SIZE, SIZE)
    return Data(name="cifar10", classes=10, shape=shape, train=train, validation=held, test=held)


def children(parent: Program, rng: Random) -> Iterator[Child]:
    """One edit of each kind by lot, and one decision changed by lot."""
    for kind in KINDS:
        found = drawn(parent, kind, rng)
        assert found is not None
        yield Child(kind, found[1])
    space = Library().find(SPACE).space
    other = rng.choice(list(space.neighbours(space.parse(parent.genotype))))
    yield Child("decision", space.resolve(other))


def fresh(program: Program, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return load_network(program)


def curves(data: Data, parent: Program, family: Sequence[Child], seed: int) -> Iterator[Curves]:
    """A parent trained once, and its children both ways."""
    settings = TrainSettings(seed=seed)
    network = fresh(parent, seed)
    known = learned(network, parent, data, settings, BEFORE)[-1]
    for child in family:
        found = heir(parent, child.program, seed=seed)
        ours, theirs = fresh(child.program, seed), fresh(child.program, seed)
        weights = found.weights(network.state_dict(), ours.state_dict())
        ours.load_state_dict({name: tensor.clone() for name, tensor in weights.items()})
        later = TrainSettings(seed=seed + 100)  # other orders of images than the parent saw
        yield Curves(
            child.kind,
            known,
            (judged(ours, data), *learned(ours, child.program, data, later, AFTER)),
            (
                judged(theirs, data),
                *learned(theirs, child.program, data, settings, BEFORE + AFTER),
            ),
            found.preserved,
        )


def judged(network: torch.nn.Module, data: Data) -> float:
    return accuracy(correct(network.eval(), data.validation_batches))


def mean(values: Sequence[float]) -> str:
    """In per cent, with the standard error of the mean."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.1f} ± {100 * error:.1f}"


def row(kind: str, found: Sequence[Curves]) -> Row:
    """One kind of child."""
    return {
        "child": kind,
        "runs": len(found),
        "preserved": sum(one.preserved for one in found),
        f"parent, {BEFORE} epochs": mean([one.parent for one in found]),
        **{
            f"inherited, {epoch}": mean([one.inherited[epoch] for one in found])
            for epoch in range(AFTER + 1)
        },
        **{
            f"fresh, {epoch}": mean([one.fresh[epoch] for one in found])
            for epoch in (1, AFTER, BEFORE + 1, BEFORE + AFTER)
        },
    }


def draw(found: Sequence[Curves]) -> None:
    """The curves of both ways, the mean over all children, as a picture."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "archdsl"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    ours = 100 * np.mean([one.inherited for one in found], axis=0)
    theirs = 100 * np.mean([one.fresh for one in found], axis=0)
    axes.plot(range(AFTER + 1), ours, "o-", label="inherited")
    axes.plot(range(BEFORE, BEFORE + AFTER + 1), ours, "o:", label="the same, its parent counted")
    axes.plot(range(BEFORE + AFTER + 1), theirs, "s-", label="fresh")
    axes.set_xlabel("epochs")
    axes.set_ylabel("accuracy in per cent")
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "inherited.svg", metadata={"Date": None})


def main(folder: str, seeds: int = 3) -> None:
    data, rng, begun = opened(Path(folder)), Random(0), time.perf_counter()
    space = Library().find(SPACE).space
    found: list[Curves] = []
    with torch_settings(1):
        for text in PARENTS:
            parent = space.resolve(space.parse(f"{SPACE}/{text}"))
            family = list(children(parent, rng))
            for seed in range(seeds):
                found += curves(data, parent, family, seed)
                print(f"{len(found)} children, {time.perf_counter() - begun:.0f} s", flush=True)
    kinds = list(dict.fromkeys(one.kind for one in found))
    rows = [row(kind, [one for one in found if one.kind == kind]) for kind in kinds]
    draw(found)
    write(
        "inherited",
        "Children from inherited weights, and from fresh ones",
        f"python -m benchmarks.inherited DATA {seeds}",
        [*rows, row("all", found)],
        [
            f"Accuracy in per cent, with its standard error, on {HELD:,} images that are not "
            f"trained on, after so many epochs of {IMAGES:,} images of CIFAR-10 at {SIZE} x {SIZE} "
            f"pixels, without augmentation; AdamW, rate 1e-3. {len(PARENTS)} parents of `{SPACE}`, "
            f"one child of each kind by lot, {seeds} seeds. `fresh, {BEFORE + 1}` has as many "
            f"epochs in all as `inherited, 1` with its parent's, `fresh, {BEFORE + AFTER}` as "
            f"`inherited, {AFTER}`.",
            "![curves](inherited.svg)",
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:]))
