"""Searches whose proposals several processes measure: the same search, whatever ends on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from archdsl.run import workers as driver
from archdsl.run.explore import How, explore
from archdsl.run.leases import open_leased
from archdsl.run.ledger import Entry, read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.syntax.errors import ArchError
from tests.shipped import written
from tests.test_explore import TEXT, rewards, table

CALL = 'call(function="tests.somebodys:{}")'


@pytest.fixture(autouse=True)
def quick_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "BEAT", 0.2)


def settings(evaluator: str, **given: object) -> ExploreSettings:
    defaults = {"controller": "evolution(population=8, sample=3)", "budget": 24, "batch": 4}
    return ExploreSettings(evaluator=evaluator, **(defaults | given))  # type: ignore[arg-type]


def rows(folder: Path) -> list[Entry]:
    return list(read_ledger(folder / "ledger.sqlite"))


def searched(folder: Path, given: ExploreSettings, **how: Any) -> list[Entry]:
    explore(written(TEXT), out=folder, settings=given, how=How(**how), quiet=True)
    return rows(folder)


def test_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    given = settings(table(tmp_path / "t.csv", rewards()))
    alone = searched(tmp_path / "alone", given)
    assert searched(tmp_path / "workers", given, workers=3) == alone
    assert (tmp_path / "workers/network.py").read_text() == (
        tmp_path / "alone/network.py"
    ).read_text()


def test_killed_workers_are_replaced_and_nothing_is_lost_or_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is killed again and again, at random moments, while it works."""
    monkeypatch.setenv("TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("PAUSE", "0.15")
    given = settings(CALL.format("traced"), budget=24, batch=8)
    command = [sys.executable, "-m", "tests.work", str(tmp_path / "run"), given.evaluator, "3"]
    process = subprocess.Popen([*command, "24", "8"])
    chance, kills = random.Random(0), 0
    while process.poll() is None:
        time.sleep(chance.uniform(0.3, 0.8))
        if found := children(process.pid):
            os.kill(chance.choice(found), signal.SIGKILL)
            kills += 1
    assert process.returncode == 0 and kills > 3
    told = rows(tmp_path / "run")
    assert [row.step for row in told] == list(range(24))
    assert all(row.reward is not None for row in told)
    monkeypatch.setenv("TRACE", str(tmp_path / "other"))
    monkeypatch.setenv("PAUSE", "0")
    assert [(row.text, row.reward) for row in searched(tmp_path / "whole", given)] == [
        (row.text, row.reward) for row in told
    ]
    calls = Counter(line.split()[0] for line in (tmp_path / "trace").read_text().splitlines())
    assert sum(calls.values()) <= 24 + kills, "only what a kill undid is measured again"


def test_a_killed_driver_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("PAUSE", "0.1")
    given = settings(CALL.format("traced"), budget=20)
    command = [sys.executable, "-m", "tests.work", str(tmp_path / "run"), given.evaluator, "2"]
    chance = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen([*command, "20", "4"])
        wait_for(lambda: len(told_of(tmp_path / "run")) > 2)
        time.sleep(chance.uniform(0, 0.5))
        workers = children(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda workers=workers: not any(map(alive, workers)))  # type: ignore[misc]
    acknowledged = told_of(tmp_path / "run")
    told = searched(tmp_path / "run", given, workers=2)
    assert told[: len(acknowledged)] == acknowledged or set(
        (row.step, row.reward) for row in acknowledged
    ) <= {(row.step, row.reward) for row in told}
    calls = Counter(line.split()[0] for line in (tmp_path / "trace").read_text().splitlines())
    assert all(calls[str(row.step)] == 1 for row in acknowledged if calls[str(row.step)] < 2)
    with open_leased(tmp_path / "run/ledger.sqlite") as ledger:
        assert ledger.leases() == []


def test_what_takes_too_long_fails_and_its_worker_is_replaced(tmp_path: Path) -> None:
    given = settings('exec(command="sleep 600")', budget=4, batch=4, controller="random")
    begun = time.monotonic()
    told = searched(tmp_path / "run", given, workers=2, timeout=0.5)
    assert [(row.detail or {})["failed"] for row in told] == ["timeout"] * 4
    assert time.monotonic() - begun < 60


def test_faults_are_told_and_paid_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that are no numbers, exceptions, hangs, and workers that die."""
    (tmp_path / "deaths").mkdir()
    monkeypatch.setenv("DEATHS", str(tmp_path / "deaths"))
    given = settings(CALL.format("faulty"), controller="random", budget=48, batch=16)
    told = searched(tmp_path / "run", given, workers=4, timeout=1.5)
    assert [row.step for row in told] == list(range(48))
    kinds = Counter((row.detail or {}).get("failed", "told") for row in told)
    assert kinds["not a number"] and kinds["error"] and kinds["timeout"]
    assert list((tmp_path / "deaths").iterdir()), "some workers died"
    died = {int(path.name) for path in (tmp_path / "deaths").iterdir()}
    assert all(told[step].reward is not None for step in died), "and others did their work"
    assert sum(kinds.values()) == 48


def test_what_ends_every_worker_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "TRIES", 2)
    (tmp_path / "deadly.py").write_text("import os\n\ndef end(candidate):\n    os._exit(7)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}{os.pathsep}{tmp_path}")
    monkeypatch.syspath_prepend(str(tmp_path))
    given = settings('call(function="deadly:end")', controller="random", budget=2, batch=2)
    told = searched(tmp_path / "run", given, workers=1)
    assert [(row.detail or {})["message"] for row in told] == [
        "2 workers ended over it, with 7"
    ] * 2


def test_workers_that_cannot_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver.sys, "executable", "/bin/false")
    given = settings(table(tmp_path / "t.csv", rewards()))
    with pytest.raises(ArchError) as caught:
        searched(tmp_path / "run", given, workers=2)
    assert caught.value.diagnostics[0].code == "E0824"


def children(pid: int) -> list[int]:
    """The workers of a driver."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def told_of(folder: Path) -> list[Entry]:
    if not (folder / "ledger.sqlite").exists():
        return []
    return [row for row in rows(folder) if row.reward is not None]


def wait_for(what: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)
