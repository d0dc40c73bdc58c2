"""Kills: a short search is killed at random moments until it has been killed often enough.

    python -m tests.kills [KILLS] [SEED] [proposals|gates|stages|inherited]

Every killed run is resumed until it ends; its ledger (times apart), its best architecture, its
weights and its files must then be those of a run that nobody disturbed. SIGKILL leaves a process
no moment to save anything. This process imports everything once and forks each run from itself;
it never starts a thread of torch, so the forks are whole.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import sklearn.datasets  # noqa: F401  here, so that no fork imports it again
import torchvision.transforms.v2  # noqa: F401
from safetensors.torch import load_file

from archdsl.controllers.gates import DartsSettings
from archdsl.run.explore import explore
from archdsl.run.gates import search_gates
from archdsl.run.ledger import read_ledger
from archdsl.run.search import search
from archdsl.run.settings import ExploreSettings, SearchSettings
from tests.shipped import shipped

SETTINGS = SearchSettings(
    epochs=3, controller_steps=8, derive_samples=4, measure_samples=4, threads=1
)
SPACE = shipped("nas_bench_201", width=4, cells=1, size=8)
SAME_FILES = ("network.py", "supernet.py", "space.arch", "settings.json")


def proposals(folder: Path) -> None:
    """Shared weights, and a controller that proposes."""
    search(SPACE, out=folder, settings=SETTINGS)


def gates(folder: Path) -> None:
    """Gates that are learned by second-order gradients."""
    method = DartsSettings(relaxation="gumbel", order=2)
    settings = replace(SETTINGS, epochs=4)
    search_gates(SPACE, method, out=folder, settings=settings, quiet=True)


def inherited(folder: Path) -> None:
    """Children that begin with the weights of what was measured before them."""
    settings = ExploreSettings(
        controller="evolution(population=4, sample=2)",
        evaluator="inherited(first=2, share=0.3, keep=6)",
        budget=16,
        batch=2,
    )
    explore(SPACE, out=folder, settings=settings, quiet=True)


def stages(folder: Path) -> None:
    """Gates in stages, each with fewer alternatives and more cells than the one before."""
    method = DartsSettings(
        relaxation="gumbel", keep="5, 3, 2", grow="cells=1, 2, 1", skip_dropout="0.3", skip_limit=2
    )
    settings = replace(SETTINGS, epochs=2)
    search_gates(SPACE, method, out=folder, settings=settings, quiet=True)


WAYS = {"proposals": proposals, "gates": gates, "stages": stages, "inherited": inherited}


def start(folder: Path, way: str) -> int:
    """A search in that folder, in a process of its own; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        WAYS[way](folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def ended(child: int) -> int | None:
    """The exit status of a process, or None while it runs."""
    found, status = os.waitpid(child, os.WNOHANG)
    return status if found else None


def whole(folder: Path, way: str) -> None:
    """A search that runs to its end."""
    _, status = os.waitpid(start(folder, way), 0)
    assert status == 0, "the search failed"


def killed(folder: Path, way: str, row: int, wait: float) -> bool:
    """Start or resume a search; kill it `wait` seconds after its ledger has that many rows.

    False where it ended before.
    """
    child, reached = start(folder, way), float("inf")
    while time.monotonic() < reached + wait:
        if (status := ended(child)) is not None:
            assert status == 0, "the search failed"
            return False
        if reached == float("inf") and rows_of(folder) >= row:
            reached = time.monotonic()
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def rows_of(folder: Path) -> int:
    """How many rows a ledger has while it is written; 0 before it exists."""
    try:
        with closing(sqlite3.connect(f"file:{folder}/ledger.sqlite?mode=ro", uri=True)) as ledger:
            return int(ledger.execute("SELECT count(*) FROM ledger").fetchone()[0])
    except sqlite3.Error:
        return 0


def compare(folder: Path, reference: Path) -> None:
    """The same rows, weights and files; the database whole."""
    found, expected = (read_ledger(path / "ledger.sqlite") for path in (folder, reference))
    assert found == expected, "the ledgers differ"
    assert [entry.step for entry in found] == list(range(len(found)))
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = [sorted(one.rglob("*.safetensors")) for one in (folder, reference)]
    assert [one.relative_to(folder) for one in kept[0]] == [
        one.relative_to(reference) for one in kept[1]
    ]
    for one, other in zip(*kept, strict=True):
        ours, theirs = load_file(one), load_file(other)
        assert ours.keys() == theirs.keys()
        assert all(ours[name].equal(theirs[name]) for name in ours), "the weights differ"
    for name in SAME_FILES:
        if (reference / name).exists():
            assert (folder / name).read_bytes() == (reference / name).read_bytes(), name
    assert not list(folder.glob(".*.part"))


def main(kills: int = 25, seed: int = 0, way: str = "proposals") -> None:
    """Kill as often as asked; prints one line for each run and a last one with the counts."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        reference = Path(temporary) / "reference"
        whole(reference, way)
        rows = rows_of(reference)
        done = runs = 0
        while done < kills:
            folder = Path(temporary) / f"run{runs}"
            here, row = 0, 0
            # At most five kills a run, each further on, so that several runs see every part.
            while done < kills and here < 5 and row <= rows:
                wait = rng.uniform(0, rng.choice((0.005, 0.05, 0.5)))
                if not killed(folder, way, row, wait):
                    break
                done, here = done + 1, here + 1
                row = rows_of(folder) + rng.randrange(rows // 2)
            whole(folder, way)
            compare(folder, reference)
            runs += 1
            print(f"run {runs}: killed {here} times, same ledger", flush=True)
        print(f"{done} kills in {runs} runs of {rows} rows, no difference")


if __name__ == "__main__":
    words = sys.argv[1:]
    named = next((word for word in words if word in WAYS), "proposals")
    main(*(int(word) for word in words if word != named), way=named)
