"""Who proposes architectures. A controller sees a search space and strings, nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from archdsl.controllers.base import Controller, State, Told
from archdsl.controllers.evolution import EvolutionSettings
from archdsl.controllers.local import LocalSettings
from archdsl.controllers.predictor import PredictorSettings
from archdsl.controllers.qlearning import QSettings
from archdsl.controllers.random import RandomController, RandomSettings
from archdsl.controllers.reinforce import Reinforce, ReinforceSettings
from archdsl.controllers.tree import TreeSettings
from archdsl.ops.base import OperationError
from archdsl.ops.binding import Bound, bind
from archdsl.space.parameters import parameters_of
from archdsl.space.view import SearchSpace
from archdsl.space.wording import similar
from archdsl.syntax.errors import fault
from archdsl.syntax.parse import parse_genotype


class Method(Bound, Protocol):
    """The settings of a method, and the controller that they make."""

    def over(self, space: SearchSpace, seed: int) -> Controller:
        """The method at the beginning of a search."""


METHODS: tuple[type[Method], ...] = (
    RandomSettings,
    ReinforceSettings,
    EvolutionSettings,
    LocalSettings,
    TreeSettings,
    QSettings,
    PredictorSettings,
)
CONTROLLERS = tuple(method.keyword for method in METHODS)


def method_of(text: str) -> Method:
    """The method that a text names: `evolution`, or `evolution(population=30, sample=10)`.

    Raises ArchError E0801 for an unknown name, E0818 for settings that it has not.
    """
    written = parse_genotype(text, "--controller")
    found = next((one for one in METHODS if one.keyword == written.space), None)
    if found is None or written.groups:
        raise fault(
            "E0801",
            f"there is no controller {written.space!r}",
            written.span,
            found=text,
            expected=", ".join(CONTROLLERS),
            hint=similar(written.space, CONTROLLERS),
        )
    try:
        return bind(found, (), parameters_of(written))
    except OperationError as problem:
        raise fault(
            "E0818",
            str(problem),
            written.span,
            found=problem.found,
            expected=problem.expected,
            hint=problem.hint,
        ) from None


def make_controller(
    name: str, space: SearchSpace, *, seed: int, as_released: bool = False
) -> Controller:
    """The controller of that name over a space. Raises ArchError as `method_of` does.

    `as_released` is for the record: the faults of the code that was published with a method.
    """
    method = method_of(name)
    if as_released and isinstance(method, ReinforceSettings):
        method = replace(method, as_released=True)
    return method.over(space, seed)


__all__ = [
    "CONTROLLERS",
    "METHODS",
    "Controller",
    "Method",
    "RandomController",
    "Reinforce",
    "State",
    "Told",
    "make_controller",
    "method_of",
]
