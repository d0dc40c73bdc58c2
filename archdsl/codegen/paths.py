"""The types of what a supernet of several paths takes: the gates of those that run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archdsl.codegen.choice import Choices, HoleField, InnerField
from archdsl.codegen.code import join
from archdsl.codegen.conditions import hole_values
from archdsl.codegen.literals import literal
from archdsl.codegen.types import Types, first_of
from archdsl.codegen.view import FieldView
from archdsl.ir.graph import Hole, Program
from archdsl.syntax.tree import Quantity


def single(program: Program) -> Program:
    """The program whose holes with gates take one alternative again: what an architecture says."""
    modules = {
        key: replace(graph, holes=tuple(_one(hole) for hole in graph.holes))
        for key, graph in program.modules.items()
    }
    return replace(program, modules=modules)


def _one(hole: Hole) -> Hole:
    return replace(hole, quantity=Quantity.ONE, gated=False) if hole.gated else hole


@dataclass(slots=True)
class PathTypes(Types):
    """The NamedTuples of several paths: a mapping from alternatives to gates for each hole."""

    def _doc(self, choices: Choices) -> str:
        words = choices.definition.replace("_", " ")
        if any(isinstance(part, HoleField) and part.hole.gated for part in choices.fields):
            return f"What {words} runs at each place, with a gate for each alternative."
        return f"What {words} takes at each place."

    def _field(self, part: HoleField | InnerField, choices: Choices) -> FieldView:
        view = Types._field(self, part, choices)
        if isinstance(part, InnerField) or not part.hole.gated:
            return view
        return replace(view, type=f"dict[{self.of_hole(part.hole)}, Tensor]")

    def example(self, choices: Choices) -> str:
        """An expression for paths that take the first alternative everywhere, with a gate of 1."""
        parts = []
        for part in choices.fields:
            if isinstance(part, InnerField):
                inner = self.example(part.inner)
                value = inner if part.count is None else f"({inner},) * {part.count}"
            elif part.hole.gated:
                value = f"{{{literal(hole_values(part.hole)[0])}: torch.ones(())}}"
            else:
                value = first_of(part.hole, {})
            parts.append(f"{part.name}={value}")
        return f"{self.layout.type_name(choices)}({join(parts)})"
