"""A search that asks, measures and tells, until its budget is used up.

    ask     the controller proposes; what it proposed stands in the ledger
    measure an evaluator looks at each proposal, here or in several workers; what it found, or how
            it failed, stands there too
    tell    the controller hears of all of them, in the order in which it proposed them

A run is a folder. Killed at any moment, the same command goes on: the controller is asked again
from the beginning, and what the ledger has is not measured again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from archdsl.codegen import network_source
from archdsl.controllers import Controller, Told, make_controller
from archdsl.controllers.history import Historic
from archdsl.evaluate.evaluator import Failed
from archdsl.files import write_whole
from archdsl.run.cluster import Problem, cluster, reach
from archdsl.run.folder import run_folder
from archdsl.run.judge import Judge, Worth
from archdsl.run.leases import LeasedLedger, open_leased
from archdsl.run.ledger import Entry, Ledger
from archdsl.run.progress import Advance, progress
from archdsl.run.rows import lacks
from archdsl.run.settings import BESIDE, ExploreSettings, check_settings, remember
from archdsl.run.stop import Interrupted, graceful
from archdsl.run.summary import ExploreSummary, summarise_exploration
from archdsl.run.tables import write_explore_summary
from archdsl.run.workers import workers
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """Who measures: so many `workers` of this machine, 0 for this process alone; or the Ray cluster
    at an address, with at most so many tasks at once. `timeout`: seconds for one proposal, which
    takes a worker at least; 0 for any time.
    """

    workers: int = 0
    timeout: float = 0.0
    ray: str = ""


HERE = How()


def explore(
    space: SearchSpace,
    *,
    out: Path,
    settings: ExploreSettings,
    how: How = HERE,
    beside: bool = False,
    quiet: bool = False,
) -> ExploreSummary:
    """Run a search in the folder `out`, or go on with the one that is there.

    `how` it is run makes no difference to what it finds. `beside`: the evaluator names runs beside
    `out`, not from the working folder. Raises ArchError (E08xx) for settings and
    folders that do not fit, and Interrupted after Ctrl-C, when everything is saved.
    """
    check_settings(settings)
    judge = Judge(space, settings, out.parent if beside else None)
    controller = make_controller(settings.controller, space, seed=settings.seed)
    if isinstance(controller, Historic):
        controller.serve(max(1, len(judge.objectives.signs)))
    if how.ray:
        reach(how.ray)
    with run_folder(out) as folder, graceful() as stopped:
        also = {BESIDE: "beside"} if beside else {}
        remember(folder / "settings.json", space.program, settings, also)
        write_whole(folder / "space.arch", space.program.text)
        judge.keep_in(folder)
        with (
            open_leased(folder / "ledger.sqlite") as ledger,
            progress("search", settings.budget, quiet=quiet, folder=folder) as advance,
            _measuring(folder, ledger, judge, settings, stopped, how) as measure,
        ):
            ledger.begin()
            _Exploration(settings, controller, judge, ledger, measure, advance).run()
            entries, seconds = ledger.entries(), ledger.seconds()
        summary = summarise_exploration(space, settings, entries, seconds)
        if summary.best:
            best = space.resolve(space.parse(summary.best))
            write_whole(folder / "network.py", network_source(best))
        write_explore_summary(folder, summary)
    return summary


class Measure(Protocol):
    """What completes the rows from one step to another; yields how many are complete."""

    def __call__(self, first: int, last: int) -> Iterator[int]: ...


@contextmanager
def _measuring(
    folder: Path,
    ledger: LeasedLedger,
    judge: Judge,
    settings: ExploreSettings,
    stopped: Callable[[], bool],
    how: How,
) -> Iterator[Measure]:
    """A cluster or workers where they are wanted, else this process."""
    if how.ray:
        problem = Problem.of(judge, settings, folder)
        with cluster(folder, ledger, problem, how.ray, how.workers, how.timeout) as tasks:
            yield lambda first, last: tasks.measure(first, last, stopped)
        return
    if how.workers or how.timeout:
        with workers(folder, ledger, max(how.workers, 1), how.timeout) as found:
            yield lambda first, last: found.measure(first, last, stopped)
        return

    def measure(first: int, last: int) -> Iterator[int]:
        open_ = ledger.open_among(first, last)
        for number, step in enumerate(open_):
            if stopped():
                raise Interrupted(folder)
            entry = ledger.entry(step)
            assert entry is not None
            judged = judge(entry.text, step, entry.epoch)
            ledger.tell(step, judged.reward, judged.detail)
            yield last + 1 - first - len(open_) + number + 1

    yield measure


class _Exploration:
    """One search in progress."""

    def __init__(
        self,
        settings: ExploreSettings,
        controller: Controller,
        judge: Judge,
        ledger: Ledger,
        measure: Measure,
        advance: Advance,
    ) -> None:
        self.settings = settings
        self.controller = controller
        self.judge = judge
        self.ledger = ledger
        self.measure = measure
        self.advance = advance
        self.times: Counter[str] = Counter()
        """How often each architecture was asked."""
        self.best = float("-inf")
        self.worst: Worth | None = None
        self.waiting: list[Entry] = []
        """Failures that came before anything was measured."""

    def run(self) -> None:
        """All rounds that the budget pays for; a failed evaluation is paid for like any other."""
        step = 0
        while step < self.settings.budget:
            count = min(self.settings.batch, self.settings.budget - step)
            for number, text in enumerate(self.controller.ask(count), step):
                self.ledger.ask(number, self.times[text], "search", text)
                self.times[text] += 1
            for done in self.measure(step, step + count - 1):
                self.advance(step + done, self._note())
            entries = [self._row(number) for number in range(step, step + count)]
            if told := self._told(entries):
                self.controller.tell(told)
            self.best = max([self.best, *(e.reward for e in entries if e.reward is not None)])
            step += count

    def _note(self) -> str:
        return "" if self.worst is None else f"best {self.best:.4g}"

    def _row(self, step: int) -> Entry:
        """A row that was told: what was measured, or how it failed."""
        entry = self.ledger.entry(step)
        needs = {"failed", "message"} if entry is None or entry.reward is None else {"values"}
        if entry is None or not needs <= (entry.detail or {}).keys():
            raise lacks(step, ", ".join(sorted(needs)))
        return entry

    def _told(self, measured: Sequence[Entry]) -> list[Told]:
        """What the controller hears: a failure is worth as little as the worst so far.

        Before anything was measured nobody knows how little that is: those wait.
        """
        measured = [*self.waiting, *measured]
        found = [None if e.reward is None else self._worth(e) for e in measured]
        known = [worth for worth in (*found, self.worst) if worth is not None]
        self.waiting = [] if known else measured
        if not known:
            self._check_values()
            return []
        self.worst = tuple(map(min, zip(*known, strict=True)))
        worths = (self.worst if worth is None else worth for worth in found)
        return [
            Told(entry.text, reward, tuple(objectives))
            for entry, (reward, *objectives) in zip(measured, worths, strict=True)
        ]

    def _check_values(self) -> None:
        """Refuse to go on where the reward or an objective names what nothing measures."""
        details = [entry.detail or {} for entry in self.waiting]
        if all("lacks" in detail for detail in details):
            raise fault(
                "E0823",
                details[0]["message"],
                found=details[0]["lacks"],
                expected="names of what the evaluator measures, costs of a text, or latency",
                hint="--latency makes a value of that name; begin anew in another folder",
            )

    def _worth(self, entry: Entry) -> Worth:
        assert entry.detail is not None
        try:
            return self.judge.worth(entry.detail["values"])
        except Failed as failure:  # never judged so: somebody else wrote it
            raise lacks(entry.step, failure.lacks) from None
