"""A fault of oneDNN, and how to run without it.

The gradient of a 1x1 convolution's weight, with a stride, channels last, on processors with AVX2
alone, writes beyond its memory in torch 2.14 and ends the process, now or later (decision 68).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from archdsl.ir.graph import Apply, Program
from archdsl.ops.convolution import Conv


@contextmanager
def onednn_where_safe(program: Program) -> Iterator[None]:
    """Runs a program without oneDNN where that may write beyond its memory."""
    switch: Any = torch.backends.mkldnn  # `enabled` is told to be no bool
    enabled = switch.enabled
    switch.enabled = enabled and not _meets_fault(program)
    try:
        yield
    finally:
        switch.enabled = enabled


def _meets_fault(program: Program) -> bool:
    """Whether it has a convolution whose weight gradient does that."""
    return any(
        operation.kernel == (1, 1) and max(operation.stride) > 1 and min(channels) < LANES
        for graph in program.modules.values()
        for node in graph.nodes
        if isinstance(node.kind, Apply) and isinstance(operation := node.kind.operation, Conv)
        for channels in [(graph.types_in(node)[0].channels, node.type.channels)]
    )


LANES = 8
"""Floats in a register of AVX2."""
