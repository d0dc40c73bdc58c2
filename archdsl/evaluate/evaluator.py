"""What an evaluator is: an architecture goes in, what was measured of it comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from archdsl.space.architecture import Architecture

Kind = Literal["missing", "not a number", "memory", "timeout", "error"]
"""How an evaluation can fail. It counts against the budget, and the search goes on."""


class Failed(Exception):
    """One architecture could not be measured."""

    def __init__(self, kind: Kind, message: str, lacks: str = "") -> None:
        """`lacks`: the value that was wanted and that nothing measures."""
        super().__init__(message)
        self.kind = kind
        self.lacks = lacks


class Evaluator(Protocol):
    """Measures architectures of one space."""

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        """What was measured, by name; `reward` is what the search makes large.

        What is random follows from the step of the search. `again`: how often the search asked for
        this architecture before; what can look more closely does so then. Raises Failed.
        """
