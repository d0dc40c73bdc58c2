"""Controllers that users bring along: a program in any language, or a Python function.

`exec:COMMAND` answers lines of JSON, each with one:

    {"begin": {"space": "...", "name": "...", "seed": 42}}          {}
    {"ask": 3}                                                      {"architecture": "..."}
    {"tell": [{"architecture": "...", "reward": 0.9, "objectives": [0.9]}]}      {}

The number of an `ask` is that of the proposal. `call:MODULE:NAME` is a function of a space and a
seed to what has `ask(n)` and `tell(results)`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Protocol

from archdsl.controllers.base import Told
from archdsl.controllers.history import Historic
from archdsl.controllers.settings import check_command, within
from archdsl.functions import function_of
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError, fault
from archdsl.talk import Garbled, Silent, Talk


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSettings:
    """`command` is started once. `timeout`: seconds for one answer, 0 for any time."""

    keyword: ClassVar[str] = "exec"

    command: str
    timeout: float = 0.0

    def __post_init__(self) -> None:
        within(self, 0, "timeout")
        check_command(self.keyword, self.command)

    def over(self, space: SearchSpace, seed: int) -> Program:
        return Program(space, self, seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """`function` is `module:name`, found from the working directory on."""

    keyword: ClassVar[str] = "call"

    function: str

    def over(self, space: SearchSpace, seed: int) -> Function:
        return Function(space, self, seed=seed)


class Program(Historic[ProgramSettings]):
    """A program that proposes. It must propose the same when it hears the same."""

    replays = True

    def forget(self) -> None:
        self.talk = Talk(self.settings.command, self.settings.timeout)
        program = self.space.program
        begin = {"space": program.text, "name": program.genotype, "seed": self.seed}
        self._said({"begin": begin})

    def propose(self, rng: Random) -> Architecture:
        answer = self._said({"ask": self.asked})
        return _proposed(self.space, answer.get("architecture"), self.settings.command)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        heard = [
            {
                "architecture": architecture.text,
                "reward": reward,
                "objectives": list(self.objectives[architecture]),
            }
            for architecture, reward in told
        ]
        self._said({"tell": heard})

    def _said(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self.talk.ask(message)
        except (Silent, Garbled) as problem:
            raise _failed(self.settings.command, str(problem)) from None


class Asked(Protocol):
    """What a user's function makes."""

    def ask(self, n: int) -> Sequence[str]: ...

    def tell(self, results: Sequence[Told]) -> None: ...


class Function(Historic[FunctionSettings]):
    """What a function made of the space. It must propose the same when it hears the same."""

    replays = True

    def forget(self) -> None:
        make = function_of(self.settings.function)
        self.inner: Asked = self._called(make, self.space, self.seed)

    def propose(self, rng: Random) -> Architecture:
        texts = self._called(self.inner.ask, 1)
        if not isinstance(texts, list | tuple) or len(texts) != 1:
            raise _failed(self.settings.function, f"asked for one, it proposed {str(texts)[:100]}")
        return _proposed(self.space, texts[0], self.settings.function)

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        heard = [Told(a.text, reward, self.objectives[a]) for a, reward in told]
        self._called(self.inner.tell, heard)

    def _called(self, function: Callable[..., Any], *given: object) -> Any:
        """What it gives. Raises ArchError E0826 for whatever it raises."""
        try:
            return function(*given)
        except Exception as problem:
            place = traceback.extract_tb(problem.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            why = f"{type(problem).__name__}: {problem} ({where})"
            raise _failed(self.settings.function, why) from problem


def _proposed(space: SearchSpace, text: object, who: str) -> Architecture:
    if not isinstance(text, str):
        raise _failed(
            who, f"it proposed {str(text)[:100]}, which is {type(text).__name__}, no text"
        )
    try:
        return space.parse(text)
    except ArchError as error:
        raise _failed(who, f"it proposed {text[:100]}: {error.diagnostics[0].message}") from None


def _failed(who: str, why: str) -> ArchError:
    return fault(
        "E0826",
        f"the controller {who} cannot go on",
        found=why,
        expected="one architecture of the space for each question",
        hint="mend it and give the same command: what was measured is not measured again",
    )
