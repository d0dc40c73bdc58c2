"""The evaluators by name, with their settings: `table(file="nb201.csv", reward="accuracy")`."""

from __future__ import annotations

from typing import Protocol

from archdsl.evaluate.callables import CallSettings
from archdsl.evaluate.evaluator import Evaluator
from archdsl.evaluate.inherited import InheritedSettings
from archdsl.evaluate.program import ExecSettings
from archdsl.evaluate.scores import ScoreSettings
from archdsl.evaluate.scratch import TrainSettings
from archdsl.evaluate.supernet import SupernetSettings
from archdsl.evaluate.table import TableSettings
from archdsl.ops.binding import Bound
from archdsl.space.named import named
from archdsl.space.view import SearchSpace


class Measure(Bound, Protocol):
    """The settings of an evaluator, and the evaluator that they make."""

    def over(self, space: SearchSpace) -> Evaluator:
        """The evaluator for a space. Raises ArchError where the two do not fit."""


EVALUATORS: tuple[type[Measure], ...] = (
    TableSettings,
    TrainSettings,
    InheritedSettings,
    SupernetSettings,
    ScoreSettings,
    ExecSettings,
    CallSettings,
)


def evaluator_of(text: str) -> Measure:
    """The evaluator that a text names. Raises ArchError E0820 for an unknown name, E0818 for
    settings that it has not."""
    return named(text, EVALUATORS, "evaluator", "E0820")
