"""The command that measures this machine: tune."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from archdsl.cli.command import Session, command
from archdsl.cli.output import put, put_json

app = typer.Typer()

LONGEST_CALL, LEAST_BANDWIDTH = 5e-4, 1e9
"""Seconds and bytes a second; beyond these something else was measured."""


@command(app)
def tune(
    session: Session,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where the rates go.")
    ] = None,
    operations: Annotated[
        str | None,
        typer.Option(metavar="SPACE", help="All those of a space, for --latency of search."),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=4096, help="Inputs of an operation, the same.")
    ] = 1,
    device: Annotated[Literal["cpu", "gpu"], typer.Option(help="What to measure.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Of torch; its own number by default.")
    ] = None,
) -> None:
    """Measure this machine for `--device FILE` of compile, export and inherit.

    Prints the rates, or the path of the file. They decide which fusions pay, and `compile
    --explain` predicts with them. Names of weights follow from them: keep the file with weights.
    With --operations: milliseconds of each of a space, for search --latency operations(...).
    """
    import torch

    from archdsl.files import write_whole
    from archdsl.passes.device import written
    from archdsl.run.tune import tune as measure

    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise typer.BadParameter(f"{out} cannot be a file")
    if threads is not None:
        torch.set_num_threads(threads)
    if operations is not None:
        if out is None:
            raise typer.BadParameter("--operations needs -o FILE")
        _operations(session, operations, out, batch, device)
        return
    session.tell(f"measuring {device}, {torch.get_num_threads()} threads: some seconds")
    found = measure(device)
    if found.call > LONGEST_CALL or found.bandwidth < LEAST_BANDWIDTH:
        session.tell(
            "warning: so slow is no machine that has nothing else to do: measure again when it is "
            "idle, or with fewer --threads"
        )
    if out is not None:
        put(str(write_whole(out, written(found))))
    elif session.json:
        put_json(asdict(found))
    else:
        put(written(found))


def _operations(session: Session, named: str, out: Path, batch: int, device: str) -> None:
    """Measure all operations of a space, and write the table."""
    import torch

    from archdsl.files import write_whole
    from archdsl.run.latencies import latencies, operations
    from archdsl.run.progress import progress
    from archdsl.run.tune import device_of

    program = session.library.find(named).space.program
    with progress("tune", len(operations(program)), quiet=session.quiet) as advance:
        found = latencies(program, batch=batch, device=device_of(device), advance=advance)
    table = {
        "space": program.genotype,
        "device": device,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "milliseconds": {name: float(f"{value:.4g}") for name, value in found.items()},
    }
    put(str(write_whole(out, json.dumps(table, indent=2) + "\n")))
