"""The ledger: every string asked, in order, with what was told about it.

An SQLite file in WAL mode, synced at every commit. A row is written when a string is asked and
completed when its result is told; both happen once. After a crash the work goes on from a
checkpoint and asks again: rows that are there are checked and their results used, so nothing
is lost and nothing stands twice.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from typing import Any

from archdsl.run.rows import sound
from archdsl.syntax.errors import ArchError, fault

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
  step   INTEGER PRIMARY KEY,  -- 0, 1, 2, ... without gaps
  epoch  INTEGER NOT NULL,     -- the outer epoch; with an evaluator, how often it was asked before
  kind   TEXT NOT NULL,        -- train, search, derive, final, measure or judge
  text   TEXT NOT NULL,        -- the architecture
  reward REAL,                 -- accuracy, 0 to 1; NULL where none is told (yet)
  detail TEXT,                 -- what else was measured, as JSON
  asked  REAL NOT NULL,        -- seconds since 1970
  told   REAL
) STRICT
"""
SESSIONS = """
CREATE TABLE IF NOT EXISTS sessions (
  began REAL PRIMARY KEY  -- seconds since 1970
) STRICT
"""

PATIENCE = 60.0
"""Seconds to wait while another process writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row, without its times."""

    step: int
    epoch: int
    kind: str
    text: str
    reward: float | None = None
    detail: Mapping[str, Any] | None = None


class Ledger:
    """The ledger of one run. Use `open_ledger`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def ask(self, step: int, epoch: int, kind: str, text: str) -> Entry:
        """Note that a string is asked at this step, or find that it was.

        Raises ArchError E0808 where the ledger remembers another string: the run was made by
        another version, or on a machine that computes otherwise.
        """
        asked = Entry(step=step, epoch=epoch, kind=kind, text=text)
        known = self.entry(step)
        if known is None:
            with told_plainly(), self._connection:
                self._connection.execute(
                    "INSERT INTO ledger (step, epoch, kind, text, asked) VALUES (?, ?, ?, ?, ?)",
                    (step, epoch, kind, text, time.time()),
                )
            return asked
        if (known.epoch, known.kind, known.text) != (epoch, kind, text):
            raise fault(
                "E0808",
                f"the ledger does not fit this run at step {step}",
                found=f"{known.kind} {known.text}",
                expected=f"{kind} {text}",
                hint="another version or machine made it; start a new run with -o",
            )
        return known

    def tell(
        self, step: int, reward: float | None, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Complete the row of a step; a string that was only trained has no reward."""
        noted = json.dumps(detail, sort_keys=True) if detail is not None else None
        with told_plainly(), self._connection:
            self._connection.execute(
                "UPDATE ledger SET reward = ?, detail = ?, told = ? WHERE step = ?",
                (reward, noted, time.time(), step),
            )

    def entry(self, step: int) -> Entry | None:
        return next(self._read("WHERE step = ?", step), None)

    def begun(self) -> bool:
        """Whether whoever makes the file has come as far as its tables."""
        query = "SELECT 1 FROM sqlite_schema WHERE name = 'ledger'"
        return self._connection.execute(query).fetchone() is not None

    def entries(self) -> tuple[Entry, ...]:
        """All rows in order."""
        return tuple(self._read("ORDER BY step"))

    def seconds(self) -> float:
        """Time that sessions took, each from its beginning to the last row that it told."""
        with read_plainly(self._path):
            told = [row[0] for row in self._connection.execute("SELECT told FROM ledger") if row[0]]
            sessions = self._connection.execute("SELECT began FROM sessions ORDER BY began")
            total = 0.0
            for began, following in pairwise([*(began for (began,) in sessions), inf]):
                last = max((one for one in told if began < one < following), default=began)
                total += last - began
            if not isfinite(total):
                raise ValueError("its times mean nothing")
        return total

    def begin(self) -> None:
        """Note that somebody goes on with the run now."""
        with told_plainly(), self._connection:
            self._connection.execute("INSERT OR IGNORE INTO sessions VALUES (?)", (time.time(),))

    def check(self, rows: int) -> None:
        """Raise ArchError E0808 where there are fewer rows than a checkpoint knows of."""
        with read_plainly(self._path):
            ((count,),) = self._connection.execute("SELECT count(*) FROM ledger")
        if count < rows:
            raise fault(
                "E0808",
                "the ledger does not fit this run: it has lost rows",
                found=str(count),
                expected=f"at least {rows}, which the checkpoint knows of",
                hint="another file was put there; start a new run with -o",
            )

    def _read(self, rest: str, *values: int) -> Iterator[Entry]:
        query = f"SELECT step, epoch, kind, text, reward, detail FROM ledger {rest}"
        with read_plainly(self._path):
            for step, epoch, kind, text, reward, detail in self._connection.execute(query, values):
                entry = Entry(
                    step=step,
                    epoch=epoch,
                    kind=kind,
                    text=text,
                    reward=reward,
                    detail=json.loads(detail) if detail is not None else None,
                )
                if not sound(entry):
                    raise ValueError(f"its row {step} means nothing")
                yield entry


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """The file of a ledger, made if it is not there. Raises ArchError E0806, E0807.

    Several processes may have it open: each waits while another writes.
    """
    with told_plainly(path):
        connection = sqlite3.connect(path, timeout=PATIENCE)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(SCHEMA)
            connection.execute(SESSIONS)
        except sqlite3.Error:
            connection.close()
            raise
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """The ledger in that file; raises as `connected` does."""
    with connected(path) as connection:
        yield Ledger(connection, path)


def read_ledger(path: Path) -> tuple[Entry, ...]:
    """All rows of a ledger, also while a run is writing it. Raises ArchError E0807."""
    with reading(path) as ledger:
        return ledger.entries() if ledger.begun() else ()


def copied(path: Path) -> bytes:
    """The content of a file with the same rows. Raises ArchError E0806, E0807."""
    with connected(path) as connection, told_plainly(path):
        return connection.serialize()


@contextmanager
def reading(path: Path) -> Iterator[Ledger]:
    """The ledger in that file, which may be where nothing can be written, to read from.

    Raises ArchError E0807 where it is missing or not what archdsl wrote.
    """
    if not path.is_file():
        raise fault("E0807", f"there is no ledger at {path}", found=str(path), expected="a run")
    # Without a log beside it nobody writes, and SQLite need not prepare for it.
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    address = f"{path.resolve().as_uri()}?mode=ro{alone}"
    try:
        with closing(sqlite3.connect(address, timeout=PATIENCE, uri=True)) as connection:
            yield Ledger(connection, path)
    except (sqlite3.Error, ValueError) as error:  # ValueError: no JSON where JSON was written
        raise _broken(error, path) from error


@contextmanager
def told_plainly(path: Path | None = None) -> Iterator[None]:
    """SQLite's errors as ours: a full disk, a folder without rights, another kind of file."""
    try:
        yield
    except sqlite3.Error as error:
        raise _plain(error, path) from error


@contextmanager
def read_plainly(path: Path) -> Iterator[None]:
    """The errors of rows that are not there, or that archdsl has not written so, as ours."""
    try:
        yield
    except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
        raise _broken(error, path) from error


def _plain(error: sqlite3.Error, path: Path | None) -> ArchError:
    if isinstance(error, sqlite3.OperationalError):
        return fault(
            "E0806",
            f"the ledger cannot be written: {error}",
            found=str(path or "ledger.sqlite"),
            expected="room on the disk, in a folder that may be written",
            hint="what was there is intact; the same command goes on from it",
        )
    return _broken(error, path)


def _broken(error: Exception, path: Path | None) -> ArchError:
    return fault(
        "E0807",
        f"the ledger cannot be read: {error}",
        found=str(path or "ledger.sqlite"),
        expected="an SQLite file that archdsl wrote",
        hint="move it away to begin anew",
    )
