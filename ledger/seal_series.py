"""The series: every seal and the trail's heads, outside of the database, where it only grows.

A series is a file, or a folder of files, one for each day of UTC on which something was added
(`seals-2026-11-28.jsonl`). Each line is a JSON object:

    {"line": "seal", "event": link number of the event that records it, "site": code,
     "fiscal_day": …, "z_number": …, "seal": …, "previous_seal": …, "perpetual_total": …,
     "sealed_at": …, "document": SHA-256 of the sealed document as it is stored, "key": …,
     "signature": …, "trail_number": …, "trail_digest": …}
    {"line": "trail", "number": …, "digest": …, "at": …, "key": …, "signature": …}

A seal's signature is explained in `ledger.signing`, the trail in `ledger.trail`. A line of the
trail is its newest link when the lines before were added, so it covers all of them; what its key
signs is `["signed trail", 1, key, number, digest, at]`, written like the statement of a seal. An
authority may have stamped it with the time (`ledger.time_stamp`).

Adding is idempotent: what is behind the last line of the trail is added, and that line again only
if the trail has grown. A run that is killed leaves lines without that end, or part of a line: the
next one takes the part away and goes on behind the rest. Nothing is added where the ledger no
longer knows what the series ends with: its trail was shortened or made anew.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from ledger import signing
from ledger.services.transactions import durable
from ledger.sql import statement
from ledger.trail import HEAD, Head

SEAL_LINE, TRAIL_LINE, STAMP_LINE = "seal", "trail", "time_stamp"
#: Seals that one statement reads, and so what is held in memory.
SEALS_AT_ONCE = 1_000
#: The end of a file is looked for its last line of the trail in pieces of this size.
_PIECE_BYTES = 64 * 1024
_FILE_NAMES = "seals-{day}.jsonl"
_FILES = "seals-*.jsonl"

_SEALS = statement("series_seals")
_DIGEST = "SELECT digest FROM audit_link WHERE number = %(number)s"
_LINK = "SELECT audit_link_events(true)"

#: What a statement and its parameters are answered with.
Steps = Generator[tuple[str, dict[str, Any]], list[tuple[Any, ...]], "Added"]


class SeriesError(Exception):
    """Nothing can be added to a series, or it cannot be read. The message says why."""


@dataclass(frozen=True, slots=True)
class Added:
    """How many seals were added to a series, and the head that it ends with."""

    seals: int
    head: Head


def is_folder(path: Path) -> bool:
    """Say whether a series is a folder: one that is there, or a name without an ending."""
    return path.is_dir() or (not path.exists() and not path.suffix)


def has_series(path: Path) -> bool:
    """Say whether there is a series, even an empty one."""
    return bool(_files(path))


def _files(path: Path) -> list[Path]:
    """Return the files of a series, the oldest first."""
    return sorted(path.glob(_FILES)) if path.is_dir() else [path] if path.is_file() else []


def series_add(path: Path) -> Added:
    """Link the events that wait, and add to the series what is new. SeriesError if it cannot be."""
    with durable(), connection.cursor() as cursor:
        cursor.execute(_LINK)
    steps = adding(path, now=datetime.datetime.now(datetime.UTC))
    with connection.cursor() as cursor, contextlib.closing(steps):
        asked = next(steps)
        while True:
            cursor.execute(*asked)
            try:
                asked = steps.send(cursor.fetchall())
            except StopIteration as done:
                return done.value


def adding(path: Path, *, now: datetime.datetime) -> Steps:
    """Add to a series what is linked and not in it; yields what to ask of the database.

    Each statement may be a transaction of its own, since links never change. SeriesError if the
    series does not fit the ledger, or cannot be written.
    """
    with _locked(path) as file:
        end = _end_of(path)
        if end.head.number:
            known = yield _DIGEST, {"number": end.head.number}
            if not known or bytes(known[0][0]) != end.head.digest:
                raise SeriesError(
                    f"{path} ends with link {end.head.number} of the audit trail, which the ledger"
                    " does not hold: verify_ledger --against names what is missing. A ledger that"
                    " was restored from a backup wants a new series"
                )
        rows = yield HEAD, {}
        head = Head(rows[0][0], bytes(rows[0][1])) if rows else Head()
        if head.number <= end.head.number:
            return Added(0, end.head)
        after, added = end.head.number, 0
        while rows := (yield _SEALS, {"after": after, "to": head.number, "seals": SEALS_AT_ONCE}):
            after = rows[-1][0]
            lines = [line for row in rows if (line := _seal_line(row)) not in end.lines_behind]
            _write(file(now), lines)
            added += len(lines)
        _write(file(now), [_trail_line(head, now)])
        return Added(added, head)


def lines_append(path: Path, lines: list[bytes]) -> None:
    """Add lines of a site's own to its file, behind what a killed run left whole. SeriesError."""
    with _locked(path) as file:
        for one in _files(path):
            _take_part_away(one)
        _write(file(datetime.datetime.now(datetime.UTC)), lines)


def series_lines(path: Path) -> Iterator[tuple[Path, int, dict[str, Any] | None]]:
    """Yield each line with its file and number; None for one that is none.

    Part of a line at the very end is what a run was killed in, and left out. SeriesError for a file
    that cannot be read, or where there is none.
    """
    files = _files(path)
    if not files:
        raise SeriesError(f"{path} holds no series of seals")
    for one in files:
        try:
            with one.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if one == files[-1] and not line.endswith(b"\n"):
                        return
                    yield one, number, _read(line)
        except OSError as error:
            raise SeriesError(f"{one} cannot be read ({error.strerror})") from error


def head_to_stamp(path: Path) -> dict[str, Any] | None:
    """Return the last line of the trail of a series; None if it is stamped, or there is none."""
    told = next((told for told in _backwards(path) if told["line"] != SEAL_LINE), None)
    return told if told and told["line"] == TRAIL_LINE else None


def series_head(path: Path) -> Head:
    """Return the newest link that a series tells of. SeriesError if it cannot be read."""
    told = next((told for told in _backwards(path) if told["line"] == TRAIL_LINE), None)
    return Head(int(told["number"]), bytes.fromhex(told["digest"])) if told else Head()


def _backwards(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a series from its end, without reading what is before them."""
    try:
        for one in reversed(_files(path)):
            yield from (told for line in _lines_backwards(one) if (told := _read(line)))
    except OSError as error:
        raise SeriesError(f"{path} cannot be read ({error.strerror})") from error


def trail_statement(*, key_id: str, number: int, digest: str, at: str) -> bytes:
    """Return the line that is signed of a line of the trail."""
    line = ["signed trail", signing.VERSION, key_id, number, digest, at]
    return (json.dumps(line, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class _End:
    """How a series ends: its last line of the trail, and the lines that a killed run left."""

    head: Head
    lines_behind: frozenset[bytes]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[Any]:
    """Keep others from adding; yields what opens the file of a day."""
    opened: list[int] = []

    def file(now: datetime.datetime) -> int:
        if not opened:
            of_day = path / _FILE_NAMES.format(day=now.date()) if path.is_dir() else path
            opened.append(os.open(of_day, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))
        return opened[0]

    try:
        if is_folder(path):
            path.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDONLY)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield file
            for descriptor in opened:
                os.fsync(descriptor)
            os.fsync(lock)
        finally:
            for descriptor in (*opened, lock):
                os.close(descriptor)
    except OSError as error:
        raise SeriesError(f"{path} cannot be written ({error.strerror})") from error


def _end_of(path: Path) -> _End:
    """Read how a series ends; part of a line is taken away."""
    behind: list[bytes] = []
    for number, one in enumerate(reversed(_files(path))):
        if number == 0:
            _take_part_away(one)
        for line in _lines_backwards(one):
            told = _read(line)
            if told and told["line"] == TRAIL_LINE:
                head = Head(int(told["number"]), bytes.fromhex(told["digest"]))
                return _End(head, frozenset(behind))
            behind.append(line)
    return _End(Head(), frozenset(behind))


def _take_part_away(path: Path) -> None:
    last = next(_lines_backwards(path), b"")
    if last and not last.endswith(b"\n"):
        os.truncate(path, path.stat().st_size - len(last))


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file from its end, without reading what is before them."""
    with path.open("rb") as file:
        at, rest = file.seek(0, os.SEEK_END), b""
        while at:
            step = min(_PIECE_BYTES, at)
            at = file.seek(at - step)
            lines = (file.read(step) + rest).splitlines(keepends=True)
            rest = lines[0]
            yield from reversed(lines[1:])
        if rest:
            yield rest


def _read(line: bytes) -> dict[str, Any] | None:
    """Return a line of a series; None if it is none."""
    try:
        told = json.loads(line)
        if told["line"] in (TRAIL_LINE, STAMP_LINE):
            int(told["number"])
            bytes.fromhex(told["digest"])
            str(told["at"] + told["key"])
        elif told["line"] == SEAL_LINE:
            datetime.date.fromisoformat(told["fiscal_day"])
            bytes.fromhex(told["seal"])
            int(told["z_number"])
            str(told["site"])
    except (ValueError, TypeError, LookupError):
        return None
    return told


def _seal_line(row: tuple[Any, ...]) -> bytes:
    names = (
        *("event", "site", "fiscal_day", "z_number", "seal", "previous_seal"),
        *("perpetual_total", "sealed_at", "document", "key", "signature"),
        *("trail_number", "trail_digest"),
    )
    told = dict(zip(names, row, strict=True))
    number = told["z_number"] or ""
    told["z_number"] = int(number) if number.isdecimal() else None
    told["sealed_at"] = told["sealed_at"] and _written(told["sealed_at"])
    return line_of({"line": SEAL_LINE, **told})


def _trail_line(head: Head, now: datetime.datetime) -> bytes:
    at, digest = _written(now), head.digest.hex()
    key_id, signature = "", ""
    # Without a key, or one that can be read here, the line goes unsigned: the copy matters more.
    with contextlib.suppress(signing.SigningError):
        if newest := signing.newest_key():
            text = trail_statement(key_id=newest, number=head.number, digest=digest, at=at)
            key_id, signature = newest, signing.sign(newest, text).hex()
    told = {"number": head.number, "digest": digest, "at": at, "key": key_id}
    return line_of({"line": TRAIL_LINE, **told, "signature": signature})


def _written(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).isoformat()


def line_of(told: dict[str, Any]) -> bytes:
    """Return a line as a series has it."""
    return (json.dumps(told, ensure_ascii=False) + "\n").encode()


def _write(descriptor: int, lines: list[bytes]) -> None:
    data = memoryview(b"".join(lines))
    while data:
        data = data[os.write(descriptor, data) :]
