"""What a recipe may do to a training image: transforms of torchvision v2, by name.

Each draws from torch's global generator, as v2 does; who applies them seeds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from archdsl.ops.base import OperationError
from archdsl.ops.binding import Bound
from archdsl.recipes.ranges import at_least, between, share

if TYPE_CHECKING:
    from torchvision.transforms.v2 import Transform


MOST = 1_000
"""Pixels of a border or a square, so that no recipe takes all memory."""


class AugmentPart(Bound, Protocol):
    """One step from an image to an image of the size that the network takes."""

    def transform(self, size: tuple[int, int]) -> Transform:
        """Torchvision's, for images that become (height, width)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A crop at random from a border of zeros, in pixels; an eighth of the width by default."""

    keyword: ClassVar[str] = "crop"

    border: int = 0

    def __post_init__(self) -> None:
        between(self, 0, MOST, ("border",))

    def transform(self, size: tuple[int, int]) -> Transform:
        from torchvision.transforms import v2

        return v2.RandomCrop(size, padding=self.border or max(size[1] // 8, 1), pad_if_needed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizedCrop:
    """A part of the image, of so much of its area, in the size of the network."""

    keyword: ClassVar[str] = "resized_crop"

    least: float = 0.08

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise OperationError(
                "resized_crop: least is a share of the area",
                found=f"least={self.least}",
                expected="above 0, at most 1",
            )

    def transform(self, size: tuple[int, int]) -> Transform:
        from torchvision.transforms import v2

        return v2.RandomResizedCrop(size, scale=(self.least, 1.0), antialias=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Left and right exchanged, every second time."""

    keyword: ClassVar[str] = "flip"

    def transform(self, size: tuple[int, int]) -> Transform:
        from torchvision.transforms import v2

        return v2.RandomHorizontalFlip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorJitter:
    """Brightness, contrast, saturation and hue, each moved by up to a share."""

    keyword: ClassVar[str] = "color_jitter"

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.0

    def __post_init__(self) -> None:
        at_least(self, 0, ("brightness", "contrast", "saturation"))
        between(self, 0, 0.5, ("hue",))

    def transform(self, size: tuple[int, int]) -> Transform:
        from torchvision.transforms import v2

        return v2.ColorJitter(self.brightness, self.contrast, self.saturation, self.hue)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandAugment:
    """Cubuk et al., "RandAugment"; of `magnitude` from 0 to 30."""

    keyword: ClassVar[str] = "rand_augment"

    count: int = 2
    magnitude: int = 9

    def __post_init__(self) -> None:
        between(self, 1, 100, ("count",))
        between(self, 0, 30, ("magnitude",))

    def transform(self, size: tuple[int, int]) -> Transform:
        from torchvision.transforms import v2

        return v2.RandAugment(self.count, self.magnitude)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrivialAugment:
    """Müller and Hutter, "TrivialAugment": one change at random strength."""

    keyword: ClassVar[str] = "trivial_augment"

    def transform(self, size: tuple[int, int]) -> Transform:
        from torchvision.transforms import v2

        return v2.TrivialAugmentWide()


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """A rectangle of zeros, with a probability, over so much of the area.

    Zhong et al., "Random Erasing Data Augmentation".
    """

    keyword: ClassVar[str] = "erase"

    p: float = 0.25
    least: float = 0.02
    most: float = 0.33

    def __post_init__(self) -> None:
        share(self, ("least", "most"))
        if not 0 <= self.p <= 1 or self.least > self.most:
            raise OperationError(
                "erase: p is a probability, and least no more than most",
                found=f"p={self.p}, least={self.least}, most={self.most}",
            )

    def transform(self, size: tuple[int, int]) -> Transform:
        from torchvision.transforms import v2

        return v2.RandomErasing(self.p, (self.least, self.most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """One square of zeros of `side` pixels, anywhere, in every image.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout".
    What of the square lies outside is lost, as there.
    """

    keyword: ClassVar[str] = "cutout"

    side: int = 16

    def __post_init__(self) -> None:
        between(self, 1, MOST, ("side",))

    def transform(self, size: tuple[int, int]) -> Transform:
        import torch
        from torchvision.transforms import v2

        height, width = size

        def cut(image: torch.Tensor) -> torch.Tensor:
            row, column = (int(torch.randint(n, ())) - self.side // 2 for n in (height, width))
            image = image.clone()
            image[:, max(row, 0) : row + self.side, max(column, 0) : column + self.side] = 0
            return image

        return v2.Lambda(cut)


def zeroed_last(
    parts: tuple[AugmentPart, ...],
) -> tuple[tuple[AugmentPart, ...], tuple[AugmentPart, ...]]:
    """The parts before, and those at the end that only write zeros."""
    first = len(parts)
    while first and isinstance(parts[first - 1], Erase | Cutout):
        first -= 1
    return parts[:first], parts[first:]


AUGMENTS: tuple[type[AugmentPart], ...] = (
    Crop,
    ResizedCrop,
    Flip,
    ColorJitter,
    RandAugment,
    TrivialAugment,
    Erase,
    Cutout,
)
