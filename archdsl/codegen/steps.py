"""Steps: what one class's `forward` does, one value after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from archdsl.ir.formula import Formula
from archdsl.ir.graph import Graph, Number, Path
from archdsl.ir.types import TensorType
from archdsl.ops.base import Code, Operation
from archdsl.syntax.tree import Span


@dataclass(frozen=True, slots=True)
class Leaf:
    """An operation; `code` is its PyTorch form for these inputs."""

    operation: Operation
    code: Code
    inputs: tuple[TensorType, ...]

    @property
    def stored(self) -> bool:
        """Whether `forward` calls a submodule."""
        return not self.code.expression or "{self}" in self.code.expression


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a cell or block; with `steps`, over a sequence of that many elements."""

    module: str
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """An application of a named composition: the unit of that key."""

    unit: UnitKey


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps one after another, numbered: what `nn.Sequential` holds."""

    members: tuple[Step, ...]
    depth: Depth | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """Where a hole decides how many members are run: how many for each alternative."""

    hole: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """One of the arguments, by a hole."""

    hole: str


@dataclass(frozen=True, slots=True)
class Gather:
    """A join of those arguments that are there."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Project:
    """One of several results."""

    index: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """Zeros in the shape of the argument, whose value is not needed."""


What: TypeAlias = Leaf | Use | Part | Chain | Pick | Gather | Project | Nothing
UnitKey: TypeAlias = tuple[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One value of a class's `forward`; values are known by their node's position."""

    out: int
    args: tuple[int, ...]
    what: What
    path: Path = ()
    label: str = ""
    types: tuple[TensorType, ...]
    when: tuple[Formula, ...] = ()
    span: Span | None = None
    numbers: tuple[Number, ...] = ()
    """Sizes that its module is told when it is called."""
    spare: int | None = None
    """For a sum that may be of nothing: the value whose shape its zeros have."""

    @property
    def repeats(self) -> bool:
        """Whether its code names an argument more than once."""
        return isinstance(self.what, Leaf) and self.what.code.repeats


@dataclass(slots=True, kw_only=True)
class Unit:
    """What becomes a class: a graph of the program, or a group of nodes of one.

    `inputs` and `outputs` are values; `names` are the inputs' names. `steps` are all steps,
    dead ones included, since their weights are part of the text.
    """

    key: UnitKey
    name: str
    doc: tuple[str, ...]
    graph: Graph
    inputs: tuple[int, ...]
    names: tuple[str, ...]
    outputs: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    parameters: tuple[str, ...] = ()
    """The sizes that its uses tell it, by their names in the text."""
    height: int = 0

    def type_of(self, value: int) -> TensorType:
        return self.graph.nodes[value].type
