"""The search network of DARTS on a quarter of its channels, beside all of them.

python -m benchmarks.partial_channels [THREADS] [--runs N] [--eager]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from fractions import Fraction

import torch

from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import load_mixture
from archdsl.passes.partial_channels import partial_channels
from benchmarks import columns
from benchmarks.columns import COMPILED, PLAIN, Columns
from benchmarks.darts_step import (
    BATCH,
    FEW,
    MIXTURE,
    TOO_LONG,
    Side,
    batches,
    few_cells,
    formed,
    logits,
    measured,
    relative,
    saved_bytes,
    softmaxes,
)
from benchmarks.references.darts_search import SearchNetwork, own_name
from benchmarks.table import Row, write

RUNS = 3
PARTS: Mapping[str, int] = {"all channels": 1, "K = 1/4": 4}


def generated(parts: int, name: str = MIXTURE, dtype: torch.dtype = torch.float32) -> Side:
    """The mixture of `darts_search` on 1/parts of the channels of every edge, or its -O0."""
    torch.manual_seed(0)
    program = on_channels("darts_search", parts)
    mixture = load_mixture(program, level=0 if name.startswith(PLAIN) else 1)
    mixture.module.to(dtype)
    return formed(mixture, name, dtype)


def on_channels(space: str, parts: int) -> Program:
    """A search network whose edges run on 1/parts of their channels."""
    return partial_channels(Library().find(space).space.program, Fraction(1, parts))


def by_hand(parts: int, dtype: torch.dtype = torch.float32) -> Side:
    """The same by hand, each operation computed on its own."""
    torch.manual_seed(0)
    network = SearchNetwork(parts=parts).to(dtype)
    return Side(network, lambda x, given: network(x, *softmaxes(given)), logits(dtype))


def apart(parts: int) -> tuple[float, float]:
    """How far gradients of weights and of gates are from those by hand, in float64, relative."""
    hand, own = by_hand(parts, torch.float64), generated(parts, dtype=torch.float64)
    names = {n: own_name(n, SearchNetwork.REDUCTIONS) for n in hand.module.state_dict()}
    own.module.load_state_dict({names[n]: t for n, t in hand.module.state_dict().items()})
    ((images, labels),) = batches(1, 2, torch.float64)
    for side in (hand, own):
        side.backward(images, labels)
    found = dict(own.module.named_parameters())
    weights = [(found[names[n]].grad, p.grad) for n, p in hand.module.named_parameters()]
    gates = [(a.grad, b.grad) for a, b in zip(own.logits, hand.logits, strict=True)]
    return relative(weights), relative(gates)


def main(threads: int = 2, runs: int = RUNS, compiled: bool = True) -> None:
    torch.set_num_threads(threads)
    kept = Columns(compiled=compiled)
    weights, gates = apart(4)
    forms = [way + form for way in (PLAIN, MIXTURE) for form in kept.forms if form != COMPILED]
    sides = {(n, form): generated(parts, form) for n, parts in PARTS.items() for form in forms}
    times = measured(sides, batches(2, BATCH, torch.float32), runs)
    stored = {name: saved_bytes(sides[name, MIXTURE]) for name in PARTS}
    first = next(iter(PARTS))
    rows: list[Row] = [
        {
            "channels": name,
            "MB for backward": stored[name] / 1e6,
            "share": stored[name] / stored[first],
            "s per step": statistics.median(times[name, MIXTURE]),
            "times as fast": statistics.median(
                a / b for a, b in zip(times[first, MIXTURE], times[name, MIXTURE], strict=True)
            ),
            **kept.cells(name, {form: times[name, form] for form in forms}, ours=MIXTURE),
        }
        for name in PARTS
    ]
    sides.clear()
    for name, parts in PARTS.items() if kept.compiled else ():
        label = f"{name}, {FEW}"
        cells = few_cells(on_channels(FEW, parts), runs, kept, label)
        rows.append({"channels": label, **cells})
    write(
        "partial_channels",
        "DARTS: the search network on a part of the channels",
        f"python -m benchmarks.partial_channels {threads}",
        rows,
        [
            f"`darts_search`: 16 wide, 8 cells, 32 x 32, batch {BATCH}; with K = 1/4 each of the "
            "14 edges of a cell runs on the first quarter of its channels (`compile "
            "--partial-channels 1/4`), as in PC-DARTS. A step is forward, backward and Adam for "
            "the gates, then forward, backward and SGD for the weights. Medians of "
            f"{runs} steps in random order and of their ratios, {threads} threads.",
            "In float64, batch 2, against the network by hand "
            "(`benchmarks/references/darts_search.py`, in the structure of the authors' code): "
            f"gradients of weights at most {weights:.1e} of the largest apart, of gates "
            f"{gates:.1e}.",
            "The columns from -O0 on are those of all tables: the mixture before any pass, on "
            f"the same channels. {TOO_LONG}",
            *kept.notes(),
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int, nargs="?", default=2)
    parser.add_argument("--runs", type=int, default=RUNS)
    columns.arguments(parser)
    given = parser.parse_args()
    main(given.threads, given.runs, given.compile)
