"""Programs as live modules: the generated file is written, imported and run like any other."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from archdsl.codegen import mixture_source, network_source, paths_source, supernet_source
from archdsl.codegen.choice import Layout, hole_value
from archdsl.codegen.conditions import hole_values
from archdsl.ir.graph import Hole, Program
from archdsl.passes.device import CPU, Device
from archdsl.passes.paths import paths
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Genotype, Quantity

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


def load_network(program: Program, *, checkpoint: bool = False) -> nn.Module:
    """The network of a program without holes, with fresh weights, in training mode.

    `checkpoint`, here and below: cells and blocks run again in the backward pass. Raises
    ArchError E0907 where there are none.
    """
    with imported(network_source(program, format=False, checkpoint=checkpoint)) as module:
        return root(module)


def load_supernet(space: Viewed | SearchSpace | Program, *, checkpoint: bool = False) -> Supernet:
    """The supernet of a space, with fresh weights, in training mode."""
    view = _view(space)
    with imported(supernet_source(view.program, format=False, checkpoint=checkpoint)) as module:
        return Supernet(view, root(module), module)


def batch_of(program: Program, batch: int, generator: Generator) -> tuple[Tensor, ...]:
    """Random inputs of a network, so many at once: quantities, or indices below their bound."""
    from torch import randint, randn

    types = (program.net.nodes[position].type for position in program.net.inputs)
    return tuple(
        randn(batch, *type_.shape, generator=generator)
        if type_.below is None
        else randint(type_.below, (batch, *type_.shape), generator=generator)
        for type_ in types
    )


class Viewed(Protocol):
    """What has a space: an `archdsl.Space`."""

    @property
    def view(self) -> SearchSpace: ...


def _view(space: Viewed | SearchSpace | Program) -> SearchSpace:
    if isinstance(space, Program):
        return SearchSpace(space)
    return space if isinstance(space, SearchSpace) else space.view


class Supernet:
    """A generated supernet, called with architectures: `supernet(x, architecture)`.

    `module` is the `nn.Module` of the generated file; its `forward` takes the file's `Choice`.
    """

    def __init__(self, space: SearchSpace, module: nn.Module, names: ModuleType) -> None:
        self.space = space
        self.module = module
        self._names = names
        self._layout = Layout(space.program)

    def choice(self, architecture: Architecture | Genotype | str) -> object:
        """The `Choice` of the generated file for an architecture; None where none is taken."""
        architecture = architecture_of(self.space, architecture)
        return self._layout.value(architecture.assignment, self._names)

    def __call__(
        self, *inputs: Tensor | Architecture | Genotype | str
    ) -> Tensor | tuple[Tensor, ...]:
        """Run one architecture, given last, on the inputs before it."""
        *tensors, architecture = inputs
        if not isinstance(architecture, Architecture | Genotype | str):
            raise TypeError("the last argument is an architecture")
        choice = self.choice(architecture)
        given = () if choice is None else (choice,)
        result: Tensor | tuple[Tensor, ...] = self.module(*tensors, *given)
        return result


def load_mixture(
    space: Viewed | SearchSpace | Program,
    *,
    level: int = 1,
    checkpoint: bool = False,
    device: Device | None = CPU,
) -> Mixture:
    """The mixture supernet of a space for a device, with fresh weights, in training mode.

    At level 0 it is the space as written. Raises ArchError E0906 where a hole has no mixture.
    """
    view = _view(space)
    source = mixture_source(
        view.program, level=level, format=False, checkpoint=checkpoint, device=device
    )
    with imported(source) as module:
        return Mixture(view, root(module), module)


class Mixture:
    """A generated mixture supernet, called with gates: `mixture(x, mixture.one_hot(architecture))`.

    `sizes` are the decisions by their keys, with the number of alternatives of each: the tensors
    that `gates` takes. `module` is the `nn.Module` of the generated file, whose names of weights
    are those of the path supernet.
    """

    def __init__(self, space: SearchSpace, module: nn.Module, names: ModuleType) -> None:
        self.space = space
        self.module = module
        self.sizes: dict[str, int] = {}
        self._names = names
        self._layout = Layout(space.program, "gates")
        self._layout.filled(self._note, names)

    def _note(self, hole: Hole, key: str) -> None:
        self.sizes[key] = len(hole.labels)

    def gates(self, values: Mapping[str, Tensor]) -> object:
        """The gates of the generated file, from the weights (alternatives,) of every decision.

        Raises KeyError for a decision without weights, ValueError for another number of them.
        """
        for key, size in self.sizes.items():
            if tuple(values[key].shape) != (size,):
                shape = tuple(values[key].shape)
                raise ValueError(f"{key} has {size} alternatives, not weights of shape {shape}")
        return self._layout.filled(lambda _, key: values[key], self._names)

    def one_hot(self, architecture: Architecture | Genotype | str) -> object:
        """Gates of one architecture: 1 for what it takes, 0 for the rest."""
        from torch import zeros

        architecture = architecture_of(self.space, architecture)
        values = {}
        for key, size in self.sizes.items():
            values[key] = zeros(size)
            values[key][list(architecture.assignment.get(key, range(min(size, 1))))] = 1
        return self.gates(values)

    def __call__(self, *inputs: object) -> Tensor | tuple[Tensor, ...]:
        """Run all alternatives on the inputs, weighed by the gates that are given last."""
        result: Tensor | tuple[Tensor, ...] = self.module(*inputs)
        return result


def load_paths(space: Viewed | SearchSpace | Program, *, checkpoint: bool = False) -> Paths:
    """The supernet of several paths of a space, with fresh weights, in training mode.

    Raises ArchError E0906 where a choice has no sum.
    """
    view = _view(space)
    with imported(paths_source(view.program, format=False, checkpoint=checkpoint)) as module:
        return Paths(view, root(module), module)


class Paths:
    """A generated supernet that runs those alternatives that have a gate, each times it.

    `sizes` are the decisions that take one alternative, by their keys, with the number of
    alternatives; `rest` the holes of those that take several. `module` has the weights of the
    path supernet, under the same names.
    """

    def __init__(self, space: SearchSpace, module: nn.Module, names: ModuleType) -> None:
        self.space = space
        self.module = module
        self.sizes: dict[str, int] = {}
        self.rest: dict[str, Hole] = {}
        self._names = names
        self._layout = Layout(paths(space.program), "paths")
        self._layout.filled(self._note, names)

    def _note(self, hole: Hole, key: str) -> None:
        if hole.gated:
            self.sizes[key] = len(hole.labels)
        else:
            self.rest[key] = hole

    def gates(
        self,
        values: Mapping[str, Mapping[int, Tensor]],
        rest: Architecture | Genotype | str | Mapping[str, tuple[int, ...]] | None = None,
    ) -> object:
        """The paths of the generated file: for each decision the gates of those that run.

        `rest` says what decisions for several take: by their keys, or as an architecture. One
        architecture says nothing of a decision inside an alternative that it does not take, and
        that alternative may run: what is not said is the first k of `k of`, and none of `any of`.
        """
        if rest is not None and not isinstance(rest, Mapping):
            rest = architecture_of(self.space, rest).assignment
        taken = rest or {}

        def value(hole: Hole, key: str) -> object:
            if not hole.gated:
                return hole_value(hole, taken.get(key, first_taken(hole)))
            labels = hole_values(hole)
            return {labels[number]: gate for number, gate in values[key].items()}

        return self._layout.filled(value, self._names)

    def __call__(self, *inputs: object) -> Tensor | tuple[Tensor, ...]:
        """Run the alternatives whose gates are given last."""
        result: Tensor | tuple[Tensor, ...] = self.module(*inputs)
        return result


# --- what modules of the API are called with -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chosen:
    """Before a supernet runs: the string or architecture it was called with, as its `Choice`."""

    supernet: Supernet

    def __call__(self, module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if not given or not isinstance(given[-1], str | Architecture):
            return given
        choice = self.supernet.choice(given[-1])
        return given[:-1] if choice is None else (*given[:-1], choice)


@dataclass(frozen=True, slots=True)
class Running:
    """Before a supernet of several paths runs: the gates that it was called with, as its paths."""

    paths: Paths

    def __call__(self, module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        match given:
            case (*inputs, Mapping() as gates):
                return (*inputs, self.paths.gates(gates))
            case _:
                return given


@dataclass(frozen=True, slots=True)
class Weighed:
    """Before a mixture runs: the weights or the architecture it was called with, as its gates."""

    mixture: Mixture

    def __call__(self, module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        match given:
            case (*inputs, str() | Architecture() as architecture):
                return (*inputs, self.mixture.one_hot(architecture))
            case (*inputs, Mapping() as weights):
                return (*inputs, self.mixture.gates(weights))
            case _:
                return given


def first_taken(hole: Hole) -> tuple[int, ...]:
    """What a decision for several takes where nobody says it: as few as it may."""
    return tuple(range(hole.count)) if hole.quantity is Quantity.SOME else ()


def architecture_of(space: SearchSpace, given: Architecture | Genotype | str) -> Architecture:
    """What was given as an architecture of a space. Raises ArchError where it is none."""
    return space.own(given) if isinstance(given, Architecture) else space.parse(given)


@contextmanager
def imported(source: str) -> Iterator[ModuleType]:
    """A generated file as a module, imported from a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="archdsl-") as folder:
        path = Path(folder) / "generated.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("archdsl_generated", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot import {path.name}")
        module = importlib.util.module_from_spec(spec)
        write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            spec.loader.exec_module(module)
        finally:
            sys.dont_write_bytecode = write_bytecode
        yield module


def root(module: ModuleType) -> nn.Module:
    """An instance of the last class of the file: the whole network."""
    from torch import nn

    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, nn.Module)
        and item.__module__ == module.__name__
    ]
    result: nn.Module = classes[-1]()
    return result
