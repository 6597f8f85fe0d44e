"""The move, piece by piece. How far it went is written in the transaction that stores a piece.

So a move that is cut off goes on where it was, with the same columns as it began with.
"""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.types.json import Jsonb

from ingest.adoption.source import AdoptionError, Connection, Key, OldTable, Piece, Source
from ingest.batch import BATCH_ENTRIES_MAX, Batch
from ingest.intake import Intake
from ingest.live import LiveStates
from ingest.sites import SiteRegistry
from ingest.sql import load
from ingest.store import store
from ingest.topics import parse_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ingest.store import Outcome

_PROGRESS = load("adopt_progress")
_DISMISS = load("adopt_dismiss")
_FIRST_DAYS = load("adopt_first_days")

#: Rows of one transaction.
ROWS_PER_PIECE = BATCH_ENTRIES_MAX
#: A move stops when more of its rows than this share go to quarantine: then it is not the usual
#: dirt but a column that was taken for another.
QUARANTINE_PERCENT_MAX = Decimal(5)
#: Of fewer rows a share says nothing.
JUDGED_FROM_ROWS = 100


class _Dated(msgspec.Struct):
    """What tells from which fiscal day on a site's rows are wanted."""

    fiscal_day: datetime.date


_decode_dated = msgspec.json.Decoder(_Dated).decode


@dataclass(slots=True)
class Progress:
    """How far a table is moved; `last_key` is None before its first row."""

    last_key: Key | None
    rows: int
    stored: int
    duplicates: int
    quarantined: int


@dataclass(slots=True)
class Counts:
    """What one run moved."""

    rows: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)

    def add(self, rows: int, outcome: Outcome) -> None:
        """Add what became of a piece."""
        self.rows += rows
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.quarantined += outcome.quarantined
        for reason, count in outcome.quarantined_by_reason.items():
            self.by_reason[reason] = self.by_reason.get(reason, 0) + count


def is_too_much(rows: int, quarantined: int, percent_max: Decimal) -> bool:
    """Tell whether more rows go to quarantine than the usual dirt of an old table.

    Where none may, one is too much at once.
    """
    return quarantined * 100 > rows * percent_max and (rows >= JUDGED_FROM_ROWS or not percent_max)


class Adoption:
    """The move of one table, over one connection that is prepared for `ingest.store`."""

    def __init__(self, connection: Connection, table: OldTable) -> None:
        self.connection = connection
        self.table = table
        self.sites = SiteRegistry()
        self._intake = Intake(self.sites, LiveStates())
        #: By site code: the first fiscal day that a site got by this move.
        self.first_days: dict[str, datetime.date] = {}

    @property
    def source(self) -> Source:
        """The table's name, and which of its columns says what."""
        return self.table.source

    @property
    def prefix(self) -> bytes:
        """How the message of each row of this table begins; its key follows."""
        return f'{{"adopted":"{self.source.table}/'.encode()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep a second process from moving the same table at the same time."""
        ask = "SELECT pg_try_advisory_lock(hashtext('adoption'), hashtext(%s))"
        if not await self.value(ask, self.source.table):
            raise AdoptionError(f"Another process is moving {self.source.table} at this moment.")
        try:
            yield
        finally:
            await self.connection.execute(
                "SELECT pg_advisory_unlock(hashtext('adoption'), hashtext(%s))",
                [self.source.table],
            )

    async def progress(self) -> Progress | None:
        """Return how far the table is moved, None where it was never begun."""
        cursor = await self.connection.execute(
            "SELECT last_key, rows, stored, duplicates, quarantined, mapping "
            "FROM adoption WHERE source = %s",
            [self.source.table],
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        *figures, mapping = row
        if mapping and mapping != self.source.mapping:
            raise AdoptionError(
                f"{self.source.table} was begun with other columns: {_options(mapping)}. Give the "
                f"same to go on, or --start-over while nothing was stored."
            )
        return Progress(*figures)

    async def begin(self) -> None:
        """Write down that the table is being moved, and with which columns."""
        await self.connection.execute(
            "INSERT INTO adoption (source, mapping) VALUES (%s, %s) "
            "ON CONFLICT (source) DO UPDATE SET mapping = excluded.mapping",
            [self.source.table, Jsonb(self.source.mapping)],
        )

    async def start_over(self) -> int:
        """Forget how far the table was moved. Returns how many of its messages are dismissed.

        AdoptionError where any row became an entry: what is in the ledger stays there.
        """
        async with self.connection.transaction():
            cursor = await self.connection.execute(
                "DELETE FROM adoption WHERE source = %s RETURNING stored, duplicates",
                [self.source.table],
            )
            row = await cursor.fetchone()
            if row is not None and any(row):
                stored, duplicates = row
                raise AdoptionError(
                    f"{self.source.table} cannot be started over: {stored:,} of its rows became "
                    f"entries and {duplicates:,} were there already. Correct the entries instead."
                )
            cursor = await self.connection.execute(_DISMISS, {"prefix": self.prefix})
            return cursor.rowcount

    async def move(
        self,
        on_rows: Callable[[int], None],
        *,
        percent_max: Decimal = QUARANTINE_PERCENT_MAX,
    ) -> Counts:
        """Move what is left. Returns the counts of this run; `on_rows` hears of each piece.

        AdoptionError once more than `percent_max` of its rows went to quarantine.
        """
        await self.sites.load(self.connection)
        progress = await self.progress()
        after = progress.last_key if progress else None
        counts = Counts()
        while piece := await self.table.piece(self.connection, after, limit=ROWS_PER_PIECE):
            after = piece.keys[-1]
            counts.add(len(piece.keys), await self._store(piece))
            on_rows(len(piece.keys))
            if is_too_much(counts.rows, counts.quarantined, percent_max):
                raise AdoptionError(too_much(counts, percent_max))
        return counts

    async def batch(self, messages: list[tuple[bytes, bytes]]) -> Batch:
        """Decode messages into a batch, with the partitions that it needs."""
        batch = Batch()
        waiting = [(topic, payload, 0) for topic, payload in messages]
        taken = 0
        while taken < len(waiting):
            taken += self._intake.take(batch, 0.0, waiting[taken:])
        if batch.strangers:
            await self.sites.look_up(
                self.connection, {route.site_code for route, *_ in batch.strangers}
            )
            self._intake.settle_strangers(batch)
        for year, month in sorted({(day.year, day.month) for _, day in batch.days}):
            await self.connection.execute(
                "SELECT entry_partition_ensure(%s)", [datetime.date(year, month, 1)]
            )
        return batch

    async def begin_earlier(self, messages: list[tuple[bytes, bytes]]) -> None:
        """Move the first fiscal days of sites back to those of their rows, before any is judged.

        The rows are what somebody wants to move in. Where they do not follow, a day earlier than
        any entry does no harm.
        """
        earliest: dict[str, datetime.date] = {}
        for topic, payload in messages:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                day = _decode_dated(payload).fiscal_day
                code = parse_topic(topic).site_code
                site = self.sites.by_code.get(code)
                if site is not None and self.source.first_day <= day < site.first_day:
                    earliest[code] = min(day, earliest.get(code, day))
        if earliest:
            parameters = {"codes": list(earliest), "days": list(earliest.values())}
            await self.connection.execute(_FIRST_DAYS, parameters)
            await self.sites.look_up(self.connection, earliest, at_once=True)
            self.first_days |= earliest

    async def value(self, statement: Any, *parameters: Any) -> Any:
        """Return the one value that a query gives, None without a row."""
        cursor = await self.connection.execute(statement, parameters)
        row = await cursor.fetchone()
        return row[0] if row else None

    async def _store(self, piece: Piece) -> Outcome:
        await self.begin_earlier(piece.messages)
        batch = await self.batch(piece.messages)
        async with self.connection.transaction():
            outcome = await store(self.connection, batch)
            await self.connection.execute(
                _PROGRESS,
                {
                    "source": self.source.table,
                    "last_key": Jsonb(piece.keys[-1]),
                    "rows": len(piece.keys),
                    "stored": outcome.stored,
                    "duplicates": outcome.duplicates,
                    "quarantined": outcome.quarantined,
                },
            )
        return outcome


def too_much(counts: Counts, percent_max: Decimal) -> str:
    """Say that too many rows go to quarantine, and for which reasons."""
    reasons = ", ".join(
        f"{count:,} {reason}"
        for reason, count in sorted(counts.by_reason.items(), key=lambda item: -item[1])
    )
    return (
        f"{counts.quarantined:,} of {counts.rows:,} rows would not become entries ({reasons}); "
        f"more than {percent_max}% is not the usual dirt but a wrong column. See --dry-run. "
        f"--quarantine-max PERCENT allows more."
    )


def _options(mapping: dict[str, dict[str, str]]) -> str:
    given = [
        f"--{option} {name}={value}"
        for option, pairs in (("column", mapping["columns"]), ("constant", mapping["constants"]))
        for name, value in pairs.items()
    ]
    return " ".join(given) or "no --column and no --constant"
