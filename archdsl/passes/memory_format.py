"""In which order maps lie in memory: for the whole network, since a change of order is a copy."""

from __future__ import annotations

from archdsl.ir.graph import Apply, Invoke, Program


def best_channels_last(program: Program) -> bool:
    """Whether channels go last: where operations that want it do all work on maps, and most of all.

    Convolutions of a CPU and of tensor cores read all channels of a position at once. What mixes
    positions of a channel would copy the map to get them next to one another.
    """
    if any(len(program.net.nodes[i].type.shape) != 3 for i in program.net.inputs):
        return False
    work: dict[str, tuple[int, int]] = {}
    for key, graph in program.modules.items():  # parts before the whole
        wanting = total = 0
        for node in graph.nodes:
            match node.kind:
                case Apply(operation):
                    inputs = graph.types_in(node)
                    macs = operation.macs(inputs)
                    total += macs
                    if len(inputs[0].shape) == 3:
                        if macs and not operation.channels_last:
                            return False
                        wanting += macs
                case Invoke(module, steps):
                    inner = work[module]
                    wanting += inner[0] * (steps or 1)
                    total += inner[1] * (steps or 1)
                case _:
                    pass
        work[key] = wanting, total
    wanting, total = work[program.root]
    return 2 * wanting > total
