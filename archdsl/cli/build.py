"""The command that writes Python: compile."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archdsl.cli.command import For, Level, Named, Session, command
from archdsl.cli.output import put, put_json

if TYPE_CHECKING:
    from archdsl import compiler
    from archdsl.library import Found
    from archdsl.passes.driver import Watch

app = typer.Typer()


Mode = Literal["path", "paths", "mixture"]
Emit = Literal["tree", "ir", "ir-opt", "code"]
"""Names of `compiler.Mode` and `compiler.Stage`, which would be slow to import here."""


@command(app, "compile")
def compile_(
    session: Session,
    named: Named,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Where the files go.")
    ] = None,
    level: Level = 1,
    supernet: Annotated[
        bool,
        typer.Option(
            "--supernet", help="Of an architecture: its whole space as well, as supernet.py."
        ),
    ] = False,
    mode: Annotated[
        Mode,
        typer.Option(
            help="What a call of supernet.py runs: one path; those given a gate; or all, by gates."
        ),
    ] = "path",
    tokens: Annotated[
        str | None,
        typer.Option(
            "--partial-tokens",
            metavar="K",
            help="Mixtures of tokens run on the best K of them (1/4); the rest pass by.",
        ),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            "--partial-channels",
            metavar="1/K",
            help="Mixtures of maps run on the first of K parts of the channels; the rest pass by.",
        ),
    ] = None,
    emit: Annotated[
        Emit | None, typer.Option(help="Print a stage of the pipeline; write nothing.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of X (safetensors), written for network.py."),
    ] = None,
    checkpoint: Annotated[
        bool,
        typer.Option(
            "--checkpoint",
            help="Cells and blocks run again in the backward pass instead of keeping values.",
        ),
    ] = False,
    format: Annotated[
        bool, typer.Option("--format/--no-format", help="Lay the code out with Black.")
    ] = True,
    device: For = "cpu",
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Print what the passes did, and what that should save."),
    ] = False,
) -> None:
    """Write network.py of an architecture, supernet.py of a space.

    They import torch and nothing else. Prints their paths. With --weights the network is run
    against the one as written, and weights.safetensors is written beside it.
    """
    from archdsl import compiler
    from archdsl.passes.device import device_of

    if (out is None) == (emit is None):
        raise typer.BadParameter("give either -o DIR, or --emit STAGE to print")
    if explain and emit is not None:
        raise typer.BadParameter("--explain goes with -o DIR, not with --emit")
    options = compiler.Options(
        level=level,
        device=device_of(device),
        supernet=supernet,
        mode=compiler.Mode(mode),
        format=format,
        checkpoint=checkpoint,
    )
    asked = session.library.find(named)
    if asked.architecture is not None and options.mode is not compiler.Mode.PATH and not supernet:
        raise typer.BadParameter(
            f"--mode {mode} is of supernets: add --supernet, or name the space alone"
        )
    found = _partial(asked, options.mode, tokens=tokens, channels=channels)
    if emit is not None:
        put(compiler.emit(found, compiler.Stage(emit), options))
        return
    if explain and found.architecture is None and options.mode is not compiler.Mode.MIXTURE:
        raise typer.BadParameter(
            "--explain tells what passes do, to an architecture or with --mode mixture to a space; "
            "a path supernet is written as it is"
        )
    assert out is not None

    from archdsl.passes.explain import Account

    account = Account(options.device) if explain else None
    if weights is not None or level > 1:
        paths = _deployed(found, weights, out, options, account)
    else:
        paths = compiler.compile_to(found, out, options, watch=account)
    left = out / compiler.WEIGHTS
    if left.exists() and left not in paths:
        session.tell(f"{left} is of what was here before")
    for path in paths:
        put_json({"path": str(path)}) if session.json else put(str(path))
    for firing in account.firings if account else ():
        put_json(asdict(firing)) if session.json else put(str(firing))


def _partial(found: Found, mode: compiler.Mode, **parts: str | None) -> Found:
    """A space whose mixtures run on a part of their tokens or channels, where that is asked for."""
    from archdsl import compiler

    shares = {what: _share(part) for what, part in parts.items() if part is not None}
    for what in shares:
        if mode is not compiler.Mode.MIXTURE or found.architecture is not None:
            raise typer.BadParameter(f"a part of the {what} is for a space with --mode mixture")
    return compiler.partial(found, **shares) if shares else found


def _share(text: str) -> Fraction:
    """A share, as 1/4 or 0.25."""
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1:
        raise typer.BadParameter(f"a share is a number above 0 and up to 1: 1/4, not {text}")
    return share


def _deployed(
    found: Found,
    weights: Path | None,
    out: Path,
    options: compiler.Options,
    watch: Watch | None,
) -> list[Path]:
    """A network with its weights; level 2 exists for nothing else."""
    if options.checkpoint:
        raise typer.BadParameter("-O 2 and --weights write for inference: nothing is kept")
    if options.supernet or found.architecture is None:
        raise typer.BadParameter(
            "a supernet has no -O 2 and no --weights: name an architecture (archdsl sample X)"
        )
    if weights is None:
        raise typer.BadParameter("-O 2 computes weights anew: give them with --weights FILE")
    from archdsl.run.deploy import deploy

    return deploy(
        found.network(),
        weights,
        out,
        level=options.level,
        format=options.format,
        device=options.device,
        watch=watch,
    )
