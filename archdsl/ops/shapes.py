"""What operations share: reading input shapes, sizes of windows, checks of arguments."""

from __future__ import annotations

from archdsl.ir.types import TensorType
from archdsl.ops.base import Argument, OperationError, Types

AXES = {1: "a vector (features)", 2: "tokens (tokens, channels)", 3: "a map (channels, h, w)"}


def only(keyword: str, inputs: Types) -> TensorType:
    """The single input of an operation that takes one."""
    if len(inputs) != 1:
        raise OperationError(f"{keyword} takes one input", f"{len(inputs)} inputs", "one input")
    return inputs[0]


def axes(keyword: str, inputs: Types, *allowed: int, hint: str = "") -> tuple[int, ...]:
    """The shape of the single input, which must have one of the allowed numbers of axes."""
    shape = only(keyword, inputs).shape
    if len(shape) not in allowed:
        expected = " or ".join(AXES[count] for count in allowed)
        found = f"{inputs[0]} ({AXES.get(len(shape), f'{len(shape)} axes')})"
        raise OperationError(f"{keyword} cannot take this input", found, expected, hint)
    return shape


def sides(height: int, width: int) -> tuple[Argument, Argument]:
    """The sides of a map as arguments in generated code; one role for both of a square."""
    roles = ("size", "size") if height == width else ("height", "width")
    return Argument(height, roles[0]), Argument(width, roles[1])


def map_axes(keyword: str, inputs: Types, hint: str = "") -> tuple[int, int, int]:
    """Channels, height and width of the single input, which must be a map."""
    channels, height, width = axes(keyword, inputs, 3, hint=hint)
    return channels, height, width


def same_padding(keyword: str, k: int, p: int | None, d: int = 1) -> int:
    """The padding that was given, or the one that keeps the size at stride 1."""
    if p is not None:
        return p
    if k % 2 == 0:
        raise OperationError(
            f"{keyword} with an even kernel has no symmetric padding that keeps the size",
            found=f"k={k}",
            expected="an odd kernel, or a padding",
            hint="give the padding, for example p=0",
        )
    return k // 2 * d


def window(
    keyword: str,
    size: tuple[int, int],
    *,
    k: tuple[int, int],
    s: tuple[int, int],
    p: tuple[int, int],
    d: int = 1,
    ceil: bool = False,
) -> tuple[int, int]:
    """Height and width after a window slides over a map.

    `ceil` keeps a last window that only partly covers the padded map, if it starts inside.
    """
    extent = (d * (k[0] - 1) + 1, d * (k[1] - 1) + 1)
    if size[0] + 2 * p[0] < extent[0] or size[1] + 2 * p[1] < extent[1]:
        raise OperationError(
            f"the window of {keyword} is larger than its padded input",
            found=f"{size[0]} x {size[1]} with padding {scalar(p)}",
            expected=f"at least {extent[0]} x {extent[1]}",
            hint="use a smaller kernel or stride before it, or more padding",
        )
    height, width = (_steps(size[i], extent[i], s[i], p[i], ceil) for i in (0, 1))
    return height, width


def _steps(size: int, extent: int, stride: int, padding: int, ceil: bool) -> int:
    """How many windows fit along one axis."""
    room = size + 2 * padding - extent
    if not ceil:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count if (count - 1) * stride < size + padding else count - 1


def scalar(pair: tuple[int, int]) -> int | tuple[int, int]:
    """Two numbers for two axes as torch takes them: one where they are equal."""
    return pair[0] if pair[0] == pair[1] else pair


def at_least(keyword: str, name: str, value: int | None, least: int) -> None:
    """Refuse a number below its range; None is a default and passes."""
    if value is not None and value < least:
        raise OperationError(
            f"{name} of {keyword} is out of range", f"{name}={value}", f"at least {least}"
        )


def positive(keyword: str, name: str, value: float) -> None:
    if not value > 0:
        raise OperationError(
            f"{name} of {keyword} is out of range", f"{name}={value}", "more than 0"
        )


def divides(keyword: str, name: str, part: int, whole: int, what: str = "channels") -> None:
    """Refuse parts (groups, heads) that do not split the channels evenly."""
    if whole % part:
        raise OperationError(
            f"{name} of {keyword} must divide the {what}",
            found=f"{name}={part} for {whole} {what}",
            expected=f"a divisor of {whole}",
        )


def hidden_size(keyword: str, size: int, ratio: float) -> int:
    """The hidden width of a perceptron: `int(size * ratio)`, as the helpers compute it."""
    hidden = int(size * ratio)
    if hidden < 1:
        raise OperationError(
            f"{keyword} has no hidden units",
            found=f"{size} x {ratio:g}",
            expected="at least 1 hidden unit",
            hint=f"a ratio of at least 1/{size}",
        )
    return hidden


def number(value: float) -> int | float:
    """A number as a person would write it: 4, not 4.0."""
    return int(value) if value == int(value) else value


def option(
    name: str,
    value: int | float | bool | tuple[int, ...],
    default: int | float | bool | tuple[int, ...],
    role: str = "",
) -> tuple[Argument, ...]:
    """A keyword argument in generated code, left out at its default."""
    return () if value == default else (Argument(value, role or name, name),)
