"""Weights of other libraries, for a network that archdsl writes."""

from __future__ import annotations

from pathlib import Path

from archdsl.formats.weights import Library, assign
from archdsl.ir.graph import Program
from archdsl.passes.names import network_weights
from archdsl.run.inherit import read_weights, write_weights
from archdsl.syntax.errors import fault


def translate(weights: Path, library: Library, program: Program, out: Path, level: int = 1) -> int:
    """Write the tensors of a library's state dict under the names that the network loads.

    Every tensor is used once and every place filled; returns how many. `level` is that of the
    network that will load them.

    Raises:
        ArchError: E0708 for a file that cannot be read, E0646 for a network that the library is
            not known to have, E0647 where tensors do not fit, E0813 where the optimised network
            cannot take them.
    """
    rules = library.rules_for(program.genotype.partition("/")[0].partition("(")[0])
    theirs = read_weights(weights)
    counts = {name for name, w in network_weights(program).items() if w.buffer and not w.shape}
    ours = {name: weight.shape for name, weight in network_weights(program).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in theirs.items()}
    sources = assign(rules, shapes, ours, str(weights))
    for name, source in sources.items():
        if theirs[source].is_floating_point() is (name in counts):
            raise fault(
                "E0647",
                f"{source} holds numbers of another kind",
                found=str(theirs[source].dtype).removeprefix("torch."),
                expected="whole numbers" if name in counts else "floating-point numbers",
                hint="convert the weights themselves, not a quantised form of them",
            )
    tensors = {name: theirs[sources[name]].reshape(shape) for name, shape in ours.items()}
    write_weights(out, tensors, program, level)
    return len(tensors)
