"""A search space as controllers see it: decisions, strings, numbers. No torch, no graphs.

space = SearchSpace(program)
space.size                        # exact
a = space.sample(random.Random(0))
a.text                            # the canonical string
space.parse(a.text) == space.unrank(space.rank(a)) == a
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from random import Random
from typing import TypeAlias

from archdsl.ir.graph import Program
from archdsl.ir.resolve import resolve
from archdsl.ir.scopes import Decision
from archdsl.space import legal as prefixes
from archdsl.space import levels as nested
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices, Draw, Forest, Partial
from archdsl.space.guide import Guide
from archdsl.space.layout import Layout
from archdsl.space.quick import QuickReader
from archdsl.space.reader import read
from archdsl.space.subsets import Taken
from archdsl.space.wording import number, percent
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.parse import parse_genotype
from archdsl.syntax.tree import Genotype

MAX_TRIES = 10_000
"""Draws before constraints are said to leave too little."""
FEW_TRIES = 100
"""Changes of given architectures before their surroundings are searched instead."""
MAX_NEIGHBOURS = 10_000
"""Neighbours that are looked at then."""

Accept: TypeAlias = Callable[[Architecture], bool]
Guides: TypeAlias = Callable[[], Guide | None]


class SearchSpace:
    """Every architecture of a program with holes, for one set of parameters.

    `accept` says which architectures a constraint lets through; drawing tries again until it
    does, and no longer than it may. A guide draws among few that hold all of them (see
    guide.py). `size`, `rank` and `unrank` know nothing of either: they number the whole
    space.
    """

    def __init__(self, program: Program, accept: Accept | None = None) -> None:
        """Raises ArchError (E0520) where sets of alternatives cannot be counted."""
        self.program = program
        self.accept = accept
        self._guides: Guides | None = None
        self._layout = Layout(program)
        self._forest = self._layout.forest
        self._quick = QuickReader(self._layout)
        self._keys = tuple(decision.key for decision in self.decisions)

    # --- what there is to decide ---------------------------------------------------------------

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """All decisions in the order of strings, each behind the one that it depends on.

        Those that leave no choice (a single alternative) are among them: strings have them.
        """
        return self._layout.decisions

    @cached_property
    def free(self) -> tuple[int, ...]:
        """The indices of the decisions with more than one way to take them."""
        return tuple(i for i, place in enumerate(self._forest.places) if place.free)

    @property
    def size(self) -> int:
        """The number of architectures, exact."""
        return self._forest.size

    def open_to(self, index: int, choices: Partial) -> Sequence[int]:
        """The alternatives that a decision may take, given what the decisions before it take."""
        return self._forest.allowed(index, choices)

    def exists(self, index: int, choices: Partial) -> bool:
        """Whether a decision exists, given what the decisions before it take."""
        return self._forest.exists(index, choices)

    # --- level by level ------------------------------------------------------------------------

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """For each decision, the number of decisions that it stands inside of; 0 is outermost."""
        return nested.levels(self._forest.places)

    def size_above(self, level: int) -> int:
        """In how many ways the decisions of the levels before this one can be taken, exact."""
        return nested.count_above(self._forest, level)

    def size_under(self, choices: Partial) -> int:
        """The number of architectures with these choices, exact; None leaves a decision open."""
        return nested.count_under(self._forest, choices)

    def outer(self, architecture: Architecture, level: int) -> Choices:
        """What an architecture takes in the levels before this one, and None for all inside."""
        return nested.outer(self._forest, architecture.choices, level)

    def complete(self, choices: Partial, rng: Random) -> Architecture:
        """An architecture with these choices; every one is as likely."""
        draw = self._forest.uniform(rng)
        return self._accepted(lambda: self._forest.fill(choices, draw))

    # --- architectures -------------------------------------------------------------------------

    def build(self, choices: Partial) -> Architecture:
        """The architecture with these choices: one for each decision, None where none exists.

        Raises ArchError (E0623).
        """
        given = tuple(None if taken is None else tuple(taken) for taken in choices)
        if len(given) != len(self.decisions):
            raise fault(
                "E0623",
                "a wrong number of choices",
                found=str(len(given)),
                expected=f"{len(self.decisions)}, with None for what does not exist",
            )
        for i, taken in enumerate(given):
            self._check(i, taken, given)
        return self._made(given)

    def assign(self, assignment: Mapping[str, Sequence[int]]) -> Architecture:
        """The architecture with this assignment, as `Architecture.assignment` gives it.

        Raises ArchError (E0623).
        """
        for key in assignment:
            if key not in self._keys:
                raise fault("E0623", f"{self.program.space} has no decision {key}", found=key)
        given = assignment.get
        return self.build([None if given(k) is None else tuple(assignment[k]) for k in self._keys])

    def _check(self, i: int, taken: Taken | None, choices: Choices) -> None:
        key, exists = self._keys[i], self._forest.exists(i, choices)
        if exists and taken is None:
            raise fault("E0623", f"{key} needs a choice", found="None", expected="indices")
        if taken is not None and not exists:
            raise fault(
                "E0623", f"{key} does not exist under the others", found=str(taken), expected="None"
            )
        if taken is not None and not self._forest.allows(i, taken, choices):
            place = self._forest.places[i]
            kind = place.quantity.value.replace("k", str(place.count))
            raise fault(
                "E0623",
                f"{key} cannot take {taken}",
                found=str(taken),
                expected=f"{kind} 0 to {place.alternatives - 1}, ascending",
            )

    def _made(self, choices: Choices) -> Architecture:
        return Architecture(self._layout.text(choices), choices, self._keys, self)

    def parse(self, text: str | Genotype, name: str = "<string>") -> Architecture:
        """The architecture that a string names.

        Sets may be written in any order, and groups too: `text` is the canonical spelling.
        Raises ArchError with every finding (E01xx, E02xx, E06xx).
        """
        if isinstance(text, Genotype):
            return self._made(read(self._layout, text))
        choices = self._quick.read(text)
        if choices is not None:
            return Architecture(text, choices, self._keys, self)
        return self._made(read(self._layout, parse_genotype(text, name)))

    def own(self, architecture: Architecture) -> Architecture:
        """The same architecture as one of this space.

        Raises ArchError for one of another space or of other parameters, as its string would.
        """
        owner = architecture.space
        if owner is self or (
            owner is not None
            and owner.program.hash == self.program.hash
            and owner.program.changed == self.program.changed
        ):
            return architecture
        return self.parse(architecture.text)

    def resolve(self, architecture: Architecture) -> Program:
        """The program of one architecture: every hole filled."""
        return resolve(self.program, architecture.assignment, architecture.text)

    def rank(self, architecture: Architecture) -> int:
        """The number of an architecture, from 0 to `size - 1`."""
        return self._forest.rank(architecture.choices)

    def unrank(self, number: int) -> Architecture:
        """The architecture with a number. Raises ArchError (E0624)."""
        if not 0 <= number < self.size:
            raise fault(
                "E0624",
                "no architecture has this number",
                found=str(number),
                expected=f"0 to {self.size - 1}",
            )
        return self._made(self._forest.unrank(number))

    # --- at random -----------------------------------------------------------------------------

    def constrain(self, accept: Accept, guides: Guides) -> None:
        """From now on draw only what is accepted, out of what a guide holds, if there is one."""
        self.accept, self._guides = accept, guides

    def accepts(self, architecture: Architecture) -> bool:
        """Whether the constraints let an architecture through; without any, always."""
        return self.accept is None or self.accept(architecture)

    @cached_property
    def guide(self) -> Guide | None:
        """What draws among few that hold all that the constraints let through, if anything does."""
        return self._guides() if self._guides is not None else None

    @property
    def forest(self) -> Forest:
        """The decisions without their names."""
        return self._forest

    def sample(self, rng: Random) -> Architecture:
        """An architecture; every one that the constraints accept is as likely.

        Raises ArchError (E0521) where they leave too little.
        """
        return self._accepted(lambda: self.candidate(rng))

    def candidate(self, rng: Random) -> Choices:
        """What `sample` draws before it asks the constraints."""
        if self.accept is not None and self.guide is not None:
            if not self.guide.size:
                raise self._nothing_left()
            return self.guide.draw(rng)
        return self._forest.fill(self._forest.empty(), self._forest.uniform(rng))

    def sample_tokens(self, rng: Random) -> Architecture:
        """An architecture; at every decision each way to take it is as likely.

        Where alternatives open different numbers of decisions this is not uniform.
        """
        draw = self._forest.level(rng)
        return self._accepted(lambda: self._forest.fill(self._forest.empty(), draw))

    def mutate(
        self, architecture: Architecture, rng: Random, n: int = 1, among: Sequence[int] = ()
    ) -> Architecture:
        """The architecture after n changes of decisions, among these where any are named.

        Each: a decision with another way to be taken, uniformly; one of its other ways, uniformly;
        decisions that come to exist are drawn as `sample` draws them. Where constraints refuse
        what comes out again and again, an accepted neighbour; without one, as `sample` draws.
        """
        draw = self._forest.uniform(rng)
        for _ in range(FEW_TRIES):
            choices = architecture.choices
            for _ in range(n):
                choices = self._mutated(choices, rng, draw, among or self.free)
            made = self._made(choices)
            if self.accepts(made):
                return made
        near = islice(self._around(architecture, among or self.free), MAX_NEIGHBOURS)
        around = list(filter(self.accepts, near))
        return rng.choice(around) if around else self.sample(rng)

    def _mutated(self, choices: Choices, rng: Random, draw: Draw, among: Sequence[int]) -> Choices:
        movable = [i for i in among if choices[i] is not None and self._moves(i, choices)]
        if not movable:
            return choices
        i = rng.choice(movable)
        values = self._forest.values(i, choices)
        other = rng.randrange(values.total - 1)
        other += other >= values.start(choices[i] or ())
        return self._with(choices, i, values.find(other)[0], draw)

    def _moves(self, i: int, choices: Partial) -> bool:
        """Whether a decision could be taken otherwise, those before it being as they are."""
        return len(self._forest.allowed(i, choices)) > 1 or self._forest.places[i].governor < 0

    def crossover(self, first: Architecture, second: Architecture, rng: Random) -> Architecture:
        """A child: every decision as in one of the parents, or drawn where neither has it.

        Where constraints refuse what comes out again and again, it is a parent that they accept,
        with as many decisions of the other as they let it take, one after another in any order.
        Raises ArchError (E0521) where they accept neither parent nor child.
        """
        draw = self._forest.uniform(rng)

        def inherited(i: int, choices: Partial) -> Taken:
            given = [c for c in (first.choices[i], second.choices[i]) if c is not None]
            fitting = [c for c in given if self._forest.allows(i, c, choices)]
            return rng.choice(fitting) if fitting else draw(i, choices)

        for _ in range(FEW_TRIES):
            made = self._made(self._forest.fill(self._forest.empty(), inherited))
            if self.accepts(made):
                return made
        return self._grafted(first, second, rng)

    def _grafted(self, first: Architecture, second: Architecture, rng: Random) -> Architecture:
        assert self.accept is not None, "without constraints every child is accepted"
        pairs = [(first, second), (second, first)]
        rng.shuffle(pairs)
        child, other = next(((a, b) for a, b in pairs if self.accept(a)), (None, None))
        if child is None or other is None:
            raise self._too_little("neither the parents nor their children are accepted")
        draw = self._forest.uniform(rng)

        def as_other(i: int, choices: Partial) -> Taken:
            given = other.choices[i]
            fits = given is not None and self._forest.allows(i, given, choices)
            return given if fits and given is not None else draw(i, choices)

        for i in rng.sample(self.free, len(self.free)):
            taken = other.choices[i]
            if taken is None or child.choices[i] in (None, taken) or rng.random() < 0.5:
                continue
            if not self._forest.allows(i, taken, child.choices):
                continue
            made = self._made(self._with(child.choices, i, taken, as_other))
            child = made if self.accept(made) else child
        return child

    def _accepted(self, draw: Callable[[], Choices]) -> Architecture:
        for _ in range(MAX_TRIES):
            made = self._made(draw())
            if self.accepts(made):
                return made
        raise self._too_little(f"none accepted in {MAX_TRIES:,} draws")

    def _nothing_left(self) -> ArchError:
        """Raised where a bound alone lets nothing through: no need to draw."""
        assert self.guide is not None
        return self._too_little(f"none: {self.guide.words()}")

    def _too_little(self, found: str) -> ArchError:
        if self.guide is not None and self.guide.size:
            share = percent(self.guide.size, self.size)
            found += f", of the {number(self.guide.size)} ({share}) left by {self.guide.name}"
        return fault(
            "E0521",
            f"the constraints leave too little of {self.program.space}",
            found=found,
            expected="constraints that some architectures satisfy",
            hint="widen them, or narrow the space itself",
        )

    # --- around an architecture ----------------------------------------------------------------

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """All architectures that differ in one decision, decision by decision.

        Decisions that come to exist take their first alternatives (their first k; none of any).
        An iterator, since a decision that takes any of n alternatives has 2^n - 1 others.
        """
        yield from filter(self.accepts, self._around(architecture, self.free))

    def _around(self, architecture: Architecture, among: Sequence[int]) -> Iterator[Architecture]:
        for i in among:
            taken = architecture.choices[i]
            if taken is None:
                continue
            values = self._forest.values(i, architecture.choices)
            for n in range(values.total):
                other = values.find(n)[0]
                if other != taken:
                    yield self._made(self._with(architecture.choices, i, other, self._forest.least))

    def _with(self, choices: Choices, i: int, taken: Taken, missing: Draw) -> Choices:
        return self._forest.fill((*choices[:i], taken, *choices[i + 1 :]), missing)

    # --- one token at a time -------------------------------------------------------------------

    def legal(self, prefix: str) -> tuple[str, ...]:
        """The tokens that may follow a prefix of whole tokens; `""` stands for the end.

        Labels, `+`, `-`, `(`, `)`, `;`, `]` and `/group[`; at the start, the space with its
        parameters. `extend` appends one. Following them never leads into a dead end, and every
        canonical string can be reached. Raises ArchError (E0622).
        """
        return prefixes.legal(self._layout, prefix)

    @staticmethod
    def extend(prefix: str, token: str) -> str:
        """A prefix and a next token in the canonical spelling, with a blank where one is due."""
        return prefixes.extend(prefix, token)
