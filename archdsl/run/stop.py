"""Ctrl-C: the step in progress is finished and saved, then the run ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_open: list[Callable[[int], None]] = []
"""Who asked to be told, outermost first: a part of a run stops the whole."""


class Interrupted(KeyboardInterrupt):
    """The run was stopped by its user, after a checkpoint; its words say how to go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"stopped; everything is saved in {folder}, the same command goes on")


@contextmanager
def graceful() -> Iterator[Callable[[], bool]]:
    """A function that tells whether a stop was asked for. A second Ctrl-C stops at once.

    torchrun passes a Ctrl-C on as SIGTERM to processes that have had it: that is no second one.
    Within another one, both tell: what a part is too near its end to notice stops what it is of.

    Signals reach the main thread only; elsewhere the function always says no.
    """
    asked: list[int] = []

    def tell(number: int) -> None:
        asked.append(number)

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT in asked:
            raise KeyboardInterrupt
        for each in _open:
            each(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    _open.append(tell)
    try:
        yield lambda: bool(asked)
    finally:
        _open.pop()
        for number, handler in before.items():
            signal.signal(number, handler)
