"""The types of a generated `Choice`: what each hole may take, with names for repeated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archdsl.codegen.choice import Choices, HoleField, InnerField, Layout
from archdsl.codegen.code import join
from archdsl.codegen.conditions import hole_values
from archdsl.codegen.literals import docstring, in_docstring, literal
from archdsl.codegen.naming import IMPORTED, Taken, camel, stem
from archdsl.codegen.view import AliasView, ChoiceView, FieldView
from archdsl.ir.formula import atoms, holds
from archdsl.ir.graph import Hole
from archdsl.syntax.tree import Quantity


@dataclass(slots=True)
class Types:
    """The NamedTuples of a file and the aliases that they use."""

    layout: Layout
    aliases: dict[tuple[int | float | str, ...], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        holes: dict[tuple[int | float | str, ...], list[Hole]] = {}
        for choices in self.layout.names:
            for part in choices.fields:
                if isinstance(part, HoleField):
                    holes.setdefault(hole_values(part.hole), []).append(part.hole)
        taken = Taken(set(IMPORTED) | set(self.layout.names.values()))
        for values, users in holes.items():
            if len(users) > 1 and any(isinstance(value, str) for value in values):
                self.aliases[values] = taken.claim(camel(stem(users[0].name)))

    @property
    def names(self) -> set[str]:
        """The names that the types take at module level."""
        return {*self.aliases.values(), *self.layout.names.values()}

    def of_hole(self, hole: Hole) -> str:
        """The type of one alternative of a hole."""
        values = hole_values(hole)
        if not values:  # `any of` nothing: a set that stays empty
            return "int"
        if any(isinstance(value, float) for value in values):
            return "float"
        return self.aliases.get(values, f"Literal[{join(literal(v) for v in values)}]")

    def alias_views(self) -> tuple[AliasView, ...]:
        return tuple(
            AliasView(name=name, value=f"Literal[{join(literal(v) for v in values)}]")
            for values, name in self.aliases.items()
        )

    def choice_views(self) -> tuple[ChoiceView, ...]:
        return tuple(self._view(choices, name) for choices, name in self.layout.names.items())

    def _view(self, choices: Choices, name: str) -> ChoiceView:
        return ChoiceView(
            name=name,
            doc=tuple(docstring([in_docstring(self._doc(choices))])),
            fields=tuple(self._field(part, choices) for part in choices.fields),
        )

    def _doc(self, choices: Choices) -> str:
        words = choices.definition.replace("_", " ")
        holes = [part.hole for part in choices.fields if isinstance(part, HoleField)]
        optional = any(not always(hole, choices) for hole in holes)
        return f"What {words} takes at each place{', None where that is not asked' * optional}."

    def _field(self, part: HoleField | InnerField, choices: Choices) -> FieldView:
        if isinstance(part, InnerField):
            inner = self.layout.type_name(part.inner)
            if part.count is None:
                return FieldView(name=part.name, type=inner)
            return FieldView(
                name=part.name, type=f"tuple[{inner}, ...]", note=f"{part.count}, one for each use"
            )
        hole = part.hole
        one = self.of_hole(hole)
        match hole.quantity:
            case Quantity.ONE:
                optional = "" if always(hole, choices) else " | None"
                return FieldView(name=part.name, type=f"{one}{optional}")
            case Quantity.SOME:
                note = f"{hole.count} of them"
                return FieldView(name=part.name, type=f"tuple[{one}, ...]", note=note)
            case Quantity.ANY:
                return FieldView(name=part.name, type=f"frozenset[{one}]")

    def example(self, choices: Choices) -> str:
        """An expression for the choice that takes the first alternative everywhere."""
        taken: dict[str, tuple[int, ...]] = {}
        parts = []
        for part in choices.fields:
            if isinstance(part, InnerField):
                inner = self.example(part.inner)
                value = inner if part.count is None else f"({inner},) * {part.count}"
            else:
                value = first_of(part.hole, taken)
            parts.append(f"{part.name}={value}")
        return f"{self.layout.type_name(choices)}({join(parts)})"


def always(hole: Hole, choices: Choices) -> bool:
    """Whether a hole exists whatever the others take; holes without a field take everything."""
    return all(atom.hole not in choices.of_hole for atom in atoms(hole.under))


def first_of(hole: Hole, taken: dict[str, tuple[int, ...]]) -> str:
    """The first alternatives of a hole, if it exists under what was taken before."""
    # A hole without a field leaves nothing to decide: all its alternatives are taken.
    exists = holds(
        hole.under, lambda atom: atom.hole not in taken or atom.alternative in taken[atom.hole]
    )
    count = hole.count if hole.quantity is Quantity.SOME else 1
    taken[hole.name] = tuple(range(count)) if exists else ()
    values: Sequence[int | float | str] = hole_values(hole)[:count] if exists else ()
    match hole.quantity:
        case Quantity.ONE:
            return literal(values[0]) if values else "None"
        case Quantity.SOME:
            return f"({join(literal(v) for v in values)}{',' if len(values) == 1 else ''})"
        case Quantity.ANY:
            return f"frozenset({{{join(literal(v) for v in values)}}})" if values else "frozenset()"
