"""Moving a table of the old shape (surrogate key, unique together) into the ledger.

Each row becomes a message of the event contract and goes the way of any other: decoded, judged,
stored, recognised as a duplicate, or kept in quarantine with the reason. So nothing is known here
of what a good entry is. Rows are taken in the order of their surrogate key, and how far that went
is written in the transaction that stores them: a move that is cut off goes on where it was.

`verify` reads the old table again, from its first row, and asks of each one whether the ledger
holds the same or the quarantine has it.
"""

from __future__ import annotations

import contextlib
import datetime
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import sql

from ingest import contract
from ingest.batch import BATCH_ENTRIES_MAX, Batch
from ingest.intake import Intake
from ingest.live import LiveStates
from ingest.sites import SiteRegistry
from ingest.sql import load
from ingest.store import store, verdicts_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ingest.store import Outcome

Connection = psycopg.AsyncConnection[Any]

_ROWS = load("adopt_rows")
_PROGRESS = load("adopt_progress")
_QUARANTINED = load("adopt_quarantined")
_DAY_TOTALS = load("adopt_day_totals")

#: What a table may say of an entry: the contract's own names.
_FIELDS = msgspec.structs.fields(contract.LedgerEntry)
FIELDS = tuple(one.name for one in _FIELDS)
REQUIRED_FIELDS = tuple(one.name for one in _FIELDS if one.required)
#: Rows of one transaction.
ROWS_PER_PIECE = BATCH_ENTRIES_MAX
#: How many days that do not agree are named.
FAULTS_SHOWN_MAX = 20


class AdoptionError(Exception):
    """The table cannot be moved, or was not moved whole; says why in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The old table or view, and which of its columns says what.

    `columns` maps `key` (the surrogate key), `site` (the site's code) and the contract's fields to
    columns, where those have other names; `constants` gives a field one value for all rows.
    """

    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Piece:
    """Rows that are moved, or verified, in one transaction."""

    keys: list[int]
    #: Topic and payload.
    messages: list[tuple[bytes, bytes]]


@dataclass(slots=True)
class DayAccount:
    """What became of a day's rows: how many there are, what they add up to, and where they are."""

    rows: int = 0
    amount: Decimal = Decimal(0)
    held: int = 0
    held_amount: Decimal = Decimal(0)
    quarantined: int = 0
    quarantined_amount: Decimal = Decimal(0)

    @property
    def is_whole(self) -> bool:
        """Whether count and sum of the old rows are those of the ledger and the quarantine."""
        return self.rows == self.held + self.quarantined and self.amount == (
            self.held_amount + self.quarantined_amount
        )


@dataclass(slots=True)
class Verification:
    """What `verify` saw."""

    rows: int = 0
    held: int = 0
    quarantined: int = 0
    #: Rows whose day and amount cannot be read; all of them have to be in quarantine.
    unreadable: int = 0
    #: The first keys that are in neither place.
    lost: list[int] = field(default_factory=list)
    lost_count: int = 0
    #: By site code and fiscal day.
    days: dict[tuple[str, datetime.date], DayAccount] = field(
        default_factory=lambda: defaultdict(DayAccount)
    )
    #: Days whose totals are not what their entries add up to.
    wrong_totals: list[tuple[str, datetime.date]] = field(default_factory=list)

    @property
    def faulty_days(self) -> list[tuple[str, datetime.date]]:
        """The days that were not moved whole, or are not added up right."""
        partial = {key for key, account in self.days.items() if not account.is_whole}
        return sorted(partial | set(self.wrong_totals))

    @property
    def is_clean(self) -> bool:
        """Whether every row is in the ledger or in quarantine and every day agrees."""
        return not self.lost_count and not self.faulty_days


class Adoption:
    """The move of one table, over one connection that is prepared for `ingest.store`."""

    def __init__(self, connection: Connection, source: Source) -> None:
        self._connection = connection
        self._source = source
        self._sites = SiteRegistry()
        self._intake = Intake(self._sites, LiveStates())
        self._known_months: set[tuple[int, int]] = set()
        self._select: sql.Composed | None = None

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep a second process from moving the same table at the same time."""
        ask = "SELECT pg_try_advisory_lock(hashtext('adoption'), hashtext(%s))"
        if not await self._value(ask, self._source.table):
            raise AdoptionError(f"Another process is moving {self._source.table} at this moment.")
        try:
            yield
        finally:
            await self._connection.execute(
                "SELECT pg_advisory_unlock(hashtext('adoption'), hashtext(%s))",
                [self._source.table],
            )

    async def prepare(self) -> int:
        """Find the columns. Returns how many rows wait. AdoptionError where it cannot be read."""
        self._select = await self._statement()
        await self._sites.load(self._connection)
        await self._connection.execute(
            "INSERT INTO adoption (source) VALUES (%s) ON CONFLICT DO NOTHING",
            [self._source.table],
        )
        count = sql.SQL("SELECT count(*) FROM {} WHERE {} > %s OR %s::bigint IS NULL").format(
            self._table, self._column("key")
        )
        after = await self._last_key()
        return int(await self._value(count, after, after))

    async def move(self, on_rows: Callable[[int], None]) -> dict[str, int]:
        """Move what is left. Returns the counts of this run; `on_rows` hears of each piece."""
        counts = dict.fromkeys(("rows", "stored", "duplicates", "quarantined"), 0)
        after = await self._last_key()
        while piece := await self._piece(after):
            after = piece.keys[-1]
            outcome = await self._store(piece)
            counts["rows"] += len(piece.keys)
            counts["stored"] += outcome.stored
            counts["duplicates"] += outcome.duplicates
            counts["quarantined"] += outcome.quarantined
            on_rows(len(piece.keys))
        return counts

    async def moved_count(self) -> int:
        """Return how many rows have been moved, in this run and before."""
        rows = await self._value("SELECT rows FROM adoption WHERE source = %s", self._source.table)
        return int(rows)

    async def verify(self, on_rows: Callable[[int], None]) -> Verification:
        """Account for each row of the table up to where it was moved."""
        found = Verification()
        last = await self._last_key()
        prefix = f'{{"adopted":"{self._source.table}/'.encode()
        await self._connection.execute("DROP TABLE IF EXISTS adopted_quarantine")
        await self._connection.execute(sql.SQL(_QUARANTINED).format(prefix=sql.Literal(prefix)))
        await self._connection.execute("CREATE INDEX ON adopted_quarantine (key)")
        after = None
        while last is not None and (piece := await self._piece(after)):
            after = piece.keys[-1]
            await self._account(piece, found, last)
            on_rows(len(piece.keys))
        await self._check_totals(found)
        if found.is_clean:
            await self._connection.execute(
                "UPDATE adoption SET verified_at = clock_timestamp() WHERE source = %s",
                [self._source.table],
            )
        return found

    # --- the old table --------------------------------------------------------------------------

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier(*self._source.table.split("."))

    def _column(self, name: str) -> sql.Identifier:
        default = "id" if name == "key" else name
        return sql.Identifier(self._source.columns.get(name, default))

    async def _statement(self) -> sql.Composed:
        """Return the statement that reads the table, from the columns that it has."""
        source = self._source
        try:
            async with self._connection.transaction():
                cursor = await self._connection.execute(
                    sql.SQL("SELECT * FROM {} LIMIT 0").format(self._table)
                )
        except psycopg.Error as error:
            raise AdoptionError(f"{source.table} cannot be read: {error}") from error
        types = {column.name: column.type_code for column in cursor.description or ()}
        self._check_names(types)
        fields: list[sql.Composable] = []
        for name in FIELDS:
            column = source.columns.get(name, name)
            if name in source.constants:
                value: sql.Composable = _constant(name, source.constants[name])
            elif column in types:
                value = sql.SQL("old.{}").format(sql.Identifier(column))
                if types[column] == psycopg.adapters.types["timestamp"].oid:
                    # A time without an offset is one of the site's own clock.
                    value = sql.SQL("({} AT TIME ZONE coalesce(site.timezone, 'UTC'))").format(
                        value
                    )
            else:
                continue
            fields.append(sql.SQL("{}, {}").format(sql.Literal(name), value))
        return sql.SQL(_ROWS).format(
            key=self._column("key"),
            site=self._column("site"),
            source=sql.Literal(source.table),
            fields=sql.SQL(", ").join(fields),
            table=self._table,
        )

    def _check_names(self, types: Mapping[str, int]) -> None:
        source = self._source
        known = {"key", "site", *FIELDS}
        for name in (*source.columns, *source.constants):
            if name not in known:
                raise AdoptionError(
                    f"{name} is no field of an entry; there are {', '.join(FIELDS)}."
                )
        for name in ("key", "site", *REQUIRED_FIELDS):
            column = source.columns.get(name, "id" if name == "key" else name)
            if name not in source.constants and column not in types:
                raise AdoptionError(
                    f"{source.table} has no column {column} for {name}; name it with "
                    f"--column {name}=COLUMN, or give all rows one value with "
                    f"--constant {name}=VALUE."
                )

    async def _last_key(self) -> int | None:
        row = await self._value(
            "SELECT last_key FROM adoption WHERE source = %s", self._source.table
        )
        return None if row is None else int(row)

    async def _piece(self, after: int | None) -> Piece | None:
        assert self._select is not None
        cursor = await self._connection.execute(
            self._select, {"after": after, "limit": ROWS_PER_PIECE}
        )
        rows = await cursor.fetchall()
        if not rows:
            return None
        return Piece(
            [key for key, _, _ in rows],
            [(topic.encode(), text.encode()) for _, topic, text in rows],
        )

    # --- moving ---------------------------------------------------------------------------------

    async def _batch(self, messages: list[tuple[bytes, bytes]]) -> Batch:
        batch = Batch()
        waiting = [(topic, payload, 0) for topic, payload in messages]
        taken = 0
        while taken < len(waiting):
            taken += self._intake.take(batch, 0.0, waiting[taken:])
        if batch.strangers:
            await self._sites.look_up(
                self._connection, {route.site_code for route, *_ in batch.strangers}
            )
            self._intake.settle_strangers(batch)
        for year, month in {(day.year, day.month) for _, day in batch.days} - self._known_months:
            await self._connection.execute(
                "SELECT entry_partition_ensure(%s)", [datetime.date(year, month, 1)]
            )
            self._known_months.add((year, month))
        return batch

    async def _store(self, piece: Piece) -> Outcome:
        batch = await self._batch(piece.messages)
        async with self._connection.transaction():
            outcome = await store(self._connection, batch)
            await self._connection.execute(
                _PROGRESS,
                {
                    "source": self._source.table,
                    "last_key": piece.keys[-1],
                    "rows": len(piece.keys),
                    "stored": outcome.stored,
                    "duplicates": outcome.duplicates,
                    "quarantined": outcome.quarantined,
                },
            )
        return outcome

    # --- verifying ------------------------------------------------------------------------------

    async def _account(self, piece: Piece, found: Verification, last: int) -> None:
        moved = sum(key <= last for key in piece.keys)
        keys, messages = piece.keys[:moved], piece.messages[:moved]
        if not keys:
            return
        cursor = await self._connection.execute(
            "SELECT key FROM adopted_quarantine WHERE key BETWEEN %s AND %s", [keys[0], keys[-1]]
        )
        quarantined = {key for (key,) in await cursor.fetchall()}
        # The decoder says which message each entry came from by its bytes, which hold the key.
        batch = await self._batch(messages)
        key_of = {payload: key for key, (_, payload) in zip(keys, messages, strict=True)}
        unread = set(keys)
        async with self._connection.transaction():
            verdicts = await verdicts_of(self._connection, batch)
        for (_, _, payload, _, _, entry), (route, *_), verdict in zip(
            batch.origins, batch.origins, verdicts, strict=True
        ):
            key = key_of[payload]
            unread.discard(key)
            account = found.days[route.site_code, entry.fiscal_day]
            account.rows += 1
            account.amount += entry.amount
            if verdict == "held":
                found.held += 1
                account.held += 1
                account.held_amount += entry.amount
            elif key in quarantined:
                found.quarantined += 1
                account.quarantined += 1
                account.quarantined_amount += entry.amount
            else:
                self._miss(found, key)
        for key in sorted(unread):
            found.unreadable += 1
            if key in quarantined:
                found.quarantined += 1
            else:
                self._miss(found, key)
        found.rows += len(keys)

    @staticmethod
    def _miss(found: Verification, key: int) -> None:
        found.lost_count += 1
        if len(found.lost) < FAULTS_SHOWN_MAX:
            found.lost.append(key)

    async def _check_totals(self, found: Verification) -> None:
        touched = [
            (self._sites.by_code[code].id, day)
            for code, day in found.days
            if code in self._sites.by_code
        ]
        cursor = await self._connection.execute(
            _DAY_TOTALS,
            {
                "site_ids": [site_id for site_id, _ in touched],
                "fiscal_days": [day for _, day in touched],
            },
        )
        found.wrong_totals = await cursor.fetchall()

    async def _value(self, statement: Any, *parameters: Any) -> Any:
        cursor = await self._connection.execute(statement, parameters)
        row = await cursor.fetchone()
        return row[0] if row else None


def _constant(name: str, text: str) -> sql.Composable:
    """Return a value as JSON of the field's type; AdoptionError when it is none."""
    (kind,) = (one.type for one in _FIELDS if one.name == name)
    try:
        value = msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise AdoptionError(f"{text!r} cannot be the {name} of all rows: {error}.") from error
    return sql.SQL("{}::json").format(sql.Literal(contract.encode(value).decode()))
