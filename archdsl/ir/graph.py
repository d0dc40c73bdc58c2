"""Programs: graphs of named values, one for each distinct use of a definition.

A graph is a tuple of nodes in topological order; a node's arguments are positions of earlier
nodes. Modules stay modules: a use of a cell or block is an `Invoke` of another graph of the
program. Definitions are specialised: one graph for each combination of static arguments and
input types, so every node knows its shape.

Paths are the names under which weights live. A node's `path` leads from its module to the
operation; the `state_dict` key of a weight is the paths of the invokes that lead to the
module, the node's path and the weight's own name, joined with dots. Two nodes of one graph
with equal paths share their weights; two invokes with equal paths share all weights below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from archdsl.ir.conditions import Constraint
from archdsl.ir.formula import ALWAYS, Formula
from archdsl.ir.types import TensorType
from archdsl.ops.base import Operation
from archdsl.syntax.tree import ModuleKind, Quantity, Span

Path: TypeAlias = tuple[str, ...]
Static: TypeAlias = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the module, by its name in the text."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation. `when[i]` says under which decisions argument i is present (joins only)."""

    operation: Operation
    when: tuple[Formula, ...] = ()


@dataclass(frozen=True, slots=True)
class Invoke:
    """A use of a cell or block: the key of its graph in the program.

    With `steps` it is taken over a sequence of that many elements (see `scan`); what it holds
    is one set of weights and decisions for all of them.
    """

    module: str
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Choose:
    """One of its arguments, by the hole's decision; argument i is alternative i."""

    hole: str


@dataclass(frozen=True, slots=True)
class Item:
    """Result `index` of an argument that has several."""

    index: int


Kind: TypeAlias = Input | Apply | Invoke | Choose | Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value (or, where `types` has several, a tuple of values).

    `path`: where its weights live, set for every Apply and Invoke, weights or none.
    `label`: the name a reader knows it by (`stem`, `n3`), empty for an unnamed step.
    `under`: the enclosing alternatives; in a network, always.
    """

    kind: Kind
    args: tuple[int, ...] = ()
    types: tuple[TensorType, ...]
    path: Path = ()
    label: str = ""
    under: Formula = ALWAYS
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def type(self) -> TensorType:
        """The type of a node with one result."""
        (only,) = self.types
        return only


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """One decision of a module, in the order of the text.

    `name` is unique in its module and the field of the generated `Choice` (`op_3_1`,
    `source_3`). `labels` are the alternatives as architecture strings spell them. `under`:
    the alternatives that must be taken for the hole to exist. `entry`: the statement (turn)
    of an architecture string that it belongs to, counted within its module. `parent`: the
    hole inside whose alternatives it is written, by name, with the alternatives' indices.
    `governor`: an earlier hole on which its alternatives depend (`{level[l-1]..3}`); `allowed[a]`
    are those that may be taken where the governor takes its alternative a.
    """

    name: str
    quantity: Quantity
    count: int = 1
    labels: tuple[str, ...]
    under: Formula = ALWAYS
    parent: tuple[str, tuple[int, ...]] | None = None
    entry: int = 0
    governor: str = ""
    allowed: tuple[tuple[int, ...], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


class FrameKind(Enum):
    """What a common prefix of paths stands for in the text."""

    OPERATION = "op"  # one application of a named composition
    SEQUENCE = "sequence"  # a chain bound to a name, or a repetition: members are 0, 1, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A group of nodes whose paths start alike: what a person would write as one module."""

    kind: FrameKind
    name: str
    doc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One specialised definition.

    `definition` is its name in the text, `arguments` its static arguments. `frames` maps path
    prefixes to what they stand for.
    """

    definition: str
    kind: ModuleKind
    family: tuple[int, ...] = ()
    arguments: Mapping[str, Static] = field(default_factory=dict)
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    holes: tuple[Hole, ...] = ()
    frames: Mapping[Path, Frame] = field(default_factory=dict)
    doc: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(i for i, node in enumerate(self.nodes) if isinstance(node.kind, Input))

    @property
    def result_types(self) -> tuple[TensorType, ...]:
        return tuple(self.nodes[i].type for i in self.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A space with its holes (`supernet` form) or one architecture (no graph has holes).

    `modules` lists graphs by key, parts before the whole; `root` is the net's key.
    `space` is the space's name, `parameters` all its parameters as resolved, `changed` those
    not at their default. `text` is the canonical text of the space, `hash` its SHA-256 in
    hex; `genotype` the canonical architecture string, or the bare space for a supernet.
    """

    space: str
    title: str
    doc: tuple[str, ...] = ()
    parameters: Mapping[str, Static]
    changed: Mapping[str, Static]
    modules: Mapping[str, Graph]
    root: str
    constraints: tuple[Constraint, ...] = ()
    text: str
    hash: str
    genotype: str

    @property
    def net(self) -> Graph:
        return self.modules[self.root]
