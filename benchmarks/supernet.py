"""How fast a supernet trains and is judged: steps and rewards per second on two threads.

python -m benchmarks.supernet
"""

from __future__ import annotations

import random

import torch
from torch.nn import functional as F

from archdsl.compiler import Library
from archdsl.load import load_supernet
from benchmarks.table import Row, median_seconds, write

SPACES = {
    "nas_bench_201(cells=1, width=4, size=16, channels=1)": 128,
    "nas_bench_201": 16,
    "metaformer_nas(nodes=7)": 16,
}
PATHS = 4


def main() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
    write(
        "supernet",
        "Supernet: training steps and reward evaluations per second",
        "python -m benchmarks.supernet",
        [measure(name, batch) for name, batch in SPACES.items()],
        [
            f"A step is forward, backward and AdamW for one sampled path, a reward one forward "
            f"without gradients; medians of 5 runs over {PATHS} sampled paths, 2 threads, CPU.",
            "No -O0 and no compiled columns, as other tables of speeds have: a path supernet runs "
            "what its choice takes, as written, and torch.compile takes it block by block only.",
        ],
    )


def measure(name: str, batch: int) -> Row:
    """One row: a space at a batch size."""
    space = Library().find(name).space
    supernet = load_supernet(space)
    shape = space.program.net.nodes[space.program.net.inputs[0]].type.shape
    classes = space.program.net.result_types[0].channels
    images = torch.randn(batch, *shape)
    labels = torch.randint(classes, (batch,))
    optimizer = torch.optim.AdamW(supernet.module.parameters(), lr=1e-3)
    rng = random.Random(0)
    paths = [space.sample(rng) for _ in range(PATHS)]

    def step() -> None:
        supernet.module.train()
        for path in paths:
            optimizer.zero_grad()
            F.cross_entropy(supernet(images, path), labels).backward()
            optimizer.step()

    def reward() -> None:
        supernet.module.eval()
        with torch.no_grad():
            for path in paths:
                supernet(images, path)

    return {
        "space": name,
        "batch": batch,
        "steps per s": PATHS / median_seconds(step),
        "rewards per s": PATHS / median_seconds(reward),
    }


if __name__ == "__main__":
    main()
