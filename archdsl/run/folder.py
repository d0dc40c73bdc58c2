"""The folder of a run: at work in it is one process at a time."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archdsl.syntax.errors import ArchError, fault


@contextmanager
def run_folder(path: Path) -> Iterator[Path]:
    """The folder, made if needed and held by this process alone until the end.

    Raises ArchError E0805 while another process has it, E0806 where it cannot be written.
    The lock is the kernel's: it goes with the process, however that ends.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
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
        yield path


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
