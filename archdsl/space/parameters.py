"""The parameters of an architecture string, and whether they are those of a space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archdsl.ir.graph import Static
from archdsl.space.layout import Layout
from archdsl.space.wording import first_part, listed, similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.printer import print_genotype
from archdsl.syntax.tree import Span


def parameters_of(genotype: tree.Genotype) -> Mapping[str, Static]:
    """The parameters that a string gives, to elaborate its space with."""
    result: dict[str, Static] = {}
    for argument in genotype.parameters:
        match argument.value:
            case tree.Number(value=value) | tree.Text(value=value) | tree.Flag(value=value):
                result[argument.name or ""] = value
            case _:
                raise fault(
                    "E0611", "a parameter is a number, a word or a text", argument.value.span
                )
    return result


def check_head(layout: Layout, genotype: tree.Genotype) -> None:
    """Raise ArchError (E0610, E0611) for a string of another space or other parameters."""
    program = layout.program
    if genotype.space != program.space:
        raise fault(
            "E0610",
            f"a string of another space: this is {program.space}",
            first_part(genotype.span, len(genotype.space)),
            found=genotype.space,
            expected=program.space,
        )
    given = parameters_of(genotype)
    known = dict(program.parameters) | dict(program.changed)
    for argument in genotype.parameters:
        name = argument.name or ""
        if name not in known:
            raise fault(
                "E0611",
                f"{program.space} has no parameter {name}",
                argument.span,
                found=name,
                expected=listed(known) if known else "no parameters",
                hint=similar(name, known),
            )
        if given[name] != known[name]:
            raise _other_parameters(layout, genotype, argument.span)
    if any(name not in given for name in program.changed):
        place = first_part(genotype.span, len(genotype.space))
        raise _other_parameters(layout, genotype, place)


def _other_parameters(layout: Layout, genotype: tree.Genotype, span: Span) -> ArchError:
    return fault(
        "E0611",
        f"a string for other parameters: this is {layout.head}",
        span,
        found=print_genotype(replace(genotype, groups=())),
        expected=layout.head,
        hint="the same space with other parameters is another space",
    )
