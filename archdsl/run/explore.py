"""A search that asks, measures and tells, until its budget is used up.

    ask     the controller proposes; what it proposed stands in the ledger
    measure an evaluator looks at each proposal; what it found, or how it failed, stands there too
    tell    the controller hears of all of them, in the order in which it proposed them

A run is a folder. Killed at any moment, the same command goes on: the controller is asked again
from the beginning, and what the ledger has is not measured again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

from archdsl.codegen import network_source
from archdsl.controllers import Controller, Told, make_controller
from archdsl.evaluate.evaluator import Evaluator, Failed
from archdsl.evaluate.evaluators import evaluator_of
from archdsl.evaluate.objectives import objectives_of, rule_of
from archdsl.files import write_whole
from archdsl.ir.cost import cost
from archdsl.ir.types import Cost
from archdsl.run.folder import run_folder
from archdsl.run.ledger import Entry, Ledger, open_ledger
from archdsl.run.progress import Advance, progress
from archdsl.run.settings import ExploreSettings, check_settings, remember
from archdsl.run.stop import Interrupted, graceful
from archdsl.run.summary import ExploreSummary, summarise_exploration, write_explore_summary
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

COSTS = frozenset(field.name for field in fields(Cost))
"""What a text says of itself, and what an objective or a reward may name."""
Worth: TypeAlias = tuple[float, ...]
"""The reward of an architecture, and the objectives behind it."""


def explore(
    space: SearchSpace, *, out: Path, settings: ExploreSettings, quiet: bool = False
) -> ExploreSummary:
    """Run a search in the folder `out`, or go on with the one that is there.

    Raises ArchError (E08xx) for settings and folders that do not fit, and Interrupted after
    Ctrl-C, when everything is saved.
    """
    check_settings(settings)
    rule_of(settings.reward), objectives_of(settings.objectives)
    evaluator = evaluator_of(settings.evaluator).over(space)
    controller = make_controller(settings.controller, space, seed=settings.seed)
    with run_folder(out) as folder, graceful() as stopped:
        remember(folder / "settings.json", space.program, settings, {})
        write_whole(folder / "space.arch", space.program.text)
        with (
            open_ledger(folder / "ledger.sqlite") as ledger,
            progress("search", settings.budget, quiet=quiet) as advance,
        ):
            _Exploration(
                space, settings, controller, evaluator, ledger, stopped, advance, folder
            ).run()
            entries, seconds = ledger.entries(), ledger.seconds()
        summary = summarise_exploration(space, settings, entries, seconds)
        if summary.best:
            best = space.resolve(space.parse(summary.best))
            write_whole(folder / "network.py", network_source(best))
        write_explore_summary(folder, summary)
    return summary


class _Exploration:
    """One search in progress."""

    def __init__(
        self,
        space: SearchSpace,
        settings: ExploreSettings,
        controller: Controller,
        evaluator: Evaluator,
        ledger: Ledger,
        stopped: Callable[[], bool],
        advance: Advance,
        folder: Path,
    ) -> None:
        self.space = space
        self.settings = settings
        self.controller = controller
        self.evaluator = evaluator
        self.ledger = ledger
        self.stopped = stopped
        self.advance = advance
        self.folder = folder
        self.rule = rule_of(settings.reward)
        self.objectives = objectives_of(settings.objectives)
        self.costs = COSTS.intersection(re.findall(r"\w+", settings.reward + settings.objectives))
        self.worst: Worth | None = None

    def run(self) -> None:
        """All rounds that the budget pays for; a failed evaluation is paid for like any other."""
        step = 0
        while step < self.settings.budget:
            count = min(self.settings.batch, self.settings.budget - step)
            asked = [
                self.ledger.ask(number, 0, "search", text)
                for number, text in enumerate(self.controller.ask(count), step)
            ]
            measured = [self._measured(entry) for entry in asked]
            self.controller.tell(self._told(measured))
            step += count

    def _measured(self, entry: Entry) -> Entry:
        """The row of a proposal, complete; one that is told already is not measured again."""
        if entry.detail is None:
            if self.stopped():
                raise Interrupted(self.folder)
            reward, detail = self._evaluated(entry)
            self.ledger.tell(entry.step, reward, detail)
            entry = replace(entry, reward=reward, detail=detail)
        said = "failed" if entry.reward is None else f"{entry.reward:.4g}"
        self.advance(entry.step + 1, said)
        return entry

    def _evaluated(self, entry: Entry) -> tuple[float | None, Mapping[str, Any]]:
        try:
            architecture = self.space.parse(entry.text)
            values = {**self._costs(architecture), **self.evaluator(architecture, entry.step)}
            reward, *objectives = self._worth(values)
            if not all(map(isfinite, (reward, *objectives))):
                raise Failed("not a number", f"the reward is {reward}")
        except Failed as failure:
            return None, {"failed": failure.kind, "message": str(failure)}
        return reward, {"values": values}

    def _costs(self, architecture: Architecture) -> Mapping[str, int]:
        """What a text costs, where that is wanted."""
        if not self.costs:
            return {}
        found = cost(self.space.resolve(architecture))
        return {name: getattr(found, name) for name in sorted(self.costs)}

    def _worth(self, values: Mapping[str, float]) -> Worth:
        """The reward, and the objectives behind it."""
        return (self.rule(values), *self.objectives(values))

    def _told(self, measured: Sequence[Entry]) -> list[Told]:
        """What the controller hears: a failure is worth as little as the worst so far."""
        found = [
            self._worth(entry.detail["values"])
            if entry.detail and entry.reward is not None
            else None
            for entry in measured
        ]
        known = [worth for worth in (*found, self.worst) if worth is not None]
        self.worst = tuple(map(min, zip(*known, strict=True))) if known else None
        least = self.worst or (0.0,) * (1 + len(self.objectives.signs))
        worths = (least if worth is None else worth for worth in found)
        return [
            Told(entry.text, reward, tuple(objectives))
            for entry, (reward, *objectives) in zip(measured, worths, strict=True)
        ]
