"""Classes that run again in the backward pass instead of keeping what they computed.

Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", section 3.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.codegen.flow import Flow
from archdsl.codegen.steps import Chain, Part, Step, UnitKey, Use
from archdsl.syntax.errors import fault

BASE = "Checkpointed"

IMPORT = "from torch.utils.checkpoint import checkpoint"
NAMES = frozenset({BASE, "Any", "checkpoint"})
"""What a file with such classes has at its top besides."""

SOURCE = '''\
class Checkpointed(nn.Module):
    """Keeps its inputs for the backward pass, and runs again there instead of keeping the rest."""

    def __call__(self, *inputs: Any, **sizes: Any) -> Any:
        call, seen = super().__call__, False

        def run(*inputs: Any, **sizes: Any) -> Any:
            nonlocal seen
            again, seen = seen, True
            if not again:
                return call(*inputs, **sizes)
            # The running statistics know this batch: now copies are updated, and forgotten.
            kept = [(module._buffers, dict(module._buffers)) for module in self.modules()]
            for current, before in kept:
                current.update({n: b if b is None else b.clone() for n, b in before.items()})
            try:
                return call(*inputs, **sizes)
            finally:
                for current, before in kept:
                    current.update(before)

        return checkpoint(run, *inputs, use_reentrant=False, **sizes)
'''


def checkpointed(flow: Flow) -> frozenset[UnitKey]:
    """The modules (cells, blocks) that the net itself uses: those inside run with them.

    Raises ArchError E0907 where it uses none.
    """
    found = frozenset(_uses(flow, (flow.program.root, ())))
    if not found:
        net = flow.program.net
        raise fault(
            "E0907",
            f"nothing to checkpoint: {net.definition} uses no cell and no block",
            expected="a cell or a block, which runs again in the backward pass",
            hint="write what repeats as a block, or leave --checkpoint out",
        )
    return found


def _uses(flow: Flow, key: UnitKey) -> Iterator[UnitKey]:
    for step in flow.units[key].steps:
        yield from _below(flow, step)


def _below(flow: Flow, step: Step) -> Iterator[UnitKey]:
    match step.what:
        case Use(module):
            yield (module, ())
        case Part(key):
            yield from _uses(flow, key)
        case Chain(members):
            for member in members:
                yield from _below(flow, member)
        case _:
            return
