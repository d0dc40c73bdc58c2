"""Many architectures of a supernet on one batch: what they have in common is computed once.

Paths of one supernet share weights, so where two of them agree from the input on, their values
are the same tensors. Calls of torch are remembered by what they are given; architectures go
in an order in which neighbours have long beginnings in common, and only what the last one
needed is kept, so that memory does not grow with their number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from archdsl.load import Supernet, architecture_of
from archdsl.space.architecture import Architecture
from archdsl.syntax.tree import Genotype

WRITES = re.compile(
    r"[^_].*_|__set(item)?__|__i(add|sub|mul|matmul|(floor|true)?div|mod|pow|and|or|xor|[lr]shift)__"
)

Outputs = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """The results of each architecture, in the order given, and how many calls that took.

    `calls`: of torch, by all architectures; `computed`: those that were not known yet.
    """

    outputs: tuple[Outputs, ...]
    calls: int
    computed: int


def together(
    supernet: Supernet,
    inputs: Sequence[Tensor],
    architectures: Iterable[Architecture | Genotype | str],
) -> Together:
    """Evaluate architectures on one batch, without gradients.

    `inputs` are those of the network, (B, ...). The supernet has to be in evaluation mode:
    batch statistics and dropout have no result that could be shared. Raises ValueError where
    it is not, ArchError for what is no architecture of its space.
    """
    if any(module.training for module in supernet.module.modules()):
        raise ValueError("the supernet is in training mode: call supernet.module.eval() first")
    paths = [architecture_of(supernet.space, given) for given in architectures]
    found: dict[Architecture, Outputs] = {}
    memory = _Memory()
    with torch.inference_mode(), memory:
        for path in sorted(set(paths), key=_decisions):
            with memory.run():
                found[path] = supernet(*inputs, path)
    outputs = tuple(found[path] for path in paths)
    return Together(outputs=outputs, calls=memory.calls, computed=memory.computed)


def _decisions(path: Architecture) -> list[tuple[int, ...]]:
    """What is decided, in the order of the text: first what is computed first."""
    return [tuple(chosen) for chosen in path.assignment.values()]


class _Memory(TorchFunctionMode):
    """The calls of the current and of the last run, by what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.computed = 0
        self._last: dict[object, tuple[object, object]] = {}
        self._now: dict[object, tuple[object, object]] = {}

    @contextmanager
    def run(self) -> Iterator[None]:
        self._last, self._now = self._now, {}
        yield
        self._last = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        self.calls += 1
        if _writes(func, kwargs):
            raise ValueError(f"the supernet writes in place: {func.__name__}")
        key = (func, _key(args), _key(kwargs))
        known = self._now.get(key) or self._last.get(key)
        if known is None:
            self.computed += 1
            # The arguments are kept, since their identities stand for them.
            known = (func(*args, **kwargs), (args, kwargs))
        self._now[key] = known
        return known[0]


def _writes(func: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call changes a tensor: `add_`, `__iadd__`, `inplace=True`, `out=`."""
    changes = WRITES.fullmatch(func.__name__) is not None
    return changes or bool(kwargs.get("inplace")) or kwargs.get("out") is not None


def _key(value: object) -> object:
    """What arguments that are the same to torch have in common: an identity, if no number."""
    match value:
        case dict():
            return tuple((name, _key(part)) for name, part in value.items())
        case list() | tuple():
            return (type(value), *(_key(part) for part in value))
        case slice():
            return (slice, _key((value.start, value.stop, value.step)))
        case int() | float() | str() | None:
            return (type(value), value)
        case _:
            return (type(value), id(value))
