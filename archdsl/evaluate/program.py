"""Evaluators that are programs in any language: `exec(command="...")`.

One line of JSON for each architecture, and one in answer:

    {"architecture": "...", "step": 3, "again": 0, "seed": 17}
    {"reward": 0.91, "latency": 3.2}          or {"failed": "memory", "message": "..."}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from archdsl.controllers.settings import check_command, within
from archdsl.evaluate.callables import numbers
from archdsl.evaluate.candidate import Candidate
from archdsl.evaluate.evaluator import Failed, Kind
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.talk import Garbled, Silent, Talk


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSettings:
    """`command` is started once and asked line by line. `timeout`: seconds for one answer, 0 for
    any time. `network`: the source of network.py goes with each architecture.
    """

    keyword: ClassVar[str] = "exec"

    command: str
    timeout: float = 0.0
    network: bool = False

    def __post_init__(self) -> None:
        within(self, 0, "timeout")
        check_command(self.keyword, self.command)

    def over(self, space: SearchSpace) -> Program:
        return Program(space, self)


class Program:
    """A program that is asked about architectures; where it ends, it is started for the next."""

    def __init__(self, space: SearchSpace, settings: ExecSettings) -> None:
        self.space = space
        self.settings = settings
        self.talk = Talk(settings.command, settings.timeout, again=True)

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        candidate = Candidate(self.space, architecture, step, again)
        message: dict[str, Any] = {
            "architecture": candidate.text,
            "step": step,
            "again": again,
            "seed": candidate.seed,
        }
        if self.settings.network:
            message["network"] = candidate.source
        try:
            answer = self.talk.ask(message)
        except Silent as problem:
            raise Failed("timeout", str(problem)) from None
        except Garbled as problem:
            raise Failed("error", str(problem)) from None
        if answer.get("failed") in get_args(Kind):
            raise Failed(answer["failed"], str(answer.get("message", "")))
        return numbers(answer)
