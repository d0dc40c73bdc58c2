"""The folder of a run: at work in it is one process at a time.

What is refused before it has begun leaves no trace: the corrected command may take the same folder.
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archdsl.run.ledger import read_ledger
from archdsl.syntax.errors import ArchError, fault

SETTINGS, CHECKPOINT, LEDGER = "settings.json", "checkpoint.safetensors", "ledger.sqlite"
FIRST = frozenset(
    {"lock", SETTINGS, "space.arch", "supernet.py", "network.py"}
    | {LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"}
)
"""What a run writes before its first step."""


@contextmanager
def run_folder(path: Path) -> Iterator[Path]:
    """The folder, made if needed and held by this process alone until the end.

    Raises ArchError E0805 while another process has it, E0806 where it cannot be written.
    The lock is the kernel's: it goes with the process, however that ends.
    """
    there = path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        before = {one.name for one in path.iterdir()}
        file = (path / "lock").open("w", encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise fault(
                "E0805",
                f"another process is at work in {path}",
                found=str(path),
                expected="a run that nobody else works on",
                hint="wait for it, or choose another folder with -o",
            ) from error
        for part in path.glob(".*.part"):  # what a killed process was writing
            part.unlink(missing_ok=True)
        try:
            yield path
        except ArchError:
            if SETTINGS not in before and not begun(path):
                _withdraw(path, before, there)
            raise


def begun(path: Path) -> bool:
    """Whether a run has come to its first step there, or one of its parts has been given a folder.

    What cannot be read counts as begun: nobody may replace it.
    """
    if (path / CHECKPOINT).exists() or any(path.glob(f"*/{SETTINGS}")):
        return True
    try:
        return (path / LEDGER).exists() and bool(read_ledger(path / LEDGER))
    except ArchError:
        return True


def _withdraw(path: Path, before: set[str], there: bool) -> None:
    """Take back what a run has written before its first step, and the folder if it made that."""
    with suppress(OSError):
        for name in FIRST - before:
            (path / name).unlink(missing_ok=True)
        if not there:
            path.rmdir()


def unwritable(path: Path, error: OSError) -> ArchError:
    """The error for a folder or file that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return fault(
        "E0806",
        f"{path} cannot be written: {error.strerror or error}",
        found=str(path),
        expected="room on the disk" if full else "a folder that may be written",
        hint="what was there is intact; the same command goes on from it",
    )
