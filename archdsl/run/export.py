"""A network with its weights in the formats of other tools, run before it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from archdsl.files import write_together
from archdsl.ir.graph import Apply, Program
from archdsl.load import batch_of, load_network
from archdsl.passes.device import CPU, Device
from archdsl.passes.driver import optimise
from archdsl.run.exporters import (
    Exported,
    Outputs,
    as_archive,
    as_onnx,
    need_onnx,
    outputs_of,
    traced,
)
from archdsl.run.inherit import Tensors, as_written, laid_out, read_weights, refuse_to_replace
from archdsl.syntax.errors import fault
from archdsl.verify.equal import largest
from archdsl.verify.plain import plain_network

FORMATS: Mapping[str, Callable[[ExportedProgram, Program], Exported]] = {
    ".pt2": as_archive,
    ".onnx": as_onnx,
}
"""Who writes a file, by its suffix."""

BATCHES = (1, 7)
"""Sizes at which a file is run before it is written: both differ from the one it was traced at."""

TRACED = 2
APART = 1e-4
"""How far outputs may be from those of the network as written, of the largest of them."""

NOISE, DRAWS = 1e-5, 4
"""Changes of the input that say how far a network that jumps moves by itself."""


def export(
    program: Program,
    weights: Path,
    files: Sequence[Path],
    *,
    level: int = 2,
    device: Device | None = CPU,
) -> list[Path]:
    """Write a network with its weights, at a level, into files whose suffixes name the formats.

    `weights` are those of the network as written, or of level 1 for `device`. What a file will
    hold runs against the network as written first, in evaluation, on random batches of two sizes;
    the outputs must agree to 1e-4 of the largest. All files are written or none.

    Raises:
        ArchError: E0709 for another suffix, E0817 where packages of a format are missing, E0708
            for weights that cannot be read, E0812 where they are not exactly those of the
            network, E0813 where the optimised network cannot take them, E0815 where outputs
            differ, E0816 where a format cannot hold the network, E0707 where a file cannot be
            written.
    """
    suffixes = {_suffix(path) for path in files}
    if ".onnx" in suffixes:
        need_onnx()
    refuse_to_replace(weights, files)
    known = as_written(read_weights(weights), program, weights, program.genotype, device)
    plain = plain_network(program)
    plain.load_state_dict(known)
    made = exported(program, optimised_network(program, known, level, device), suffixes)
    for suffix, file in made.items():
        _agree(program, plain, file, suffix)
    return write_together({path: made[_suffix(path)].content for path in files})


def optimised_network(
    program: Program, known: Tensors, level: int, device: Device | None = CPU
) -> nn.Module:
    """The network that a level makes of a program, with the weights of the text laid out for it.

    Raises ArchError E0813 where it cannot take them.
    """
    optimised = optimise(program, level, device=device)
    network = load_network(optimised.program)
    network.load_state_dict(laid_out(optimised, known))
    return network


def exported(program: Program, network: nn.Module, suffixes: Iterable[str]) -> dict[str, Exported]:
    """What files of these formats hold. Raises ArchError E0816."""
    graph = traced(network, batch_of(program, TRACED, torch.Generator().manual_seed(0)))
    return {suffix: FORMATS[suffix](graph, program) for suffix in sorted(suffixes)}


def _suffix(path: Path) -> str:
    if path.suffix.lower() not in FORMATS:
        raise fault(
            "E0709",
            f"{path} has no suffix that names a format to export",
            found=path.suffix or path.name,
            expected=", ".join(FORMATS),
        )
    return path.suffix.lower()


def _agree(program: Program, plain: nn.Module, exported: Exported, suffix: str) -> None:
    """Raise ArchError E0815 where a file does not compute what the network does."""
    for batch in BATCHES:
        apart, allowed = distance(program, plain, exported.run, batch)
        if not apart <= allowed:  # nor is what is no number
            raise fault(
                "E0815",
                f"the {suffix} file does not compute what the network does",
                found=f"outputs of a batch of {batch} apart by {apart:.2e}",
                expected=f"at most {allowed:.2e}",
                hint="very large weights do this",
            )


def distance(
    program: Program, plain: nn.Module, run: Callable[..., Outputs], batch: int
) -> tuple[float, float]:
    """How far outputs are from those of the plain network on a random batch, and how far they may.

    A network that rounds its activations jumps: a rounding error becomes a whole step. There
    outputs may be as far apart as its own are when its inputs change by 1e-5.
    """
    generator = torch.Generator().manual_seed(batch)
    inputs = batch_of(program, batch, generator)
    plain.eval()
    with torch.no_grad():
        expected = outputs_of(plain(*inputs))
        apart = _farthest(run(*inputs), expected)
        allowed = APART * largest(expected)
        if _jumps(program):
            moved = [_moved(plain, inputs, expected, generator) for _ in range(DRAWS)]
            allowed = max(allowed, *moved)
    return apart, allowed


def _farthest(found: Outputs, expected: Outputs) -> float:
    """The largest difference; infinite where there is no comparing."""
    if [part.shape for part in found] != [part.shape for part in expected]:
        return float("inf")
    return largest(a - b for a, b in zip(found, expected, strict=True))


def _moved(
    plain: nn.Module, inputs: tuple[Tensor, ...], expected: Outputs, generator: torch.Generator
) -> float:
    """How far a little noise in the inputs moves the outputs."""
    noisy = [
        x + NOISE * torch.randn(x.shape, generator=generator) if x.is_floating_point() else x
        for x in inputs
    ]
    return _farthest(outputs_of(plain(*noisy)), expected)


def _jumps(program: Program) -> bool:
    """Whether any operation does."""
    for graph in program.modules.values():
        for node in graph.nodes:
            match node.kind:
                case Apply(operation) if operation.traits(graph.types_in(node)).jumps:
                    return True
                case _:
                    pass
    return False
