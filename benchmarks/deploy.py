"""Inference of `-O 2` networks against torchvision's own modules with the same weights.

python -m benchmarks.deploy [RUNS] [NETWORK ...] [--eager]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import DEPLOYMENT, optimise
from archdsl.verify.equal import randomise
from benchmarks import columns
from benchmarks.columns import (
    LAST,
    OURS,
    PLAIN,
    Columns,
    channels_last,
    runs_and_names,
    shown,
    turned,
)
from benchmarks.networks import THEIRS, build, check, with_weights_of
from benchmarks.pairs import inference, ratio, timed
from benchmarks.table import Row, write

RUNS = 10
BATCH = 8
NETWORKS = ("resnet50", "mobilenet_v2", "efficientnet_b0")


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("given", nargs="*", metavar="RUNS or NETWORK")
    columns.arguments(parser)
    given = parser.parse_args(arguments)
    runs, chosen = runs_and_names(given.given, RUNS)
    kept = Columns(compiled=given.compile, unit="ms")
    write(
        "deploy",
        "Networks for inference (-O 2) against torchvision's own, with the same weights",
        "python -m benchmarks.deploy",
        [measure(name, runs, threads, kept) for threads in (1, 2) for name in chosen or NETWORKS],
        [
            f"{BATCH} images of 224 pixels, float32, CPU; medians of {runs} runs in turn. `ours` "
            "is -O 2. Theirs also with the channels last, as "
            "`to(memory_format=torch.channels_last)` makes it.",
            *kept.notes(),
        ],
    )


def measure(name: str, runs: int, threads: int, kept: Columns) -> Row:
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
    kept.start()
    works = {
        THEIRS: inference(theirs, (images,)),
        THEIRS + LAST: inference(channels_last(theirs), turned((images,))),
        **kept.ways(PLAIN, plain, (images,), inference),
        **kept.ways(OURS, ours, (images,), inference),
    }
    times = timed(works, runs)
    found = ratio(times[OURS], times[THEIRS])
    beside = ratio(times[OURS], times[THEIRS + LAST])
    return {
        "network": name,
        "threads": threads,
        "theirs, ms": 1e3 * found.seconds[1],
        "theirs, channels last, ms": 1e3 * beside.seconds[1],
        "ours, ms": 1e3 * found.seconds[0],
        "theirs / ours": shown(found),
        "channels last / ours": shown(beside),
        **kept.cells(f"{name} on {threads}", times),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
