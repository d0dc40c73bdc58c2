"""Edits: what turns one program into another, as values.

An edit names a module by its key in the program that is edited, and a node by its position
there; new places (`Insert.node`, `Move.to`, `Rewire.after`) are positions in the result. What
no edit mentions stays, in its order, with its arguments translated to their new positions.
Every edit also says what was there before, so that a script refuses a program that it was not
made for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from archdsl.ir.conditions import Constraint
from archdsl.ir.formula import Formula
from archdsl.ir.graph import Frame, Graph, Hole, Kind, Node, Path, Static
from archdsl.ir.types import Cost, TensorType
from archdsl.syntax.tree import ModuleKind

Value: TypeAlias = (
    str
    | Path
    | tuple[int, ...]
    | tuple[TensorType, ...]
    | tuple[Hole, ...]
    | tuple[Constraint, ...]
    | Kind
    | Formula
    | ModuleKind
    | Mapping[str, Static]
    | Mapping[Path, Frame]
)
"""What a field of a program, a module or a node holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """A new node at position `node` of the result, or, with `node` None, a new module."""

    module: str
    node: int | None = None
    value: Node | Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """The node at position `node`, or, with `node` None, the whole module, is gone."""

    module: str
    node: int | None = None
    value: Node | Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Another value in a field of a node, of a module (`node` None) or of the program (both).

    A module's key is its field `key`.
    """

    module: str | None = None
    node: int | None = None
    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A node that stands at another place among those that stay."""

    module: str
    node: int
    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewire:
    """Other inputs of a node, or, with `node` None, other results of the module."""

    module: str
    node: int | None = None
    before: tuple[int, ...]
    after: tuple[int, ...]


Edit: TypeAlias = Insert | Remove | Update | Move | Rewire


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line for a reader: `where: what: before -> after`.

    Without `before` something is new, without `after` something is gone. `where` and `what`
    may be empty; `unit` follows the values (`2 -> 3 blocks`).
    """

    where: str = ""
    what: str = ""
    before: str = ""
    after: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One of the two that are compared: its string, its space's hash, what it costs."""

    genotype: str
    hash: str
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What turns `before` into `after`: `edits` to apply, `changes` to read.

    Two equal programs have neither. The changes follow from the edits and tell the same, in
    the words of the text: decisions where both are architectures of one space, else nodes.
    """

    before: Subject
    after: Subject
    edits: tuple[Edit, ...] = ()
    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.edits)
