"""From a space to its mixture: every alternative is there, weighed by the gate of its hole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from archdsl.ir.cases import holes_of
from archdsl.ir.formula import (
    ALWAYS,
    NEVER,
    All,
    Any,
    Formula,
    Not,
    Taken,
    all_of,
    any_of,
    negate,
)
from archdsl.ir.graph import USE, Apply, Choose, Graph, Hole, Node, Program
from archdsl.ir.verifier import verify_program
from archdsl.ops.joins import Mean, Sum
from archdsl.ops.mixture import Mixture
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Quantity, Span


def relax(program: Program) -> Program:
    """The program in which no hole decides anything: all alternatives are weighed and summed.

    A choice of one becomes the sum of its alternatives, each times its gate; a join of those that
    are there becomes one of all, each term times how far it is there. Paths of weights stay.
    Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", section 2.2, equation 2.
    Raises ArchError E0906, naming the hole, where alternatives cannot be summed.
    """
    modules = {key: _relaxed(graph) for key, graph in program.modules.items()}
    return verify_program(replace(program, modules=modules), "relax")


def _relaxed(graph: Graph) -> Graph:
    _check(graph)
    reader = _Reader({hole.name: hole for hole in graph.holes})
    return replace(
        graph,
        nodes=tuple(reader.node(node, number) for number, node in enumerate(graph.nodes)),
    )


def _check(graph: Graph) -> None:
    """Holes whose alternatives are no values of one shape cannot be mixed."""
    for hole in graph.holes:
        if hole.governor:
            raise refused(
                hole.name,
                f"which alternatives it has depends on {hole.governor}",
                hole.span,
                "a search that draws paths: gates of such a hole would weigh what cannot be taken",
            )
    for node in graph.nodes:
        names = [n for n in holes_of(node.sizes.variants) if n != USE] if node.sizes else []
        if names:
            raise refused(
                names[0],
                "it decides a size of shared weights (elastic)",
                node.span,
                "a search that draws paths, or alternatives that own their weights",
            )


def refused(hole: str, why: str, span: Span | None, instead: str) -> ArchError:
    """The error for a hole whose alternatives cannot be summed, and what to do instead."""
    return fault(
        "E0906",
        f"the alternatives of {hole} cannot be mixed: {why}",
        span,
        expected="alternatives that are values of one shape",
        hint=instead,
    )


@dataclass(slots=True)
class _Reader:
    """Rewrites the nodes of one graph."""

    holes: Mapping[str, Hole]

    def node(self, node: Node, number: int) -> Node:
        under = self._closed(node.under)
        match node.kind:
            case Choose(hole):
                if node.types[0].below is not None:
                    raise refused(hole, "they are indices", node.span, "vectors, by embedding")
                weights = tuple(self._closed(Taken(hole, i)) for i in range(len(node.args)))
                path = (f"mixed_{hole}_{number}",)
                return replace(node, kind=Apply(Mixture(gates=weights)), path=path, under=ALWAYS)
            case Apply(operation, when) if any(formula != ALWAYS for formula in when):
                known = _known(under)
                weights = tuple(self._given(self._closed(formula), known) for formula in when)
                kind = Apply(_weighed(operation, weights, node.span))
                return replace(node, kind=kind, under=ALWAYS)
            case Apply(operation):
                return replace(node, kind=Apply(operation), under=ALWAYS)
            case _:
                return replace(node, under=ALWAYS)

    def _closed(self, formula: Formula) -> Formula:
        """A formula without holes that have no gates: their one alternative is taken."""
        match formula:
            case Taken(hole):
                return formula if self.holes[hole].weighed else ALWAYS
            case All(terms):
                return all_of(self._closed(term) for term in terms)
            case Any(terms):
                return any_of(self._closed(term) for term in terms)
            case Not(term):
                return negate(self._closed(term))

    def _given(self, formula: Formula, known: frozenset[Formula]) -> Formula:
        """A formula where others are known to hold."""
        if formula in known:
            return ALWAYS
        match formula:
            case Taken(hole):
                one = self.holes[hole].quantity is Quantity.ONE
                other = one and any(isinstance(k, Taken) and k.hole == hole for k in known)
                return NEVER if other else formula
            case All(terms):
                return all_of(self._given(term, known) for term in terms)
            case Any(terms):
                return any_of(self._given(term, known) for term in terms)
            case Not(term):
                return negate(self._given(term, known))


def _known(under: Formula) -> frozenset[Formula]:
    return frozenset(under.terms if isinstance(under, All) else (under,))


def _weighed(operation: object, weights: tuple[Formula, ...], span: Span | None) -> Mixture:
    """The join of terms that are there as far as their weights say."""
    match operation:
        case Sum():
            return Mixture(gates=weights)
        case Mean():
            return Mixture(gates=weights, over=weights)
        case _:
            name = getattr(operation, "keyword", "join")
            hole = next((w.hole for w in weights if isinstance(w, Taken)), "a hole")
            raise refused(
                hole, f"they are terms of a {name}, which is no sum", span, "sum or mean of them"
            )
