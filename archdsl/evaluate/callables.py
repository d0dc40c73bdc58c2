"""Evaluators that are Python functions of the user: `call(function="module:name")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from archdsl.evaluate.candidate import Candidate
from archdsl.evaluate.evaluator import Failed
from archdsl.functions import function_of
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

Function = Callable[[Candidate], object]
"""Of a candidate to a number, or to numbers by name with `reward` among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """`function` is `module:name`, found from the working directory on. It takes a `Candidate`."""

    keyword: ClassVar[str] = "call"

    function: str

    def over(self, space: SearchSpace) -> Called:
        """Raises ArchError E0825 where there is no such function."""
        return Called(space, function_of(self.function))


class Called:
    """A function of candidates as an evaluator."""

    def __init__(self, space: SearchSpace, function: Function) -> None:
        self.space = space
        self.function = function

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        return numbers(self.function(Candidate(self.space, architecture, step, again)))


def numbers(given: object) -> Mapping[str, float]:
    """What somebody else's evaluator gave, as numbers by name. Raises Failed."""
    if isinstance(given, Mapping):
        if "failed" in given:
            raise Failed("error", str(given.get("message", given["failed"])))
        values = {str(k): float(v) for k, v in given.items() if isinstance(v, Real)}
    else:
        values = {"reward": float(given)} if isinstance(given, Real) else {}
    if "reward" not in values:
        raise Failed("error", f"there is no reward in {str(given)[:100]}")
    return values
