"""How level 2 computes weights: the algebra of factors and shifts of channels, as laws of tensors.

A channel affine is x -> factor * x + shift. Behind a linear map W x + b it is another one, of the
weights factor * W and factor * b + shift; before one, of W * factor and b + W shift.

Maps along an axis are matrices of two axes, composed by `composed` and added by `TOTAL`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from archdsl.ops.base import ChannelAffine, Rows
from archdsl.passes.weights import Computed, Law, Source

if TYPE_CHECKING:
    from torch import Tensor


def _inverse_root(parts: Sequence[Tensor], eps: float) -> Tensor:
    return (parts[0] + eps).rsqrt()


def _product(parts: Sequence[Tensor]) -> Tensor:
    return parts[0].flatten() * parts[1].flatten()


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return parts[0].flatten() + parts[1].flatten()


def _minus(parts: Sequence[Tensor]) -> Tensor:
    return -parts[0].flatten()


def _rows(parts: Sequence[Tensor]) -> Tensor:
    weight, factor = parts
    return weight * factor.reshape(-1, *(1,) * (weight.dim() - 1))


def _columns(parts: Sequence[Tensor]) -> Tensor:
    weight, factor = parts
    return weight * factor.reshape(1, -1, *(1,) * (weight.dim() - 2))


def _through(parts: Sequence[Tensor]) -> Tensor:
    return _columns(parts).flatten(1).sum(1)


def _composed(parts: Sequence[Tensor], stride: tuple[int, int]) -> Tensor:
    from torch.nn import functional as F

    second, first = parts
    if second.dim() == 2:
        return second @ first
    return F.conv_transpose2d(second, first, stride=stride)


def _total(parts: Sequence[Tensor]) -> Tensor:
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


def _gated(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] * parts[1].sigmoid()


def _diagonal(parts: Sequence[Tensor]) -> Tensor:
    return parts[0].flatten().diag()


def _dense(rows: Rows) -> Tensor:
    import torch

    matrix = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for number, row in enumerate(rows):
        matrix[number, list(row)] = torch.tensor(list(row.values()), dtype=torch.float64)
    return matrix


def _identity(size: int) -> Tensor:
    import torch

    return torch.eye(size, dtype=torch.float64)


PRODUCT = Law("product", _product)
SUM = Law("add", _sum)
MINUS = Law("minus", _minus)
ROWS = Law("rows", _rows)
"""A weight, each of its outputs times a factor."""
COLUMNS = Law("columns", _columns)
"""A weight, each of its inputs times a factor."""
THROUGH = Law("through", _through)
"""What a weight makes of a shift of each input."""


FLAT = Law("flat", lambda parts: parts[0].flatten())
"""Numbers of the channels in the shape of a bias."""
TOTAL = Law("total", _total)
"""The sum of weights of one shape."""
GATED = Law("gated", _gated)
"""A weight times the sigmoid of a number."""
DIAGONAL = Law("diagonal", _diagonal)
"""The matrix of a factor of each channel."""
MATRIX = Law("matrix", lambda parts: parts[0].flatten(1))
"""A 1x1 kernel as a matrix."""
KERNEL = Law("kernel", lambda parts: parts[0][:, :, None, None])
"""A matrix as a 1x1 kernel."""


def times(number: float) -> Law:
    """A weight times a number."""
    return Law(f"times {number:.6g}", lambda parts: parts[0] * number)


def identity(size: int) -> Computed:
    """The matrix that changes nothing."""
    return Law(f"identity {size}", lambda _: _identity(size))()


def fixed(rows: Callable[[], Rows], shown: str) -> Computed:
    """A square matrix of numbers that no weight holds."""
    return Law(shown, lambda _: _dense(rows()))()


def inverse_root(eps: float) -> Law:
    """1 / sqrt(x + eps)."""
    return Law("inverse_root", lambda parts: _inverse_root(parts, eps))


def composed(stride: tuple[int, int]) -> Law:
    """The weight of two linear maps in a row, the second first; `stride` is the first's."""
    return Law("composed", lambda parts: _composed(parts, stride))


def factor_of(affine: ChannelAffine, weight: Callable[[str], Source]) -> Source | None:
    """The factor of a channel affine; `weight` gives its weights by name."""
    root = inverse_root(affine.eps)(weight(affine.var)) if affine.var else None
    own = weight(affine.factor) if affine.factor else None
    return PRODUCT(own, root) if own and root else own or root


def shift_of(affine: ChannelAffine, weight: Callable[[str], Source]) -> Source | None:
    """The shift of a channel affine: its own, less the factor times the mean."""
    own = weight(affine.shift) if affine.shift else None
    if not affine.mean:
        return FLAT(own) if own else None
    factor = factor_of(affine, weight)
    mean = weight(affine.mean)
    centre = MINUS(PRODUCT(factor, mean) if factor else mean)
    return SUM(own, centre) if own else centre
