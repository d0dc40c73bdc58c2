"""Steps of training with the channels of maps last in memory, as searches and retrainings take
them on a CPU, beside the order of torch's.

python -m benchmarks.training_layout [PAIRS]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from archdsl.evaluate.placed import placed
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import load_mixture, load_network, load_supernet
from benchmarks.pairs import Work, in_turn, inputs, ratio
from benchmarks.table import Row, write

PAIRS = 20
BATCH = 32
Call = Callable[[nn.Module, Tensor], Tensor]
Made = Callable[[Program], tuple[nn.Module, Call]]

PATHS = (
    "nas_bench_201(cells=1, width=8, size=16)",
    "nas_bench_201(cells=1)",
    "ofa_mobilenet_v3(size=32, classes=10)",
    "spos_shufflenet(size=64, classes=10)",
)
GATES = ("nas_bench_201(cells=1, width=8, size=16)", "darts_search(layers=2, width=8)")
NETWORKS = (
    "resnet18(size=32, classes=10)",
    "mobilenet_v2(size=64, classes=10)",
    "shufflenet_v2_x1_0(size=64, classes=10)",
    "densenet121(size=32, classes=10)",
)


def main(pairs: int = PAIRS) -> None:
    torch.set_num_threads(1)
    rows = [_row("one path", text, _path, pairs) for text in PATHS]
    rows += [_row("all, by gates", text, _mixture, pairs) for text in GATES]
    rows += [_row("a network", text, _network, pairs) for text in NETWORKS]
    write(
        "training_layout",
        "Steps of training with channels last",
        f"python -m benchmarks.training_layout {pairs}",
        rows,
        [
            f"Forward, backward and SGD, {BATCH} images, float32, one thread, {pairs} pairs in "
            "random order; the ratio of times, median and 95 % interval. Both have the same "
            "weights. Of a space one architecture, drawn anew for every pair, or even gates. "
            "Networks that `archdsl.evaluate.placed` leaves as they are, those without "
            "convolutions that do most of the work, are not in the table.",
        ],
    )


def _row(what: str, text: str, made: Made, pairs: int) -> Row:
    program = Library().find(text).program
    works = []
    for last in (True, False):
        torch.manual_seed(0)
        module, call = made(program)
        if last:
            module = placed(module, program)
        works.append(_step(module, call, *inputs(program, BATCH)))
    ours, theirs = in_turn(works, pairs)
    found = ratio(ours, theirs)
    return {
        "what runs": what,
        "of": f"`{text}`",
        "ms": 1e3 * found.seconds[0],
        "times as fast": found.ratio,
        "interval": f"{found.low:.2f} to {found.high:.2f}",
    }


def _step(module: nn.Module, call: Call, images: Tensor) -> Work:
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)
    module.train()

    def work() -> None:
        optimizer.zero_grad()
        call(module, images).square().mean().backward()
        optimizer.step()

    return work


def _path(program: Program) -> tuple[nn.Module, Call]:
    supernet = load_supernet(program)
    chance = random.Random(0)

    def call(module: nn.Module, images: Tensor) -> Tensor:
        result: Tensor = module(images, supernet.choice(supernet.space.sample(chance)))
        return result

    return supernet.module, call


def _mixture(program: Program) -> tuple[nn.Module, Call]:
    mixture = load_mixture(program)
    even = mixture.gates({key: torch.full((n,), 1 / n) for key, n in mixture.sizes.items()})

    def call(module: nn.Module, images: Tensor) -> Tensor:
        result: Tensor = module(images, even)
        return result

    return mixture.module, call


def _network(program: Program) -> tuple[nn.Module, Call]:
    return load_network(program), lambda module, images: module(images)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
