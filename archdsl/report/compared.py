"""What was found beside another architecture: pictures, what changed, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archdsl.diff import diff
from archdsl.diff.text import as_line
from archdsl.ir.graph import Program
from archdsl.ir.scopes import group_name
from archdsl.library import Library
from archdsl.passes.figures import figures
from archdsl.report.view import Folded, Grid, Lines, Part, Picture, Pictures, Words
from archdsl.seeds import stream
from archdsl.show import as_svg
from archdsl.show.view import panels
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError

MOST_PICTURES = 8
MOST_CHANGES = 200
DRAWS = 20
ROWS = (
    ("parameters", "params"),
    ("parameters that outputs need", "live_params"),
    ("MACs", "macs"),
    ("MACs that outputs need", "live_macs"),
    ("FLOPs", "flops"),
    ("activation bytes", "activation_bytes"),
    ("peak bytes", "peak_bytes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """What a run's architecture is compared with; `why` it is that one."""

    program: Program
    why: str


def other(space: SearchSpace, found: Architecture, named: str, library: Library) -> Other | None:
    """What is named, else an architecture drawn from the space; None where there is no other.

    Raises ArchError for a name that means nothing.
    """
    if named:
        ours = named.partition("/")[0] == space.program.genotype
        program = space.resolve(space.parse(named)) if ours else library.find(named).network()
        return Other(program=program, why="asked for")
    drawn = _drawn(space, found)
    if drawn is None:
        return None
    return Other(program=space.resolve(drawn), why="one drawn from the space")


def _drawn(space: SearchSpace, found: Architecture) -> Architecture | None:
    """The first of some draws that is another one."""
    rng = stream(0, "report")
    try:
        draws = (space.sample(rng) for _ in range(DRAWS))
        return next((one for one in draws if one.text != found.text), None)
    except ArchError:  # constraints that leave too little to draw from
        return None


def pictures(space: SearchSpace, found: Program, beside: Other | None) -> Iterator[Part]:
    """The modules in which decisions fall, of both; then the whole network."""
    both = [("found", found)] + ([(beside.why, beside.program)] if beside else [])
    names = _decided(space) if beside is None or _one_space(found, beside) else []
    shown = [name for name in names if any(panels(program, name) for _, program in both)]
    for name in shown[:MOST_PICTURES]:
        yield Pictures(
            tuple(_picture(p, name, f"{name}, {why}") for why, p in both if panels(p, name))
        )
    if len(shown) > MOST_PICTURES:
        yield Words(f"The first {MOST_PICTURES} of {len(shown)} modules with decisions.")
    whole = tuple(_picture(program, None, why) for why, program in both)
    yield Folded(title="The whole networks", items=whole) if shown else Pictures(whole)


def _decided(space: SearchSpace) -> list[str]:
    """The names of the modules that hold decisions."""
    modules = space.program.modules
    names = (group_name(modules[decision.scope.module]) for decision in space.decisions)
    return list(dict.fromkeys(names))


def _one_space(found: Program, beside: Other) -> bool:
    return found.space == beside.program.space


def _picture(program: Program, module: str | None, caption: str) -> Picture:
    alt = f"{module or 'the network'} of {program.genotype}"
    return Picture.of(as_svg(program, module, header=False), alt, caption)


def changes(space: SearchSpace, found: Program, beside: Other) -> Iterator[Part]:
    """The diff from the other one to what was found, in the words of the text."""
    same = beside.program.hash == found.hash and beside.program.parameters == found.parameters
    made = diff(beside.program, found, space.program if same else None)
    lines = [as_line(change) for change in made.changes]
    left = len(lines) - MOST_CHANGES
    lines = lines[:MOST_CHANGES] + ([f"... and {left} more"] if left > 0 else [])
    yield Lines("\n".join([f"--- {beside.program.genotype}", f"+++ {found.genotype}", "", *lines]))
    if not made:
        yield Words("They are the same.")


def costs(found: Program, beside: Other | None) -> Grid:
    """Figures for one input, from the text alone."""
    new = figures(found)
    if beside is None:
        alone = tuple((name, f"{new[field]:,}") for name, field in ROWS)
        return Grid(head=("for one input", "found"), rows=alone, named=True)
    old = figures(beside.program)
    rows = tuple(
        (name, f"{new[field]:,}", f"{old[field]:,}", _change(old[field], new[field]))
        for name, field in ROWS
    )
    return Grid(head=("for one input", "found", "the other", "change"), rows=rows, named=True)


def _change(old: int, new: int) -> str:
    if old == new:
        return "same"
    return f"{new - old:+,}" + (f" ({(new - old) / old:+.1%})" if old else "")
