"""What the list of passes says of each: its function, and what the driver has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from archdsl.ir.graph import Path
from archdsl.ops.base import Operation, Traits, Types
from archdsl.passes.draft import Rewrite

Run: TypeAlias = Callable[..., Rewrite]
"""A function of a graph and the graphs that it uses, and of the device where it is a fusion."""


class Stand(Enum):
    """How nodes that a pass makes one stand to each other."""

    EQUAL = "the same arguments, and then the same value"
    SIBLINGS = "the same arguments"
    TERMS = "terms of one sum or mean"
    LINKS = "each takes the one before"
    TIED = "the same weights"


@dataclass(frozen=True, slots=True)
class Applied:
    """An operation as a pattern sees it: what it takes, and under which path its weights are."""

    operation: Operation
    types: Types
    path: Path
    traits: Traits
    weightless: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a pass makes one: operations that stand so to each other and have one key.

    It says no less than the pass does: what meets in no pattern is not made one. `key` is None for
    an operation that the pass leaves alone.
    """

    stand: Stand
    key: Callable[[Applied], Hashable | None]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: a function of a graph and of the rewritten graphs that it may use.

    `level`: 1 keeps training exact, 2 is for deployment. `moves`: it lays weights out anew,
    so a graph whose weights another graph shares is left alone. `fusion`: whether it pays is
    up to the device, which it is given. `trains`: it is for gradients, so a network for deployment
    goes without it. `last`: it runs when frames are settled, and is the same reading to them.
    `across`: what it finds is worth a class, so calls are dissolved for it. `tries`: it is given
    the passes that say so.
    """

    run: Run
    level: int = 1
    moves: bool = False
    fusion: bool = False
    trains: bool = False
    last: bool = False
    across: Pattern | None = None
    tries: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__
