"""Ctrl-C: the step in progress is finished and saved, then the run ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """The run was stopped by its user, after a checkpoint; its words say how to go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"stopped; everything is saved in {folder}, the same command goes on")


@contextmanager
def graceful() -> Iterator[Callable[[], bool]]:
    """A function that tells whether a stop was asked for. A second Ctrl-C stops at once.

    torchrun passes a Ctrl-C on as SIGTERM to processes that have had it: that is no second one.

    Signals reach the main thread only; elsewhere the function always says no.
    """
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if asked.count(signal.SIGINT) > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
