"""Whole runs of four methods, as docs/runs.md gives them: undisturbed, and killed ten times.

    python -m benchmarks.runs [KILLS]

Killed itself, it goes on: what is finished stands in runs/whole/done.jsonl.
On the digits, and on a subset of CIFAR-10 where the image packs are beside the project. A killed
run must end with the strings, ledgers, weights and files of the one that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sklearn.datasets  # noqa: F401  here, so that no fork imports any of these again
import torchvision.transforms.v2  # noqa: F401
from PIL import Image
from safetensors.torch import load_file

import archdsl.run.against
import archdsl.run.whole_tables  # noqa: F401
from archdsl.cli.main import app
from archdsl.run.ledger import read_ledger
from benchmarks.cifar import HELD, PACKS, TEST, TRAIN, unpacked
from benchmarks.table import Row, write
from benchmarks.trainings import Kept

PAGE = Path(__file__).parent.parent / "docs" / "runs.md"
BLOCK = re.compile(r"at a scale of minutes.*?```\n(.*?)```", re.DOTALL)
TIMED = re.compile(r'"seconds": [0-9.e-]+')
PARTS = {"train": (TRAIN, 1000), "val": (HELD, 500), "test": (TEST, 1000)}
"""Of the subset: the first so many images of each pack."""


def main(kills: int = 10) -> None:
    rows: list[Row] = []
    kept = Kept(Path("runs/whole/done.jsonl"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for data, name in _data(folder):
            for words in commands():
                out = folder / f"run{len(rows)}"
                key = f"{name}, {kills} kills: {shlex.join(words)}"
                rows.append(kept.once(key, lambda: _measured(words, data, name, kills, out)))  # noqa: B023
                print(rows[-1], flush=True)
                _write(rows)


def _write(rows: list[Row]) -> None:
    """The table of what is finished."""
    write(
        "runs",
        "Whole runs of four methods, killed on the way",
        "python -m benchmarks.runs",
        rows,
        [
            "The commands of docs/runs.md, one thread, seed 42: search, retraining of what was "
            "found and of the others with the same recipe. Test accuracy in %. `kills`: SIGKILL at "
            "random moments between its begin and its end, the same command again after each; then "
            "strings, ledgers, weights, files and summaries are those of the undisturbed run, but "
            "for times. `s`: seconds of the undisturbed run, beside other work.",
            "`CIFAR-10 subset`: the first 1,000 images of batch 1 train, the first 500 of batch 5 "
            "validate, the first 1,000 test images test, all resized to the network's side. "
            "Networks this narrow, after so few epochs, show that runs work, not which is good.",
        ],
    )


def commands() -> list[list[str]]:
    """The documented commands, without `archdsl`."""
    found = BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    lines = found.group(1).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines]


def _data(folder: Path) -> Iterator[tuple[str, str]]:
    yield "digits", "digits"
    if (PACKS / f"{TRAIN}.tar").exists():
        yield f"folder:{_images(folder / 'cifar')}", "CIFAR-10 subset"


def _images(folder: Path) -> Path:
    """The subset as files, in the layout that `folder:PATH` takes."""
    for part, (pack, count) in PARTS.items():
        pixels, labels = unpacked(PACKS / f"{pack}.tar")
        for i, label in enumerate(labels[:count].tolist()):
            path = folder / part / str(label) / f"{i:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[i].permute(1, 2, 0).numpy()).save(path)
    return folder


def _measured(words: list[str], data: str, name: str, kills: int, out: Path) -> Row:
    """One command on one data set: undisturbed, then killed."""
    line = ["--quiet", *words, "--threads", "1", "--data", data, "-o"]
    whole, broken = out / "whole", out / "broken"
    begun = time.monotonic()
    assert _ended(_start([*line, str(whole)]))
    taken = time.monotonic() - begun
    rng = random.Random(out.name)
    done = _killed([*line, str(broken)], broken, kills, _rows(whole), rng)
    _compare(broken, whole)
    summary: dict[str, Any] = json.loads((whole / "summary.json").read_text(encoding="utf-8"))
    found, *others = summary["networks"]
    return {
        "method": summary["method"],
        "data": name,
        "s": round(taken, 1),
        "kills": done,
        "found": summary["best"].partition(")/")[2] or summary["best"],
        "parameters": found["params"],
        "test": round(100 * found["test"], 1),
        "others": ", ".join(f"{o['title']} {100 * o['test']:.1f}" for o in others),
    }


def _start(line: list[str]) -> int:
    """A command in a process of its own; its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        app(line)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def _ended(child: int) -> bool:
    """Wait for a command; whether it was not killed. Raises where it failed."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    assert os.waitstatus_to_exitcode(status) == 0, "the run failed"
    return True


def _killed(line: list[str], out: Path, kills: int, rows: int, rng: random.Random) -> int:
    """Kill a command so often, each time when its ledgers have some rows more; how often it was."""
    places = sorted(rng.randrange(rows) for _ in range(kills))
    for done, row in enumerate(places):
        child, wait = _start(line), rng.uniform(0, 0.5)
        while _rows(out) < row and not _gone(child):
            time.sleep(0.01)
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)  # where it has ended, it waits for us as it is
        if _ended(child):
            return done
    assert _ended(_start(line))
    return kills


def _gone(child: int) -> bool:
    """Whether a process has ended; it still waits for us."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _rows(folder: Path) -> int:
    """How many rows the ledgers of a run have, while they are written."""
    found = 0
    for path in folder.rglob("ledger.sqlite"):
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger,
        ):
            found += int(ledger.execute("SELECT count(*) FROM ledger").fetchone()[0])
    return found


def _compare(found: Path, expected: Path) -> None:
    """The same files of both runs, in what they say."""
    names = sorted(path.relative_to(expected) for path in _files(expected))
    assert names == sorted(path.relative_to(found) for path in _files(found))
    for name in names:
        assert _content(found / name) == _content(expected / name), name


def _files(folder: Path) -> Iterator[Path]:
    """What a run leaves: no lock, and no journal of a ledger."""
    for kind in ("*.py", "*.arch", "*.json", "*.safetensors", "*.sqlite"):
        yield from folder.rglob(kind)


def _content(path: Path) -> object:
    """What a file says, but for how long anything took."""
    if path.suffix == ".sqlite":
        return read_ledger(path)
    if path.suffix == ".safetensors":
        return {name: one.tolist() for name, one in load_file(path).items()}
    return TIMED.sub("", path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
