"""Batch statistics of one path: measured anew before it is judged.

Under shared weights the running statistics mix those of all architectures trained so far
(Guo et al., "Single Path One-Shot", section 3.4), so they say nothing about any one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def calibrated(
    model: nn.Module, forward: Callable[[Tensor], object], images: Iterable[Tensor]
) -> Iterator[None]:
    """Evaluation mode with the statistics of `forward` over `images`; afterwards as before.

    The statistics are plain averages over the batches. Layers that `forward` does not reach
    keep their start, and a model without batch statistics is only put into evaluation mode.
    """
    was_training = model.training
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    kept = [[buffer.clone() for buffer in norm.buffers()] for norm in norms]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    try:
        if norms:
            _measure(norms, forward, images)
        yield
    finally:
        for norm, buffers, momentum in zip(norms, kept, momenta, strict=True):
            norm.momentum = momentum
            for buffer, value in zip(norm.buffers(), buffers, strict=True):
                buffer.copy_(value)
        model.train(was_training)


def _measure(
    norms: list[_BatchNorm], forward: Callable[[Tensor], object], images: Iterable[Tensor]
) -> None:
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    hooks = [norm.register_forward_pre_hook(_average) for norm in norms]
    try:
        with torch.no_grad():
            for batch in images:
                for norm in norms:  # some are read by others and never called
                    _average(norm)
                forward(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for norm in norms:
        norm.eval()


def _average(norm: nn.Module, *_: object) -> None:
    """Let what comes next weigh as much as each before it.

    A momentum of None says the same to a norm of torch's, but not to the fused ones of generated
    files, which take it as a number.
    """
    assert isinstance(norm, _BatchNorm) and norm.num_batches_tracked is not None
    norm.momentum = 1 / (1 + int(norm.num_batches_tracked))
