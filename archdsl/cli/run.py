"""The command that does all of it: search by a method, retrain by a recipe, compare."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar

import typer

from archdsl.cli.command import Session, X, command, space_names
from archdsl.cli.several import first, in_one_voice
from archdsl.cli.train import Data, Device, Run, Seed, Threads, put_summary

app = typer.Typer()
T = TypeVar("T", covariant=True)

NAMED = "one that ships, of a --space file, or a file that holds one"


@command(app)
@in_one_voice
def run(
    session: Session,
    named: Annotated[str, typer.Argument(metavar="SPACE", help=X, autocompletion=space_names)],
    out: Run,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_FILE",
            help=f"How it is searched, a `method NAME {{ ... }}`: {NAMED}. Left out: the one in "
            "the file SPACE, or that of the space's name.",
        ),
    ] = "",
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_FILE",
            help="How networks are retrained, a `train NAME { ... }`: the same.",
        ),
    ] = "",
    against: Annotated[
        list[str],
        typer.Option(metavar="[TITLE=]X", help="A network to compare with, retrained alike."),
    ] = [],  # noqa: B006
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="[STAGE.]NAME=VALUE",
            help="Another setting for the method; `train.NAME=VALUE` for the recipe.",
        ),
    ] = [],  # noqa: B006
    data: Data = "digits",
    seed: Seed = 42,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Search, retrain what was found, and compare.

    By a method and a recipe, which are texts. Stopped anywhere, the same command goes on. The
    folder gets network.py of what was found, a summary, and a folder for each part.
    """
    library = session.library
    space = library.find(named).space

    from archdsl.methods import changed, whole_method
    from archdsl.recipes import whole_recipe

    written = changed(
        _written(library.written_method, method, named, space.program.space),
        _written(library.written_recipe, recipe, named, space.program.space),
        set_,
    )
    found, followed = whole_method(written[0]), whole_recipe(written[1])

    from archdsl.run.against import others
    from archdsl.run.searches import recipes_of
    from archdsl.run.settings import RunSettings
    from archdsl.run.whole import run_whole
    from archdsl.run.whole_tables import write_whole_summary

    whole = run_whole(
        space,
        found,
        followed,
        out=out,
        settings=RunSettings(data=data, seed=seed, threads=threads, device=device),
        recipes=recipes_of(found, library),
        against=others(library, against, space),
        quiet=session.quiet,
    )
    if first():
        put_summary(session, out, write_whole_summary(out, whole))
    session.tell(f"what was found: {out / 'network.py'}, known as {out}:best")
    session.tell(f"all of it on one page: archdsl report {out}")


class _Find(Protocol[T]):
    def __call__(self, named: str, beside: str = "") -> T: ...


def _written(find: _Find[T], given: str, named: str, space: str) -> T:
    """The text that is given, else the only one in the file of the space, else of its name."""
    return find(given or space, beside=named if named.endswith(".arch") and not given else "")
