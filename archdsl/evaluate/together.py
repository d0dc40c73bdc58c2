"""Many architectures of a supernet on one batch: what they have in common is computed once.

Paths of one supernet share weights, so where two of them agree from the input on, their values
are equal. Every value is named by what computes it from the inputs. What a module gave is kept
under its name, for the next architecture to take; what it made on the way is not, since that
would be most of the memory. Architectures go in an order in which neighbours have long beginnings
in common, and only what the last one needed is kept: memory does not grow with their number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from archdsl.load import Supernet, architecture_of
from archdsl.space.architecture import Architecture
from archdsl.syntax.tree import Genotype

WRITES = re.compile(
    r"[^_].*_|__set(item)?__|__i(add|sub|mul|matmul|(floor|true)?div|mod|pow|and|or|xor|[lr]shift)__"
)

Outputs = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """The results of each architecture, in the order given, and what they had in common.

    `calls`: of modules, by all architectures; `known`: those whose result was there already, so
    that nothing inside them was called.
    """

    outputs: tuple[Outputs, ...]
    calls: int
    known: int


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
    with torch.inference_mode(), memory.of(supernet.module):
        for path in sorted(set(paths), key=_decisions):
            with memory.run():
                found[path] = supernet(*inputs, path)
    outputs = tuple(found[path] for path in paths)
    return Together(outputs=outputs, calls=memory.calls, known=memory.known)


def _decisions(path: Architecture) -> list[tuple[int, ...]]:
    """What is decided, in the order of the text: first what is computed first."""
    return [tuple(chosen) for chosen in path.assignment.values()]


class _Memory:
    """What modules gave in this run and in the last, by the names of what they were given."""

    def __init__(self) -> None:
        self.calls = self.known = 0
        self._names = _Names()
        self._last: dict[int, _Given] = {}
        self._now: dict[int, _Given] = {}
        self._inside: list[list[int]] = [[]]

    @contextmanager
    def run(self) -> Iterator[None]:
        self._last, self._now = self._now, {}
        yield
        self._last = {}

    @contextmanager
    def of(self, network: nn.Module) -> Iterator[None]:
        """Remembers the blocks of a network and what stands beside them, until it is left."""
        kept = [module for module in network.modules() if any(module.children())]
        kept = list(dict.fromkeys((*kept, *network.children())))
        kept.remove(network)
        own = {module: module.__dict__.get("forward") for module in kept}  # what a user set there
        for module in kept:
            whole = not any(inner in kept for inner in module.modules() if inner is not module)
            module.forward = self._remembered(module, whole=whole)
        try:
            with self._names:
                yield
        finally:
            for module, forward in own.items():
                del module.forward
                if forward is not None:
                    module.forward = forward

    def _remembered(self, module: nn.Module, *, whole: bool) -> Callable[..., Any]:
        """The module's `forward`, which is asked only for what is not known.

        `whole`: nothing inside is remembered, so that what it makes on the way needs no names.
        """
        forward = module.forward

        def known_or_computed(*args: object, **kwargs: object) -> object:
            self.calls += 1
            name = self._names.of((module, args, kwargs))
            given = self._now.get(name) or self._last.get(name)
            if given is None:
                self._inside.append([])
                with self._names.unless(whole):
                    result = forward(*args, **kwargs)
                self._names.named(result, name)
                given = _Given(result=result, inside=tuple(self._inside.pop()))
            else:
                self.known += 1
                self._keep(given.inside)
            self._now[name] = given
            self._inside[-1].append(name)
            return given.result

        return known_or_computed

    def _keep(self, names: Iterable[int]) -> None:
        """What is inside a block whose result was known is kept, for one that agrees less far."""
        for name in names:
            if name not in self._now:
                self._now[name] = self._last[name]
                self._keep(self._now[name].inside)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What a module gave, and the names of what the modules inside it gave."""

    result: Any
    inside: tuple[int, ...]


class _Names(TorchFunctionMode):
    """Numbers for values: equal where equal functions made them of equal values."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[object, int] = {}
        self._tensors = WeakTensorKeyDictionary()
        self._idle = False

    @contextmanager
    def unless(self, idle: bool) -> Iterator[None]:
        """Names results until it is left, or not."""
        before, self._idle = self._idle, idle
        try:
            yield
        finally:
            self._idle = before

    def of(self, made_by: object) -> int:
        """The number of a function or module with its arguments."""
        return self._numbers.setdefault(self._key(made_by), len(self._numbers))

    def named(self, result: Any, name: int) -> Any:
        """A result whose tensors have names from here on; those that have one keep it."""
        match result:
            case Tensor():
                self._tensors.setdefault(result, name)
            case tuple() | list() if any(isinstance(part, Tensor) for part in result):
                for number, part in enumerate(result):
                    self.named(part, self.of((name, number)))
        return result

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if _writes(func, kwargs):
            raise ValueError(f"the supernet writes in place: {func.__name__}")
        if self._idle:
            return func(*args, **kwargs)
        return self.named(func(*args, **kwargs), self.of((func, args, kwargs)))

    def _key(self, value: object) -> object:
        match value:
            case Tensor():
                return (Tensor, self._name(value))
            case dict():
                return tuple((name, self._key(part)) for name, part in value.items())
            case list() | tuple():
                return (type(value), *(self._key(part) for part in value))
            case slice():
                return (slice, self._key((value.start, value.stop, value.step)))
            case _:  # 1, 1.0 and True are equal, but not the same to a function
                return (type(value), value)

    def _name(self, tensor: Tensor) -> int:
        """The name of a tensor; one that nothing here made, such as a weight, gets its own."""
        name: int | None = self._tensors.get(tensor)
        if name is None:
            name = self._tensors[tensor] = self.of((Tensor, object()))
        return name


def _writes(func: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call changes a tensor: `add_`, `__iadd__`, `inplace=True`, `out=`."""
    return _named_so(func.__name__) or bool(kwargs.get("inplace")) or kwargs.get("out") is not None


@cache
def _named_so(name: str) -> bool:
    return WRITES.fullmatch(name) is not None
