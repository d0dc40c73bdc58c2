"""Several processes that measure what a search proposes, and the driver that looks after them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from archdsl.run.judge import Judged
from archdsl.run.leases import LeasedLedger
from archdsl.run.stop import Interrupted
from archdsl.syntax.errors import fault

BEAT = 2.0
"""Seconds between two signs of life of a worker."""
TRIES = 5
"""Workers that may end over one row before it has failed."""
PAUSE = 0.01
"""Seconds until the driver looks again."""
STILLBORN = 5
"""Workers in a row that end before anything more is measured: then something else is wrong."""
KILLED = 200
"""The same where somebody kills them."""


@dataclass(slots=True)
class Worker:
    """A process, and its name in the ledger."""

    name: str
    process: subprocess.Popen[str]

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it, and programs that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Workers:
    """The workers of one search. Use `workers`."""

    def __init__(self, folder: Path, ledger: LeasedLedger, count: int, timeout: float) -> None:
        self.folder = folder
        self.ledger = ledger
        self.count = count
        self.timeout = timeout
        self.said = folder / "workers.txt"
        self.born = 0
        self.stillborn = 0
        self.workers: list[Worker] = []
        self.at: dict[str, tuple[int, float]] = {}
        """The last row that each worker leased, and when: also where it gives no sign of life."""

    def measure(self, first: int, last: int, stopped: Callable[[], bool]) -> Iterator[int]:
        """Until the rows from `first` to `last` are told; yields how many are, as that changes.

        Raises Interrupted where a stop is asked for, when what is at hand is told.
        """
        done = -1
        while True:
            open_ = self.ledger.open_among(first, last)
            if last + 1 - first - len(open_) != done:
                done = last + 1 - first - len(open_)
                self.stillborn = 0
                yield done
            if not open_:
                return
            if stopped():
                self.finish()
                raise Interrupted(self.folder)
            self._look_after()
            time.sleep(PAUSE)

    def finish(self) -> None:
        """Let the workers end what they are at, and no longer than they may."""
        for worker in self.workers:
            _say(worker, "stop\n")
        while not all(worker.ended for worker in self.workers):
            self._end_late()
            time.sleep(PAUSE)

    def close(self) -> None:
        """End the workers at once: standard input ends, and so do they."""
        for worker in self.workers:
            with suppress(OSError):
                assert worker.process.stdin is not None
                worker.process.stdin.close()
        for worker in self.workers:
            try:
                worker.process.wait(1)
            except subprocess.TimeoutExpired:
                worker.kill()

    def _look_after(self) -> None:
        """Replace those that ended or that take too long, and give away what they had."""
        self._end_late()
        for worker in list(self.workers):
            if worker.ended:
                self._bury(worker)
        while len(self.workers) < self.count:
            self._start()

    def _end_late(self) -> None:
        """End those that take too long, also over a row that another has or had meanwhile."""
        now = time.time()
        leased = {lease.worker: (lease.step, lease.since) for lease in self.ledger.leases()}
        self.at |= leased
        for worker in self.workers:
            step, since = self.at.get(worker.name, (-1, now))
            if not self.timeout or worker.ended or now - since <= self.timeout:
                continue
            if worker.name in leased or self.ledger.open_among(step, step):
                worker.kill()
                late = Judged.failed("timeout", f"it took more than {self.timeout:g} s")
                self.ledger.complete(worker.name, step, late.reward, late.detail)

    def _bury(self, worker: Worker) -> None:
        self.workers.remove(worker)
        code = worker.process.returncode
        mine = [lease for lease in self.ledger.leases() if lease.worker == worker.name]
        for lease in mine:
            if lease.tries >= TRIES:
                lost = Judged.failed("error", f"{lease.tries} workers ended over it, with {code}")
                self.ledger.complete(worker.name, lease.step, lost.reward, lost.detail)
        self.ledger.release(worker.name)
        self.stillborn = 0 if mine else self.stillborn + 1
        if self.stillborn >= (KILLED if code == -signal.SIGKILL else STILLBORN):
            raise fault(
                "E0824",
                "workers end before they measure anything",
                found=_last_lines(self.said),
                expected="workers that stay",
                hint=f"all they said is in {self.said}",
            )

    def _start(self) -> None:
        self.born += 1
        name = f"{os.getpid()}.{self.born}"
        command = [sys.executable, "-m", "archdsl.run.worker", str(self.folder), name, str(BEAT)]
        with self.said.open("a", encoding="utf-8") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                text=True,
                start_new_session=True,  # what it starts ends with it, and Ctrl-C is ours
            )
        self.workers.append(Worker(name, process))


@contextmanager
def workers(folder: Path, ledger: LeasedLedger, count: int, timeout: float) -> Iterator[Workers]:
    """So many workers on a ledger, until the end; rows that others had before are anybody's.

    `timeout`: seconds for one row, 0 for any time.
    """
    ledger.forget()
    made = Workers(folder, ledger, count, timeout)
    try:
        yield made
    finally:
        made.close()


def _say(worker: Worker, words: str) -> None:
    with suppress(OSError):  # it ended meanwhile
        assert worker.process.stdin is not None
        worker.process.stdin.write(words)
        worker.process.stdin.flush()


def _last_lines(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return " | ".join(lines[-2:])[-300:] or "nothing was said"
