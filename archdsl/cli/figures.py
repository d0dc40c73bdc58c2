"""Commands on what architectures are worth telling: cost, id, sample, convert."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.cli.batches import answer_each, told
from archdsl.cli.command import Level, Session, Several, X, command, space_names
from archdsl.cli.output import input_lines, json_line, put, put_json
from archdsl.cli.weights import convert_weights
from archdsl.space.wording import similar
from archdsl.syntax.errors import ArchError, fault

if TYPE_CHECKING:
    from archdsl.formats import Format
    from archdsl.library import Found

app = typer.Typer()

PRINTED = ("params", "macs", "live_params", "live_macs", "flops", "activation_bytes", "peak_bytes")


def each_text(
    session: Session, texts: Iterable[tuple[int, str]], work: Callable[[str], None]
) -> int:
    """Do the work for each text; what is wrong is told with the number of its line."""
    worst = 0
    for number, text in texts:
        try:
            work(text)
        except ArchError as error:
            worst = max(worst, told(session, error, number))
    return worst


# --- cost and id -----------------------------------------------------------------------------


@command(app)
def cost(session: Session, named: Several) -> int:
    """Parameters, MACs and memory for one input, from the text alone.

    `live_` figures leave out what no output needs. '-' prints one line of JSON for each string.
    """
    as_json = session.json or "-" in named
    return answer_each(session, named, lambda found: _costs(found, as_json))


def _costs(found: Sequence[Found], as_json: bool) -> Iterator[str]:
    from archdsl.passes.many import many

    known = many(found[0].space)
    architectures = [one.require() for one in found]
    for architecture, costs in zip(architectures, known.costs(architectures), strict=True):
        name = known.identity(architecture)
        if as_json:
            yield json_line({"id": name} | {metric: costs[metric] for metric in PRINTED})
        else:
            yield _costs_as_text(architecture.text, costs, name)


def _costs_as_text(genotype: str, known: dict[str, int], name: str) -> str:
    rows = (
        ("parameters", f"{known['params']:,}", _live(known, "params")),
        ("MACs", f"{known['macs']:,}", _live(known, "macs")),
        ("FLOPs", f"{known['flops']:,}", ""),
        ("activations", f"{known['activation_bytes']:,} bytes", ""),
        ("peak memory", f"{known['peak_bytes']:,} bytes", ""),
        ("id", name, ""),
    )
    lines = (f"  {row:<12}  {value}{live}\n" for row, value, live in rows)
    return f"{genotype}\n{''.join(lines)}"


def _live(known: dict[str, int], name: str) -> str:
    live = known[f"live_{name}"]
    return "" if live == known[name] else f"  ({live:,} live)"


@command(app, "id")
def id_(session: Session, named: Several) -> int:
    """The identity of networks: one for all that are equal.

    Equal up to names of weights, order and nesting of sums, dead code, zeros, identities and
    repeated operations without weights.
    """
    return answer_each(session, named, lambda found: _ids(found, session.json))


def _ids(found: Sequence[Found], as_json: bool) -> Iterator[str]:
    from archdsl.passes.many import many

    known = many(found[0].space)
    for one in found:
        name = known.identity(one.require())
        if as_json:
            yield json_line({"id": name, "architecture": one.require().text})
        else:
            yield f"{name}\n"


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

Meant = Annotated[
    list[Path],
    typer.Option(
        "--space",
        metavar="FILE|SPACE",
        help="The space that is meant, where a format describes several; or a file of spaces.",
    ),
]


@command(app, space=Meant)
def convert(
    session: Session,
    text: Annotated[str, typer.Argument(metavar="X", help="A string; '-' reads many.")],
    source: Annotated[str, typer.Option("--from", metavar="FORMAT", help="Of X.")] = OURS,
    target: Annotated[str, typer.Option("--to", metavar="FORMAT", help="Of the result.")] = OURS,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="A state dict of X in safetensors."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="OUT", help="Where weights go.")
    ] = None,
    level: Level = 1,
) -> int:
    """Translate strings or weights from and to other tools.

    '-' reads one string a line; those of other tools may have several lines, up to the bracket
    that closes the first.

    'arch' is our format; `archdsl formats` lists the others.

    With --weights, --from is torchvision or timm, X the network that the weights are of, and OUT
    loads into the network.py that `compile X` writes at the same -O. Every tensor is used once.
    """
    if weights is not None or out is not None or _is_library(source):
        return convert_weights(session, text, weights, source, out, level)
    read, write = _reader(session, source), _writer(target)

    def work(line: str) -> None:
        result = write(read(line))
        put_json({"from": line, "to": result}) if session.json else put(result)

    if text == "-":
        return each_text(session, _texts(source), work)
    work(text)
    return 0


def _is_library(name: str) -> bool:
    """Whether a name is of weights alone: some libraries have strings of their own as well."""
    from archdsl.formats import FORMATS, LIBRARIES

    return name in LIBRARIES and name not in FORMATS


def _texts(source: str) -> Iterator[tuple[int, str]]:
    """Standard input as texts of a format, with the numbers of the lines where they begin."""
    if source == OURS:
        return input_lines()
    from archdsl.cli.texts import whole_texts

    return whole_texts(input_lines())


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
    from archdsl.formats.hints import read_as

    _format(name)

    def read(text: str) -> str:
        ours = text if name == OURS else read_as(name, text, session.meant)
        found = session.library.find(ours)
        found.require()
        found.keep_constraints()
        return found.network().genotype

    return read


def _writer(name: str) -> Callable[[str], str]:
    format_ = _format(name)
    return str if format_ is None else format_.theirs


def _format(name: str) -> Format | None:
    from archdsl.formats import FORMATS, LIBRARIES

    if name == OURS:
        return None
    if name not in FORMATS:
        near = similar(name, (OURS, *FORMATS))
        raise fault(
            "E0709",
            f"no format is called {name}",
            found=name,
            expected=", ".join((OURS, *FORMATS)),
            hint=f"weights of {name} are read, not written" if name in LIBRARIES else near,
        )
    return FORMATS[name]
