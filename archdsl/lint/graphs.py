"""Values and holes that no output needs, whatever is decided: told from the graphs.

A value counts as needed where any architecture needs it. A member of a family that the last turn
of a loop computes in vain is found here, though the family's name is taken elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir.cases import holes_of
from archdsl.ir.formula import atoms
from archdsl.ir.graph import Apply, Choose, Graph, Input, Program
from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.tree import Quantity, Span


def unneeded(program: Program) -> Iterator[Diagnostic]:
    """E0551 for values with a name, E0554 for holes; each once for all uses of a definition."""
    needed = {key: _needed(graph) for key, graph in program.modules.items()}
    values: dict[tuple[str, str], tuple[bool, Span | None]] = {}
    holes: dict[tuple[str, str], tuple[bool, Span | None]] = {}
    for key, graph in program.modules.items():
        for position, node in enumerate(graph.nodes):
            if node.label and not isinstance(node.kind, Input):
                _note(values, (graph.definition, node.label), position in needed[key], node.span)
        deciding = _deciding(graph, needed[key])
        for hole in graph.holes:
            if len(hole.labels) <= (hole.quantity is Quantity.ONE):
                continue  # nothing to decide: `{v[k] for k in 1..0}`
            _note(holes, (graph.definition, hole.name), hole.name in deciding, hole.span)
    for (definition, name), (is_needed, span) in values.items():
        if not is_needed:
            yield Diagnostic(
                code="E0551",
                message=f"nothing takes {name}",
                span=span,
                found=f"a value of {definition} that no output needs, whatever is decided",
                hint="take it, or leave it out",
            )
    for (definition, hole_name), (is_needed, span) in holes.items():
        if not is_needed:
            yield Diagnostic(
                code="E0554",
                message=f"the hole {hole_name} of {definition} decides nothing",
                span=span,
                found="no output needs what it takes",
                hint="leave it out, or take its value",
            )


Noted = dict[tuple[str, str], tuple[bool, Span | None]]


def _note(noted: Noted, key: tuple[str, str], needed: bool, span: Span | None) -> None:
    known, first = noted.get(key, (False, span))
    noted[key] = known or needed, first


def _needed(graph: Graph) -> frozenset[int]:
    needed: set[int] = set()
    todo = list(graph.outputs)
    while todo:
        position = todo.pop()
        if position not in needed:
            needed.add(position)
            todo += graph.nodes[position].args
    return frozenset(needed)


def _deciding(graph: Graph, needed: frozenset[int]) -> frozenset[str]:
    """The holes that choose, switch, or stand around something that is needed."""
    found: set[str] = set()
    for position in needed:
        node = graph.nodes[position]
        formulas = [node.under]
        match node.kind:
            case Choose(name):
                found.add(name)
            case Apply(when=when):
                formulas += when
            case _:
                pass
        if node.sizes is not None:
            found.update(holes_of(node.sizes.variants))
        found |= {atom.hole for formula in formulas for atom in atoms(formula)}
    parents = {hole.name: {atom.hole for atom in atoms(hole.under)} for hole in graph.holes}
    for hole in reversed(graph.holes):  # inner ones behind those around them
        if hole.name in found:
            found |= parents[hole.name]
    return frozenset(found)
