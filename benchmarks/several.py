"""One process, with one thread and with two, and two processes that train one network together.

    python -m benchmarks.several [REPEATS]

Seconds of the steps alone, as the summary of a retraining has them, without starting.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from archdsl.ir.cost import cost
from archdsl.library import Library
from benchmarks.table import Row, write

REPEATS = 3
EPOCHS = 3
NETWORKS = {
    "small": "metaformer(classes=10, size=16, patch=4, stem_width=8, width1=16, width2=16, "
    "width3=16, width4=16, depth1=1, depth2=1, depth3=1, depth4=1)",
    "large": "resnet18(classes=10, size=16)",
}
WAYS = {"one, one thread": (1, 1), "one, two threads": (1, 2), "two, one thread each": (2, 1)}
"""So many processes, each with so many threads."""


def main(repeats: int = REPEATS) -> None:
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    chance = random.Random(0)
    for _ in range(repeats):
        for network, text in NETWORKS.items():
            for way in chance.sample(list(WAYS), len(WAYS)):
                seconds[network, way].append(_trained(text, *WAYS[way]))
    rows: list[Row] = []
    for network, text in NETWORKS.items():
        macs = cost(Library().find(text).network()).macs
        alone = statistics.median(seconds[network, next(iter(WAYS))])
        for way in WAYS:
            spent = statistics.median(seconds[network, way])
            rows.append(
                {
                    "network": network,
                    "MACs": macs,
                    "processes": way,
                    "s an epoch": spent / EPOCHS,
                    "times as fast": alone / spent,
                }
            )
    write(
        "several",
        "Retraining by one process and by two",
        f"python -m benchmarks.several {repeats}",
        rows,
        [
            f"Digits, batches of 128 in all, {EPOCHS} epochs, medians of {repeats} in random "
            "order, on two cores, gloo over the loopback. Steps with all that they prepare; "
            "starting is not in them. The reference is one process of one thread.",
            *(f"{name}: `{text}`." for name, text in NETWORKS.items()),
        ],
    )


def _trained(text: str, processes: int, threads: int) -> float:
    """Seconds of all steps of a retraining."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "run"
        command = ["-m", "archdsl", "--quiet", "retrain", text, "-o", str(out)]
        command += [f"--epochs={EPOCHS}", f"--threads={threads}", f"--checkpoint-every={EPOCHS}"]
        if processes > 1:
            start = ["-m", "torch.distributed.run", "--standalone"]
            command = [*start, f"--nproc-per-node={processes}", *command]
        subprocess.run(
            [sys.executable, *command],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "GLOO_SOCKET_IFNAME": "lo"},
        )
        return float(json.loads((out / "summary.json").read_text())["seconds"])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
