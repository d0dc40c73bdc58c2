"""The same asked of many X: the lines of standard input are answered together as they come."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from archdsl.cli.command import FAILED, Session
from archdsl.cli.output import exit_code, input_batches, put, report
from archdsl.syntax.errors import ArchError

if TYPE_CHECKING:
    from archdsl.library import Found

Answer: TypeAlias = "Callable[[Sequence[Found]], Iterable[str]]"
"""The text to print for each of some architectures of one space."""

FEW = 32


def answer_each(session: Session, named: Iterable[str], answer: Answer) -> int:
    """Answer each X, and each line where one is `-`; the exit code.

    What is wrong is told and does not keep the rest from being answered.
    """
    worst = 0
    for name in named:
        if name == "-":
            worst = max(worst, _answer_lines(session, answer))
            continue
        try:
            found = session.library.find(name)
            found.require()
            put("".join(answer([found])))
        except ArchError as error:
            report(error, as_json=session.json)
            worst = max(worst, exit_code(error))
    return worst


def _answer_lines(session: Session, answer: Answer) -> int:
    worst = 0
    for batch in input_batches():
        if batch and batch[-1][0] >= FEW:
            gc.freeze()  # do not look for garbage in the spaces that are open: a sixth faster
        found: list[Found] = []
        for number, line in batch:
            try:
                one = session.library.string(line)
                one.require()
                found.append(one)
            except ArchError as error:
                worst = max(worst, told(session, error, number))
        for _, of_space in groupby(found, key=lambda one: id(one.space)):
            put("".join(answer(tuple(of_space))))
    return worst


def told(session: Session, error: ArchError, number: int) -> int:
    """Tell what is wrong with a line, with its number; the exit code."""
    report(error, as_json=session.json, before=f"line {number}: ")
    # A line is text of the user's, whatever it names: 1 unless archdsl itself failed.
    ours = any(diagnostic.code >= "E09" for diagnostic in error.diagnostics)
    return FAILED if exit_code(error) == FAILED and ours else 1
