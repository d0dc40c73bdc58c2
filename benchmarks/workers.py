"""One process, one worker, four, and two Ray nodes: a search that trains on digits.

python -m benchmarks.workers [EVALUATIONS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from archdsl.library import Library
from archdsl.run.explore import HERE, How, explore
from archdsl.run.ledger import Entry, read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.space.view import SearchSpace
from benchmarks.table import Row, write

EVALUATIONS = 32
BATCH = 8
SPACE = """archdsl 1

space digits() {
  net network(image: 1 x 8 x 8) {
    a = image -> {wide = conv(32, k=3) | narrow = conv(8, k=3)} -> bn -> relu
    for i in 1..4 {
      b[i] = (if i == 1 then a else b[i-1])
        -> {c3 = conv(16, k=3) | c1 = conv(16) | pool = avg_pool(3)} -> bn -> relu
    }
    return b[4] -> global_pool -> linear(10)
  }
}
"""
SETTINGS = ExploreSettings(
    controller="evolution(population=10, sample=3)",
    evaluator="train(epochs=1, learning_rate=0.01)",
    budget=EVALUATIONS,
    batch=BATCH,
)
WAYS = {
    "this process": HERE,
    "one worker": How(workers=1),
    "four workers": How(workers=4),
    "Ray, two nodes of two": How(ray="auto"),
}


def main(evaluations: int = EVALUATIONS) -> None:
    space = Library().text(SPACE).space
    rows: list[Row] = []
    first: list[Entry] | None = None
    alone = 0.0
    for name, how in WAYS.items():
        with tempfile.TemporaryDirectory() as folder, _cluster(how.ray):
            start = time.monotonic()
            found = _searched(space, Path(folder) / "run", how, evaluations)
            seconds = time.monotonic() - start
        first = first or found
        alone = alone or seconds
        rows.append(
            {
                "measured by": name,
                "evaluations": evaluations,
                "s": seconds,
                "times as fast": alone / seconds,
                "s each, more than this process": (seconds - alone) / evaluations,
                "same results": "yes" if found == first else "no",
            }
        )
    write(
        "workers",
        "A search that trains on digits, measured by one process and by several",
        f"python -m benchmarks.workers {evaluations}",
        rows,
        [
            f"Rounds of {BATCH}; one epoch of a small network each, one thread. Workers and Ray "
            "nodes start within the time. Two cores: four workers share them.",
        ],
    )


def _searched(space: SearchSpace, folder: Path, how: How, evaluations: int) -> list[Entry]:
    given = replace(SETTINGS, budget=evaluations)
    explore(space, out=folder, settings=given, how=how, quiet=True)
    return list(read_ledger(folder / "ledger.sqlite"))


@contextmanager
def _cluster(wanted: str) -> Iterator[None]:
    """Two nodes of two processors on the loopback, where they are wanted."""
    if not wanted:
        yield
        return
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
