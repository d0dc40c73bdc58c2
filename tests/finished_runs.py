"""A run of each kind, small enough for a test: one space, one of everything that search writes."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from archdsl.controllers import gates_method
from archdsl.run.explore import explore
from archdsl.run.gates import search_gates
from archdsl.run.ledger import read_ledger
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import ExploreSettings, RetrainSettings, SearchSettings
from tests.shipped import written

TEXT = """archdsl 1

## Written by <script>alert("somebody")</script> & co.
space small {
  title "Small <b>space</b>"
  cell part(x) {
    a = x -> {nothing = none | work = conv(8, k=3) -> bn -> relu | pass = id}
    b = a -> {relu | tanh}
    return x + b
  }
  net network(image: 1 x 8 x 8) {
    a = image -> conv(8, k=3, s=2) -> bn -> relu
    return a -> part -> global_pool -> linear(10)
  }
}
"""
EVERY = [f"small/part[{a}; {b}]" for a in ("nothing", "work", "pass") for b in ("relu", "tanh")]
KINDS = ("shared", "gates", "explored", "retrained")


def space():
    return written(TEXT)


def table(path: Path) -> str:
    """An evaluator that knows all architectures but one."""
    rows = [f"{text},{0.5 + i / 20},{10 * (i % 3) + 1}" for i, text in enumerate(EVERY[1:])]
    path.write_text("\n".join(["architecture,accuracy,latency", *rows]) + "\n")
    return f'table(file="{path}", reward="accuracy")'


def make(kind: str, out: Path, beside: Path) -> Path:
    """The folder of a finished run; `beside` is for what it reads."""
    small = SearchSettings(
        epochs=2, controller_steps=4, derive_samples=2, measure_samples=3, threads=1
    )
    if kind == "shared":
        search(space(), out=out, settings=small, quiet=True)
    elif kind == "gates":
        method = gates_method("darts")
        assert method is not None
        search_gates(space(), method, out=out, settings=small, quiet=True)
    elif kind == "explored":
        settings = ExploreSettings(
            controller="random",
            evaluator=table(beside / "table.csv"),
            objectives="accuracy, -latency",
            budget=20,
        )
        explore(space(), out=out, settings=settings, quiet=True)
    else:
        small_ = RetrainSettings(epochs=4, checkpoint_every=2, threads=1)
        network = space().resolve(space().parse(EVERY[2]))
        retrain(network, out=out, settings=small_, quiet=True)
    return out


def cut(folder: Path, to: Path, rows: int) -> Path:
    """A run as it was when its ledger had so many rows, the last of them without its result."""
    shutil.copytree(folder, to)
    for name in ("summary.json", "summary.txt"):
        (to / name).unlink()
    assert rows <= len(read_ledger(to / "ledger.sqlite"))
    change(to, "DELETE FROM ledger WHERE step >= ?", rows)
    change(
        to, "UPDATE ledger SET reward = NULL, detail = NULL, told = NULL WHERE step = ?", rows - 1
    )
    return to


def change(folder: Path, statement: str, *values: object) -> None:
    """Change the ledger of a run behind its back."""
    connection = sqlite3.connect(folder / "ledger.sqlite")
    with connection:
        connection.execute(statement, values)
    connection.close()
