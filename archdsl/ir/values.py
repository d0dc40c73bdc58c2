"""What a name can stand for while a space is elaborated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from archdsl.ir.formula import Formula
from archdsl.ir.graph import Static
from archdsl.ir.paths import Steps
from archdsl.syntax import tree


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value of the graph under construction, by its node."""

    node: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Several tensors, each present under a formula: what `2 of {...}` and `leaves` give.

    `labels` are what `for` counts them by, one each, where they have such.
    """

    terms: tuple[tuple[Tensor, Formula], ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """Several values in order: a range of numbers, or `n[1..3]`. `labels` are the indices."""

    values: tuple[Value, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Varying:
    """A value that a hole decides: one case for each alternative, by index.

    Numbers from holes and tensors whose shapes depend on them are carried so until something
    of one type comes out; what is applied to a varying value is applied to every case.
    """

    hole: str
    cases: tuple[tuple[int, Value], ...]
    label: str = field(default="", compare=False)
    """The name that the text gives a number, if any."""


@dataclass(frozen=True, slots=True)
class Closure:
    """A function: an expression to be applied, with the names it sees.

    Functions are not evaluated but applied, each time anew: every application owns its
    weights and its decisions.
    """

    expression: tree.Expression
    scope: Names
    stack: tuple[str, ...] = ()
    """The definitions around the place where the function is written."""


@dataclass(slots=True, eq=False)
class Family:
    """`n` after `n[0] = ...`, `n[1] = ...`: values by index."""

    members: dict[tuple[int, ...], Value] = field(default_factory=dict)


Value: TypeAlias = Static | Tensor | Terms | Series | Varying | Closure | Family


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """The names of one block of statements, inside those around it.

    `home` is set where a definition begins: the steps of its use, below which its ties meet.
    """

    bound: dict[str, Value]
    outer: Names | None = None
    home: Steps | None = None

    def find_home(self) -> Steps:
        scope: Names | None = self
        while scope is not None:
            if scope.home is not None:
                return scope.home
            scope = scope.outer
        return ()

    def find(self, name: str) -> Value | None:
        scope: Names | None = self
        while scope is not None:
            if name in scope.bound:
                return scope.bound[name]
            scope = scope.outer
        return None

    def all_names(self) -> frozenset[str]:
        outer = self.outer.all_names() if self.outer else frozenset()
        return outer | self.bound.keys()

    def inside(self, bound: Mapping[str, Value] | None = None, home: Steps | None = None) -> Names:
        return Names(dict(bound or {}), self, home)


def kind_of(value: Value) -> str:
    """A value's kind in words, for messages."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'the text "{value}"'
        case Tensor():
            return "a value of the network"
        case Terms():
            return "a set of values"
        case Series():
            return "several values"
        case Varying():
            return "a value that a hole decides"
        case Closure():
            return "an operation"
        case Family():
            return "a family of values"
