"""From a space to its mixture of those alternatives that have a gate, of which no other runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from archdsl.ir.cases import holes_of
from archdsl.ir.formula import Formula, Taken, all_of, atoms
from archdsl.ir.graph import USE, Apply, Choose, Graph, Hole, Node, Program
from archdsl.ir.relax import refused
from archdsl.ir.verifier import verify_program
from archdsl.ops.mixture import Mixture, Running
from archdsl.syntax.tree import Quantity


def paths(program: Program) -> Program:
    """The program whose choices of one are sums of the alternatives with a gate, each times it.

    Such a hole takes any number of its alternatives; what is not taken is not computed. Holes of
    several (`2 of`, `any of`) stay decisions, without gates. Paths of weights stay. Cai, Zhu and
    Han, "ProxylessNAS", section 3.2. Raises ArchError E0906 where alternatives cannot be
    summed.
    """
    modules = {key: _Rewriter(graph).graph() for key, graph in program.modules.items()}
    return verify_program(replace(program, modules=modules), "paths")


@dataclass(slots=True)
class _Rewriter:
    """Rewrites one graph."""

    before: Graph
    nodes: list[Node] = field(default_factory=list)
    position: dict[int, int] = field(default_factory=dict)

    def graph(self) -> Graph:
        for hole in self.before.holes:
            if hole.governor:
                why = f"which alternatives it has depends on {hole.governor}"
                raise refused(hole.name, why, hole.span, "a search that draws paths")
        holes = {hole.name: _open(hole) for hole in self.before.holes}
        for old, node in enumerate(self.before.nodes):
            self._check(node)
            args = tuple(self.position[arg] for arg in node.args)
            match node.kind:
                case Choose(chosen) if len(holes[chosen].labels) > 1:
                    self._sum(old, replace(node, args=args), chosen)
                    continue
            self.nodes.append(replace(node, args=args))
            self.position[old] = len(self.nodes) - 1
        outputs = tuple(self.position[output] for output in self.before.outputs)
        return replace(
            self.before, nodes=tuple(self.nodes), outputs=outputs, holes=tuple(holes.values())
        )

    def _sum(self, old: int, node: Node, hole: str) -> None:
        if node.type.below is not None:
            raise refused(hole, "they are indices", node.span, "vectors, by embedding")
        terms = []
        for index, arg in enumerate(node.args):
            taken = Taken(hole, index)
            kind = Apply(Mixture(gates=(taken,)))
            path = (f"weighed_{hole}_{old}_{index}",)
            under = all_of((node.under, taken))
            self.nodes.append(
                Node(kind=kind, args=(arg,), types=node.types, path=path, under=under)
            )
            terms.append(len(self.nodes) - 1)
        when = tuple(Taken(hole, index) for index in range(len(terms)))
        path = (f"mixed_{hole}_{old}",)
        self.nodes.append(replace(node, kind=Apply(Running(), when), args=tuple(terms), path=path))
        self.position[old] = len(self.nodes) - 1

    def _check(self, node: Node) -> None:
        """What joins those that are there cannot ask whether a choice of one took something."""
        one = {hole.name for hole in self.before.holes if hole.quantity is Quantity.ONE}
        sized = node.sizes is not None and [h for h in holes_of(node.sizes.variants) if h != USE]
        if sized:
            why = "it decides a size of shared weights (elastic)"
            raise refused(sized[0], why, node.span, "alternatives that own their weights")
        for formula in node.kind.when if isinstance(node.kind, Apply) else ():
            for hole in sorted(one & set(_holes(formula))):
                raise refused(
                    hole,
                    "a join depends on what it takes",
                    node.span,
                    "a mixture of all alternatives",
                )


def _holes(formula: Formula) -> Iterator[str]:
    yield from (atom.hole for atom in atoms(formula))


def _open(hole: Hole) -> Hole:
    """A hole that takes any number, each with a gate, where it took one."""
    several = hole.quantity is Quantity.ONE and len(hole.labels) > 1
    return replace(hole, quantity=Quantity.ANY, gated=True) if several else hole
