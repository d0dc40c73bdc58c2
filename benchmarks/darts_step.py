"""One step of DARTS' search, first order: the generated mixture beside the network by hand.

python -m benchmarks.darts_step [THREADS] [--original DIR] [--eager]

DIR: the authors' code, `git clone https://github.com/quark0/darts DIR`, without the two `.cuda()`
in `_initialize_alphas` (cnn/model_search.py).
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import Mixture, load_mixture
from benchmarks import columns
from benchmarks.columns import COMPILED, LAST, PLAIN, Cells, Columns
from benchmarks.references.darts_original import commit, name_by_hand, network
from benchmarks.references.darts_search import EDGES, SearchNetwork, own_name
from benchmarks.table import Row, write

RUNS = 10
BATCH = 16
CELLS = ("normal", "reduce")
ORIGINAL = "authors' code"
Name = TypeVar("Name", bound=Hashable)
MIXTURE = "mixture"
FEW = "darts_search(layers=1)"
TOO_LONG = (
    "torch.compile was given up after nine minutes on all eight cells and after five on three (two "
    f"cores, not alone), so what is compiled is `{FEW}`, of one cell."
)
CHECKPOINTED = ", checkpointed"
HAND = "by hand"
FOR_GATES = ", gates alone"
"""The step of the gates asks for the gradients of the gates alone, those that it uses."""
SIDES = (
    HAND,
    HAND + FOR_GATES,
    MIXTURE,
    MIXTURE + LAST,
    MIXTURE + LAST + FOR_GATES,
    MIXTURE + LAST + CHECKPOINTED,
)


@dataclass
class Side:
    """One network with its gates' logits, (14, 8) for each kind of cell, and its optimisers."""

    module: nn.Module
    run: Callable[[Tensor, list[Tensor]], Tensor]
    logits: list[Tensor]
    last: bool = False
    gates_alone: bool = False

    def __post_init__(self) -> None:
        self.weights = torch.optim.SGD(
            self.module.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4
        )
        self.gates = torch.optim.Adam(self.logits, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        if self.last:
            images = images.contiguous(memory_format=torch.channels_last)
        return F.cross_entropy(self.run(images, self.logits), labels)

    def backward(
        self, images: Tensor, labels: Tensor, inputs: Sequence[Tensor] | None = None
    ) -> None:
        self.weights.zero_grad()
        self.gates.zero_grad()
        self.loss(images, labels).backward(inputs=inputs)

    def step(self, batches: list[tuple[Tensor, Tensor]]) -> None:
        """A step of the gates on one batch, then a step of the weights on another."""
        for (images, labels), optimiser in zip(batches, (self.gates, self.weights), strict=True):
            alone = self.gates_alone and optimiser is self.gates
            self.backward(images, labels, self.logits if alone else None)
            if optimiser is self.weights:
                nn.utils.clip_grad_norm_(self.module.parameters(), 5)
            optimiser.step()


def logits(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (len(EDGES), 8)
    drawn = (1e-3 * torch.randn(shape, generator=generator, dtype=dtype) for _ in CELLS)
    return [one.requires_grad_() for one in drawn]


def by_hand(name: str = HAND, dtype: torch.dtype = torch.float32) -> Side:
    torch.manual_seed(0)
    network = SearchNetwork().to(dtype)

    def run(images: Tensor, given: list[Tensor]) -> Tensor:
        result: Tensor = network(images, *softmaxes(given))
        return result

    return Side(network, run, logits(dtype), gates_alone=FOR_GATES in name)


def softmaxes(given: list[Tensor]) -> list[Tensor]:
    return [one.softmax(1) for one in given]


def original(folder: Path, dtype: torch.dtype = torch.float32) -> Side:
    """The authors' network with the weights of the network by hand; its gates are its own."""
    state = by_hand().module.state_dict()
    module, gates = network(folder, width=16, classes=10, layers=8)
    module.load_state_dict({n: state[name_by_hand(n)] for n in module.state_dict()})
    module.to(dtype)
    for gate, value in zip(gates, logits(dtype), strict=True):
        gate.data = value.detach()
    return Side(module, lambda x, _: module(x), gates)


def generated(name: str = MIXTURE, dtype: torch.dtype = torch.float32) -> Side:
    """The mixture that a side names, or its plain reading, with the weights of that by hand."""
    reference = by_hand(dtype=dtype).module
    assert isinstance(reference, SearchNetwork)
    program = Library().find("darts_search").space.program
    if name.startswith(PLAIN):
        mixture = load_mixture(program, level=0)
    else:
        mixture = load_mixture(program, checkpoint=CHECKPOINTED in name)
    state = {own_name(n, reference.reductions): t for n, t in reference.state_dict().items()}
    mixture.module.to(dtype).load_state_dict(state)
    return formed(mixture, name, dtype)


def formed(mixture: Mixture, name: str, dtype: torch.dtype = torch.float32) -> Side:
    """A mixture of `darts_search` in the form that the name of its side ends in."""
    last = LAST in name
    if last:
        mixture.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if name.endswith(COMPILED):
        mixture.module.compile()

    def run(images: Tensor, given: list[Tensor]) -> Tensor:
        result = mixture(images, mixture.gates(dict(values(mixture, softmaxes(given)))))
        assert isinstance(result, Tensor)
        return result

    return Side(mixture.module, run, logits(dtype), last, FOR_GATES in name)


def values(mixture: Mixture, weights: list[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Every gate by its key: a row of the logits' softmax, and ones for the edges, as in DARTS."""
    for key, size in mixture.sizes.items():
        cell, _, hole = key.partition(":")
        if hole.startswith("op_"):
            node, source = (int(part) for part in hole.split("_")[1:])
            yield key, weights[CELLS.index(cell)][EDGES.index((source, node))]
        else:
            yield key, torch.ones(size, dtype=weights[0].dtype)


def batches(count: int, batch: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(2)
    return [
        (
            torch.randn(batch, 3, 32, 32, generator=generator, dtype=dtype),
            torch.randint(10, (batch,), generator=generator),
        )
        for _ in range(count)
    ]


# --- figures -------------------------------------------------------------------------------------


def saved_bytes(side: Side) -> int:
    """What a forward pass keeps for backward, every storage counted once."""
    kept: dict[int, tuple[int, Tensor]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address is reused
        return tensor

    ((images, labels),) = batches(1, BATCH, torch.float32)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        side.loss(images, labels)
    return sum(size for size, _ in kept.values())


def apart(other: Side, name: Callable[[str], str] = str) -> tuple[float, float]:
    """How far a float64 side's gradients of weights and of gates are from those by hand, relative.

    `name`: what that side calls a weight of the network by hand.
    """
    one = by_hand(dtype=torch.float64)
    ((images, labels),) = batches(1, 2, torch.float64)
    for side in (one, other):
        side.backward(images, labels)
    wanted = {name(n): p.grad for n, p in one.module.named_parameters()}
    found = dict(other.module.named_parameters())
    assert wanted.keys() == found.keys()
    weights = [(found[n].grad, gradient) for n, gradient in wanted.items()]
    gates = [(a.grad, b.grad) for a, b in zip(other.logits, one.logits, strict=True)]
    return relative(weights), relative(gates)


def own(name: str) -> str:
    """What the mixture calls a weight of the network by hand."""
    return own_name(name, SearchNetwork.REDUCTIONS)


def farthest(folder: Path | None) -> tuple[float, float]:
    """The largest distance of any side's gradients."""
    names = (PLAIN, MIXTURE, MIXTURE + CHECKPOINTED)
    found = [apart(generated(name, torch.float64), own) for name in names]
    if folder is not None:
        side = original(folder, torch.float64)
        theirs = {name_by_hand(n): n for n in side.module.state_dict()}
        found.append(apart(side, theirs.__getitem__))
    return max(weights for weights, _ in found), max(gates for _, gates in found)


def relative(pairs: list[tuple[Tensor | None, Tensor | None]]) -> float:
    """The largest difference of two lists of gradients, by the largest of the second."""
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    assert len(known) == len(pairs)
    largest = max(b.abs().max().item() for _, b in known)
    return max((a - b).abs().max().item() for a, b in known) / largest


def resident(name: str, threads: int, folder: Path | None) -> float:
    """The most memory, in MB, that a process holds which makes two steps."""
    command = [sys.executable, "-m", "benchmarks.darts_step", str(threads), "--alone", name]
    command += ["--original", str(folder)] if folder else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def made(name: str, folder: Path | None) -> Side:
    if name == ORIGINAL:
        assert folder is not None
        return original(folder)
    return by_hand(name) if name.startswith(HAND) else generated(name)


def measured(
    sides: dict[Name, Side], data: list[tuple[Tensor, Tensor]], runs: int
) -> dict[Name, list[float]]:
    """Seconds of every step of every side, in random order; the first is not counted."""
    times: dict[Name, list[float]] = {name: [] for name in sides}
    rng = random.Random(0)
    for run in range(runs + 1):
        for name in rng.sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[name].step(data)
            if run:
                times[name].append(time.perf_counter() - start)
    return times


def main(
    threads: int = 2, folder: Path | None = None, runs: int = RUNS, compiled: bool = True
) -> None:
    torch.set_num_threads(threads)
    kept = Columns(compiled=compiled)
    weights, gates = farthest(folder)
    shown = (*SIDES, *((ORIGINAL,) if folder else ()))
    forms = [way + form for way in (PLAIN, MIXTURE) for form in kept.forms if form != COMPILED]
    sides = {name: made(name, folder) for name in dict.fromkeys((*shown, *forms))}
    times = measured(sides, batches(2, BATCH, torch.float32), runs)
    bytes_kept = {name: saved_bytes(sides[name]) for name in shown}
    sides.clear()
    rows: list[Row] = []
    for name in shown:
        ratios = [a / b for a, b in zip(times[HAND], times[name], strict=True)]
        row: dict[str, str | int | float] = {
            "network": name,
            "s per step": statistics.median(times[name]),
            "times as fast": statistics.median(ratios),
            "MB for backward": bytes_kept[name] / 1e6,
            "share": bytes_kept[name] / bytes_kept[HAND],
            "MB resident": resident(name, threads, folder),
        }
        if name == MIXTURE:
            row |= kept.cells(name, times, ours=MIXTURE)
        rows.append(row)
    if kept.compiled:
        rows.append({"network": FEW, **few_cells(Library().find(FEW).space.program, runs, kept)})
    write(
        "darts_step",
        "DARTS: one step of the search, first order",
        f"python -m benchmarks.darts_step {threads}" + (" --original DIR" if folder else ""),
        rows,
        [*notes(threads, runs, folder, weights, gates), *kept.notes()],
    )


def few_cells(program: Program, runs: int, kept: Columns, label: str = FEW) -> Cells:
    """The columns of a mixture that is small enough to be compiled."""
    kept.start()
    sides: dict[str, Side] = {}
    for way, level in ((PLAIN, 0), (MIXTURE, 1)):
        for form in kept.forms:
            torch.manual_seed(0)
            sides[way + form] = formed(load_mixture(program, level=level), way + form)
    return kept.cells(label, measured(sides, batches(2, BATCH, torch.float32), runs), ours=MIXTURE)


def notes(threads: int, runs: int, folder: Path | None, weights: float, gates: float) -> list[str]:
    return [
        f"`darts_search`: 16 wide, 8 cells, 32 x 32, batch {BATCH}. A step is forward, "
        "backward and Adam for the gates, then forward, backward and SGD for the weights; "
        "both give all gradients, as in the authors' code. `by hand` has the structure of "
        "that code (`benchmarks/references/darts_search.py`). Same weights, one process, "
        f"alternating in random order, medians of {runs} steps and of their ratios, "
        f"{threads} threads.",
        f"Gradients in float64, batch 2: weights at most {weights:.1e} of the largest apart, "
        f"gates {gates:.1e}, on any side.",
        f"`{FOR_GATES[2:]}`: the step of the gates asks torch for their gradients only "
        "(`backward(inputs=logits)`); it leads to the same gates and weights.",
        "`checkpointed`: cells run again in the backward pass (`compile --checkpoint`); what "
        "the cell in the works keeps then is not among the bytes for backward.",
        f"`{ORIGINAL}`: `git clone https://github.com/quark0/darts DIR`"
        + (f", commit {commit(folder)}" if folder else "; not measured here")
        + ", without the two `.cuda()` in `_initialize_alphas` of `cnn/model_search.py`.",
        "`times as fast` is beside `by hand`; the rows of mixtures have the columns of all "
        f"tables, their -O0 the mixture before any pass. {TOO_LONG}",
    ]


def alone(threads: int, name: str, folder: Path | None) -> None:
    """Two steps of one side, and the memory that they took."""
    torch.set_num_threads(threads)
    side = made(name, folder)
    data = batches(2, BATCH, torch.float32)
    for _ in range(2):
        side.step(data)
    # Not ru_maxrss, which a process has from the one that started it.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak) * 1024 / 1e6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int, nargs="?", default=2)
    parser.add_argument("--original", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--alone")
    columns.arguments(parser)
    given = parser.parse_args()
    if given.alone:
        alone(given.threads, given.alone, given.original)
    else:
        main(given.threads, given.original, given.runs, given.compile)
