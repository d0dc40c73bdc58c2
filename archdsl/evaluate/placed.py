"""Where the weights of a network in training lie: on which device, and in which order."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from archdsl.ir.graph import Program
from archdsl.passes.memory_format import best_channels_last

M = TypeVar("M", bound=nn.Module)


def placed(module: M, program: Program, device: str | torch.device = "cpu") -> M:
    """The module on a device; on a CPU with channels last, where its convolutions do most of the
    work: steps are 1.25 to 1.6 times as fast, of nine in ten that were measured
    (`benchmarks/results/training_layout.md`).

    Values are the same up to rounding. The order of memory on GPUs was not measured, so it stays.
    """
    module = module.to(device)
    if torch.device(device).type == "cpu" and best_channels_last(program):
        module = module.to(memory_format=torch.channels_last)
    return module
