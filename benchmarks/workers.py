"""One process, one worker, four, and two Ray nodes: a search that trains on digits.

    python -m benchmarks.workers [REPEATS]

A short and a long search in every way: the slope between them is what an evaluation takes, what
is left of the short one is what starting takes.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from archdsl.library import Library
from archdsl.run.explore import HERE, How, explore
from archdsl.run.ledger import Entry, read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.space.view import SearchSpace
from benchmarks.table import write

REPEATS = 3
SHORT, LONG = 8, 24
BATCH = 8
CORES = 2
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
    evaluator="train(epochs=24, learning_rate=0.01)",
    batch=BATCH,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Who measures, on how many cores at once."""

    how: How
    cores: int = 1


WAYS = {
    "this process": Way(how=HERE),
    "one worker": Way(how=How(workers=1)),
    "four workers": Way(how=How(workers=4), cores=CORES),
    "Ray, two nodes of two": Way(how=How(ray="auto"), cores=CORES),
}


def main(repeats: int = REPEATS) -> None:
    space = Library().text(SPACE).space
    seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
    found: dict[tuple[str, int], list[Entry]] = {}
    chance = random.Random(0)
    for _ in range(repeats):
        for name in chance.sample(list(WAYS), len(WAYS)):
            for evaluations in (SHORT, LONG):
                with _cluster(WAYS[name].how.ray):  # each anew, or the second finds it warm
                    spent, rows = _searched(space, WAYS[name].how, evaluations)
                    seconds[name, evaluations].append(spent)
                    found[name, evaluations] = rows
    each = {name: _each(seconds, name) for name in WAYS}
    alone = each["this process"]
    rows = [
        {
            "measured by": name,
            f"{LONG} evaluations, s": statistics.median(seconds[name, LONG]),
            "starting, s": statistics.median(seconds[name, SHORT]) - SHORT * each[name],
            "s each": each[name],
            "times as fast": alone / each[name],
            "core seconds each, more than this process": each[name] * way.cores - alone,
            "same results": "yes"
            if all(found[name, n] == found["this process", n] for n in (SHORT, LONG))
            else "no",
        }
        for name, way in WAYS.items()
    ]
    write(
        "workers",
        "A search that trains on digits, measured by one process and by several",
        f"python -m benchmarks.workers {repeats}",
        rows,
        [
            f"Rounds of {BATCH}; 24 epochs of a small network each, one thread. Medians of "
            f"{repeats} searches of {SHORT} and of {LONG} evaluations, in random order; `s each` "
            "is the slope between the two, `starting` what is left of the short one. The Ray "
            f"cluster stands before. {CORES} cores, which four workers share: at most "
            f"{CORES} times as fast; rounds end when their last evaluation does.",
        ],
    )


def _each(seconds: Mapping[tuple[str, int], Sequence[float]], name: str) -> float:
    """Seconds by which a search gets longer with each evaluation."""
    pairs = zip(seconds[name, SHORT], seconds[name, LONG], strict=True)
    return statistics.median((long - short) / (LONG - SHORT) for short, long in pairs)


def _searched(space: SearchSpace, how: How, evaluations: int) -> tuple[float, list[Entry]]:
    """What one search took, and its rows."""
    given = replace(SETTINGS, budget=evaluations)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        begun = time.monotonic()
        explore(space, out=run, settings=given, how=how, quiet=True)
        return time.monotonic() - begun, list(read_ledger(run / "ledger.sqlite"))


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
