"""The command that measures this machine: tune."""

from __future__ import annotations

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
    device: Annotated[Literal["cpu", "gpu"], typer.Option(help="What to measure.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of torch; its own number by default.")
    ] = None,
) -> None:
    """Measure this machine for `--device FILE` of compile, export and inherit.

    Prints the rates, or the path of the file. They decide which fusions pay, and `compile
    --explain` predicts with them. Names of weights follow from them: keep the file with weights.
    """
    import torch

    from archdsl.files import write_whole
    from archdsl.passes.device import written
    from archdsl.run.tune import tune as measure

    if threads is not None:
        torch.set_num_threads(threads)
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
