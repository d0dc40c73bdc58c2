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
    maps = torch.randn(16, 64, 28, 28, device=device)
    with torch.inference_mode():
        call = _seconds(lambda: small + 1, device)
        bandwidth = 2 * large.numel() * large.element_size() / _seconds(lambda: large + 1, device)

        def rate(layer: nn.Linear | nn.Conv2d, given: Tensor) -> float:
            """Multiply-accumulates in a second, without the call and what is read and written."""
            layer = layer.to(device)
            result: Tensor = layer(given)
            seconds = _seconds(lambda: layer(given), device)
            macs = float(result.numel() * layer.weight[0].numel())
            moved = given.numel() + layer.weight.numel() + result.numel()
            rest = seconds - call - moved * given.element_size() / bandwidth
            return macs / max(rest, seconds / 10)  # what is hidden behind reads is not for nothing

        return Device(
            name=name,
            call=call,
            bandwidth=bandwidth,
            matrices=rate(nn.Linear(1024, 1024), torch.randn(1024, 1024, device=device)),
            convolutions=rate(nn.Conv2d(64, 64, 3, padding=1), maps),
            depthwise=rate(nn.Conv2d(64, 64, 3, padding=1, groups=64), maps),
            multiplied=rate(nn.Conv2d(64, 128, 3, padding=1, groups=64), maps),
        )


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
