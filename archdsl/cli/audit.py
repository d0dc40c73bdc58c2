"""The command that asks whether a search's scores are worth anything: audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archdsl.cli.command import Session, command
from archdsl.cli.report import Folder
from archdsl.cli.train import (
    BatchSize,
    Data,
    Device,
    Recipe,
    Seed,
    Threads,
    followed_recipe,
    only,
    put_summary,
    settings_of,
)

app = typer.Typer()

RETRAINING = ("recipe", "data", "epochs", "batch_size", "device")
"""The options that say how architectures are retrained."""


@command(app)
def audit(
    session: Session,
    run: Folder,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="RUN/audit by default.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Architectures, of all ranges of scores.")] = 20,
    truth: Annotated[
        str,
        typer.Option(
            metavar="NAME(SETTING=VALUE, ...)",
            help="An evaluator that knows, as of search, in place of retraining.",
        ),
    ] = "",
    recipe: Recipe = "",
    data: Data = "digits",
    seed: Seed = 42,
    epochs: Annotated[int, typer.Option(help="Of each retraining.")] = 600,
    batch_size: BatchSize = 128,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Say whether a search's scores tell good architectures.

    A sample of what has a score is retrained and tested; Kendall's tau of the scores with that,
    and of the numbers of parameters and MACs, which cost nothing. Stopped anywhere, the same
    command goes on.
    """
    given = settings_of(locals(), "session", "run", "out", "recipe")
    if truth:
        only(session, "is for retraining, not for --truth", RETRAINING)
    followed = followed_recipe(session, recipe, epochs)

    from archdsl.run.audit import audit as go
    from archdsl.run.audited import audit_table
    from archdsl.run.record import read_record
    from archdsl.run.settings import AuditSettings
    from archdsl.run.tables import as_text

    record, folder = read_record(run), out or run / "audit"
    if "data" not in session.given:  # the search's own images, where it says them
        given["data"] = str(record.settings.get("data", data))
    summary = go(
        record,
        out=folder,
        settings=AuditSettings(**given),
        recipe=followed,
        quiet=session.quiet,
    )
    put_summary(session, folder, as_text(audit_table(summary)))
    if summary.failed and not summary.architectures:
        session.tell("every measurement failed")
        raise typer.Exit(1)
