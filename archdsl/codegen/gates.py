"""The types of the gates that a mixture supernet takes: for each hole the weights of its
alternatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from archdsl.codegen.choice import Choices, HoleField, InnerField
from archdsl.codegen.code import join
from archdsl.codegen.literals import docstring, in_docstring
from archdsl.codegen.naming import stem
from archdsl.codegen.types import Types
from archdsl.codegen.view import AliasView, ChoiceView, FieldView
from archdsl.ir.graph import Hole

OFTEN = 3
"""Alternatives of so many holes are told once, above them."""
LONG = 60


@dataclass(slots=True)
class GateTypes(Types):
    """The NamedTuples of a mixture: a tensor for each hole."""

    def __post_init__(self) -> None:
        """Every field is a tensor: no type needs a name."""

    def of_hole(self, hole: Hole) -> str:
        return "Tensor"

    def alias_views(self) -> tuple[AliasView, ...]:
        return ()

    def _view(self, choices: Choices, name: str) -> ChoiceView:
        words = choices.definition.replace("_", " ")
        doc = [f"Weights of what {words} may take at each place, one for each alternative."]
        known = Counter(part.hole.labels for part in choices.fields if isinstance(part, HoleField))
        often = [labels for labels, count in known.items() if count >= OFTEN]
        for labels in often:
            fields = (part for part in choices.fields if isinstance(part, HoleField))
            names = {stem(part.name) for part in fields if part.hole.labels == labels}
            doc.append(f"{join(sorted(names))}: {join(labels)}.")
        return ChoiceView(
            name=name,
            doc=tuple(docstring([in_docstring(line) for line in doc])),
            fields=tuple(
                self._field(part, choices)
                if isinstance(part, InnerField)
                else FieldView(name=part.name, type="Tensor", note=_note(part.hole, often))
                for part in choices.fields
            ),
        )

    def example(self, choices: Choices) -> str:
        """An expression for gates that weigh all alternatives alike."""
        holes = [part.hole for part in choices.fields if isinstance(part, HoleField)]
        name = self.layout.type_name(choices)
        inner = [
            f"{part.name}={self._inner(part)}"
            for part in choices.fields
            if isinstance(part, InnerField)
        ]
        if len(holes) > 3 and not inner:
            return f"{name}(*map(torch.ones, ({join(str(len(h.labels)) for h in holes)})))"
        fields = [
            f"{part.name}=torch.ones({len(part.hole.labels)})"
            for part in choices.fields
            if isinstance(part, HoleField)
        ]
        return f"{name}({join([*fields, *inner])})"

    def _inner(self, part: InnerField) -> str:
        inner = self.example(part.inner)
        return inner if part.count is None else f"({inner},) * {part.count}"


def _note(hole: Hole, told: Collection[tuple[str, ...]]) -> str:
    """The alternatives, unless the class says them."""
    labels = join(hole.labels)
    if hole.labels in told:
        return ""
    return labels if len(labels) <= LONG else f"{labels[:LONG].rpartition(',')[0]}, ..."
