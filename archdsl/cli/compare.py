"""Commands on two architectures: diff, patch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from archdsl.cli.command import FINDINGS, Level, Session, X, command
from archdsl.cli.figures import put_string
from archdsl.cli.output import put

app = typer.Typer()


@command(app)
def diff(
    session: Session,
    before: Annotated[str, typer.Argument(metavar="A", help=X)],
    after: Annotated[str, typer.Argument(metavar="B", help=X)],
    format: Annotated[
        Literal["text", "json"], typer.Option(help="For people, or to apply.")
    ] = "text",
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 where they differ.")
    ] = False,
) -> int:
    """What changed from A to B, and what it costs."""
    from archdsl.diff import as_json, as_text
    from archdsl.diff import diff as compare

    a, b = session.library.find(before), session.library.find(after)
    space = a.space.program if a.space is b.space else None
    result = compare(a.program, b.program, space)
    if session.json or format == "json":
        put(json.dumps(as_json(result)))
    else:
        put(as_text(result))
    return FINDINGS if exit_code and result else 0


@command(app)
def patch(
    session: Session,
    before: Annotated[str, typer.Argument(metavar="A", help=X)],
    edits: Annotated[
        Path, typer.Argument(metavar="EDITS", help="What diff --format json printed, or '-'.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Write network.py there.")
    ] = None,
    level: Level = 1,
) -> None:
    """Apply the edits of a diff to A; print the string."""
    from archdsl.diff import apply, from_json
    from archdsl.files import read_text

    result = apply(from_json(read_text(edits)).edits, session.library.find(before).program)
    if out is None:
        put_string(session, result.genotype)
        return
    from archdsl.compiler import write_network

    put(str(write_network(result, out, level=level)))
