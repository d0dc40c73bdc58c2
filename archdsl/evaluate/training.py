"""What training and judging have in common: chance, counts, settings of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isnan

import torch
from torch import Tensor, nn

from archdsl.evaluate.data import Batch, moved
from archdsl.evaluate.norms import calibrated
from archdsl.evaluate.ranks import SINGLE, Ranks
from archdsl.syntax.errors import fault

Forward = Callable[[Tensor], Tensor | tuple[Tensor, ...]]
"""Images to scores (B, classes); several where a network has auxiliary heads."""


def outputs(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a network says of a batch, and behind it what its auxiliary heads say."""
    return result if isinstance(result, tuple) else (result,)


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """What is drawn inside comes from `seed` alone, and nobody outside notices."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def sound(number: float, epoch: int) -> float:
    """What training came to in an epoch, counted from 0.

    Raises ArchError E0842 where it is no number: weights do not come back from there.
    """
    if isnan(number):
        raise fault(
            "E0842",
            f"training diverged in epoch {epoch + 1}",
            found="a loss that is not a number",
            expected="a finite one",
            hint="a smaller learning rate, or `clip = 5` in a recipe, with another folder",
        )
    return number


def correct(forward: Forward, batches: Iterable[tuple[Tensor, Tensor]]) -> list[tuple[int, int]]:
    """For each batch, how many images are recognised, of how many."""
    counts = []
    with torch.no_grad():
        for images, labels in batches:
            scores = outputs(forward(images))[0]
            hits = (scores.argmax(1) == labels).sum()
            counts.append((int(hits), len(labels)))
    return counts


def judged(
    model: nn.Module,
    forward: Forward,
    prepared: Iterable[Batch],
    batches: Sequence[Batch],
    device: torch.device,
    ranks: Ranks = SINGLE,
) -> list[tuple[int, int]]:
    """`correct` under the batch statistics that `forward` has over the prepared batches.

    Leaves the model and its statistics as they were. Of several `ranks` each judges some batches,
    and all know the counts.
    """
    mine = ranks.own(batches)
    found: list[tuple[int, int]] = []
    if mine:
        images = (images.to(device) for images, _ in prepared)
        with calibrated(model, forward, images):
            found = correct(forward, (moved(batch, device) for batch in mine))
    return gathered(found, ranks)


def gathered(found: list[tuple[int, int]], ranks: Ranks) -> list[tuple[int, int]]:
    """The counts of all batches, in order, where each process has those of its own."""
    if not ranks.several:
        return found
    count = int(ranks.sums([len(found)])[0])
    both: list[list[float]] = []
    for numbers in zip(*found, strict=True) if found else ((), ()):
        row = [0.0] * count
        row[ranks.rank :: ranks.world] = [float(number) for number in numbers]
        both.append(ranks.sums(row))
    return [(int(hits), int(total)) for hits, total in zip(*both, strict=True)]


def accuracy(counts: Iterable[tuple[int, int]]) -> float:
    """The share of recognised images over all batches, 0 to 1."""
    pairs = tuple(counts)
    return sum(hits for hits, _ in pairs) / sum(total for _, total in pairs)


@contextmanager
def torch_settings(threads: int) -> Iterator[None]:
    """Deterministic kernels and a fixed number of threads; afterwards as before.

    Where an operation has no deterministic kernel on a device, torch warns and goes on.
    """
    before = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
