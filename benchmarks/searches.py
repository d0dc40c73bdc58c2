"""Searches of NAS-Bench-201, many seeds in some processes, for the tables of `search`."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from archdsl.controllers import Told, make_controller
from archdsl.evaluate.table import Table, TableSettings
from archdsl.library import Library
from archdsl.space.view import SearchSpace

DATA = Path(__file__).parents[2] / "shared" / "data" / "nb201.csv.gz"
SPACE = "nas_bench_201"
BUDGETS = (50, 100, 200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One search: a controller told the column `valid`, and what is found reported by `test`.

    It has the budgets up to `last`.
    """

    controller: str
    valid: str
    test: str
    seed: int
    last: int = max(BUDGETS)

    @property
    def key(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search had found after so many evaluations, in the order of BUDGETS: the value in
    `test` of the first that was best in `valid`, and how many architectures were distinct.

    `of_distinct`: the same value when so many distinct ones were evaluated, None where that did not
    come about. `seconds`: asking and telling of the whole search.
    """

    values: Sequence[float]
    distinct: Sequence[int]
    of_distinct: Sequence[float | None]
    seconds: float


def run(tasks: Sequence[Task], jobs: int, kept: Path) -> dict[Task, Found]:
    """All searches; what the file `kept` knows is not searched again, and it learns the rest."""
    known = dict(_known(kept))
    left = [task for task in tasks if task.key not in known]
    with ProcessPoolExecutor(jobs) as pool, kept.open("a", encoding="utf-8") as file:
        for number, (task, found) in enumerate(zip(left, pool.map(search, left), strict=True), 1):
            known[task.key] = found
            file.write(json.dumps([task.key, asdict(found)]) + "\n")
            if number % 100 == 0:
                file.flush()
                print(f"{number} of {len(left)}", flush=True)
    return {task: known[task.key] for task in tasks}


def _known(kept: Path) -> Iterator[tuple[str, Found]]:
    if kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            key, found = json.loads(line)
            yield key, Found(**found)


@functools.cache
def bench(join: str = "") -> tuple[SearchSpace, Table]:
    """The space and what was measured of it; `join` is a file of more that was."""
    import torch

    torch.set_num_threads(1)
    space = Library().find(SPACE).space
    settings = TableSettings(
        file=str(DATA), text="arch", format="nb201", reward="cifar10_valid", join=join
    )
    return space, settings.over(space)


def optimum(column: str) -> float:
    """The greatest value of a column."""
    return max(row[column] for row in bench()[1].rows.values())


def search(task: Task) -> Found:
    """One search, told after each proposal."""
    space, table = bench()
    controller = make_controller(task.controller, space, seed=task.seed)
    seconds = 0.0
    rows: dict[str, Mapping[str, float]] = {}
    best: Mapping[str, float] = {}
    values, distinct = [], []
    of_distinct: dict[int, float] = {}
    for number in range(1, task.last + 1):
        start = time.process_time()
        (text,) = controller.ask(1)
        seconds += time.process_time() - start
        row = rows[text] = table.rows[text]
        if not best or row[task.valid] > best[task.valid]:
            best = row
        start = time.process_time()
        controller.tell([Told(text, row[task.valid] / 100)])
        seconds += time.process_time() - start
        of_distinct.setdefault(len(rows), best[task.test])
        if number in BUDGETS:
            values.append(best[task.test])
            distinct.append(len(rows))
    return Found(
        values=values,
        distinct=distinct,
        of_distinct=[of_distinct.get(budget) for budget in BUDGETS if budget <= task.last],
        seconds=seconds,
    )
