"""One controller for all processes of a run: the first one's, which the others hear."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from archdsl.controllers import Controller, State, Told
from archdsl.evaluate.ranks import Ranks


class OneController:
    """A controller that the first process has. Nothing is computed, and no program of somebody's
    runs, more than once; what each asks and tells, all ask and tell."""

    def __init__(self, make: Callable[[], Controller], ranks: Ranks) -> None:
        self.ranks = ranks
        self.own = make() if ranks.first else None

    def ask(self, n: int) -> list[str]:
        return self._heard(lambda one: one.ask(n))

    def path(self, number: int) -> str:
        return self._heard(lambda one: [one.path(number)])[0]

    def tell(self, results: Sequence[Told]) -> None:
        if self.own:
            self.own.tell(results)

    def new_epoch(self) -> None:
        if self.own:
            self.own.new_epoch()

    def state(self) -> State:
        return self.own.state() if self.own else State()

    def restore(self, state: State) -> None:
        if self.own:
            self.own.restore(state)

    def _heard(self, ask: Callable[[Controller], list[str]]) -> list[str]:
        said = json.dumps(ask(self.own)) if self.own else ""
        heard: list[str] = json.loads(self.ranks.spread(said.encode()))
        return heard
