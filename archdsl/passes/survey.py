"""Which nodes of a graph exist and live in each of many architectures, and what memory they take.

Arrays over the architectures, of one figure for each or one for all. Graphs that differ in widths
alone have one survey: sizes are counted in their common unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from archdsl.ir.formula import ALWAYS as EVER
from archdsl.ir.formula import All, Any, Formula, Not, Taken
from archdsl.passes.tariff import (
    ALWAYS,
    ANY,
    APPLY,
    CHOICE,
    INPUT,
    ITEM,
    NEVER,
    USE,
    Entry,
    Tariff,
)
from archdsl.space.forest import Choices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Masks: TypeAlias = NDArray[np.bool_]
    Numbers: TypeAlias = NDArray[np.int64]


@dataclass(slots=True)
class Columns:
    """What each decision takes, over all architectures."""

    many: Sequence[Choices]
    singles: dict[int, Numbers] = field(default_factory=dict)
    masks: dict[tuple[int, int], Masks] = field(default_factory=dict)

    def takes(self, decision: int, alternative: int) -> Masks:
        """Which architectures take an alternative."""
        found = self.masks.get((decision, alternative))
        if found is None:
            found = self.masks[decision, alternative] = self._takes(decision, alternative)
        return found

    def _takes(self, decision: int, alternative: int) -> Masks:
        import numpy as np

        if decision < 0:
            return np.zeros(1, np.bool_)
        column = [choices[decision] for choices in self.many]
        if any(taken is not None and len(taken) != 1 for taken in column):  # a set
            return np.array([taken is not None and alternative in taken for taken in column])
        if decision not in self.singles:
            numbers = [-1 if taken is None else taken[0] for taken in column]
            self.singles[decision] = np.array(numbers, np.int64)
        mask: Masks = self.singles[decision] == alternative
        return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One use. `zero`: whether its results are; `reads`: which of its inputs matter.

    `exists` and `lives` go by node; memory is in units of the tariff.
    """

    exists: tuple[Masks, ...]
    lives: tuple[Masks, ...]
    activations: Numbers
    peak: Numbers
    zero: Masks
    reads: tuple[Masks, ...]


@dataclass(slots=True)
class Surveyor:
    """Surveys one use; `inner` are those of the uses inside, by their nodes."""

    tariff: Tariff
    choices: Columns
    inner: Mapping[int, Survey]
    masks: dict[Formula, Masks] = field(default_factory=dict)

    def run(self) -> Survey:
        import numpy as np  # slow to import

        needed = self._needed(self._zeros())
        nothing = np.zeros(1, np.bool_)
        lives = tuple(needed.get(p, nothing) for p in range(len(self.tariff.entries)))
        exists = tuple(self.holds(entry.under) for entry in self.tariff.entries)
        dead = np.ones(1, np.bool_)
        for output in self.tariff.outputs:
            dead = dead & ~lives[output]
        return Survey(
            exists=exists,
            lives=lives,
            activations=self._activations(exists),
            peak=self._peak(exists),
            zero=dead,
            reads=tuple(lives[position] for position in self.tariff.inputs),
        )

    # --- conditions ----------------------------------------------------------------------------

    def holds(self, formula: Formula) -> Masks:
        """For which architectures a formula holds."""
        found = self.masks.get(formula)
        if found is None:
            found = self.masks[formula] = self._holds(formula)
        return found

    def _holds(self, formula: Formula) -> Masks:
        import numpy as np

        match formula:
            case Taken(hole, alternative):
                return self._takes(self.tariff.holes.index(hole), alternative)
            case Not(term):
                return ~self.holds(term)
            case All(terms):
                result = np.ones(1, np.bool_)
                for term in terms:
                    result = result & self.holds(term)
                return result
            case Any(terms):
                result = np.zeros(1, np.bool_)
                for term in terms:
                    result = result | self.holds(term)
                return result

    def _takes(self, hole: int, alternative: int) -> Masks:
        return self.choices.takes(self.tariff.use.holes[hole], alternative)

    def _given(self, position: int, entry: Entry) -> Iterator[tuple[int, Masks | None]]:
        """The arguments of a node, each with when it is there; None for always."""
        if entry.kind == CHOICE:
            for alternative, arg in enumerate(entry.args):
                yield arg, self._takes(entry.number, alternative)
        elif entry.when:
            for arg, when in zip(entry.args, entry.when, strict=True):
                yield arg, None if when == EVER else self.holds(when)
        else:
            for arg in entry.args:
                yield arg, None

    # --- what is live --------------------------------------------------------------------------

    def _zeros(self) -> list[Masks]:
        """Where each node is zero whatever the input is."""
        zero: list[Masks] = []
        for position, entry in enumerate(self.tariff.entries):
            zero.append(self._zero(position, entry, zero))
        return zero

    def _zero(self, position: int, entry: Entry, zero: Sequence[Masks]) -> Masks:
        import numpy as np

        if entry.kind == USE:
            return self.inner[position].zero
        if entry.kind == ITEM:
            return zero[entry.args[0]]
        if entry.kind == INPUT or (entry.zero == NEVER and entry.kind == APPLY):
            return np.zeros(1, np.bool_)
        if entry.zero == ALWAYS:
            return np.ones(1, np.bool_)
        if entry.kind == CHOICE or entry.zero == ANY:
            return self._some(position, entry, zero)
        return self._every(position, entry, zero)

    def _some(self, position: int, entry: Entry, zero: Sequence[Masks]) -> Masks:
        """Where an argument that is there is zero."""
        import numpy as np

        result = np.zeros(1, np.bool_)
        for arg, present in self._given(position, entry):
            result = result | (zero[arg] if present is None else present & zero[arg])
        return result

    def _every(self, position: int, entry: Entry, zero: Sequence[Masks]) -> Masks:
        """Where all arguments that are there are zero, and some are."""
        import numpy as np

        every, some = np.ones(1, np.bool_), np.zeros(1, np.bool_)
        for arg, present in self._given(position, entry):
            every = every & (zero[arg] if present is None else ~present | zero[arg])
            some = some | (True if present is None else present)
        return every & some

    def _needed(self, zero: Sequence[Masks]) -> dict[int, Masks]:
        """Where each node computes something that an output depends on; absent for never."""
        needed: dict[int, Masks] = {}

        def need(position: int, where: Masks) -> None:
            where = where & ~zero[position]
            needed[position] = needed[position] | where if position in needed else where

        for output in self.tariff.outputs:
            need(output, ~zero[output])
        for position in range(len(self.tariff.entries) - 1, -1, -1):
            where, entry = needed.get(position), self.tariff.entries[position]
            if where is None:
                continue
            if entry.kind == USE:
                for arg, read in zip(entry.args, self.inner[position].reads, strict=True):
                    need(arg, where & read)
                continue
            for arg, present in self._given(position, entry):
                need(arg, where if present is None else where & present)
        return needed

    # --- memory --------------------------------------------------------------------------------

    def _activations(self, exists: Sequence[Masks]) -> Numbers:
        import numpy as np

        total = np.zeros(1, np.int64)
        for position, entry in enumerate(self.tariff.entries):
            if entry.kind == USE:
                total = total + exists[position] * self.inner[position].activations
            elif entry.kind == APPLY:
                total = total + exists[position] * np.int64(entry.size)
        return total

    def _peak(self, exists: Sequence[Masks]) -> Numbers:
        """The most bytes alive at once when nodes run in order and die after their last use."""
        import numpy as np

        last, entries = self._last(exists), self.tariff.entries
        dying: list[Numbers] = [np.zeros(1, np.int64)] * (len(entries) + 1)
        alive = peak = np.zeros(1, np.int64)
        for position, entry in enumerate(entries):
            size = exists[position] * np.int64(entry.size)
            alive = alive + size
            peak = np.maximum(peak, alive)
            if entry.kind == USE:
                inner = exists[position] * self.inner[position].peak
                peak = np.maximum(peak, alive + inner)
            if entry.size:
                _bury(dying, last[position], size)
            alive = alive - dying[position]
        return peak

    def _last(self, exists: Sequence[Masks]) -> list[Numbers]:
        """The position at which each node is read last; a choice or an item is what it takes."""
        import numpy as np

        entries = self.tariff.entries
        last: list[Numbers] = [np.full(1, position) for position in range(len(entries))]
        for output in self.tariff.outputs:
            last[output] = np.full(1, len(entries))
        for position in range(len(entries) - 1, -1, -1):
            entry = entries[position]
            own = last[position] if entry.kind in (CHOICE, ITEM) else np.full(1, position)
            own = np.where(exists[position], own, 0)
            for arg, present in self._given(position, entry):
                read = own if present is None else np.where(present, own, 0)
                last[arg] = np.maximum(last[arg], read)
        return last


def _bury(dying: list[Numbers], last: Numbers, size: Numbers) -> None:
    """Count a node among those that die where it is read last."""
    import numpy as np

    for position in np.flatnonzero(np.bincount(last)).tolist():
        dying[position] = dying[position] + (last == position) * size
