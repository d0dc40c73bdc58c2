"""Runs that end in the middle, as if they were killed: at a checkpoint, before or after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archdsl.run import running


class Killed(Exception):
    """The run ended here."""


def killed_at(
    monkeypatch: pytest.MonkeyPatch, number: int, run: Callable[[], object], *, saved: bool
) -> None:
    """A run that ends at its checkpoint of that number, which is written or is not."""
    save, count = running.save_checkpoint, 0

    def dies(path, checkpoint):
        nonlocal count
        count += 1
        if saved or count != number:
            save(path, checkpoint)
        if count == number:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(running, "save_checkpoint", dies)
        with pytest.raises(Killed):
            run()
