"""Which paths shared weights are trained along: a choice of its own, beside the controller.

    controller  what the controller would propose now
    uniform     drawn uniformly: Guo et al., "Single Path One-Shot", section 3.2
    fair        so many that every alternative is in as many of them: Chu et al., "FairNAS",
                definition 2 and algorithm 1
    sandwich    the largest, the smallest and some between: Yu and Huang, "Universally Slimmable
                Networks", section 3.2; with decisions that open one kind after the other, Cai et
                al., "Once-for-All", section 3.2

The paths of a batch come from the seed, the epoch and the batch alone, besides what a controller
learned: so the same ones are met again after a kill, and by every process that trains.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from random import Random
from typing import ClassVar, Literal, Protocol

from archdsl.controllers.base import Controller
from archdsl.controllers.seeds import stream
from archdsl.controllers.settings import within
from archdsl.ir.scopes import Decision
from archdsl.ops.base import OperationError
from archdsl.ops.binding import Bound
from archdsl.passes.extremes import largest, smallest
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices, Partial
from archdsl.space.named import named
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Quantity

TRIES = 100
"""Draws of the paths of a batch until constraints accept all of them."""


class Sampler(Protocol):
    """`each` says how long paths are kept; with `distill` all learn from the first of a batch."""

    each: Literal["epoch", "batch"]
    distill: bool

    def paths(self, share: float, number: int) -> list[str]:
        """Those of a batch, by its number since the beginning; `share` of the training is over."""


class Paths(Bound, Protocol):
    """A way to draw paths, as a text names it."""

    def over(self, space: SearchSpace, controller: Controller, seed: int) -> Sampler:
        """The paths of one search. Raises OperationError for settings that the space has not."""


def paths_of(text: str) -> Paths:
    """The settings that a text gives. Raises ArchError E0801 or E0818 as `make_sampler` does."""
    return named(text, WAYS, "paths", "E0801")


def make_sampler(text: str, space: SearchSpace, controller: Controller, *, seed: int) -> Sampler:
    """The paths that a text says: `fair`, or `uniform(count=4)`.

    Raises ArchError E0801 for an unknown name, E0818 for settings that it has not, or the space.
    """
    try:
        return paths_of(text).over(space, controller, seed)
    except OperationError as problem:
        raise fault("E0818", str(problem), found=problem.found, expected=problem.expected) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerPaths:
    """One for every `epoch`, as in the code of ENAS' followers, or for every `batch`."""

    keyword: ClassVar[str] = "controller"

    each: Literal["epoch", "batch"] = "epoch"

    def over(self, space: SearchSpace, controller: Controller, seed: int) -> Sampler:
        return _Proposed(controller, self.each)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformPaths:
    """`count` for every batch, whose gradients are added, or one for every `epoch`."""

    keyword: ClassVar[str] = "uniform"

    each: Literal["epoch", "batch"] = "batch"
    count: int = 1

    def __post_init__(self) -> None:
        within(self, 1, "count", most=64)

    def over(self, space: SearchSpace, controller: Controller, seed: int) -> Sampler:
        return _Uniform(space, seed, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FairPaths:
    """For every batch as many as the most alternatives that a decision has; their gradients are
    added before one step. Where decisions have different numbers of alternatives, those of one
    differ by one in how often they are taken; inside of alternatives fairness is among the paths
    that come there.
    """

    keyword: ClassVar[str] = "fair"

    def over(self, space: SearchSpace, controller: Controller, seed: int) -> Sampler:
        return _Fair(space, seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandwichPaths:
    """For every batch the largest by its MACs, then `drawn` uniformly and the `smallest`.

    `distill`: all but the largest learn its scores in place of the labels. `shrink` names holes,
    as "kernel, depth, expand": decisions of other names stay at the largest until training has
    come to theirs; every name has as long, and the beginning, all at the largest, too.
    """

    keyword: ClassVar[str] = "sandwich"

    drawn: int = 2
    smallest: bool = True
    distill: bool = True
    shrink: str = ""

    def __post_init__(self) -> None:
        within(self, 0, "drawn", most=64)

    def over(self, space: SearchSpace, controller: Controller, seed: int) -> Sampler:
        return _Sandwich(space, seed, self)


WAYS: tuple[type[Paths], ...] = (ControllerPaths, UniformPaths, FairPaths, SandwichPaths)


class _Proposed:
    """What a controller would propose."""

    distill = False

    def __init__(self, controller: Controller, each: Literal["epoch", "batch"]) -> None:
        self.controller = controller
        self.each = each

    def paths(self, share: float, number: int) -> list[str]:
        return [self.controller.path(number)]


class _Uniform:
    """So many architectures, drawn uniformly."""

    distill = False

    def __init__(self, space: SearchSpace, seed: int, settings: UniformPaths) -> None:
        self.space = space
        self.seed = seed
        self.each = settings.each
        self.count = settings.count

    def paths(self, share: float, number: int) -> list[str]:
        rng = stream(self.seed, "paths", number)
        return [self.space.sample(rng).text for _ in range(self.count)]


class _Fair:
    """Paths that together take every alternative as often as the others of its decision."""

    each: Literal["epoch", "batch"] = "batch"
    distill = False

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.seed = seed
        ones = (len(d.hole.labels) for d in space.decisions if d.hole.quantity is Quantity.ONE)
        several = (_turns(space.decisions[i]) for i in space.free)
        self.count = max(chain(ones, several), default=1)

    def paths(self, share: float, number: int) -> list[str]:
        rng = stream(self.seed, "paths", number)
        for _ in range(TRIES):
            made = [self.space.build(choices) for choices in self._dealt(rng)]
            if all(map(self.space.accepts, made)):
                return [one.text for one in made]
        return [self.space.sample(rng).text for _ in range(self.count)]

    def _dealt(self, rng: Random) -> list[Choices]:
        """All decisions dealt out to the paths, each for itself."""
        hands = [_dealt(decision, self.count, rng) for decision in self.space.decisions]
        forest = self.space.forest
        draw = forest.level(rng)
        dealt = zip(*hands, strict=True) if hands else [()] * self.count
        return [forest.fill(one, draw) for one in dealt]


def _turns(decision: Decision) -> int:
    """How many paths it takes to have every alternative of a decision for several once."""
    size, count = len(decision.hole.labels), decision.hole.count
    return -(-size // count) if decision.hole.quantity is Quantity.SOME else 2


def _dealt(decision: Decision, count: int, rng: Random) -> list[Taken]:
    """What each of `count` paths takes: the alternatives in an order, over and over again."""
    size = len(decision.hole.labels)
    if decision.hole.quantity is Quantity.ANY:  # a set, then what is not in it
        halves = [rng.getrandbits(size) for _ in range(-(-count // 2))]
        sets = chain.from_iterable((half, ~half) for half in halves)
        return [tuple(i for i in range(size) if one >> i & 1) for one in islice(sets, count)]
    taken = decision.hole.count if decision.hole.quantity is Quantity.SOME else 1
    order = rng.sample(range(size), size)
    starts = range(0, count * taken, taken)
    return [tuple(sorted(order[(at + i) % size] for i in range(taken))) for at in starts]


class _Sandwich:
    """The largest, what is drawn, the smallest; some decisions at the largest still."""

    each: Literal["epoch", "batch"] = "batch"

    def __init__(self, space: SearchSpace, seed: int, settings: SandwichPaths) -> None:
        self.space = space
        self.seed = seed
        self.settings = settings
        self.distill = settings.distill
        self.order = [word.strip() for word in settings.shrink.split(",") if word.strip()]
        names = sorted({_name(one) for one in space.decisions})
        for word in self.order:
            if word not in names:
                raise OperationError(
                    f"sandwich: {space.program.space} has no hole {word}",
                    found=f'shrink="{settings.shrink}"',
                    expected=f"some of {', '.join(names)}",
                )

    @cached_property
    def largest(self) -> Architecture:
        return largest(self.space)

    @cached_property
    def smallest(self) -> Architecture:
        return smallest(self.space)

    def paths(self, share: float, number: int) -> list[str]:
        rng = stream(self.seed, "paths", number)
        open_ = self._open(share)
        if not open_:
            return [self.largest.text]
        drawn = [self._held(self.space.sample(rng), open_) for _ in range(self.settings.drawn)]
        last = [self._held(self.smallest, open_)] if self.settings.smallest else []
        return [one.text for one in (self.largest, *drawn, *last)]

    def _open(self, share: float) -> frozenset[int]:
        """The decisions that are not held at the largest."""
        if not self.order:
            return frozenset(range(len(self.space.decisions)))
        come = self.order[: int(share * (len(self.order) + 1))]
        decisions = enumerate(self.space.decisions)
        return frozenset(i for i, one in decisions if _name(one) in come)

    def _held(self, architecture: Architecture, open_: frozenset[int]) -> Architecture:
        """The same in what is open, else the largest; that one where constraints refuse it."""
        whole = self.largest.choices
        mixed = [c if i in open_ else whole[i] for i, c in enumerate(architecture.choices)]

        def missing(i: int, so_far: Partial) -> Taken:
            given = whole[i]
            fits = given is not None and self.space.forest.allows(i, given, so_far)
            return given if fits and given is not None else self.space.forest.least(i, so_far)

        made = self.space.build(self.space.forest.fill(mixed, missing))
        return made if self.space.accepts(made) else self.largest


def _name(decision: Decision) -> str:
    """The name of a hole without the numbers of its place."""
    return re.sub(r"(_\d+)+$", "", decision.hole.name)
