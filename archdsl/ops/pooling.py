"""Pooling: over windows (`avg_pool`, `max_pool`, PoolFormer's `pool`), to a size, over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from archdsl.ir.types import TensorType
from archdsl.ops.base import (
    Argument,
    Axis,
    AxisMap,
    Code,
    Helper,
    Operation,
    OperationError,
    Rows,
    Traits,
    Types,
)
from archdsl.ops.growth import Interval, hull
from archdsl.ops.shapes import at_least, axes, map_axes, option, same_padding, window

POOL = '''\
def pool(x: Tensor) -> Tensor:
    """What the 3 x 3 neighbourhood adds to each position."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False) - x
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Operation):
    """PoolFormer's token mixer: the mean of the 3 x 3 neighbourhood, less the input.

    Yu et al., "MetaFormer Is Actually What You Need for Vision", algorithm 1; padding is not
    counted.
    """

    keyword = "pool"
    attribute = "pool"
    helpers = (Helper(name="pool", source=POOL),)

    def infer(self, inputs: Types) -> TensorType:
        map_axes("pool", inputs)
        return inputs[0]

    def code(self, inputs: Types) -> Code:
        return Code(expression="pool({0})", helpers=("pool",))

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap | None:
        _, height, width = inputs[0].shape
        known = axis is Axis.POSITIONS
        return AxisMap(rows=partial(_neighbours_less_own, height, width)) if known else None

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True)


def _means(height: int, width: int, k: int, *, counted: bool) -> Rows:
    """The mean of a k x k window around each position, padding left out or counted as zeros."""
    reach = k // 2
    rows: list[dict[int, float]] = []
    for y in range(height):
        down = range(max(0, y - reach), min(height, y + reach + 1))
        for x in range(width):
            across = range(max(0, x - reach), min(width, x + reach + 1))
            share = 1 / (k * k if counted else len(down) * len(across))
            rows.append({width * i + j: share for i in down for j in across})
    return rows


def _neighbours_less_own(height: int, width: int) -> Rows:
    """The 3 x 3 mean of each position, less what is there."""
    means = _means(height, width, 3, counted=False)
    return [{**row, own: row[own] - 1} for own, row in enumerate(means)]


def _check(keyword: str, k: int, s: int, p: int | None) -> None:
    at_least(keyword, "k", k, 1)
    at_least(keyword, "s", s, 1)
    at_least(keyword, "p", p, 0)
    if p is not None and p > k // 2:
        raise OperationError(
            f"{keyword} pads by at most half its kernel", f"p={p} for k={k}", f"at most {k // 2}"
        )


def _slide(pool: AvgPool | MaxPool, inputs: Types) -> TensorType:
    channels, *size = map_axes(pool.keyword, inputs)
    k, s, p = ((n, n) for n in (pool.k, pool.s, pool.padding))
    height, width = window(pool.keyword, (size[0], size[1]), k=k, s=s, p=p, ceil=pool.ceil)
    return TensorType((channels, height, width))


def _window_code(module: str, function: str, k: int, rest: tuple[Argument, ...]) -> Code:
    """A pooling window as a module, and as the call that does the same."""
    text = "".join(f", {option.keyword}={option.value}" for option in rest)
    return Code(
        constructor=module,
        arguments=(Argument(k, "kernel"), *rest),
        expression=f"{function}({{0}}, {k}{text})",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPool(Operation):
    """The mean of a window. `count_pad`: whether padding counts as zeros in the mean.

    `ceil` keeps a last window that only partly covers the map.
    """

    keyword = "avg_pool"
    attribute = "pool"

    k: int
    s: int = 1
    p: int | None = None
    count_pad: bool = False
    ceil: bool = False

    def __post_init__(self) -> None:
        _check("avg_pool", self.k, self.s, self.p)

    @property
    def padding(self) -> int:
        return same_padding("avg_pool", self.k, self.p)

    def infer(self, inputs: Types) -> TensorType:
        return _slide(self, inputs)

    def code(self, inputs: Types) -> Code:
        counted = self.count_pad or self.padding == 0
        return _window_code(
            "nn.AvgPool2d",
            "F.avg_pool2d",
            self.k,
            (
                *option("stride", self.s, self.k),
                *option("padding", self.padding, 0),
                *option("ceil_mode", self.ceil, False),
                *option("count_include_pad", counted, True),
            ),
        )

    def traits(self, inputs: Types) -> Traits:
        return Traits(
            linear=True, affine=True, zero=True, per_channel=True, per_position=_pointwise(self)
        )

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap | None:
        _, height, width = inputs[0].shape
        centred = self.s == 1 and self.k == 2 * self.padding + 1
        if axis is not Axis.POSITIONS or not centred:
            return None
        return AxisMap(rows=partial(_means, height, width, self.k, counted=self.count_pad))

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return hull(inputs, 0.0) if self.count_pad else inputs[0]

    def describe(self) -> str:
        return f"avg pool {self.k}x{self.k}" + (f" stride {self.s}" if self.s > 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool(Operation):
    """The maximum of a window; padding never wins.

    `ceil` keeps a last window that only partly covers the map.
    """

    keyword = "max_pool"
    attribute = "pool"

    k: int
    s: int = 1
    p: int | None = None
    ceil: bool = False

    def __post_init__(self) -> None:
        _check("max_pool", self.k, self.s, self.p)

    @property
    def padding(self) -> int:
        return same_padding("max_pool", self.k, self.p)

    def infer(self, inputs: Types) -> TensorType:
        return _slide(self, inputs)

    def code(self, inputs: Types) -> Code:
        rest = (
            *option("stride", self.s, self.k),
            *option("padding", self.padding, 0),
            *option("ceil_mode", self.ceil, False),
        )
        return _window_code("nn.MaxPool2d", "F.max_pool2d", self.k, rest)

    def traits(self, inputs: Types) -> Traits:
        # A window of one element only selects.
        single = self.k == 1
        return Traits(
            linear=single,
            affine=single,
            zero=True,
            per_channel=True,
            per_position=_pointwise(self),
        )

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return inputs[0]

    def smooth(self) -> AvgPool:
        return AvgPool(k=self.k, s=self.s, p=self.p, ceil=self.ceil)

    def describe(self) -> str:
        return f"max pool {self.k}x{self.k}" + (f" stride {self.s}" if self.s > 1 else "")


def _pointwise(pool: AvgPool | MaxPool) -> bool:
    return pool.k == 1 and pool.s == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptivePool(Operation):
    """The mean over the cells of a grid of `size` x `size`; 1 keeps one position."""

    keyword = "adaptive_pool"
    attribute = "pool"

    size: int

    def __post_init__(self) -> None:
        at_least("adaptive_pool", "size", self.size, 1)

    def infer(self, inputs: Types) -> TensorType:
        channels, _, _ = map_axes("adaptive_pool", inputs)
        return TensorType((channels, self.size, self.size))

    def code(self, inputs: Types) -> Code:
        return Code(
            constructor="nn.AdaptiveAvgPool2d",
            arguments=(Argument(self.size, "size"),),
            expression=f"F.adaptive_avg_pool2d({{0}}, {self.size})",
        )

    def traits(self, inputs: Types) -> Traits:
        same = self.infer(inputs) == inputs[0]
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=same)

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return inputs[0]

    def describe(self) -> str:
        return f"avg pool to {self.size}x{self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPool(Operation):
    """The mean over all positions of a map, or over all tokens: a vector."""

    keyword = "global_pool"
    attribute = "pool"

    def infer(self, inputs: Types) -> TensorType:
        axes("global_pool", inputs, 2, 3)
        return TensorType((inputs[0].channels,))

    def code(self, inputs: Types) -> Code:
        return Code(expression="{0}.mean((2, 3))" if len(inputs[0].shape) == 3 else "{0}.mean(1)")

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True)

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        return inputs[0]
