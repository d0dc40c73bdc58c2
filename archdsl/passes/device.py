"""What a device takes for the work of operations: what decides whether a fusion pays.

A device is a few rates, `cpu`, `gpu`, or a file that `archdsl tune` measured. Which rewrites fire,
and so how weights of level 1 are called, follows from the device that is named, never from the
machine that runs the compiler: the same text and the same device give the same files.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from archdsl.files import read_text
from archdsl.ir.cost import FLOAT_BYTES
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Identity
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.depthwise import DepthwiseConvs
from archdsl.ops.folded import ConvNormConv
from archdsl.ops.fused import Split
from archdsl.ops.gradients import ConvInParts, in_parts
from archdsl.ops.hidden import Shares
from archdsl.ops.in_place import AddInPlace, InPlace
from archdsl.ops.token_convolution import TokenDepthwiseConv
from archdsl.syntax.errors import ArchError, fault

BATCH = 16
"""The batch that predictions are for."""
DILATED = 4
"""Gradients of a dilated kernel take so many times what that of a wide one's weight takes."""
MAP = 3
"""Axes of a map, without the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Rates of a device in float32.

    `call`: seconds before an operation does anything. `bandwidth`: bytes read or written in a
    second. `matrices`, `convolutions`, `depthwise`: multiply-accumulates in a second of matrix
    products, of convolutions over all channels, and of those of each channel on its own;
    `multiplied`: of the last where they make several maps of a channel; `wide`: of the weight
    gradients of depthwise kernels of five columns.
    """

    name: str
    call: float
    bandwidth: float
    matrices: float
    convolutions: float
    depthwise: float
    multiplied: float
    wide: float

    @property
    def call_bytes(self) -> float:
        """Bytes that would be moved in the time that a call takes."""
        return self.call * self.bandwidth

    def seconds(self, operation: Operation, inputs: Types, results: Types) -> float:
        """What one call takes, forward, for a batch of 16: its bytes and its arithmetic."""
        if isinstance(operation, Identity):
            return 0.0
        if isinstance(operation, Split | Shares):
            return self._copies(results)
        moved = sum(type_.elements for type_ in inputs)
        if not isinstance(operation, InPlace | AddInPlace):  # whose result is in cache
            moved += sum(type_.elements for type_ in results)
        weights = sum(weight.elements for weight in operation.weights(inputs))
        transfer = FLOAT_BYTES * (BATCH * moved + weights) / self.bandwidth
        once = operation.once(inputs)
        macs = BATCH * (operation.macs(inputs) - once) + once
        arithmetic = macs / self._rate(operation, inputs)
        copies = self._copies(results) if isinstance(operation, DepthwiseConvs) else 0.0
        return self.call + transfer + arithmetic + copies

    def slow_gradients(self, operation: Operation, inputs: Types) -> float:
        """What gradients of a depthwise kernel take that those of a small plain one do not.

        Arithmetic at a slow rate, or the copies by which they are computed in parts; seconds for
        a batch of 16.
        """
        match operation:
            case ConvInParts():
                moved = 2 * operation.copies * BATCH * inputs[0].elements
                return FLOAT_BYTES * moved / self.bandwidth
            case Conv() | DepthwiseConv() if parts := in_parts(operation, inputs):
                slower = DILATED if parts.conv.d > 1 else 1
                return slower * BATCH * parts.macs(inputs) / self.wide
            case _:
                return 0.0

    def _copies(self, parts: Types) -> float:
        """What it takes that parts of a map are not in one piece: what reads one copies it."""
        elements = sum(part.elements for part in parts if len(part.shape) == MAP)
        return BATCH * FLOAT_BYTES * elements / self.bandwidth

    def _rate(self, operation: Operation, inputs: Types) -> float:
        match operation:
            case DepthwiseConvs():
                return self.multiplied
            case DepthwiseConv() | TokenDepthwiseConv() | ConvInParts():
                return self.depthwise
            case Conv() if operation.depthwise(inputs):
                return self.depthwise
            case Conv() if operation.kernel != (1, 1):
                return self.convolutions
            case ConvNormConv():
                return self.convolutions
            case _:
                return self.matrices


CPU = Device(
    name="cpu",
    call=30e-6,
    bandwidth=10e9,
    matrices=50e9,
    convolutions=40e9,
    depthwise=4e9,
    multiplied=0.4e9,
    wide=6e9,
)
"""Two cores of a server, rounded; a call counts as 300 kB, by which fusions pay as was measured."""

GPU = Device(
    name="gpu",
    call=6e-6,
    bandwidth=1.5e12,
    matrices=9.7e12,
    convolutions=7e12,
    depthwise=0.7e12,
    multiplied=0.7e12,
    wide=7e12,
)
"""NVIDIA A100: 1.5 TB/s, half of the 19.5 TFLOP/s of its data sheet. Not measured."""

DEVICES = {"cpu": CPU, "gpu": GPU, "none": None}


def device_of(given: str) -> Device | None:
    """The device of a name, or of a file that `archdsl tune` wrote; None for `none`.

    Raises ArchError E0708 for a file that cannot be read, E0711 for one that holds something else.
    """
    if given in DEVICES:
        return DEVICES[given]
    path = Path(given)
    if not path.suffix and not path.exists():
        raise fault("E0709", "no such device", found=given, expected="cpu, gpu, none or a file")
    return _read(path)


def told(device: Device | None) -> str:
    """What a generated file says of its device: a name, nothing for the default."""
    return "" if device == CPU else device.name if device else "none"


def written(device: Device) -> str:
    """The text of a device's file."""
    head = (
        f"# What {device.name} takes, measured by `archdsl tune`: seconds, bytes, MACs a second\n"
    )
    return head + "".join(f"{rate} = {getattr(device, rate):.3g}\n" for rate in _RATES)


LARGEST = 10**30
"""No rate of anything."""
_RATES = tuple(field.name for field in fields(Device) if field.name != "name")


def _read(path: Path) -> Device:
    from tomllib import loads

    try:
        found = loads(read_text(path))
    except ValueError as error:  # no TOML, or a number of thousands of digits
        raise _refused(path, str(error)) from None
    for name in found.keys() | set(_RATES):
        if name not in found:
            raise _refused(path, f"there is no {name}")
        if name not in _RATES:
            raise _refused(path, f"{name} is not known")
        value = found[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < LARGEST:
            raise _refused(path, f"{name} = {str(value)[:40]} is no number above 0")
    return Device(name=path.name if path.stem in DEVICES else path.stem, **found)


def _refused(path: Path, what: str) -> ArchError:
    return fault(
        "E0711",
        f"{path} does not describe a device",
        found=what,
        expected=f"a number above 0 for each of {', '.join(_RATES)}",
        hint="archdsl tune -o FILE measures this machine",
    )
