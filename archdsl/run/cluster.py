"""Proposals measured on a Ray cluster: each is a task, on any node that is free.

The driver alone writes the ledger. A task whose worker or node ends is run again, as often as a
row is leased again (`workers.TRIES`). A timeout counts from when the evaluator is there: what a
worker takes to start, or a node to be free, is not the proposal's. Nodes need archdsl, the data and
the user's modules.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.part import left, restricted
from archdsl.run.judge import Judge, Judged
from archdsl.run.leases import LeasedLedger
from archdsl.run.settings import ExploreSettings
from archdsl.run.stop import Interrupted
from archdsl.run.workers import TRIES
from archdsl.syntax.errors import ArchError, fault

if TYPE_CHECKING:
    from ray import ObjectRef, ObjectRefGenerator

ANSWER = 5.0
"""Seconds in which a cluster has to answer."""
PAUSE = 0.2
"""Seconds until the driver looks for what has taken too long."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What tasks are about: a space by its text and parameters, and the settings of the search.

    `folder` is that of the run, which nodes need where weights are inherited.
    """

    text: str
    name: str
    parameters: tuple[tuple[str, Any], ...]
    settings: ExploreSettings
    folder: str
    kept: tuple[tuple[str, tuple[int, ...]], ...] = ()
    beside: bool = False

    @classmethod
    def of(cls, judge: Judge, settings: ExploreSettings, folder: Path) -> Problem:
        program = judge.space.program
        return cls(
            text=program.text,
            name=program.space,
            parameters=tuple(program.parameters.items()),
            settings=settings,
            folder=str(folder.resolve()),
            kept=tuple((key, tuple(some)) for key, some in left(program).items()),
            beside=judge.beside is not None,
        )


BEGUN: Mapping[str, Any] = {}
"""What a task says first."""


def judged(problem: Problem, text: str, step: int, again: int) -> Iterator[Mapping[str, Any]]:
    """That the evaluator is there, then what a proposal was worth, as plain data; on a node."""
    judge = _judge(problem)
    yield BEGUN
    yield asdict(judge(text, step, again))


@cache
def _judge(problem: Problem) -> Judge:
    """The evaluator of a search, once in each process."""
    from archdsl.library import open_space
    from archdsl.syntax.parse import parse

    (space,) = parse(problem.text, problem.name).spaces
    opened = open_space(space, dict(problem.parameters))
    if problem.kept:
        opened = restricted(opened, dict(problem.kept))
    folder = Path(problem.folder)
    judge = Judge(opened, problem.settings, folder.parent if problem.beside else None)
    return judge.keep_in(folder)


class Tasks:
    """The tasks of one search. Use `cluster`."""

    def __init__(
        self, folder: Path, ledger: LeasedLedger, problem: Problem, count: int, timeout: float
    ) -> None:
        import ray

        self.folder = folder
        self.ledger = ledger
        self.timeout = timeout
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        free = max(1, int(resources.get("CPU", 1)))
        self.count = min(count or free, free)  # what waits for a processor would be late
        self.problem = ray.put(problem)
        # Ray's own retries would not give the next worker its time anew.
        self.task = ray.remote(max_retries=0, num_returns="streaming")(judged)
        self.running: dict[ObjectRefGenerator[Any], tuple[int, float | None]] = {}
        self.tries: Counter[int] = Counter()

    def measure(self, first: int, last: int, stopped: Callable[[], bool]) -> Iterator[int]:
        """Until the rows from `first` to `last` are told; yields how many are, as that changes.

        Raises Interrupted where a stop is asked for, when what is at hand is told.
        """
        waiting = self.ledger.open_among(first, last)[::-1]
        done = last + 1 - first - len(waiting)
        while waiting or self.running:
            if stopped() and waiting:
                waiting = []
            while waiting and len(self.running) < self.count:
                self._submit(waiting.pop())
            done += self._collect()
            yield done
        if stopped() and done < last + 1 - first:
            raise Interrupted(self.folder)

    def _submit(self, step: int) -> None:
        entry = self.ledger.entry(step)
        assert entry is not None
        task = self.task.remote(self.problem, entry.text, step, entry.epoch)
        self.running[task] = step, None
        self.tries[step] += 1

    def _collect(self) -> int:
        """Tell what is there or late; how many that were."""
        import ray

        ready, _ = ray.wait(list(self.running), num_returns=1, timeout=PAUSE)
        late = [task for task in self.running if task not in ready and self._late(task)]
        told = sum(self._hear(task) for task in ready)
        for task in late:
            ray.cancel(task, force=True)
            late_by = Judged.failed("timeout", f"it took more than {self.timeout:g} s")
            self._tell(self.running.pop(task)[0], late_by)
        return told + len(late)

    def _late(self, task: ObjectRefGenerator[Any]) -> bool:
        _, since = self.running[task]
        return since is not None and 0 < self.timeout < time.monotonic() - since

    def _hear(self, task: ObjectRefGenerator[Any]) -> bool:
        """Take what a task says next; whether that is the row's result."""
        step, _ = self.running.pop(task)
        found = _said(next(task))
        if found == BEGUN:
            self.running[task] = step, time.monotonic()
            return False
        if found is None and self.tries[step] < TRIES:
            self._submit(step)
            return False
        ended = Judged.failed("error", f"{TRIES} workers ended over it")
        self._tell(step, Judged(**found) if found else ended)
        return True

    def _tell(self, step: int, found: Judged) -> None:
        self.ledger.tell(step, found.reward, found.detail)


def _said(one: ObjectRef[Any]) -> Mapping[str, Any] | None:
    """What a task said, None where its worker or its node ended over it."""
    import ray

    try:
        found: Mapping[str, Any] = ray.get(one)
        return found
    except ray.exceptions.RayTaskError as problem:  # not the evaluator's: that is caught there
        raise fault(
            "E0824",
            "a node of the cluster cannot measure anything",
            found=str(problem).strip().splitlines()[-1],
            expected="nodes with archdsl, the data and the modules of the evaluator",
        ) from None
    except ray.exceptions.RayError:
        return None


@contextmanager
def cluster(
    folder: Path,
    ledger: LeasedLedger,
    problem: Problem,
    address: str,
    count: int,
    timeout: float,
) -> Iterator[Tasks]:
    """The Ray cluster at an address (`local`: one on this machine alone), until the end.

    `count`: tasks at once, 0 for as many as there are processors. Raises ArchError E0827 where
    nothing answers.
    """
    import ray

    own = not ray.is_initialized()
    if own:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ValueError, OSError) as error:
            raise _nobody(address, error) from None
    try:
        yield Tasks(folder, ledger, problem, count, timeout)
    finally:
        if own:
            ray.shutdown()


def reach(address: str) -> None:
    """Whether there can be a cluster, before anything is begun: Ray itself would wait for minutes.

    Raises ArchError E0821 where Ray is not installed, E0827 where nothing listens at HOST:PORT.
    """
    if find_spec("ray") is None:
        raise fault(
            "E0821",
            "a cluster needs a package that is missing: ray",
            expected="ray",
            hint="pip install 'archdsl[ray]'",
        )
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), ANSWER).close()
        except (OSError, OverflowError) as problem:
            raise _nobody(address, problem) from None


def _nobody(address: str, problem: Exception) -> ArchError:
    return fault(
        "E0827",
        f"there is no Ray cluster at {address}",
        found=str(problem).splitlines()[0],
        expected="local, auto, or HOST:PORT of `ray start --head`",
    )
