"""Kills: drivers and workers of a search are killed at random moments, until often enough.

    python -m tests.kill_workers [KILLS] [SEED]

SIGKILL leaves a process no moment to save anything. Of every row it is noted when it was told, and
of every measurement when it began: what is told is not measured again. What a dead worker had is
another's, or anybody's, two of its signs of life after it was killed. In the end the ledger is that
of a search that nobody disturbed.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.test_workers import alive, children

BEAT = 0.2
"""As `tests.work` sets it."""
SLACK = 0.05
"""Seconds for a look at the ledger."""
EVALUATOR = "call:tests.somebodys:traced"
BATCH = 8
WORKERS = 4
PAUSE = "0.05"


def start(folder: Path, budget: int) -> subprocess.Popen[bytes]:
    """The search in that folder, begun or gone on with."""
    environment = {**os.environ, "TRACE": str(folder) + ".trace", "PAUSE": PAUSE}
    words = [str(folder), EVALUATOR, str(WORKERS), str(budget), str(BATCH)]
    return subprocess.Popen([sys.executable, "-m", "tests.work", *words], env=environment)


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    path = folder / "ledger.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # not made yet
            return []


def overdue(folder: Path, dead: set[str], killed: float) -> Iterator[str]:
    """What the dead still have two signs of life after they were killed."""
    time.sleep(max(0.0, killed + 2 * BEAT + SLACK - time.time()))
    now = time.time()
    for step, worker, until in rows(folder, "SELECT step, worker, until FROM leases"):
        if worker in dead and isinstance(until, float) and until > now:
            yield f"step {step}: {worker}, who is dead, has it for {until - now:.2f} s more"


def name_of(pid: int) -> str:
    """What a worker is called in the ledger: the last word but one of its command."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return words[-3].decode() if len(words) > 2 else ""  # it just ended


def again(folder: Path) -> Iterator[str]:
    """What was measured when it was told already."""
    told = dict(rows(folder, "SELECT step, told FROM ledger WHERE told IS NOT NULL"))
    for line in Path(f"{folder}.trace").read_text(encoding="utf-8").splitlines():
        step, begun = line.split()
        if float(begun) > float(told[int(step)]):  # type: ignore[arg-type]
            yield f"step {step} was measured again"


def goes_on(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until something more is told: what is killed before it works shows nothing."""
    query = "SELECT count(*) FROM ledger WHERE told IS NOT NULL"
    before = rows(folder, query)
    while process.poll() is None and rows(folder, query) in (before, []):
        time.sleep(0.01)


def killed(folder: Path, kills: int, chance: random.Random) -> tuple[int, list[str]]:
    """Kill until often enough, then let it end; how many drivers, and what was wrong."""
    budget, drivers, wrong = 24 * kills, 0, []
    process = start(folder, budget)
    for number in range(kills):
        goes_on(folder, process)
        time.sleep(chance.uniform(0.0, 0.6))
        if process.poll() is not None:
            wrong.append(f"it ended with {process.returncode} after {number} kills")
            break
        workers = children(process.pid)
        if not workers or chance.random() < 0.25:
            drivers += 1
            dead = {name_of(pid) for pid in workers if alive(pid)}
            process.kill()
            process.wait()
            while any(map(alive, workers)):
                time.sleep(0.01)
            wrong += overdue(folder, dead, time.time())
            process = start(folder, budget)
        else:
            one = chance.choice(workers)
            dead = {name_of(one)}
            os.kill(one, signal.SIGKILL)
            wrong += overdue(folder, dead, time.time())
    process.wait()
    if process.returncode:
        wrong.append(f"it ended with {process.returncode}")
    return drivers, [*wrong, *again(folder)]


def main(kills: int = 200, seed: int = 0) -> int:
    """Print what was found; 1 where anything was lost or done twice."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drivers, wrong = killed(folder / "broken", kills, random.Random(seed))
        os.environ["PAUSE"] = "0"
        start(folder / "whole", 24 * kills).wait()
        query = "SELECT step, text, reward, detail FROM ledger ORDER BY step"
        if rows(folder / "broken", query) != rows(folder / "whole", query):
            wrong.append("the ledger is not that of a search that nobody disturbed")
        count = len(rows(folder / "broken", query))
    for each in wrong:
        print(each)
    print(
        f"{kills} kills, {drivers} of them of the driver, {count} evaluations, {len(wrong)} wrong, "
        f"{time.monotonic() - begun:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
