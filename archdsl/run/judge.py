"""What a proposal was worth: what an evaluator measured, the reward of it, or how it failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

from archdsl.evaluate.evaluator import Failed, Kind
from archdsl.evaluate.evaluators import evaluator_of
from archdsl.evaluate.inherited import Lineage
from archdsl.evaluate.latency import clock_of
from archdsl.evaluate.objectives import objectives_of, rule_of
from archdsl.ir.cost import cost
from archdsl.ir.types import Cost
from archdsl.run.ledger import read_ledger
from archdsl.run.rows import number
from archdsl.run.settings import ExploreSettings
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

WEIGHTS = "weights"
"""Where in the folder of a run an evaluator keeps what its children inherit."""
COSTS = frozenset(field.name for field in fields(Cost))
"""What a text says of itself, and what an objective or a reward may name."""
Worth: TypeAlias = tuple[float, ...]
"""The reward of an architecture, and the objectives behind it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The reward, None for a failure, and what stands in the ledger beside it."""

    reward: float | None
    detail: Mapping[str, Any]

    @classmethod
    def failed(cls, kind: Kind, message: str, lacks: str = "") -> Judged:
        detail = {"failed": kind, "message": message}
        return cls(None, {**detail, "lacks": lacks} if lacks else detail)


class Judge:
    """The evaluator of a search over a space, and what is made of its values.

    `beside` is the folder of the runs that the evaluator names, None for the working folder.

    Raises ArchError for settings that do not fit the space.
    """

    def __init__(
        self, space: SearchSpace, settings: ExploreSettings, beside: Path | None = None
    ) -> None:
        self.space = space
        self.beside = beside
        self.rule = rule_of(settings.reward)
        self.objectives = objectives_of(settings.objectives)
        self.costs = COSTS.intersection(re.findall(r"\w+", settings.reward + settings.objectives))
        self.latency = clock_of(settings.latency).over(space) if settings.latency else None
        self.evaluator = evaluator_of(settings.evaluator, beside).over(space)
        self.batch = settings.batch

    def keep_in(self, folder: Path) -> Judge:
        """Let the evaluator keep weights in the folder of a run, where it keeps any."""
        if isinstance(self.evaluator, Lineage):
            ledger = folder / "ledger.sqlite"
            self.evaluator.keep_in(folder / WEIGHTS, lambda step: self._measured(ledger, step))
        return self

    def _measured(self, ledger: Path, step: int) -> tuple[tuple[int, str], ...]:
        """What was measured before the round of a step: the same for all workers, at any time."""
        begun = step - step % self.batch
        return tuple(
            (entry.step, entry.text)
            for entry in read_ledger(ledger)
            if entry.step < begun and entry.reward is not None
        )

    def __call__(self, text: str, step: int, again: int) -> Judged:
        """Measure an architecture at a step, which was measured `again` times before.

        Whatever an evaluator raises is a failure of that architecture, not of the search.
        """
        try:
            architecture = self.space.parse(text)
            costs = self._costs(architecture)  # first: a table that lacks one costs no training
            values = {**costs, **self.evaluator(architecture, step, again)}
            worth = self.worth(values)
            if not all(map(number, worth)):
                raise Failed("not a number", f"the reward is {worth[0]}")
        except Failed as failure:
            return Judged.failed(failure.kind, str(failure), failure.lacks)
        except MemoryError as problem:
            return Judged.failed("memory", str(problem))
        except (Exception, SystemExit) as problem:
            return Judged.failed(_kind(problem), f"{type(problem).__name__}: {problem}")
        finite = {name: value for name, value in values.items() if number(value)}
        return Judged(worth[0], {"values": finite})

    def worth(self, values: Mapping[str, float]) -> Worth:
        """The reward, and the objectives behind it. Raises Failed where a value is missing."""
        return (self.rule(values), *self.objectives(values))

    def _costs(self, architecture: Architecture) -> Mapping[str, float]:
        """What a text costs and how long its network takes, where that is wanted."""
        values: dict[str, float] = {}
        if self.costs:
            found = cost(self.space.resolve(architecture))
            values = {name: getattr(found, name) for name in sorted(self.costs)}
        if self.latency is not None:
            values["latency"] = self.latency(architecture)
        return values


def _kind(problem: BaseException) -> Kind:
    """torch says in words that there is no memory left."""
    text = str(problem).lower()
    return "memory" if "out of memory" in text or "allocate memory" in text else "error"
