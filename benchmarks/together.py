"""Many sampled architectures of a supernet on one validation batch: together and one by one.

python -m benchmarks.together [RUNS]
"""

from __future__ import annotations

import random
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from archdsl.evaluate.together import together
from archdsl.library import Library
from archdsl.load import load_supernet
from benchmarks.pairs import in_turn, ratio
from benchmarks.table import Row, write

SPACES = ('metaformer_nas(nodes=7, semantics="as_intended")', "nas_bench_201", "ofa_mobilenet_v3")
RUNS = 10
COUNT = 32
BATCH = 16


def main(runs: int = RUNS) -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
    write(
        "together",
        f"{COUNT} sampled architectures on one validation batch: together and one by one",
        f"python -m benchmarks.together {runs}",
        [measure(name, runs) for name in SPACES],
        [
            f"One supernet in evaluation mode, {BATCH} images, float32, 2 threads, CPU; medians "
            f"of {runs} runs in turn, with the 95 % interval of the ratio (bootstrap). `of the "
            "operations`: how many of the float operations of one by one were done together. "
            "`known`: modules whose result was there from an architecture before.",
            "No -O0 and no compiled columns, as other tables of speeds have: a path supernet runs "
            "what its choice takes, as written, and torch.compile takes it block by block only.",
        ],
    )


def measure(name: str, runs: int) -> Row:
    """One row: a space."""
    space = Library().find(name).space
    supernet = load_supernet(space)
    supernet.module.eval()
    shape = space.program.net.nodes[space.program.net.inputs[0]].type.shape
    images = torch.randn(BATCH, *shape)
    rng = random.Random(0)
    paths = [space.sample(rng) for _ in range(COUNT)]

    def one_by_one() -> list[object]:
        with torch.inference_mode():
            return [supernet(images, path) for path in paths]

    with FlopCounterMode(display=False) as shared:
        found = together(supernet, (images,), paths)
    with FlopCounterMode(display=False) as all_of_them:
        apart = one_by_one()
    for one, other in zip(found.outputs, apart, strict=True):
        assert isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
        assert torch.equal(one, other)
    times = in_turn([lambda: together(supernet, (images,), paths), one_by_one], runs)
    measured = ratio(*times)
    return {
        "space": name,
        "together, s": measured.seconds[0],
        "one by one, s": measured.seconds[1],
        "times as fast": measured.ratio,
        "low": measured.low,
        "high": measured.high,
        "of the operations": shared.get_total_flops() / all_of_them.get_total_flops(),
        "modules called": found.calls,
        "known": found.known,
    }


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
