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

    Signals reach the main thread only; elsewhere the function always says no.
    """
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
