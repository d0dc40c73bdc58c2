"""Choices that are made alike in several places: one function of the file for all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archdsl.codegen.modules import is_stored
from archdsl.codegen.naming import Taken as Names
from archdsl.codegen.naming import stem
from archdsl.codegen.steps import Chain, Leaf, Nothing, Part, Pick, Step, Use
from archdsl.codegen.told import told_inside

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """A choice without the names in it; equal keys are one function.

    `tensors` and `holes` are the values and decisions that it takes, `modules` the steps whose
    submodules it calls, in the order of the function's parameters.
    """

    key: object
    pick: int
    tensors: tuple[int, ...]
    holes: tuple[str, ...]
    modules: tuple[Step, ...]
    region: tuple[int, ...]


@dataclass(slots=True)
class Functions:
    """The functions that the classes of a file share, by the pattern of their choice."""

    reserved: frozenset[str] = frozenset()
    counts: dict[object, int] = field(default_factory=dict)
    names: dict[object, str] = field(default_factory=dict)
    taken: Names = field(default_factory=Names)
    used: dict[object, tuple[Emitter, Pattern]] = field(default_factory=dict)

    def name(self, emitter: Emitter, pattern: Pattern) -> str:
        """The function for a pattern; the first that needs it becomes its model."""
        if pattern.key not in self.names:
            self.names[pattern.key] = self.taken.claim(f"apply_{stem(pattern.holes[0])}")
            self.used[pattern.key] = (emitter, pattern)
        return self.names[pattern.key]

    def used_by(self, lines: Sequence[str]) -> list[object]:
        """The functions that some lines of code call."""
        text = "\n".join(lines)
        return [key for key, name in self.names.items() if re.search(rf"\b{name}\(", text)]


def find_pattern(emitter: Emitter, step: Step) -> Pattern | None:
    """The pattern of a choice; None where it holds more than a function should."""
    region = {
        s.out: s
        for position in range(len(step.args))
        for s in emitter.plan.region((step.out, position))
    }
    finder = _PatternFinder(emitter, region)
    key = finder.describe(step)
    if key is None or not finder.holes:
        return None
    return Pattern(
        key=key,
        pick=step.out,
        tensors=tuple(finder.tensors),
        holes=tuple(finder.holes),
        modules=tuple(finder.modules.values()),
        region=tuple(region),
    )


@dataclass(slots=True)
class _PatternFinder:
    emitter: Emitter
    region: dict[int, Step]
    tensors: dict[int, None] = field(default_factory=dict)
    holes: dict[str, None] = field(default_factory=dict)
    modules: dict[tuple[str, ...], Step] = field(default_factory=dict)

    def value(self, value: int) -> object | None:
        if value in self.region:
            return self.describe(self.region[value])
        if (unused := self.emitter.unused_zero(value)) is not None:
            # A function would look at what the zeros are like, which nothing else computes.
            known = self.emitter.plan.is_known(unused.args[0])
            return self.describe(unused) if known else None
        self.tensors.setdefault(value)
        return ("tensor", list(self.tensors).index(value))

    def describe(self, step: Step) -> object | None:
        """What a step does, as a value that equals another's exactly when the code does."""
        head = self._head(step)
        if head is None:
            return None
        args = tuple(self.value(arg) for arg in step.args)
        return None if None in args else (*head, args)

    def _head(self, step: Step) -> tuple[object, ...] | None:
        match step.what:
            case Pick(hole):
                self.holes.setdefault(hole)
                labels = self.emitter.plan.diagrams.holes[hole].labels
                return ("pick", labels, list(self.holes).index(hole))
            case Leaf(_, code) if not is_stored(step):
                return ("leaf", code.expression)
            case Leaf() | Part() | Use() | Chain() if len(step.types) == 1:
                if self.emitter.choice_of(step) or self.emitter.choice_inside(step):
                    return None
                if step.numbers or told_inside(step):
                    return None
                self.modules.setdefault(step.path, step)
                expression = step.what.code.expression if isinstance(step.what, Leaf) else ""
                return ("module", expression, list(self.modules).index(step.path))
            case Nothing():
                return ("nothing",)
            case _:
                return None
