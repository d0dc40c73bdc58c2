"""Dropout behind those alternatives of choices that pass a value on as it is.

{skip = id | f}    -> {skip = id -> dropout(p) | f}
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from archdsl.ir.formula import Taken, all_of
from archdsl.ir.graph import Apply, Choose, Graph, Node, Program
from archdsl.ir.verifier import verify_program
from archdsl.ops.constants import Identity
from archdsl.ops.dropout import Dropout

NAME = "skip_dropout"
"""How the names of the modules begin whose rate a search lets fall."""


def skip_dropout(program: Program, rate: float) -> Program:
    """The space with dropout behind every skip of a choice of one. Names of weights stay.

    A search trains this mixture; the network that it finds has none of it. Chen et al.,
    "Progressive Differentiable Architecture Search" (P-DARTS), section 3.3.1.
    """
    modules = {key: _Rewriter(graph, rate).graph() for key, graph in program.modules.items()}
    return verify_program(replace(program, modules=modules), "skip_dropout")


@dataclass(slots=True)
class _Rewriter:
    before: Graph
    rate: float
    nodes: list[Node] = field(default_factory=list)
    position: dict[int, int] = field(default_factory=dict)

    def graph(self) -> Graph:
        for old, node in enumerate(self.before.nodes):
            args = tuple(self.position[arg] for arg in node.args)
            match node.kind:
                case Choose(hole) if node.sizes is None and len(args) > 1:
                    args = tuple(
                        self._dropped(node, hole, old, number, arg)
                        for number, arg in enumerate(args)
                    )
            self.position[old] = len(self.nodes)
            self.nodes.append(replace(node, args=args))
        outputs = tuple(self.position[output] for output in self.before.outputs)
        return replace(self.before, nodes=tuple(self.nodes), outputs=outputs)

    def _dropped(self, node: Node, hole: str, old: int, number: int, arg: int) -> int:
        """An alternative; behind a skip, what is left of it."""
        match self.nodes[arg].kind:
            case Apply(operation) if isinstance(operation, Identity):
                self.nodes.append(
                    Node(
                        kind=Apply(Dropout(p=self.rate)),
                        args=(arg,),
                        types=node.types,
                        path=(f"{NAME}_{hole}_{old}_{number}",),
                        under=all_of((node.under, Taken(hole, number))),
                    )
                )
                return len(self.nodes) - 1
            case _:
                return arg
