"""Who proposes architectures. A controller sees a search space and strings, nothing else."""

from __future__ import annotations

from archdsl.controllers.base import Controller, State, Told
from archdsl.controllers.random import RandomController
from archdsl.controllers.reinforce import Reinforce
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault

CONTROLLERS = ("random", "reinforce")


def make_controller(
    name: str, space: SearchSpace, *, seed: int, as_released: bool = False
) -> Controller:
    """The controller of that name over a space. Raises ArchError for an unknown name.

    `as_released` is for the record: the faults of the code that was published with a method.
    """
    if name == "random":
        return RandomController(space, seed=seed)
    if name == "reinforce":
        return Reinforce(space, seed=seed, as_released=as_released)
    raise fault(
        "E0801",
        f"there is no controller {name!r}",
        found=name,
        expected=", ".join(CONTROLLERS),
    )


__all__ = [
    "CONTROLLERS",
    "Controller",
    "RandomController",
    "Reinforce",
    "State",
    "Told",
    "make_controller",
]
