"""The command on edits that preserve the function: `grow`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archdsl.cli.command import Named, Session, command
from archdsl.cli.output import put, put_json

if TYPE_CHECKING:
    from archdsl.grow.edits import Edit
    from archdsl.ir.graph import Program

app = typer.Typer()

Kind = Literal["deepen", "widen", "skip", "insert"]


@command(app)
def grow(
    session: Session,
    named: Named,
    kind: Annotated[
        Kind | None, typer.Argument(help="Which edit; none prints the text of X, with its places.")
    ] = None,
    at: Annotated[str, typer.Option(metavar="PLACE", help="MODULE.VALUE; by lot if unsaid.")] = "",
    source: Annotated[
        str, typer.Option(metavar="PLACE", help="Of a skip, or what is inserted; --at if unsaid.")
    ] = "",
    do: Annotated[
        str, typer.Option(metavar="TEXT", help="What deepens or is inserted: 'conv(8) -> bn'.")
    ] = "",
    channels: Annotated[int, typer.Option(min=0, help="How wide.")] = 0,
    units: Annotated[int, typer.Option(min=0, help="Hidden units, instead of channels.")] = 0,
    concat: Annotated[bool, typer.Option("--concat", help="A skip beside, not added.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn by lot.")] = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the text there.")
    ] = None,
) -> int:
    """Edit a network so that it computes the same; print its text.

    `inherit WEIGHTS --from X --to FILE` gives it the weights with which it does. Exit 1 where
    no place is found by lot.
    """
    from archdsl.grow.edits import edited
    from archdsl.grow.written import read_back

    before = read_back(session.library.find(named).network())
    if kind is None:
        return _put(session, before, None, out)
    if not at:
        return _drawn(session, before, kind, seed, out)
    edit = _edit(before, kind, at, source, do, channels, units, concat)
    return _put(session, edited(before, edit, seed=seed), edit, out)


def _drawn(session: Session, before: Program, kind: Kind, seed: int, out: Path | None) -> int:
    from archdsl.grow.draw import drawn
    from archdsl.seeds import stream

    found = drawn(before, kind, stream(seed, "grow", kind), seed=seed, tries=200)
    if found is None:
        session.tell(f"no place was found where {kind} preserves what {before.space} computes")
        return 1
    edit, after = found
    return _put(session, after, edit, out)


def _edit(
    before: Program,
    kind: Kind,
    at: str,
    source: str,
    do: str,
    channels: int,
    units: int,
    concat: bool,
) -> Edit:
    """The edit that the options say."""
    from archdsl.grow.edits import Deepen, Insert, Skip, Widen, type_at
    from archdsl.grow.operations import operations_of

    source = source or at
    if kind in ("deepen", "insert") and not do:
        raise typer.BadParameter(f"--do says what is to {kind}")
    if kind == "widen" and not channels and not units:
        raise typer.BadParameter("--channels or --units says how wide")
    match kind:
        case "deepen":
            return Deepen(at=at, operations=operations_of(do, type_at(before, at)))
        case "insert":
            operations = operations_of(do, type_at(before, source))
            return Insert(source=source, at=at, operations=operations)
        case "widen":
            return Widen(at=at, channels=channels, units=units)
        case "skip":
            return Skip(source=source, at=at, join="concat" if concat else "sum")


def _put(session: Session, program: Program, edit: Edit | None, out: Path | None) -> int:
    from archdsl.files import write_whole

    if out is not None:
        write_whole(out, program.text)
    if edit is not None:
        session.tell(f"{type(edit).__name__.lower()} at {edit.at}")
    if session.json:
        put_json({"path": str(out) if out else None, "text": program.text})
    else:
        put(str(out) if out else program.text)
    return 0
