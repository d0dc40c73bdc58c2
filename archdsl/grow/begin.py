"""The tensors of a plan: carried over along axes that grew, or begun so that nothing changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archdsl.grow.carry import Carried, Copies, replicas, shared, taken
from archdsl.grow.flat import Value
from archdsl.grow.trace import Begins, silent
from archdsl.ir.types import Weight
from archdsl.ops.base import Types
from archdsl.ops.growth import Along, Start

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


def begun(begins: Begins, value: Value, inputs: Types, fresh: Tensors) -> dict[str, Tensor]:
    """The weights of a new operation that passes its input on, or gives nothing."""
    return {
        name: _started(start, fresh[f"{value.owner}.{name}"])
        for name, start in _starts(begins, value, inputs).items()
    }


def begun_names(begins: Begins, value: Value, inputs: Types) -> list[str]:
    """The full names of the weights of a new operation that begin so."""
    return [f"{value.owner}.{name}" for name in _starts(begins, value, inputs)]


def _starts(begins: Begins, value: Value, inputs: Types) -> dict[str, Start]:
    """With what each weight begins, of those that are not fresh."""
    operation = value.operation
    assert operation is not None
    passing = begins is Begins.PASSING
    starts = operation.identity(inputs) if passing else silent(operation, inputs)
    assert starts is not None
    names = [weight.name for weight in operation.weights(inputs)]
    return {name: starts[name] for name in names if name in starts}


def _started(start: Start, like: Tensor) -> Tensor:
    """A tensor of the shape of another, as a start says."""
    import torch

    if not start.eye:
        return torch.full_like(like, start.value)
    if like.dim() == 2:
        return torch.eye(len(like), dtype=like.dtype, device=like.device)
    result = torch.zeros_like(like)
    rows = torch.arange(len(like))
    columns = rows if like.shape[1] > 1 else torch.zeros_like(rows)
    result[rows, columns, like.shape[2] // 2, like.shape[3] // 2] = 1
    return result


def carried(
    choice: Carried, value: Value, inputs: Types, old: Tensors, fresh: Tensors
) -> dict[str, Tensor]:
    """The weights of a matched operation, from those of the parent."""
    operation = value.operation
    assert operation is not None
    return {
        weight.name: _grown(choice, value.owner, weight, old, fresh)
        for weight in operation.weights(inputs)
    }


def _grown(choice: Carried, owner: str, weight: Weight, old: Tensors, fresh: Tensors) -> Tensor:
    tensor = old[f"{choice.owner}.{weight.name}"]
    for axis, sort in enumerate(choice.along.get(weight.name, ())):
        size = tensor.shape[axis]
        copies = choice.copies.get(sort)
        if sort is Along.UNITS and weight.shape[axis] != size:
            copies = _units(axis, size, weight.shape[axis])
        if sort is Along.KERNEL and weight.shape[axis] != size:
            copies = _around_centre(size, weight.shape[axis])
        if copies is not None and not copies.same(size):
            tensor = _copied(tensor, axis, copies)
        if sort is Along.CHANNELS and choice.fresh:
            tensor = _with_fresh(tensor, axis, choice.fresh, fresh[f"{owner}.{weight.name}"])
    return tensor


def _units(axis: int, old: int, new: int) -> Copies:
    """Hidden units: copied where they are made, shared out where they are summed over."""
    places = replicas(old, new, 0)
    return taken(places) if axis == 0 else shared([(place,) for place in places], 0)


def _around_centre(old: int, new: int) -> Copies:
    """A kernel with zeros around it, or without its border."""
    at = [i - (new - old) // 2 for i in range(new)]
    return Copies(tuple((i,) if 0 <= i < old else () for i in at), (1.0,) * new)


def _copied(tensor: Tensor, axis: int, copies: Copies) -> Tensor:
    """An axis anew: each place the sum of some old ones, times its share. Worked out in float64."""
    import torch

    if all(len(places) == 1 for places in copies.places):
        index = torch.tensor([place for (place,) in copies.places], device=tensor.device)
        chosen = tensor.index_select(axis, index)
        return chosen if set(copies.shares) <= {1.0} else _scaled(chosen, axis, copies.shares)
    matrix = torch.zeros(len(copies.places), tensor.shape[axis], dtype=torch.float64)
    for row, (places, share) in enumerate(zip(copies.places, copies.shares, strict=True)):
        matrix[row, list(places)] = share
    wide = tensor.double().movedim(axis, -1) @ matrix.T.to(tensor.device)
    return wide.movedim(-1, axis).to(tensor.dtype).contiguous()


def _scaled(tensor: Tensor, axis: int, shares: Sequence[float]) -> Tensor:
    import torch

    shape = [1] * tensor.dim()
    shape[axis] = len(shares)
    factors = torch.tensor(shares, dtype=torch.float64, device=tensor.device).view(shape)
    return (tensor.double() * factors).to(tensor.dtype)


def _with_fresh(tensor: Tensor, axis: int, places: Sequence[int], fresh: Tensor) -> Tensor:
    """The same with fresh numbers at places that have no predecessor."""
    import torch

    index = torch.tensor(places, device=tensor.device)
    return tensor.index_copy(axis, index, fresh.index_select(axis, index).to(tensor.dtype))
