"""Normalised inputs: what images are shifted and scaled by, worked out from those trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from archdsl.controllers.seeds import stream
from archdsl.evaluate.images import Images

MOST = 50_000
"""Images that mean and deviation are taken over; of more, so many are drawn."""
AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """(image - mean) / deviation, channel by channel, of images scaled to 0..1."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, inputs: Mapping[str, Sequence[float]]) -> Normal:
        """From what `inputs` says."""
        return cls(mean=tuple(inputs["mean"]), deviation=tuple(inputs["deviation"]))

    def __call__(self, images: Tensor) -> Tensor:
        """Images (..., C, H, W)."""
        mean, deviation = (
            torch.tensor(one, dtype=images.dtype)[:, None, None]
            for one in (self.mean, self.deviation)
        )
        return (images - mean) / deviation

    @property
    def inputs(self) -> dict[str, list[float]]:
        """The same, for a file that says what weights were trained on."""
        return {name: list(numbers) for name, numbers in asdict(self).items()}


def normal_of(images: Images) -> Normal:
    """The mean and deviation of each channel over all pixels of images as they are judged.

    A channel that is the same everywhere is only shifted.
    """
    rows = range(len(images))
    chosen: Sequence[int] = rows
    if len(rows) > MOST:
        chosen = sorted(stream(0, "normal").sample(rows, MOST))
    sums = squares = torch.zeros((), dtype=torch.float64)
    count = 0
    for start in range(0, len(chosen), AT_ONCE):
        batch = images.plain(chosen[start : start + AT_ONCE])[0].double()
        sums = sums + batch.sum((0, 2, 3))
        squares = squares + batch.square().sum((0, 2, 3))
        count += batch.numel() // batch.shape[1]
    mean = sums / count
    deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
    deviation[deviation < 1e-6] = 1.0
    return Normal(mean=_rounded(mean), deviation=_rounded(deviation))


def _rounded(numbers: Tensor) -> tuple[float, ...]:
    """To as many digits as float32 has: what is printed is what was used."""
    return tuple(float(f"{number:.6g}") for number in numbers.tolist())
