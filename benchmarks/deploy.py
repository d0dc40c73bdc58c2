"""Inference of `-O 2` networks against torchvision's own modules with the same weights.

python -m benchmarks.deploy [RUNS] [NETWORK ...]
"""

from __future__ import annotations

import sys

import torch

from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import DEPLOYMENT, optimise
from archdsl.verify.equal import randomise
from benchmarks.networks import build, check, with_weights_of
from benchmarks.pairs import in_turn, inference, ratio
from benchmarks.table import Row, write

RUNS = 10
BATCH = 8
NETWORKS = ("resnet50", "mobilenet_v2", "efficientnet_b0")


def main() -> None:
    given = sys.argv[1:]
    runs = int(given[0]) if given and given[0].isdigit() else RUNS
    chosen = [name for name in given if not name.isdigit()] or list(NETWORKS)
    rows = [measure(name, runs, threads) for threads in (1, 2) for name in chosen]
    write(
        "deploy",
        "Networks for inference (-O 2) against torchvision's own, with the same weights",
        "python -m benchmarks.deploy",
        rows,
        [
            f"{BATCH} images of 224 pixels, float32, CPU; medians of {runs} runs in turn. "
            "`theirs / ours`: above 1 the generated network is faster, with the 95 % interval of "
            "the median of all pairs (bootstrap). Theirs also with the channels last, as "
            "`to(memory_format=torch.channels_last)` makes it.",
        ],
    )


def measure(name: str, runs: int, threads: int) -> Row:
    """One network on so many threads."""
    torch.set_num_threads(threads)
    theirs = build(name)
    randomise(theirs, torch.Generator().manual_seed(0))
    program = Library().find(name).space.program
    plain = with_weights_of(theirs, program, "torchvision")
    optimised = optimise(program, DEPLOYMENT)
    ours = load_network(optimised.program)
    ours.load_state_dict(optimised.weights.forward(plain.state_dict()))
    images = torch.randn(BATCH, 3, 224, 224)
    check(theirs, (ours,), images)
    last = build(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    last.load_state_dict(theirs.state_dict())
    turned = images.to(memory_format=torch.channels_last)
    works = [inference(theirs, (images,)), inference(last, (turned,)), inference(ours, (images,))]
    eager, channels_last, own = in_turn(works, runs)
    found, beside = ratio(own, eager), ratio(own, channels_last)
    return {
        "network": name,
        "threads": threads,
        "theirs, ms": 1e3 * found.seconds[1],
        "theirs, channels last, ms": 1e3 * beside.seconds[1],
        "ours, ms": 1e3 * found.seconds[0],
        "theirs / ours": f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})",
        "channels last / ours": f"{beside.ratio:.2f} ({beside.low:.2f} to {beside.high:.2f})",
    }


if __name__ == "__main__":
    main()
