"""Depthwise convolutions whose gradients are faster in parts.

dwconv(k=5)(x)        -> the same; its weight's gradient three columns at a time
dwconv(k=3, d=2)(x)   -> the same; its gradients as those of a plain kernel on every phase of x
"""

from __future__ import annotations

from collections.abc import Mapping

from archdsl.ir.cost import FLOAT_BYTES
from archdsl.ir.graph import Apply, Graph
from archdsl.ops.base import Types
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.gradients import COLUMNS, ConvInParts, in_parts
from archdsl.passes.device import CPU, Device
from archdsl.passes.draft import Draft, Rewrite

Modules = Mapping[str, Graph]

DILATED = 4
"""Gradients of a dilated kernel take so many times what that of a wide one's weight takes."""


def split_gradients(graph: Graph, modules: Modules, device: Device = CPU) -> Rewrite:
    """Compute the gradients of depthwise convolutions in parts, where that is faster.

    Exact in training: the same products, summed in another order. Weights keep their names.
    """
    draft = Draft(graph)
    for position in draft.live():
        operation = draft.operation(position)
        if not isinstance(operation, Conv | DepthwiseConv):
            continue
        inputs = draft.inputs(position)
        parts = in_parts(operation, inputs)
        if parts and _pays(parts, inputs, device):
            draft.change(position, Apply(parts), draft.args(position))
    return draft.finish()


def _pays(parts: ConvInParts, inputs: Types, device: Device) -> bool:
    """Whether copies of parts take less than what is slow without them.

    Both grow with the batch and the map alike; below some size only calls count, and the generated
    module lets be.
    """
    conv = parts.conv
    copies = 3 if parts.phases > 1 else int(parts.step > 1)
    if conv.k > COLUMNS:
        copies += -(-conv.k // COLUMNS)
    moved = 2 * copies * FLOAT_BYTES * inputs[0].elements
    slow = conv.macs(inputs) * (DILATED if conv.d > 1 else 1)
    return slow / device.wide > moved / device.bandwidth
