"""The figures of a network that `archdsl cost` prints and `where` bounds."""

from __future__ import annotations

from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.passes.live import live_nodes


def figures(network: Program) -> dict[str, int]:
    """The costs of a network by name, for one input; bytes as float32.

    `live_` ones leave out what no output needs. A MAC is two FLOPs.
    """
    written, live = cost(network), cost(network, live_nodes(network))
    return {
        "params": written.params,
        "macs": written.macs,
        "live_params": live.params,
        "live_macs": live.macs,
        "flops": 2 * written.macs,
        "activation_bytes": written.activation_bytes,
        "peak_bytes": written.peak_bytes,
    }
