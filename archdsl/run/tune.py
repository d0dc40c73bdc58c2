"""The rates of this machine, measured: what `archdsl tune` writes."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from archdsl.evaluate.timing import seconds
from archdsl.passes.device import Device
from archdsl.syntax.errors import fault

TORCH = {"gpu": "cuda"}
"""What torch calls them."""
SMALL = (lambda: nn.Conv2d(8, 8, 1), lambda: nn.BatchNorm2d(8), nn.ReLU)
"""Layers of which a fusion saves calls: a bare `x + 1` takes a tenth of theirs."""
COPIED = ((16, 64, 14, 14), (16, 32, 32, 32), (16, 128, 28, 28))
"""Maps of some sizes, in caches and beyond: parts of them are what a fusion copies."""


def tune(name: str = "cpu") -> Device:
    """Measure a device, `cpu` or `gpu`, forward and in float32. Takes some seconds.

    Raises ArchError E0710 where torch has no such device.
    """
    device = device_of(name)
    maps = torch.randn(16, 64, 28, 28, device=device)
    with torch.inference_mode():
        call = statistics.fmean(_call(layer, device) for layer in SMALL)
        bandwidth = statistics.median(_bandwidth(shape, device) for shape in COPIED)

        def rate(layer: nn.Linear | nn.Conv2d, given: Tensor) -> float:
            """Multiply-accumulates in a second, without the call and what is read and written."""
            layer = layer.to(device)
            result: Tensor = layer(given)
            taken = seconds(lambda: layer(given), device)
            macs = float(result.numel() * layer.weight[0].numel())
            moved = given.numel() + layer.weight.numel() + result.numel()
            rest = taken - call - moved * given.element_size() / bandwidth
            return macs / max(rest, taken / 10)  # what is hidden behind reads is not for nothing

        return Device(
            name=name,
            call=call,
            bandwidth=bandwidth,
            matrices=rate(nn.Linear(1024, 1024), torch.randn(1024, 1024, device=device)),
            convolutions=rate(nn.Conv2d(64, 64, 3, padding=1), maps),
            depthwise=rate(nn.Conv2d(64, 64, 3, padding=1, groups=64), maps),
            multiplied=rate(nn.Conv2d(64, 128, 3, padding=1, groups=64), maps),
            wide=_gradients(nn.Conv2d(64, 64, 5, padding=2, groups=64), maps, device),
        )


def device_of(name: str) -> torch.device:
    """A device, `cpu` or `gpu`, as torch has it. Raises ArchError E0710 where it has none."""
    try:
        device = torch.device(TORCH.get(name, name))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        message = str(error).splitlines()[0]
        raise fault("E0710", f"torch cannot use {name}: {message}", found=name) from None
    return device


def _call(layer: Callable[[], nn.Module], device: torch.device) -> float:
    """Seconds of a layer that has next to nothing to do."""
    module, given = layer().to(device).eval(), torch.randn(1, 8, 4, 4, device=device)
    return seconds(lambda: module(given), device)


def _bandwidth(shape: tuple[int, ...], device: torch.device) -> float:
    """Bytes in a second, read and written, where half of a map's channels are copied."""
    part = torch.randn(shape, device=device).chunk(2, dim=1)[0]
    return 2 * part.numel() * part.element_size() / seconds(part.contiguous, device)


def _gradients(layer: nn.Conv2d, given: Tensor, device: torch.device) -> float:
    """Multiply-accumulates in a second of the gradient of a depthwise layer's weight."""
    layer = layer.to(device)
    given = given.to(device).contiguous(memory_format=torch.channels_last)
    macs = given.numel() * layer.weight[0].numel()
    sizes = layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
    wanted = False, True, False

    def work() -> object:
        return torch.ops.aten.convolution_backward(given, given, layer.weight, None, *sizes, wanted)

    return macs / seconds(work, device)
