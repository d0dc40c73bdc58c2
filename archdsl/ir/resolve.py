"""From a space to one architecture: every hole filled, nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from archdsl.ir.graph import Program

Assignment: TypeAlias = Mapping[str, tuple[int, ...]]
"""What each decision takes: its key (see `scopes`) to the alternatives' indices, ascending.

A decision that does not exist under the others is absent.
"""


def resolve(program: Program, assignment: Assignment, genotype: str) -> Program:
    """The architecture that an assignment picks: a program without holes."""
    raise NotImplementedError
