"""A ledger whose rows are leased to workers, each to one at a time.

A lease holds while its worker beats, and for two beats at most after the last. What its worker
tells completes the row, once: of two that have it after another, the first.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archdsl.run.ledger import Entry, Ledger, connected, read_plainly, told_plainly

SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (
  step   INTEGER PRIMARY KEY,  -- the row of the ledger
  worker TEXT NOT NULL,
  since  REAL NOT NULL,        -- seconds since 1970
  until  REAL NOT NULL,
  tries  INTEGER NOT NULL      -- how often it was leased
) STRICT
"""

FREE = (
    "SELECT step, coalesce(tries, 0) FROM ledger LEFT JOIN leases USING (step) "
    "WHERE told IS NULL AND (until IS NULL OR until < ?) ORDER BY step LIMIT 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who has a row, and since when. `tries`: how often it was leased."""

    step: int
    worker: str
    since: float
    until: float
    tries: int


class LeasedLedger(Ledger):
    """The ledger as workers and their driver see it; every method is one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection, path)
        with told_plainly(), connection:
            connection.execute(SCHEMA)

    def take(self, worker: str, seconds: float) -> Entry | None:
        """Lease the first row that is not told and that nobody has; None where there is none."""
        now = time.time()
        with told_plainly(), self._connection as connection:
            if connection.execute(FREE, (now,)).fetchone() is None:  # no lock for idle workers
                return None
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute(FREE, (now,)).fetchone()
            if found is None:
                return None
            step, tries = found
            connection.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
                (step, worker, now, now + seconds, tries + 1),
            )
        return self.entry(step)

    def beat(self, worker: str, seconds: float) -> None:
        """What a worker has stays its own for so long."""
        with told_plainly(), self._connection as connection:
            connection.execute(
                "UPDATE leases SET until = ? WHERE worker = ?", (time.time() + seconds, worker)
            )

    def complete(
        self, worker: str, step: int, reward: float | None, detail: Mapping[str, Any]
    ) -> bool:
        """Tell the result of a row; whether it was the first, whoever has the lease meanwhile."""
        with told_plainly(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            told = connection.execute(
                "UPDATE ledger SET reward = ?, detail = ?, told = ? "
                "WHERE step = ? AND told IS NULL",
                (reward, json.dumps(detail, sort_keys=True), time.time(), step),
            )
            connection.execute("DELETE FROM leases WHERE step = ? AND worker = ?", (step, worker))
        return told.rowcount == 1

    def release(self, worker: str) -> None:
        """What a worker had is anybody's."""
        with told_plainly(), self._connection as connection:
            connection.execute("UPDATE leases SET until = 0 WHERE worker = ?", (worker,))

    def forget(self) -> None:
        """All leases are those of workers that are gone, and none was tried."""
        with told_plainly(), self._connection as connection:
            connection.execute("DELETE FROM leases")

    def leases(self) -> list[Lease]:
        """All that are there, also those that have run out."""
        with read_plainly(self._path):
            rows = self._connection.execute("SELECT step, worker, since, until, tries FROM leases")
            return [
                Lease(step=step, worker=worker, since=since, until=until, tries=tries)
                for step, worker, since, until, tries in rows
            ]

    def open_among(self, first: int, last: int) -> list[int]:
        """The steps from `first` to `last` that are not told."""
        query = "SELECT step FROM ledger WHERE told IS NULL AND step BETWEEN ? AND ?"
        with read_plainly(self._path):
            return [step for (step,) in self._connection.execute(query, (first, last))]


@contextmanager
def open_leased(path: Path) -> Iterator[LeasedLedger]:
    """The ledger in that file, with its leases; raises as `connected` does."""
    with connected(path) as connection:
        yield LeasedLedger(connection, path)
