"""Formulas as Python conditions on a choice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from archdsl.codegen.literals import literal
from archdsl.ir.formula import ALWAYS, NEVER, All, Any, Formula, Not, Taken
from archdsl.ir.graph import Hole
from archdsl.syntax.tree import Quantity

LIVE = "live:"
"""Atoms whose hole starts so are named booleans of the generated code."""


def live_atom(name: str) -> Taken:
    return Taken(f"{LIVE}{name}", 0)


DECIMAL = re.compile(r"\d+\.\d+")


def hole_values(hole: Hole) -> tuple[int | float | str, ...]:
    """What a field of the generated `Choice` holds for each alternative: its label."""
    whole = [label.isdecimal() and str(int(label)) == label for label in hole.labels]
    if all(whole):
        return tuple(int(label) for label in hole.labels)
    if all(w or DECIMAL.fullmatch(label) for w, label in zip(whole, hole.labels, strict=True)):
        numbers = tuple(
            int(label) if w else float(label) for w, label in zip(whole, hole.labels, strict=True)
        )
        return numbers if len(set(numbers)) == len(numbers) else hole.labels
    return hole.labels


@dataclass(frozen=True, slots=True)
class Conditions:
    """Prints formulas; `name` says how the code that they stand in calls a hole's decision."""

    holes: Mapping[str, Hole]
    name: Callable[[str], str]

    def value(self, taken: Taken) -> str:
        return literal(hole_values(self.holes[taken.hole])[taken.alternative])

    def text(self, formula: Formula) -> str:
        """A formula as a Python expression, `and` and `or` at its top bare."""
        return self._positive(formula)[0]

    def _inner(self, formula: Formula, positive: bool, within: str) -> str:
        text, joined_by = (self._positive if positive else self._negative)(formula)
        return f"({text})" if joined_by and joined_by != within else text

    def _positive(self, formula: Formula) -> tuple[str, str]:
        match formula:
            case Taken():
                return self._atom(formula, True), ""
            case Not(term):
                return self._negative(term)
            case All(terms):
                return self._joined(formula, terms, True)
            case Any(terms):
                return self._joined(formula, terms, True)

    def _negative(self, formula: Formula) -> tuple[str, str]:
        match formula:
            case Taken():
                return self._atom(formula, False), ""
            case Not(term):
                return self._positive(term)
            case All(terms):
                return self._joined(formula, terms, False)
            case Any(terms):
                return self._joined(formula, terms, False)

    def _joined(
        self, formula: All | Any, terms: Sequence[Formula], positive: bool
    ) -> tuple[str, str]:
        if formula in (ALWAYS, NEVER):
            return str((formula == ALWAYS) is positive), ""
        word = "and" if isinstance(formula, All) is positive else "or"
        # Atoms that are spelled as one membership test: `or` of equals, `and` of unequals.
        merge = word == ("or" if positive else "and")
        texts = [self._merged(group, positive) for group in self._groups(terms, merge)]
        parts = [self._inner(t, positive, word) if isinstance(t, Formula) else t for t in texts]
        distinct = list(dict.fromkeys(parts))
        return f" {word} ".join(distinct), word if len(distinct) > 1 else ""

    def _groups(self, terms: Sequence[Formula], merge: bool) -> list[list[Formula]]:
        """Terms in order, those that one membership test can say together."""
        groups: dict[object, list[Formula]] = {}
        by_value = merge and self._one_value(terms)
        for position, term in enumerate(terms):
            key: object = position
            if merge and isinstance(term, Taken) and self._comparable(term):
                key = ("value", self.value(term)) if by_value else ("hole", term.hole)
            groups.setdefault(key, []).append(term)
        return list(groups.values())

    def _one_value(self, terms: Sequence[Formula]) -> bool:
        """Whether the atoms compare several holes with one value."""
        atoms = [t for t in terms if isinstance(t, Taken) and self._comparable(t)]
        return len({t.hole for t in atoms}) > 1 and len({self.value(t) for t in atoms}) == 1

    def _comparable(self, taken: Taken) -> bool:
        return not taken.hole.startswith(LIVE) and self.holes[taken.hole].quantity is Quantity.ONE

    def _merged(self, group: list[Formula], positive: bool) -> Formula | str:
        atoms = [term for term in group if isinstance(term, Taken)]
        if len(group) == 1 or len(atoms) < len(group):
            return group[0]
        holes = list(dict.fromkeys(atom.hole for atom in atoms))
        if len(holes) > 1:
            names = ", ".join(self.name(hole) for hole in holes)
            return f"{self.value(atoms[0])} {'in' if positive else 'not in'} ({names})"
        return self._membership(holes[0], {atom.alternative for atom in atoms}, positive)

    def _membership(self, hole: str, taken: set[int], positive: bool) -> str:
        """One of several alternatives, said by the smaller half."""
        every = range(len(self.holes[hole].labels))
        left = [i for i in every if i not in taken]
        if not left:
            return str(positive)
        if len(left) < len(taken):
            taken, positive = set(left), not positive
        values = [self.value(Taken(hole, i)) for i in every if i in taken]
        if len(values) == 1:
            return f"{self.name(hole)} {'==' if positive else '!='} {values[0]}"
        return f"{self.name(hole)} {'in' if positive else 'not in'} ({', '.join(values)})"

    def _atom(self, taken: Taken, positive: bool) -> str:
        if taken.hole.startswith(LIVE):
            name = taken.hole.removeprefix(LIVE)
            return name if positive else f"not {name}"
        if self._comparable(taken):
            return f"{self.name(taken.hole)} {'==' if positive else '!='} {self.value(taken)}"
        return f"{self.value(taken)} {'in' if positive else 'not in'} {self.name(taken.hole)}"
