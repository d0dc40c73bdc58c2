"""The figures of a network that `archdsl cost` prints and `where` bounds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from archdsl.ir.cost import cost
from archdsl.ir.graph import Constraint, Program
from archdsl.passes.live import live_nodes

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


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


def violated(network: Program) -> tuple[Constraint, ...]:
    """The constraints of its space that a network does not keep."""
    if not network.constraints:
        return ()
    known = figures(network)
    return tuple(
        constraint
        for constraint in network.constraints
        if not COMPARE[constraint.operator](known[constraint.metric], constraint.bound)
    )
