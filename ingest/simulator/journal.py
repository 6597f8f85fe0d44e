"""What the simulated controllers keep on disk: their state, and all they have to have sent.

A message is written here, in one transaction with the state that follows from it, before it is
published; it counts as waiting until the broker has acknowledged it. So an outage, a lost broker
and a simulator that was killed are all the same case: what waits is sent afterwards. Messages
stay for a while so that they can be sent again when the console asks.

SQLite from the standard library, in WAL mode: a commit survives the process, and costs
microseconds, so it is made in the event loop.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

#: Rises when what is written changes its meaning.
FORMAT = 1
#: How many fiscal days are kept for a resend.
KEPT_DAYS = 30

_SCHEMA = """
CREATE TABLE IF NOT EXISTS site (code TEXT PRIMARY KEY, seed INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    lane TEXT NOT NULL,
    fiscal_day TEXT NOT NULL,
    sequence INTEGER,
    payload BLOB NOT NULL,
    waiting INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS message_waiting ON message (site, id) WHERE waiting;
CREATE UNIQUE INDEX IF NOT EXISTS message_entry ON message (site, fiscal_day, sequence)
    WHERE sequence IS NOT NULL;
"""


class JournalError(Exception):
    """The journal cannot be used. The message says why and what to do."""


class NewMessage(NamedTuple):
    """A message to keep. `sequence` is None for all but ledger entries."""

    lane: str
    fiscal_day: datetime.date
    sequence: int | None
    payload: bytes
    waiting: bool = True


class WaitingMessage(NamedTuple):
    """A message that the broker has not acknowledged."""

    id: int
    lane: str
    payload: bytes


class Journal:
    """The journal of a fleet. One process at a time: two would number entries twice."""

    def __init__(self, path: Path) -> None:
        #: Where the sites keep the seals that they are sent.
        self.seals_path = path.with_suffix(".seals.jsonl")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found not in {0, FORMAT}:
                raise JournalError(
                    f"{path} was written by another version (format {found}, not {FORMAT}). "
                    "Give another file with --state."
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {FORMAT}")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalError(f"Another simulator is using {path}.") from error
            raise JournalError(f"{path} cannot be opened: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{path} is no simulator state: {error}.") from error
        except OSError as error:
            raise JournalError(f"{path} cannot be opened: {error.strerror}.") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def state(self, site_code: str) -> tuple[int, bytes] | None:
        """Return a site's seed and state, None for a site that is new."""
        row: tuple[int, bytes] | None = self._db.execute(
            "SELECT seed, state FROM site WHERE code = ?", [site_code]
        ).fetchone()
        return row

    def keep(
        self, site_code: str, *, seed: int, state: bytes, messages: Iterable[NewMessage]
    ) -> None:
        """Write a site's state and the messages that led to it, all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO message (site, lane, fiscal_day, sequence, payload, waiting) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (site_code, m.lane, m.fiscal_day.isoformat(), m.sequence, m.payload, m.waiting)
                    for m in messages
                ),
            )
            self._db.execute(
                "INSERT INTO site (code, seed, state) VALUES (?, ?, ?) "
                "ON CONFLICT (code) DO UPDATE SET seed = excluded.seed, state = excluded.state",
                [site_code, seed, state],
            )
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def waiting(self, site_code: str, limit: int) -> list[WaitingMessage]:
        """Return what a site has to send, oldest first."""
        rows = self._db.execute(
            "SELECT id, lane, payload FROM message WHERE site = ? AND waiting ORDER BY id LIMIT ?",
            [site_code, limit],
        )
        return [WaitingMessage(*row) for row in rows]

    def acknowledged(self, messages: Sequence[WaitingMessage]) -> None:
        """Note that the broker has these."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "UPDATE message SET waiting = 0 WHERE id = ?", ((message.id,) for message in messages)
        )
        self._db.execute("COMMIT")

    def send_again(
        self, site_code: str, fiscal_day: datetime.date, ranges: Iterable[tuple[int, int]]
    ) -> int:
        """Let entries wait again, sent before or not. Returns how many there are of them."""
        self._db.execute("BEGIN IMMEDIATE")
        count = sum(
            self._db.execute(
                "UPDATE message SET waiting = 1 "
                "WHERE site = ? AND fiscal_day = ? AND sequence BETWEEN ? AND ?",
                [site_code, fiscal_day.isoformat(), first, last],
            ).rowcount
            for first, last in ranges
        )
        self._db.execute("COMMIT")
        return count

    def send_again_since(self, site_code: str, fiscal_day: datetime.date) -> int:
        """Let all that is kept of a fiscal day and later wait again. Returns how much that is."""
        return self._db.execute(
            "UPDATE message SET waiting = 1 "
            "WHERE site = ? AND fiscal_day >= ? AND lane <> 'alarms'",
            [site_code, fiscal_day.isoformat()],
        ).rowcount

    def forget_before(self, site_code: str, fiscal_day: datetime.date) -> None:
        """Drop what was acknowledged of days long past, so that the file stays small."""
        self._db.execute(
            "DELETE FROM message WHERE site = ? AND fiscal_day < ? AND NOT waiting",
            [site_code, fiscal_day.isoformat()],
        )
