"""Commands that torchrun starts in several processes: the first one speaks for all."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec

import typer

from archdsl.cli.command import FAILED, INTERRUPTED, Session
from archdsl.syntax.errors import ArchError

P = ParamSpec("P")

LOST = "E0880"
"""Another process ended: the one that did, or torchrun, says why."""


def processes() -> int:
    """How many torchrun started."""
    told = os.environ.get("WORLD_SIZE", "")
    return int(told) if told.isdecimal() and os.environ.get("RANK") else 1


def first() -> bool:
    """Whether this process speaks."""
    return processes() == 1 or os.environ.get("RANK") == "0"


def in_one_voice(
    command: Callable[Concatenate[Session, P], None],
) -> Callable[Concatenate[Session, P], None]:
    """Run a command so that the first process alone says what all of them know.

    What only one process knows, as files that it does not find, that one says.
    """

    @wraps(command)
    def run(session: Session, /, *given: P.args, **named: P.kwargs) -> None:
        if first():
            command(session, *given, **named)
            return
        try:
            command(replace(session, quiet=True), *given, **named)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except ArchError as error:
            if any(one.code != LOST for one in error.diagnostics):
                raise
            raise typer.Exit(FAILED) from None

    return run
