"""Faults: a search in which one evaluation in five fails, with workers, and on a Ray cluster.

    python -m tests.faults [EVALUATIONS]

Which evaluation fails, and how, follows from its seed: a value that is no number, an exception, a
hang, or a worker that is killed over it (once). So every row of the ledger can be foretold.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archdsl.evaluate.candidate import Candidate
from archdsl.run import workers
from archdsl.run.explore import How, explore
from archdsl.run.ledger import Entry, read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.space.view import SearchSpace
from tests.shipped import written
from tests.somebodys import WAYS, length
from tests.test_explore import TEXT

ROOT = Path(__file__).resolve().parents[1]
FAILED = {"nan": "not a number", "raises": "error", "hangs": "timeout"}
WORKERS = How(workers=4, timeout=1.5)
RAY = How(ray="auto", timeout=15.0)


@contextmanager
def two_nodes() -> Iterator[None]:
    """A cluster of two nodes of two processors each, on the loopback."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def wrong(space: SearchSpace, row: Entry, died: set[int]) -> Iterator[str]:
    """What of a row is not as foretold."""
    one = Candidate(space, space.parse(row.text), row.step, row.epoch)
    way = WAYS.get(one.seed % 20)
    found = (row.detail or {}).get("failed")
    if found != FAILED.get(way or ""):
        yield f"step {row.step}: {found}, where its seed says {way}"
    if found is None and row.reward != length(one):
        yield f"step {row.step}: {row.reward}"
    if (way == "dies") != (row.step in died):
        yield f"step {row.step}: no worker was killed over it, or one that should not"


def searched(name: str, how: How, evaluations: int) -> list[str]:
    """Search, and print what came of it; what is wrong."""
    space = written(TEXT)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings = ExploreSettings(
            controller="evolution(population=20, sample=5)",
            evaluator="call:tests.somebodys:faulty",
            budget=evaluations,
            batch=20,
        )
        begun = time.monotonic()
        explore(space, out=run, settings=settings, how=how, quiet=True)
        seconds = time.monotonic() - begun
        rows = list(read_ledger(run / "ledger.sqlite"))
    deaths = list(Path(os.environ["DEATHS"]).iterdir())
    died = {int(path.name) for path in deaths}
    for path in deaths:
        path.unlink()
    kinds = Counter((row.detail or {}).get("failed", "told") for row in rows)
    found = [each for row in rows for each in wrong(space, row, died)]
    if [row.step for row in rows] != list(range(evaluations)):
        found.append(f"{len(rows)} rows for a budget of {evaluations}")
    print(
        f"{name}: {len(rows)} evaluations, {dict(kinds)}, {len(died)} workers killed, "
        f"{len(found)} wrong, {seconds:.0f} s"
    )
    return found


def main(evaluations: int = 500) -> int:
    """1 where anything was lost, done twice, or not as foretold."""
    workers.BEAT = 0.2
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEATHS"] = folder
        found = searched("workers", WORKERS, evaluations)
        with two_nodes():
            found += searched("ray", RAY, evaluations)
    for each in found:
        print(each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
