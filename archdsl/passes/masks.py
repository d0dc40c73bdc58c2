"""Conditions of a graph as numbers: what holds under some decisions is told for all at once.

Each `hole takes alternative` is a bit. Almost all conditions say of some bits that they are there,
of some that they are not. Most nodes of a graph with holes are not there, and one test of bits
leaves each of them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archdsl.ir.formula import All, Any, Formula, Not, Taken, holds
from archdsl.passes.uses import Decided


@dataclass(slots=True)
class Masks:
    """Conditions by their positions, over the holes of a graph in the order of `Decided`.

    A condition holds where, of the bits in `looked`, exactly those in `wanted` are there.
    """

    holes: tuple[str, ...]
    bits: dict[str, dict[int, int]]
    """The bit of each alternative that a condition speaks of, by the name of its hole."""
    looked: list[int] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    rest: dict[int, Formula] = field(default_factory=dict)
    """Conditions that bits do not say."""

    @classmethod
    def of(cls, holes: tuple[str, ...], conditions: Sequence[Formula]) -> Masks:
        """The masks of these conditions."""
        made = cls(holes, {hole: {} for hole in holes})
        for condition in conditions:
            made._add(condition)
        return made

    def _add(self, condition: Formula) -> None:
        wanted, unwanted = 0, 0
        for term in condition.terms if isinstance(condition, All) else (condition,):
            match term:
                case Taken():
                    wanted |= self._bit(term)
                case Not(Taken() as atom):
                    unwanted |= self._bit(atom)
                case Not(Any(terms)) if atoms := _all_atoms(terms):
                    for atom in atoms:
                        unwanted |= self._bit(atom)
                case _:
                    self.rest[len(self.looked)] = condition
        if wanted & unwanted:
            self.rest[len(self.looked)] = condition  # never
            unwanted = 0
        self.looked.append(wanted | unwanted)
        self.wanted.append(wanted)

    def _bit(self, atom: Taken) -> int:
        known = self.bits[atom.hole]
        return known.setdefault(atom.alternative, 1 << sum(map(len, self.bits.values())))

    def holding(self, decided: Decided) -> list[int]:
        """The positions of those that hold, in their order."""
        there = 0
        for known, alternatives in zip(self.bits.values(), decided, strict=True):
            for alternative in alternatives or ():
                there |= known.get(alternative, 0)
        rows = zip(self.looked, self.wanted, strict=True)
        found = [at for at, (looked, wanted) in enumerate(rows) if there & looked == wanted]
        return list(self._also(found, decided)) if self.rest else found

    def _also(self, found: Sequence[int], decided: Decided) -> Iterator[int]:
        """Those of which the rest is true as well."""
        pairs = zip(self.holes, decided, strict=True)
        chosen = {hole: alternatives or () for hole, alternatives in pairs}
        for position in found:
            condition = self.rest.get(position)
            if condition is None or holds(condition, lambda a: a.alternative in chosen[a.hole]):
                yield position


def _all_atoms(terms: Sequence[Formula]) -> list[Taken]:
    """The terms, where all are atoms; else none."""
    atoms = [term for term in terms if isinstance(term, Taken)]
    return atoms if len(atoms) == len(terms) else []
