"""A network and its weights, written together: checked against the network of the text first."""

from __future__ import annotations

from pathlib import Path

import torch

from archdsl.codegen import network_source
from archdsl.compiler import NETWORK, WEIGHTS
from archdsl.evaluate.checkpoint import Checkpoint, serialised
from archdsl.files import write_together
from archdsl.ir.graph import Program
from archdsl.load import batch_of, load_network
from archdsl.passes.device import CPU, Device, told
from archdsl.passes.driver import DEPLOYMENT, Optimised, Watch, optimise
from archdsl.run.inherit import Tensors, as_written, laid_out, read_weights, refuse_to_replace
from archdsl.syntax.errors import fault
from archdsl.verify.compare import optimised_subject
from archdsl.verify.equal import Comparison, Subject
from archdsl.verify.plain import plain_network


def deploy(
    program: Program,
    weights: Path,
    folder: Path,
    *,
    level: int = 2,
    format: bool = True,
    device: Device | None = CPU,
    watch: Watch | None = None,
) -> list[Path]:
    """Write `network.py` of a network at a level, and beside it `weights.safetensors` that fit it.

    `weights` are those of the network as written, or of level 1 for `device`; `watch` is told
    what the passes do. Before anything is
    written both networks run on random inputs, in evaluation, and must agree by the rule of
    `verify`.

    Raises:
        ArchError: E0708 for a file that cannot be read, E0812 where it does not hold exactly the
            weights of the network, E0813 where the optimised network cannot take them, E0814
            where the two networks differ, E0707 where the folder cannot be written, E0709 where
            weights that cannot be got back would be replaced. Nothing is written then.
    """
    if level >= DEPLOYMENT:
        refuse_to_replace(weights, [folder / WEIGHTS])
    known = as_written(read_weights(weights), program, weights, program.genotype, device)
    optimised = optimise(program, level, device=device, watch=watch)
    tensors = laid_out(optimised, known)
    _check(program, optimised, known, level)
    code = network_source(optimised.program, format=format, device=told(device) if level else "")
    held = serialised(Checkpoint.of(program, tensors, {"level": level}))
    return write_together({folder / NETWORK: code, folder / WEIGHTS: held})


def _check(program: Program, optimised: Optimised, state: Tensors, level: int) -> None:
    """Run the network as the text says, and the one that is written, on one batch."""
    plain = Subject("network", plain_network(program))
    subject = optimised_subject(optimised, load_network)
    inputs = batch_of(program, 2, torch.Generator().manual_seed(0))
    comparison = Comparison(plain, plain, state, inputs)
    wrong = next((row for row in comparison.evaluation(subject) if not row.ok), None)
    if wrong is not None:
        raise fault(
            "E0814",
            "the optimised network does not compute what the network does",
            found=f"{wrong.check} apart by {wrong.difference:.2e}",
            expected=f"at most {wrong.allowed:.2e}",
            hint="very large weights do this" + ("; -O 0 writes them as they are" if level else ""),
        )
