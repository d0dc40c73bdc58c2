"""Who proposes architectures. A controller sees a search space and strings, nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from archdsl.controllers.base import Controller, State, Told
from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.ddpg import DDPGSettings
from archdsl.controllers.evolution import EvolutionSettings
from archdsl.controllers.generations import GenerationsSettings
from archdsl.controllers.halving import HalvingSettings
from archdsl.controllers.local import LocalSettings
from archdsl.controllers.nao import NAOSettings
from archdsl.controllers.optuna_samplers import NSGASettings, TPESettings
from archdsl.controllers.outside import FunctionSettings, ProgramSettings
from archdsl.controllers.pareto import ParetoSettings
from archdsl.controllers.pnas import PNASSettings
from archdsl.controllers.ppo import PPOSettings
from archdsl.controllers.predictor import PredictorSettings
from archdsl.controllers.qlearning import QSettings
from archdsl.controllers.random import RandomController, RandomSettings
from archdsl.controllers.reinforce import Reinforce, ReinforceSettings
from archdsl.controllers.tnas import TNASSettings
from archdsl.controllers.tree import TreeSettings
from archdsl.ops.binding import Bound
from archdsl.space.named import named
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault


class Method(Bound, Protocol):
    """The settings of a method, and the controller that they make."""

    def over(self, space: SearchSpace, seed: int) -> Controller:
        """The method at the beginning of a search."""


METHODS: tuple[type[Method], ...] = (
    RandomSettings,
    ReinforceSettings,
    PPOSettings,
    EvolutionSettings,
    GenerationsSettings,
    ParetoSettings,
    LocalSettings,
    HalvingSettings,
    TreeSettings,
    QSettings,
    DDPGSettings,
    PredictorSettings,
    TPESettings,
    NSGASettings,
    TNASSettings,
    NAOSettings,
    PNASSettings,
)
LEARNED = (DartsSettings.keyword,)
"""Those that propose nothing, and learn the gates of a supernet."""
CONTROLLERS = tuple(method.keyword for method in METHODS)
OUTSIDE: tuple[type[Method], ...] = (ProgramSettings, FunctionSettings)
"""Those that users bring along."""


def method_of(text: str) -> Method:
    """The method that a text names: `evolution`, or `evolution(population=30, sample=10)`.

    Raises ArchError E0801 for an unknown name, E0818 for settings that it has not.
    """
    if is_learned(text):
        raise fault(
            "E0801",
            f"{_keyword(text)} learns the gates of a supernet and proposes nothing",
            found=text,
            expected=", ".join(CONTROLLERS),
            hint="it goes with shared weights: leave --evaluator out",
        )
    return named(text, (*METHODS, *OUTSIDE), "controller", "E0801", also=LEARNED)


def gates_method(text: str) -> DartsSettings | None:
    """The settings of a method that learns gates, None where the text names another.

    Raises ArchError E0818 for settings that it has not.
    """
    if not is_learned(text):
        return None
    return named(text, (DartsSettings,), "controller", "E0801")


def is_learned(text: str) -> bool:
    """Whether a text names a method that learns gates and proposes nothing."""
    return _keyword(text) in LEARNED


def _keyword(text: str) -> str:
    return text.partition("(")[0].strip()


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
