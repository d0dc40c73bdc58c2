"""In which order maps lie in memory: for the whole network, since a change of order is a copy."""

from __future__ import annotations

from archdsl.ir.graph import Apply, Invoke, Program


def best_channels_last(program: Program) -> bool:
    """Whether channels go last: where operations that want it do most of the work on a map.

    Convolutions of a CPU and of tensor cores read all channels of a position at once.
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
                    if operation.channels_last and len(inputs[0].shape) == 3:
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
