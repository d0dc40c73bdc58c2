"""Controllers that know what they proposed and heard, in order, and nothing else.

Their state is that history. What a method makes of it, a population or a tree, is made again
when it is restored, so nothing can be forgotten when it is saved.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import chain
from random import Random
from typing import Any, ClassVar, Generic, TypeVar

from archdsl.controllers.base import State, Told
from archdsl.controllers.seeds import stream
from archdsl.controllers.settings import Settings
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices
from archdsl.space.view import SearchSpace

TRIES = 100
"""Draws of a method until the constraints of the space accept one."""

FEW = 10
"""Draws of what goes on from a beginning until it is given up."""

Event = tuple[str, list[Any]]
"""("ask", strings that were proposed), or ("tell", strings with rewards and objectives)."""


S = TypeVar("S", bound=Settings)


def first_new(drawn: Iterator[Architecture], known: Container[Architecture]) -> Architecture:
    """The first that is not known; where all of them are, the first of all."""
    first = next(drawn)
    return next((one for one in chain((first,), drawn) if one not in known), first)


class Historic(ABC, Generic[S]):
    """A method that proposes from its history.

    `propose` draws from the generator of its step and changes nothing; `proposed` and `learn`
    are told what happened, when it happens and again when a state is restored. `replays`: what was
    proposed is proposed again then, since it leaves more behind than its text.
    """

    replays: ClassVar[bool] = False

    def __init__(self, space: SearchSpace, settings: S, *, seed: int) -> None:
        self.space = space
        self.settings = settings
        self.seed = seed
        self.asked = self.told = 0
        self._events: list[Event] = []
        self.objectives: dict[Architecture, tuple[float, ...]] = {}
        """What each architecture that was told has of what is wanted: its reward, or several."""
        self.forget()

    def serve(self, objectives: int) -> None:
        """Be told of so many objectives; raises ArchError E0818 where a method wants others."""

    @abstractmethod
    def forget(self) -> None:
        """Begin anew: nothing was proposed, nothing is known."""

    @abstractmethod
    def propose(self, rng: Random) -> Architecture:
        """The next architecture, from what is known."""

    def proposed(self, architecture: Architecture) -> None:
        """What was just proposed; its reward comes later, or never."""

    @abstractmethod
    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        """What architectures were worth, in the order in which it was told."""

    def completed(self, beginning: Choices, rng: Random) -> Architecture:
        """An architecture with these choices, drawn uniformly; under constraints as `accepted`."""
        draw = self.space.forest.uniform(rng)
        return self.accepted(lambda: self.space.forest.fill(beginning, draw), rng)

    def leads(self, beginning: Choices, rng: Random) -> bool:
        """Whether constraints let through anything with these choices; a few draws tell."""
        if self.space.accept is None:
            return True
        draw = self.space.forest.uniform(rng)
        drawn = (self.space.build(self.space.forest.fill(beginning, draw)) for _ in range(FEW))
        return any(map(self.space.accept, drawn))

    def accepted(self, draw: Callable[[], Choices], rng: Random) -> Architecture:
        """The first that the constraints of the space accept; after some tries any of the space."""
        for _ in range(TRIES):
            made = self.space.build(draw())
            if self.space.accepts(made):
                return made
        return self.space.sample(rng)

    def ask(self, n: int) -> list[str]:
        made: list[str] = []
        for _ in range(n):
            architecture = self.propose(stream(self.seed, self.settings.keyword, self.asked))
            self.asked += 1
            self.proposed(architecture)
            made.append(architecture.text)
        self._events.append(("ask", made))
        return made

    def path(self, number: int) -> str:
        """As `propose` draws. What leaves more behind than a text is asked, and remembers that."""
        if self.replays:
            (text,) = self.ask(1)
            return text
        return self.propose(stream(self.seed, self.settings.keyword, "path", number)).text

    def tell(self, results: Sequence[Told]) -> None:
        self._events.append(("tell", [[t.text, t.reward, *t.objectives] for t in results]))
        heard = [(self.space.parse(told.text), told) for told in results]
        for architecture, told in heard:
            self.objectives[architecture] = told.objectives or (told.reward,)
        self.learn([(architecture, told.reward) for architecture, told in heard])
        self.told += len(results)

    def new_epoch(self) -> None:
        """What was learned stays true."""

    def state(self) -> State:
        return State(values={"events": [list(event) for event in self._events]})

    def restore(self, state: State) -> None:
        self.asked = self.told = 0
        self._events = []
        self.objectives = {}
        self.forget()
        for what, known in state.values["events"]:
            if what == "tell":
                self.tell([Told(text, reward, tuple(more)) for text, reward, *more in known])
                continue
            if self.replays:
                self.ask(len(known))
                continue
            for text in known:
                self.asked += 1
                self.proposed(self.space.parse(text))
            self._events.append(("ask", list(known)))
