"""The rates of this machine, measured: what `archdsl tune` writes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from archdsl.passes.device import Device
from archdsl.syntax.errors import fault

RUNS = 7
"""Medians are of so many runs, each of calls for about `LONG` seconds."""
LONG = 0.05


def tune(name: str = "cpu") -> Device:
    """Measure a device of torch, `cpu` or `cuda`, forward and in float32. Takes some seconds.

    Raises ArchError E0710 where torch has no such device.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        message = str(error).splitlines()[0]
        raise fault("E0710", f"torch cannot use {name}: {message}", found=name) from None
    small, large = torch.randn(8, device=device), torch.randn(1 << 24, device=device)
    with torch.inference_mode():
        call = _seconds(lambda: small + 1, device)
        moved = 2 * large.numel() * large.element_size() / _seconds(lambda: large + 1, device)
        return Device(
            name=name,
            call=call,
            bandwidth=moved,
            matrices=_macs(nn.Linear(1024, 1024), torch.randn(1024, 1024), device),
            convolutions=_macs(
                nn.Conv2d(64, 64, 3, padding=1), torch.randn(16, 64, 28, 28), device
            ),
            depthwise=_macs(
                nn.Conv2d(64, 64, 3, padding=1, groups=64), torch.randn(16, 64, 28, 28), device
            ),
            wide=_gradients(
                nn.Conv2d(64, 64, 5, padding=2, groups=64), torch.randn(16, 64, 28, 28), device
            ),
        )


def _macs(layer: nn.Linear | nn.Conv2d, given: Tensor, device: torch.device) -> float:
    """Multiply-accumulates in a second of a layer whose outputs are as many as its inputs."""
    layer, given = layer.to(device), given.to(device)
    macs = given.numel() * layer.weight[0].numel()
    return macs / _seconds(lambda: layer(given), device)


def _gradients(layer: nn.Conv2d, given: Tensor, device: torch.device) -> float:
    """Multiply-accumulates in a second of the gradient of a depthwise layer's weight."""
    layer = layer.to(device)
    given = given.to(device).contiguous(memory_format=torch.channels_last)
    macs = given.numel() * layer.weight[0].numel()
    sizes = layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
    wanted = False, True, False

    def work() -> object:
        return torch.ops.aten.convolution_backward(given, given, layer.weight, None, *sizes, wanted)

    return macs / _seconds(work, device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call: the median over runs of many."""
    times = max(1, round(LONG / _run(work, 3, device)))
    return statistics.median(_run(work, times, device) for _ in range(RUNS))


def _run(work: Callable[[], object], times: int, device: torch.device) -> float:
    work()
    _wait(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    _wait(device)
    return (time.perf_counter() - start) / times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
