"""Commands on runs that ended, or go on: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archdsl.cli.command import Session, X, command
from archdsl.cli.output import put, put_json

app = typer.Typer()

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]


@command(app)
def report(
    session: Session,
    run: Folder,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="RUN/report.html by default."),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="X",
            help=f"What is compared; by default what a run has beside it, or one drawn. {X}",
        ),
    ] = "",
    retrained: Annotated[
        list[Path],
        typer.Option(metavar="DIR", help="A retraining's folder, besides those within RUN."),
    ] = [],  # noqa: B006
) -> None:
    """Write one HTML file of a run, finished or not.

    Curves, the best, what was found; it needs no other file, no network, no scripts. Curves
    need matplotlib: pip install 'archdsl[report]'.
    """
    from archdsl.files import write_whole
    from archdsl.report import report_html

    html = report_html(run, against=against, retrainings=retrained, library=session.library)
    written = str(write_whole(out or run / "report.html", html))
    put_json({"report": written}) if session.json else put(written)
