"""Progress on standard error: a bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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

PACE = 30.0
"""Seconds between two plain lines, at least."""


class Advance(Protocol):
    """Tell the bar where the work is, and what it is at."""

    def __call__(self, done: int, note: str = "") -> None: ...


@contextmanager
def progress(
    title: str, total: int, *, quiet: bool, folder: Path | None = None
) -> Iterator[Advance]:
    """A bar of `total` steps, or lines where standard error is no terminal; silent when quiet.

    Rich prints a bar there only at its end. What works in a `folder` also says that it begins.
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda done, note="": None
        return
    if not console.is_terminal:
        yield _Lines(f"{title} in {folder}" if folder else title, total, begins=folder is not None)
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


class _Lines:
    """Plain lines, at most one in `PACE` seconds after the first."""

    def __init__(self, title: str, total: int, *, begins: bool) -> None:
        self.title = "".join(c if c.isprintable() else "?" for c in title)
        self.total = total
        self.began = self.told = time.monotonic()
        if begins:
            self._write(f"{self.title}: {total:,} steps")

    def __call__(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if now - self.told < PACE:
            return
        self.told = now
        said = f", {note}" if note else ""
        self._write(
            f"{self.title}: {done:,} of {self.total:,} after {now - self.began:.0f} s{said}"
        )

    def _write(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
