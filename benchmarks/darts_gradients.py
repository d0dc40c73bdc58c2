"""Gradients of gates, first and second order, beside those of the authors' Architect.

python -m benchmarks.darts_gradients --original DIR

DIR as for `benchmarks.darts_step`. Equal weights and batches, float64, one step of SGD before, so
that there is momentum.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from archdsl.evaluate.bilevel import first_order, second_order
from benchmarks.darts_step import Side, batches, generated, original, relative
from benchmarks.references.darts_original import commit
from benchmarks.table import Row, write

RATE = 0.025
BATCH = 2
ORDERS = (1, 2)


def main(folder: Path) -> None:
    torch.set_num_threads(2)
    rows: list[Row] = []
    for order in ORDERS:
        ours, theirs = _ours(order), _theirs(folder, order)
        pairs: list[tuple[Tensor | None, Tensor | None]] = list(zip(ours, theirs, strict=True))
        largest = max(one.abs().max().item() for one in theirs)
        row: Row = {"order": order, "largest gradient": largest, "apart": f"{relative(pairs):.1e}"}
        rows.append(row)
    write(
        "darts_gradients",
        "Gradients of DARTS' gates beside those of its authors' Architect",
        "python -m benchmarks.darts_gradients --original DIR",
        rows,
        [
            f"`darts_search`: 16 wide, 8 cells, batch {BATCH}, float64, after one step of SGD with "
            f"momentum at a rate of {RATE}. `apart`: the largest difference of any gate's "
            "gradient, by the largest; 1e-8 is asked for. Both orders use r = 0.01 over the norm.",
            f"`git clone https://github.com/quark0/darts DIR`, commit {commit(folder)}, without "
            "the two `.cuda()` of `cnn/model_search.py`; that of `architect.py` is none here.",
        ],
    )


def _started(side: Side) -> list[tuple[Tensor, Tensor]]:
    """One step of the weights on the first batch; the other two are for the gates."""
    first, *rest = batches(3, BATCH, torch.float64)
    side.weights.zero_grad()
    side.loss(*first).backward()
    side.weights.step()
    side.weights.zero_grad()
    for one in side.logits:
        one.grad = None
    return rest


def _ours(order: int) -> list[Tensor]:
    side = generated(dtype=torch.float64)
    train, valid = _started(side)
    if order == 1:
        first_order(lambda: side.loss(*valid), side.logits)
    else:
        second_order(
            lambda: side.loss(*valid),
            lambda: side.loss(*train),
            side.module,
            side.weights,
            side.logits,
        )
    return _gradients(side)


def _theirs(folder: Path, order: int) -> list[Tensor]:
    side = original(folder, torch.float64)
    train, valid = _started(side)
    sys.path.insert(0, str(folder / "cnn"))
    with _no_cuda():
        architect = importlib.import_module("architect").Architect(
            _double(side.module),
            Namespace(
                momentum=0.9, weight_decay=3e-4, arch_learning_rate=3e-4, arch_weight_decay=1e-3
            ),
        )
        if order == 1:
            architect._backward_step(*valid)
        else:
            architect._backward_step_unrolled(*train, *valid, RATE, side.weights)
    return _gradients(side)


def _double(module: nn.Module) -> nn.Module:
    """Their network, whose copies are of float64 as well, with gates of their own."""
    copied = module.new

    def new() -> nn.Module:
        other: nn.Module = copied().double()  # type: ignore[operator]
        for one, own in zip(other.arch_parameters(), module.arch_parameters(), strict=True):  # type: ignore[operator]
            one.data = own.data.clone()
        return other

    module.new = new  # type: ignore[assignment]
    return module


def _gradients(side: Side) -> list[Tensor]:
    found = [one.grad for one in side.logits]
    assert all(one is not None for one in found)
    return [one for one in found if one is not None]


@contextmanager
def _no_cuda() -> Iterator[None]:
    """`module.cuda()` is the module."""
    before = nn.Module.cuda
    nn.Module.cuda = lambda self: self  # type: ignore[assignment,method-assign,misc]
    try:
        yield
    finally:
        nn.Module.cuda = before  # type: ignore[method-assign]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--original", type=Path, required=True)
    main(parser.parse_args().original)
