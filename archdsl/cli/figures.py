"""Commands on what architectures are worth telling: cost, id, sample, convert."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.cli.command import FAILED, Session, Several, X, command, space_names
from archdsl.cli.output import exit_code, input_lines, put, put_json, report
from archdsl.syntax.errors import ArchError, fault

if TYPE_CHECKING:
    from archdsl.formats import Format
    from archdsl.ir.graph import Program
    from archdsl.library import Found

app = typer.Typer()

PRINTED = ("params", "macs", "live_params", "live_macs", "flops", "activation_bytes")


def each(session: Session, named: Iterable[str], work: Callable[[Found], None]) -> int:
    """Do the work for each X, and for each line where one is `-`; the exit code.

    What is wrong is told and does not keep the rest from being done.
    """
    worst = 0
    for name in named:
        if name == "-":
            worst = max(worst, each_line(session, lambda line: work(session.library.string(line))))
            continue
        try:
            work(session.library.find(name))
        except ArchError as error:
            report(error, as_json=session.json)
            worst = max(worst, exit_code(error))
    return worst


def each_line(session: Session, work: Callable[[str], None]) -> int:
    """Do the work for each line of standard input; wrong lines are told with their numbers."""
    worst = 0
    for number, line in input_lines():
        if number == FEW:
            _expect_many()
        try:
            work(line)
        except ArchError as error:
            report(error, as_json=session.json, before=f"line {number}: ")
            # A line is text of the user's, whatever it names: 1 unless archdsl itself failed.
            worst = max(worst, FAILED if exit_code(error) == FAILED and _ours(error) else 1)
    return worst


FEW = 32


def _expect_many() -> None:
    """Do not look for garbage in the spaces that are open: a sixth faster."""
    gc.freeze()


def _ours(error: ArchError) -> bool:
    return any(diagnostic.code >= "E09" for diagnostic in error.diagnostics)


# --- cost and id -----------------------------------------------------------------------------


@command(app)
def cost(session: Session, named: Several) -> int:
    """Parameters, MACs and memory for one input, from the text alone.

    `live_` figures leave out what no output needs. '-' prints one line of JSON for each string.
    """
    as_json = session.json or "-" in named
    show = _put_costs_as_json if as_json else _put_costs
    return each(session, named, lambda found: show(found.network()))


def _put_costs_as_json(network: Program) -> None:
    from archdsl.passes.figures import figures
    from archdsl.passes.identity import identity

    known = figures(network)
    put_json({"id": identity(network)} | {name: known[name] for name in PRINTED})


def _put_costs(network: Program) -> None:
    from archdsl.passes.figures import figures
    from archdsl.passes.identity import identity

    known = figures(network)
    rows = (
        ("parameters", f"{known['params']:,}", _live(known, "params")),
        ("MACs", f"{known['macs']:,}", _live(known, "macs")),
        ("FLOPs", f"{known['flops']:,}", ""),
        ("activations", f"{known['activation_bytes']:,} bytes", ""),
        ("peak memory", f"{known['peak_bytes']:,} bytes", ""),
        ("id", identity(network), ""),
    )
    put(network.genotype)
    for name, value, live in rows:
        put(f"  {name:<12}  {value}{live}")


def _live(known: dict[str, int], name: str) -> str:
    live = known[f"live_{name}"]
    return "" if live == known[name] else f"  ({live:,} live)"


@command(app, "id")
def id_(session: Session, named: Several) -> int:
    """The identity of networks: one for all that are equal.

    Equal up to names of weights, order and nesting of sums, dead code, zeros, identities and
    repeated operations without weights.
    """
    from archdsl.passes.identity import identity

    def show(found: Found) -> None:
        network = found.network()
        name = identity(network)
        if session.json:
            put_json({"id": name, "architecture": network.genotype})
        else:
            put(name)

    return each(session, named, show)


# --- sample ----------------------------------------------------------------------------------


@command(app)
def sample(
    session: Session,
    named: Annotated[str, typer.Argument(metavar="SPACE", help=X, autocompletion=space_names)],
    n: Annotated[int, typer.Option("-n", min=0, help="How many.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same strings.")] = 0,
) -> None:
    """Draw architectures of a space, one string a line.

    Every one is as likely, and the same seed gives the same ones.
    """
    from random import Random

    opened = session.library.find(named).space
    rng = Random(seed)
    for _ in range(n):
        put_string(session, opened.sample(rng).text)


def put_string(session: Session, text: str) -> None:
    """An architecture string, on a line of its own."""
    put_json({"architecture": text}) if session.json else put(text)


# --- convert ---------------------------------------------------------------------------------

OURS = "arch"


@command(app)
def convert(
    session: Session,
    text: Annotated[str, typer.Argument(metavar="X", help="A string; '-' reads one a line.")],
    source: Annotated[str, typer.Option("--from", metavar="FORMAT", help="Of X.")] = OURS,
    target: Annotated[str, typer.Option("--to", metavar="FORMAT", help="Of the result.")] = OURS,
) -> int:
    """Translate strings from and to other tools.

    'arch' is our format; `archdsl formats` lists the others. Where a format describes several
    spaces, --space names the one that is meant.
    """
    read, write = _reader(session, source), _writer(target)

    def work(line: str) -> None:
        result = write(read(line))
        put_json({"from": line, "to": result}) if session.json else put(result)

    if text == "-":
        return each_line(session, work)
    work(text)
    return 0


@command(app)
def formats(session: Session) -> int:
    """List the formats of other tools that `convert` reads and writes."""
    from archdsl.formats import FORMATS

    for name, format_ in FORMATS.items():
        row = {"format": name, "spaces": format_.spaces, "about": format_.about}
        put_json(row) if session.json else put(f"{name:<14} {format_.about}")
    return 0


def _reader(session: Session, name: str) -> Callable[[str], str]:
    """From a format to our canonical string, checked against its space."""
    format_ = _format(name)

    def read(text: str) -> str:
        ours = text if format_ is None else format_.ours(text, session.meant)
        return session.library.find(ours).network().genotype

    return read


def _writer(name: str) -> Callable[[str], str]:
    format_ = _format(name)
    return str if format_ is None else format_.theirs


def _format(name: str) -> Format | None:
    from archdsl.formats import FORMATS

    if name == OURS:
        return None
    if name not in FORMATS:
        raise fault(
            "E0709",
            f"no format is called {name}",
            found=name,
            expected=", ".join((OURS, *FORMATS)),
        )
    return FORMATS[name]
