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

from archdsl.ir.cases import Cases, Tree, ends
from archdsl.ir.conditions import Constraint
from archdsl.ir.formula import ALWAYS, Formula
from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Elastic, Operation, Types
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


USE = "use"
"""Stands for a hole in trees of sizes: which of its uses' sizes a graph has (no hole is so called:
the names of holes are those of the text, with `#` while a module is unfinished)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One size of a node: the operation, or the row of the module used, and the types."""

    operation: Operation | None = None
    row: int = 0
    inputs: Types = ()
    types: Types


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """What a module is told when it is called: a size, by the decisions.

    `field` is the operation's argument, `keyword` how `forward` calls it, `label` how the text
    does, where it has a name.
    """

    field: str
    keyword: str
    values: Tree[int | float]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A node under `elastic`: its variants by decision; the node itself has the largest size.

    `inputs` are the largest that it takes. `form` is set where weights are shared; without it
    the code is the same for all variants.
    """

    inputs: Types
    variants: Tree[Variant]
    form: Elastic | None = None
    numbers: tuple[Number, ...] = ()

    @property
    def vary(self) -> bool:
        """Whether the type of the result depends on a decision."""
        return len({variant.types for variant in ends(self.variants)}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value (or, where `types` has several, a tuple of values).

    `path`: where its weights live, set for every Apply and Invoke, weights or none.
    `label`: the name a reader knows it by (`stem`, `n3`), empty for an unnamed step.
    `under`: the enclosing alternatives; in a network, always. `sizes`: under `elastic`, where
    its size depends on decisions.
    """

    kind: Kind
    args: tuple[int, ...] = ()
    types: tuple[TensorType, ...]
    path: Path = ()
    label: str = ""
    under: Formula = ALWAYS
    sizes: Sizes | None = None
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
    are those that may be taken where the governor takes its alternative a. `gated`: what it takes
    is weighed by a gate (see `passes/paths.py`).
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
    gated: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def weighed(self) -> bool:
        """Whether its alternatives have gates in a mixture: also where all of several are taken
        (Xu et al., "PC-DARTS", equation 3, weighs the sources of the first node as all others)."""
        return self.quantity is Quantity.ANY or len(self.labels) > 1


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
    prefixes to what they stand for. `rows`: the arguments of each size that uses give it, where
    these are several (under `elastic`); `arguments` are then the first. `aliases`: paths at which
    the weights of another path are known as well, since passes made one operation of several.
    """

    definition: str
    kind: ModuleKind
    family: tuple[int, ...] = ()
    arguments: Mapping[str, Static] = field(default_factory=dict)
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    holes: tuple[Hole, ...] = ()
    frames: Mapping[Path, Frame] = field(default_factory=dict)
    rows: tuple[Mapping[str, Static], ...] = ()
    aliases: Mapping[Path, Path] = field(default_factory=dict)
    doc: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(i for i, node in enumerate(self.nodes) if isinstance(node.kind, Input))

    @property
    def result_types(self) -> tuple[TensorType, ...]:
        return tuple(self.nodes[i].type for i in self.outputs)

    def result_types_of(self, row: int) -> tuple[TensorType, ...]:
        """The types of the results for one of the sizes that uses give it."""
        return tuple(t for i in self.outputs for t in types_of(self.nodes[i], row))

    def types_in(self, node: Node) -> Types:
        """What a node takes: the largest, where sizes vary."""
        if node.sizes is not None:
            return node.sizes.inputs
        return tuple([self.nodes[arg].types[0] for arg in node.args])

    def weights_of(self, node: Node) -> tuple[Weight, ...]:
        """What an operation's node owns; under `elastic`, what all sizes share."""
        if node.sizes is not None and node.sizes.form is not None:
            return node.sizes.form.weights
        if isinstance(node.kind, Apply):
            return node.kind.operation.weights(self.types_in(node))
        return ()


def types_of(node: Node, row: int) -> Types:
    """The types of a node whose size depends on nothing but the use."""
    if node.sizes is None or not isinstance(node.sizes.variants, Cases):
        return node.types
    sizes: Tree[Variant] = node.sizes.variants
    while isinstance(sizes, Cases):  # its own holes decide what it takes, not what it gives
        sizes = dict(sizes.of)[row] if sizes.hole == USE else sizes.of[0][1]
    return sizes.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Of which program another is a part, and what is left of it (see `restrict`).

    `kept` has the alternatives of every decision of `whole`, by its key, ascending.
    """

    whole: Program
    kept: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A space with its holes (`supernet` form) or one architecture (no graph has holes).

    `modules` lists graphs by key, parts before the whole; `root` is the net's key.
    `deployed`: its weights were computed from those of the text, for evaluation only;
    `channels_last`: it runs with the channels of maps last in memory.
    `space` is the space's name, `parameters` all its parameters as resolved, `changed` those
    not at their default. `text` is the canonical text of the space, `hash` its SHA-256 in
    hex; `genotype` the canonical architecture string, or the bare space for a supernet. `part` is
    set where decisions of the text have only some of their alternatives.
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
    deployed: bool = False
    channels_last: bool = False
    part: Part | None = field(default=None, repr=False)

    @property
    def net(self) -> Graph:
        return self.modules[self.root]
