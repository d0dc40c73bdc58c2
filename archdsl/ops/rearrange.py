"""Operations that select and rearrange elements: `crop`, `channels`, `shuffle`, `flatten`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archdsl.ir.types import TensorType
from archdsl.ops.base import Argument, Code, Operation, OperationError, Traits, Types
from archdsl.ops.growth import Interval, Route
from archdsl.ops.shapes import at_least, divides, map_axes, only


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop(Operation):
    """A map without some rows and columns at its borders."""

    keyword = "crop"
    attribute = "crop"

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        for name in ("top", "left", "bottom", "right"):
            at_least("crop", name, getattr(self, name), 0)

    def infer(self, inputs: Types) -> TensorType:
        channels, height, width = map_axes("crop", inputs)
        height, width = height - self.top - self.bottom, width - self.left - self.right
        if height < 1 or width < 1:
            raise OperationError(
                "crop leaves nothing of the map",
                found=f"{inputs[0]} with {self.top + self.bottom} rows and "
                f"{self.left + self.right} columns to go",
                expected="at least one row and one column left",
            )
        return TensorType((channels, height, width))

    def code(self, inputs: Types) -> Code:
        rows, columns = _slice(self.top, -self.bottom), _slice(self.left, -self.right)
        if columns == ":":
            return Code(expression="{0}" if rows == ":" else f"{{0}}[:, :, {rows}]")
        return Code(expression=f"{{0}}[:, :, {rows}, {columns}]")

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return inputs[0]

    def traits(self, inputs: Types) -> Traits:
        whole = self.infer(inputs) == inputs[0]
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels(Operation):
    """The channels from `first` up to, not including, `last`, every `step`-th of them.

    Without `last`, up to the end. `channels(0, step=2)` and `channels(1, step=2)` are the
    channels with even and with odd numbers.
    """

    keyword = "channels"
    attribute = "channels"

    first: int = 0
    last: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        at_least("channels", "first", self.first, 0)
        at_least("channels", "last", self.last, self.first + 1)
        at_least("channels", "step", self.step, 1)

    def infer(self, inputs: Types) -> TensorType:
        value = only("channels", inputs)
        last = self.first + 1 if self.last is None else self.last
        if last > value.channels:
            raise OperationError(
                "channels selects more than there is",
                found=f"channel {last - 1} of {value}",
                expected=f"at most {value.channels - 1}",
                hint="channels count from 0, and last is not included",
            )
        end = value.channels if self.last is None else self.last
        count = len(range(self.first, end, self.step))
        if len(value.shape) == 2:
            return TensorType((value.shape[0], count))
        return TensorType((count, *value.shape[1:]))

    def code(self, inputs: Types) -> Code:
        last = 0 if self.last is None or self.last == inputs[0].channels else self.last
        selected = _slice(self.first, last) + (f":{self.step}" if self.step > 1 else "")
        if selected == ":":
            return Code(expression="{0}")
        axis = 2 if len(inputs[0].shape) == 2 else 1
        size = self.infer(inputs).channels
        if self.step == 1 and 2 * size == inputs[0].channels and self.first in (0, size):
            # So written, layers of other widths read the same and share one class.
            return Code(expression=f"{{0}}.chunk(2, dim={axis})[{self.first // size}]")
        return Code(expression=f"{{0}}[{':, ' * axis}{selected}]")

    def traits(self, inputs: Types) -> Traits:
        whole = self.infer(inputs) == inputs[0]
        return Traits(linear=True, affine=True, zero=True, per_channel=whole, per_position=True)

    def routes(self, inputs: Types) -> Sequence[Route]:
        end = inputs[0].channels if self.last is None else self.last
        return [Route(0, channel) for channel in range(self.first, end, self.step)]

    def describe(self) -> str:
        end = "" if self.last is None else f" to {self.last - 1}"
        step = f" by {self.step}" if self.step > 1 else ""
        return f"channels {self.first}{end or ' on'}{step}"


def _slice(first: int, last: int) -> str:
    """A slice in Python; 0 as `last` is the end."""
    return f"{first or ''}:{last or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffle(Operation):
    """Channels of several groups, dealt out in turn: one of each group after another.

    Zhang et al., "ShuffleNet", section 3.1.
    """

    keyword = "shuffle"
    attribute = "shuffle"

    groups: int = 2

    def __post_init__(self) -> None:
        at_least("shuffle", "groups", self.groups, 1)

    def infer(self, inputs: Types) -> TensorType:
        channels, _, _ = map_axes("shuffle", inputs)
        divides("shuffle", "groups", self.groups, channels)
        return inputs[0]

    def code(self, inputs: Types) -> Code:
        return Code(
            constructor="nn.ChannelShuffle",
            arguments=(Argument(self.groups, "groups"),),
            expression=f"F.channel_shuffle({{0}}, {self.groups})",
        )

    def traits(self, inputs: Types) -> Traits:
        whole = self.groups in (1, inputs[0].channels)
        return Traits(linear=True, affine=True, zero=True, per_channel=whole, per_position=True)

    def routes(self, inputs: Types) -> Sequence[Route]:
        size = inputs[0].channels // self.groups
        return [Route(0, g * size + i) for i in range(size) for g in range(self.groups)]

    def describe(self) -> str:
        return f"shuffle {self.groups} groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Operation):
    """All elements as one vector, in the order in which they lie."""

    keyword = "flatten"
    attribute = "flatten"

    def infer(self, inputs: Types) -> TensorType:
        return TensorType((only("flatten", inputs).elements,))

    def code(self, inputs: Types) -> Code:
        return Code(constructor="nn.Flatten", expression="{0}.flatten(1)")

    def routes(self, inputs: Types) -> Sequence[Route] | None:
        value = inputs[0]
        if len(value.shape) == 2:  # tokens lie one after another, each with all channels
            return [Route(0, c, n) for n in range(value.shape[0]) for c in range(value.channels)]
        places = value.elements // value.channels
        if places == 1:
            return [Route(0, channel) for channel in range(value.channels)]
        return [Route(0, c, n) for c in range(value.channels) for n in range(places)]

    def traits(self, inputs: Types) -> Traits:
        value = inputs[0]
        return Traits(
            linear=True,
            affine=True,
            zero=True,
            per_channel=value.elements == value.channels,
            per_position=len(value.shape) == 1,
        )
