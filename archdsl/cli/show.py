"""The command that draws: show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from archdsl.cli.command import Named, Session, command
from archdsl.cli.output import put, put_json
from archdsl.space.wording import exact, number

if TYPE_CHECKING:
    from archdsl.ir.scopes import Decision
    from archdsl.library import Found

app = typer.Typer()


@command(app)
def show(
    session: Session,
    named: Named,
    format: Annotated[
        Literal["text", "svg", "dot", "mermaid"], typer.Option(help="A table, or a picture.")
    ] = "text",
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this cell, block or net.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it to a file.")
    ] = None,
) -> None:
    """Size and holes of a space; table or picture of an architecture.

    The table gives shapes, parameters and MACs. Pictures of a space show all alternatives.
    """
    found = session.library.find(named)
    if session.json:
        put_json(_facts(found))
        return
    text = _drawn(found, format, module)
    if out is None:
        put(text)
        return
    from archdsl.files import write_whole

    put(str(write_whole(out, text)))


def _drawn(found: Found, format: str, module: str | None) -> str:
    if module is not None:
        _check_module(found, module)
    if format == "text" and module is None and found.architecture is None:
        return "\n".join(_overview(found))
    from archdsl.show import as_dot, as_mermaid, as_svg, as_text

    draw = {"text": as_text, "svg": as_svg, "dot": as_dot, "mermaid": as_mermaid}[format]
    return draw(found.program, module)


def _check_module(found: Found, module: str) -> None:
    """Raise E0709 where nothing is called so: an empty picture would not say it."""
    from archdsl.ir.scopes import group_name
    from archdsl.syntax.errors import fault

    program = found.program
    names = {
        name: None
        for key, graph in program.modules.items()
        for name in (graph.definition, group_name(graph), key)
    }
    if module not in names:
        raise fault(
            "E0709",
            f"{program.genotype} has no module {module}",
            found=module,
            expected=", ".join(name for name in names if "#" not in name),
        )


def _overview(found: Found) -> Iterator[str]:
    """A space in words: its size, its parameters, its decisions in the order of strings."""
    from textwrap import wrap

    from archdsl.ir.headers import spelled

    program, space = found.program, found.space
    yield f"{program.genotype}: {program.title}"
    yield from (f"  {line}".rstrip() for line in program.doc)
    yield ""
    yield f"{number(space.size)} architectures, {len(space.free)} decisions"
    for level in range(1, max(space.levels, default=0) + 1):
        yield f"{number(space.size_above(level))} without the decisions inside {_decisions(level)}"
    if program.parameters:
        given = ", ".join(f"{name}={spelled(value)}" for name, value in program.parameters.items())
        yield from wrap(f"parameters: {given}", 96, subsequent_indent="  ")
    for constraint in program.constraints:
        yield f"where {constraint}"
    if program.constraints:
        yield _share(found)
    yield ""
    width = max((len(d.key) for d in space.decisions), default=0)
    for decision in space.decisions:
        yield f"  {decision.key:<{width}}  {_quantity(decision)} {' | '.join(_labels(decision))}"


def _share(found: Found) -> str:
    """How much of the space its constraints leave, with the error of the estimate."""
    from archdsl.passes.constraints import rules
    from archdsl.space.wording import share_text

    known = rules(found.space).share()
    share = share_text(float(known.share))
    if known.accepted is not None:
        return f"satisfied by {share} of them: {number(known.accepted)} exactly"
    low, high = share_text(float(known.low)), share_text(float(known.high))
    return f"satisfied by {share} of them ({low} to {high}, 95 %; {known.drawn:,} drawn)"


def _decisions(count: int) -> str:
    return "another" if count == 1 else f"{count} others"


def _quantity(decision: Decision) -> str:
    return decision.hole.quantity.value.replace("k", str(decision.hole.count), 1)


def _labels(decision: Decision) -> tuple[str, ...]:
    return decision.hole.labels


def _facts(found: Found) -> dict[str, Any]:
    """The same for programs; a network with its figures."""
    program, space = found.program, found.space
    facts: dict[str, Any] = {
        "architecture": found.architecture and found.architecture.text,
        "space": space.program.genotype,
        "title": program.title,
        "hash": program.hash,
        "parameters": dict(program.parameters),
        "size": exact(space.size),
        "decisions": [
            {
                "key": decision.key,
                "quantity": _quantity(decision),
                "alternatives": list(_labels(decision)),
            }
            for decision in space.decisions
        ],
    }
    if program.constraints:
        facts["where"] = [str(constraint) for constraint in program.constraints]
    if found.architecture is None:
        return facts | _satisfied(found)
    from archdsl.passes.figures import figures

    return facts | figures(program)


def _satisfied(found: Found) -> dict[str, Any]:
    if not found.program.constraints:
        return {}
    from archdsl.passes.constraints import rules

    share = rules(found.space).share()
    facts: dict[str, Any] = {
        "share": float(share.share),
        "share_low": float(share.low),
        "share_high": float(share.high),
    }
    return facts if share.accepted is None else facts | {"accepted": exact(share.accepted)}
