"""Progress on standard error: a bar on a terminal, nothing otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Advance(Protocol):
    """Tell the bar where the work is, and what it is at."""

    def __call__(self, done: int, note: str = "") -> None: ...


@contextmanager
def progress(title: str, total: int, *, quiet: bool) -> Iterator[Advance]:
    """A bar of `total` steps; silent when quiet, or when standard error is not a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda done, note="": None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(title, total=total, note="")

        def advance(done: int, note: str = "") -> None:
            bars.update(task, completed=done, note=note)

        yield advance
