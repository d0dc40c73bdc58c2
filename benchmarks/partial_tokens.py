"""The search cell of DASViT on a quarter of its tokens, beside all of them.

python -m benchmarks.partial_tokens [THREADS] [--runs N] [--eager]
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor, nn

from archdsl.library import Library
from archdsl.load import Mixture, load_mixture
from archdsl.passes.partial_tokens import partial_tokens
from benchmarks import columns
from benchmarks.columns import COMPILED, OURS, PLAIN, Columns
from benchmarks.references.dasvit_search import EDGES, SearchCell
from benchmarks.table import Row, write

BATCH, TOKENS, WIDTH = 16, 197, 768
RUNS = 5
QUARTER = Fraction(1, 4)
SIDES: Mapping[str, Fraction | None] = {"all tokens": None, "K = 1/4": QUARTER}


@dataclass
class Cell:
    """One encoder of the mixture, with the logits of its edges."""

    module: nn.Module
    mixture: Mixture
    logits: Tensor

    def __call__(self, earlier: Tensor, last: Tensor) -> Tensor:
        rows = dict(zip(self.mixture.sizes, self.logits.softmax(1), strict=True))
        result: Tensor = self.module(earlier, last, self.mixture.gates(rows))
        return result

    def step(self, earlier: Tensor, last: Tensor) -> None:
        self.module.zero_grad()
        self.logits.grad = None
        self(earlier, last).square().mean().backward()


def cell(
    share: Fraction | None,
    width: int = WIDTH,
    dtype: torch.dtype = torch.float32,
    name: str = OURS,
) -> Cell:
    """The encoder of a mixture, or of the plain one where the name of its side begins so."""
    torch.manual_seed(0)
    program = Library().find(f"dasvit(depth=1, width={width})").space.program
    if share is not None:
        program = partial_tokens(program, share)
    mixture = load_mixture(program, level=0 if name.startswith(PLAIN) else 1)
    logits = torch.randn(len(EDGES), 8, dtype=dtype, requires_grad=True)
    encoder = mixture.module.get_submodule("encoder").to(dtype)
    if name.endswith(COMPILED):
        encoder.compile()
    return Cell(encoder, mixture, logits)


def tokens(batch: int, width: int = WIDTH, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (batch, TOKENS, width)
    drawn = (torch.randn(shape, generator=generator, dtype=dtype) for _ in range(2))
    return [one.requires_grad_() for one in drawn]


def saved_bytes(side: Cell) -> int:
    """What a forward pass keeps for backward besides weights and inputs, every storage once."""
    inputs = tokens(BATCH)
    known = {t.untyped_storage().data_ptr() for t in (*side.module.parameters(), *inputs)}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        side(*inputs)
    return sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in known)


def apart(share: Fraction | None, width: int = 48) -> tuple[float, float]:
    """How far output and gradients are from those by hand, in float64, relative."""
    own = cell(share, width, torch.float64)
    hand = SearchCell(width, share).double()
    hand.load_state_dict(own.module.state_dict())
    given = [tokens(2, width, torch.float64) for _ in range(2)]
    logits = own.logits.detach().clone().requires_grad_()
    found, wanted = own(*given[0]), hand(*given[1], logits.softmax(1))
    mixture = torch.sin(torch.arange(wanted.numel(), dtype=torch.float64)).view_as(wanted)
    for output in (found, wanted):
        (output * mixture).sum().backward()
    names = dict(hand.named_parameters())
    pairs = [(p, names[n]) for n, p in own.module.named_parameters()]
    pairs += [(own.logits, logits), *zip(*given, strict=True)]
    gradients = [(a.grad, b.grad) for a, b in pairs if a.grad is not None and b.grad is not None]
    assert len(gradients) == len(pairs) == len(names) + 3
    largest = max(float(b.abs().max()) for _, b in gradients)
    farthest = max(float((a - b).abs().max()) for a, b in gradients) / largest
    outputs = (found - wanted).detach().abs().max() / wanted.detach().abs().max()
    return float(outputs), farthest


def resident(name: str, threads: int) -> float:
    """The most memory, in MB, that a process holds which makes a step."""
    command = [sys.executable, "-m", "benchmarks.partial_tokens", str(threads), "--alone", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(threads: int = 2, runs: int = RUNS, compiled: bool = True) -> None:
    torch.set_num_threads(threads)
    kept = Columns(compiled=compiled, last=False)
    outputs, gradients = (max(pair) for pair in zip(apart(None), apart(QUARTER), strict=True))
    forms = [way + form for way in (PLAIN, OURS) for form in kept.forms]
    sides = {(n, form): cell(part, name=form) for n, part in SIDES.items() for form in forms}
    stored = {name: saved_bytes(sides[name, OURS]) for name in SIDES}
    times: dict[tuple[str, str], list[float]] = {side: [] for side in sides}
    rng, inputs = random.Random(0), tokens(BATCH)
    for run in range(runs + 1):
        for side in rng.sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[side].step(*inputs)
            if run:  # the first is not counted
                times[side].append(time.perf_counter() - start)
    sides.clear()
    first, *_ = SIDES
    rows: list[Row] = [
        {
            "tokens": name,
            "MB for backward": stored[name] / 1e6,
            "share": stored[name] / stored[first],
            "MB resident": resident(name, threads),
            "s per step": statistics.median(times[name, OURS]),
            "times as fast": statistics.median(
                a / b for a, b in zip(times[first, OURS], times[name, OURS], strict=True)
            ),
            **kept.cells(name, {form: times[name, form] for form in forms}),
        }
        for name in SIDES
    ]
    write(
        "partial_tokens",
        "DASViT: the search cell on a part of the tokens",
        f"python -m benchmarks.partial_tokens {threads}",
        rows,
        [
            f"One encoder of `dasvit` as a mixture, {WIDTH} wide, {TOKENS} tokens, batch {BATCH}; "
            "with K = 1/4 each of its five edges runs on the class token and the best 49 others "
            "(`compile --partial-tokens 1/4`), with trainable scores. Bytes for backward without "
            "weights and inputs, which are there anyway; resident memory is the peak of a process "
            f"that makes a step, torch and weights included. Medians of {runs} steps in "
            f"random order, {threads} threads.",
            f"In float64, 48 wide, against the cell by hand "
            f"(`benchmarks/references/dasvit_search.py`): outputs at most {outputs:.1e} of the "
            f"largest apart, gradients of weights, scores, gates and inputs {gradients:.1e}.",
            "The columns from -O0 on are those of all tables: the cell before any pass, on the "
            "same tokens. Tokens have no channels to put last.",
            *kept.notes(),
        ],
    )


def alone(threads: int, name: str) -> None:
    """A step of one side, and the memory that it took."""
    torch.set_num_threads(threads)
    cell(SIDES[name]).step(*tokens(BATCH))
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak) * 1024 / 1e6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int, nargs="?", default=2)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--alone")
    columns.arguments(parser)
    given = parser.parse_args()
    if given.alone:
        alone(given.threads, given.alone)
    else:
        main(given.threads, given.runs, given.compile)
