"""Latencies summed up from tables of operations, beside those of whole networks.

python -m benchmarks.latency [ARCHITECTURES]
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau

from archdsl.evaluate.latency import clock_of
from archdsl.library import Library
from archdsl.run.latencies import latencies
from benchmarks.table import Row, write

SPACES = ("nas_bench_201", "darts_cifar(width=16, layers=8)", "ofa_mobilenet_v3")
DRAWN = 30


def main(drawn: int = DRAWN) -> None:
    torch.set_num_threads(1)
    write(
        "latency",
        "Latency from a table of operations, against the network itself",
        f"python -m benchmarks.latency {drawn}",
        [row(name, drawn) for name in SPACES],
        [
            f"{drawn} architectures of each space, drawn uniformly; one input, one thread, CPU. "
            "`tau`: Kendall's, of what `operations` sums up and `measured` measures. `sum / "
            "measured`: its median, and the middle half of all. A table is measured once for a "
            "space, in `seconds`.",
        ],
    )


def row(name: str, drawn: int) -> Row:
    """One space."""
    space = Library().find(name).space
    begun = time.perf_counter()
    known = latencies(space.program, device=torch.device("cpu"), advance=lambda done, note="": None)
    seconds = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "here.json"
        path.write_text(json.dumps({"milliseconds": known}))
        summed = clock_of(f'operations(file="{path}")').over(space)
        measured = clock_of("measured").over(space)
        rng = random.Random(0)
        found = [(summed(one), measured(one)) for one in (space.sample(rng) for _ in range(drawn))]
    sums, times = np.array(found).T
    low, middle, high = np.percentile(sums / times, [25, 50, 75])
    return {
        "space": name,
        "operations": len(known),
        "seconds": seconds,
        "ms, least": times.min(),
        "ms, most": times.max(),
        "tau": f"{kendalltau(sums, times).statistic:.2f}",
        "sum / measured": f"{middle:.2f} ({low:.2f} to {high:.2f})",
    }


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
