"""The spaces that a search in stages goes through, and what they say of the one asked for."""

from __future__ import annotations

from archdsl.compiler import partial
from archdsl.controllers.gates import DartsSettings
from archdsl.controllers.stages import Labels
from archdsl.library import Found, open_space
from archdsl.part import restricted
from archdsl.passes.skip_dropout import skip_dropout
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.parse import parse
from archdsl.syntax.tree import Quantity


class StageSpaces:
    """The spaces of all stages of a method, for the space that was asked for."""

    def __init__(self, asked: SearchSpace, method: DartsSettings) -> None:
        """Raises ArchError E0850 where the stages do not fit the space."""
        self.asked = asked
        self.method = method
        self.stages = method.stages
        self._whole = tuple(self._opened(stage) for stage in range(self.stages.count))
        if self.stages.keep:
            self._check_keep()
        self._check_decisions()

    def space(self, stage: int, left: Labels) -> SearchSpace:
        """The space of a stage with what is left of its decisions; those not named have all."""
        whole = self._whole[stage]
        kept = {}
        for one in whole.decisions:
            numbers = [
                i for i, label in enumerate(one.hole.labels) if label in left.get(one.key, ())
            ]
            if numbers and len(numbers) < len(one.hole.labels):
                kept[one.key] = numbers
        return restricted(whole, kept) if kept else whole

    def mixed(self, space: SearchSpace, stage: int) -> SearchSpace:
        """What is trained of it: on a part of channels or tokens, with dropout behind skips."""
        shares = self.method.shares
        if shares:
            space = partial(Found(space=space, architecture=None), **shares).space
        rate = self.stages.skip_dropout(stage)
        return SearchSpace(skip_dropout(space.program, rate)) if rate else space

    def of_asked(self, found: Architecture) -> Architecture:
        """The architecture of the space that was asked for that decides as one of a stage does.

        Raises ArchError E0623 where the one is of a stage in which less is decided.
        """
        assert found.space is not None
        named = {one.key: one.hole.labels for one in found.space.decisions}
        taken = found.assignment
        choices = {}
        for one in self.asked.decisions:
            if one.key in taken:
                words = [named[one.key][a] for a in taken[one.key]]
                choices[one.key] = [one.hole.labels.index(word) for word in words]
        return self.asked.assign(choices)

    def _opened(self, stage: int) -> SearchSpace:
        """The space at the size that it has in a stage."""
        name, values = self.stages.parameter, self.stages.values
        if not values:
            return self.asked
        program = self.asked.program
        if type(program.parameters.get(name)) is not int:
            numbers = [n for n, value in program.parameters.items() if type(value) is int]
            raise _misfit(
                f"{program.space} has no whole number {name} to grow by",
                name,
                ", ".join(numbers) or "a space with parameters",
            )
        value = values[min(stage, len(values) - 1)]
        (tree,) = parse(program.text, program.space).spaces
        return open_space(tree, {**program.changed, name: value})

    def _check_keep(self) -> None:
        """The first stage has all; a later one has less of something."""
        sizes = [
            len(one.hole.labels)
            for one in self._whole[0].decisions
            if one.hole.quantity is Quantity.ONE
        ]
        largest, keep = max(sizes, default=0), self.stages.keep
        if not keep[-1] < largest <= keep[0]:
            raise _misfit(
                f"the stages keep all of {self.asked.program.space}, or leave some out untried",
                f'keep="{self.method.keep}"',
                f"{largest} or more in the first stage, less in the last",
            )

    def _check_decisions(self) -> None:
        """What is found last is an architecture of the space that was asked for."""
        last = {one.key: one.hole.labels for one in self._whole[-1].decisions}
        for one in self.asked.decisions:
            if not set(one.hole.labels) <= set(last.get(one.key, ())):
                asked = self.asked.program.parameters[self.stages.parameter]
                raise _misfit(
                    f"the last stage does not decide {one.key}",
                    f'grow="{self.method.grow}"',
                    f"{self.stages.parameter}={asked} in the last stage, as in the space",
                )


def left_of(space: SearchSpace) -> Labels:
    """What a space has of every decision."""
    return {one.key: one.hole.labels for one in space.decisions}


def _misfit(message: str, found: str, expected: str) -> ArchError:
    return fault("E0850", message, found=found, expected=expected)
