"""Where the weights of a rewritten network come from: kept, concatenated, stacked, merged.

At level 1 there is no arithmetic: every number of the new weights is a number of the old ones. So
the maps go both ways, and serve weights, gradients and the state of optimisers alike. What level 2
computes (`Computed`) goes forward only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, assert_never

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Keep:
    """One old tensor as it is, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Concat:
    """Old tensors joined along an axis; `sizes` are their lengths on it."""

    axis: int
    parts: tuple[Source, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """Old tensors of one shape as the slices of a new first axis."""

    parts: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Same:
    """Old buffers as one.

    They must be equal, which is checked when weights are carried over; but for counters that
    no computation reads (`exact` off), where the first stands for all.
    """

    parts: tuple[Source, ...]
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Law:
    """How a weight is computed from others: the name that it is shown by, and what it takes."""

    name: str
    apply: Callable[[Sequence[Tensor]], Tensor]

    def __call__(self, *parts: Source) -> Computed:
        return Computed(self, parts, 1 + sum(map(size_of, parts)))


@dataclass(frozen=True, slots=True)
class Computed:
    """A weight that no old one holds: a law of old tensors, worked out in float64."""

    law: Law
    parts: tuple[Source, ...]
    size: int
    """Of how many sources it is made, itself included: passes end it where it becomes long."""


Source: TypeAlias = Keep | Concat | Stack | Same | Computed


class OneWay(ValueError):
    """Weights that were computed do not say what they were computed from."""


class UnequalBuffers(ValueError):
    """Buffers of merged operations differ, so the merged network would compute another function."""


LONGEST = 100
"""The size at which passes go on with another weight: laws are worked out one inside another."""


def size_of(source: Source) -> int:
    """How many laws and names a source is made of, as far as it is computed; else 1."""
    return source.size if isinstance(source, Computed) else 1


def names_in(source: Source) -> Iterator[str]:
    """The old names that a source takes."""
    match source:
        case Keep(name):
            yield name
        case Concat() | Stack() | Same() | Computed():
            for part in source.parts:
                yield from names_in(part)
        case _:
            assert_never(source)


def substitute(source: Source, change: Callable[[str], Source]) -> Source:
    """A source with every old name replaced by where that came from itself."""
    match source:
        case Keep(name):
            return change(name)
        case Concat(axis, parts, sizes):
            return Concat(axis, tuple(substitute(part, change) for part in parts), sizes)
        case Stack(parts):
            return Stack(tuple(substitute(part, change) for part in parts))
        case Same(parts, exact):
            return Same(tuple(substitute(part, change) for part in parts), exact)
        case Computed(law, parts):
            return law(*[substitute(part, change) for part in parts])
        case _:
            assert_never(source)


def show(source: Source) -> str:
    """A source as text: `concat(0; a.weight, b.weight)`."""
    match source:
        case Keep(name):
            return name
        case Concat(axis, parts):
            return f"concat({axis}; {', '.join(map(show, parts))})"
        case Stack(parts):
            return f"stack({', '.join(map(show, parts))})"
        case Same(parts, exact):
            return f"{'same' if exact else 'first'}({', '.join(map(show, parts))})"
        case Computed(law, ()):
            return law.name
        case Computed(law, parts):
            return f"{law.name}({', '.join(map(show, parts))})"
        case _:
            assert_never(source)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightMap:
    """From the weights of a network to those of its rewritten form, and back.

    `entries` holds every weight of the new network, `dropped` the old names that it has no
    use for. Both directions take any mapping from names to tensors of the weights' shapes:
    a `state_dict`, gradients, moments of an optimiser.
    """

    entries: Mapping[str, Source]
    dropped: tuple[str, ...] = ()

    def forward(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """New tensors from old ones.

        An entry of which the state holds nothing is left out. Raises KeyError where a part
        is missing, UnequalBuffers where merged buffers differ.
        """
        return {
            name: _typed(source, state)
            for name, source in self.entries.items()
            if any(old in state for old in names_in(source))
        }

    def agree(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Old tensors with those made equal that become one: the first of them counts."""
        result = dict(state)
        for source in self.entries.values():
            _agree(source, result)
        return result

    def __str__(self) -> str:
        """What moved and what was dropped, one line each."""
        moved = [f"{n} <- {show(s)}" for n, s in self.entries.items() if s != Keep(n)]
        return "\n".join([*moved, *(f"{name} dropped" for name in self.dropped)])

    def backward(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Old tensors from new ones, all but the dropped; slices are views of the new tensors.

        Raises OneWay where weights were computed.
        """
        result: dict[str, Tensor] = {}
        for name, source in self.entries.items():
            if name in state:
                _take_apart(source, state[name], result)
        return result


def _typed(source: Source, state: Mapping[str, Tensor]) -> Tensor:
    """A new tensor, in the type of what it is made of."""
    return _build(source, state).to(state[next(names_in(source))].dtype)


def _build(source: Source, state: Mapping[str, Tensor]) -> Tensor:
    import torch

    match source:
        case Keep(name):
            return state[name]
        case Concat(axis, parts):
            built = [_build(part, state) for part in parts]
            if built[0].dim() == 0:  # the step count of an optimiser: one number a tensor
                return _same(built)
            return torch.cat(built, axis)
        case Stack(parts):
            built = [_build(part, state) for part in parts]
            return _same(built) if built[0].dim() == 0 else torch.stack(built)
        case Same(parts, exact):
            built = [_build(part, state) for part in parts]
            return _same(built) if exact else built[0]
        case Computed(law, parts):
            return law.apply([_build(part, state).double() for part in parts])
        case _:
            assert_never(source)


def _agree(source: Source, state: dict[str, Tensor]) -> None:
    match source:
        case Concat(parts=parts) | Stack(parts) | Computed(parts=parts):
            for part in parts:
                _agree(part, state)
        case Same(parts):
            names = [next(names_in(part)) for part in parts]
            state.update({name: state[names[0]] for name in names})
        case Keep():
            pass


def _same(tensors: list[Tensor]) -> Tensor:
    first = tensors[0]
    if any(not first.equal(tensor) for tensor in tensors[1:]):
        raise UnequalBuffers("buffers of merged operations differ")
    return first


def _take_apart(source: Source, tensor: Tensor, result: dict[str, Tensor]) -> None:
    match source:
        case Keep(name):
            result[name] = tensor
        case Concat(axis, parts, sizes) if tensor.dim():
            for part, piece in zip(parts, tensor.split(list(sizes), axis), strict=True):
                _take_apart(part, piece, result)
        case Stack(parts) if tensor.dim():
            for part, piece in zip(parts, tensor.unbind(0), strict=True):
                _take_apart(part, piece, result)
        case Concat() | Stack() | Same():
            for part in source.parts:
                _take_apart(part, tensor, result)
        case Computed():
            raise OneWay(show(source))
        case _:
            assert_never(source)
