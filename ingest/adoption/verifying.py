"""Each row looked up where it should be, and the whole compared with the old table.

The old table is read again from its first row, and of each row it is asked whether the ledger
holds the same or the quarantine has it. That walk is the move's own, so its count and sum are then
compared with those of the old table as a whole.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from psycopg import sql

from ingest.adoption.moving import ROWS_PER_PIECE, Adoption
from ingest.adoption.source import KEY_CHARS_MAX, Account, Piece
from ingest.sql import load
from ingest.store import verdicts_of

_QUARANTINED = load("adopt_quarantined")
_DAY_TOTALS = load("adopt_day_totals")

#: How many rows or days that do not agree are named.
FAULTS_SHOWN_MAX = 20


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
    #: Of the rows that were read one by one.
    amount: Decimal = Decimal(0)
    held: int = 0
    quarantined: int = 0
    #: Rows whose day and amount cannot be read; all of them have to be in quarantine.
    unreadable: int = 0
    #: The first keys that are in neither place.
    lost: list[str] = field(default_factory=list)
    lost_count: int = 0
    #: By site code and fiscal day.
    days: dict[tuple[str, datetime.date], DayAccount] = field(
        default_factory=lambda: defaultdict(DayAccount)
    )
    #: Days whose totals are not what their entries add up to.
    wrong_totals: list[tuple[str, datetime.date]] = field(default_factory=list)
    #: The old table as a whole.
    whole: Account = field(default_factory=lambda: Account(0, Decimal(0), 0))
    is_added_up: bool = True

    @property
    def faulty_days(self) -> list[tuple[str, datetime.date]]:
        """The days that were not moved whole, or are not added up right."""
        partial = {key for key, account in self.days.items() if not account.is_whole}
        return sorted(partial | set(self.wrong_totals))

    @property
    def is_complete(self) -> bool:
        """Whether the rows read one by one are all that the table has."""
        return self.rows == self.whole.rows and (
            not self.is_added_up or self.amount == self.whole.amount
        )

    @property
    def is_clean(self) -> bool:
        """Whether every row is in the ledger or in quarantine and every day agrees."""
        return self.is_complete and not self.lost_count and not self.faulty_days


class Verifying:
    """The check of one move."""

    def __init__(self, adoption: Adoption) -> None:
        self._adoption = adoption
        self._connection = adoption.connection
        self._table = adoption.table

    async def verify(self, on_rows: Callable[[int], None]) -> Verification:
        """Account for each row of the table up to where it was moved."""
        found = Verification(is_added_up=self._table.is_added_up)
        progress = await self._adoption.progress()
        last = progress.last_key if progress else None
        if progress is None or last is None:
            return found
        await self._adoption.sites.load(self._connection)
        await self._connection.execute("DROP TABLE IF EXISTS adopted_quarantine")
        await self._connection.execute(
            sql.SQL(_QUARANTINED).format(
                prefix=sql.Literal(self._adoption.prefix), key_chars=sql.Literal(KEY_CHARS_MAX)
            )
        )
        await self._connection.execute("CREATE INDEX ON adopted_quarantine (key)")
        # Read as far as the move was: rows that came behind it are not missed.
        left, after = progress.rows, None
        while left > 0 and (
            piece := await self._table.piece(
                self._connection, after, limit=min(left, ROWS_PER_PIECE)
            )
        ):
            after = piece.keys[-1]
            left -= len(piece.keys)
            await self._account(piece, found)
            on_rows(len(piece.keys))
        found.whole = await self._table.account(self._connection, last)
        await self._check_totals(found)
        if found.is_clean:
            await self._connection.execute(
                "UPDATE adoption SET verified_at = clock_timestamp() WHERE source = %s",
                [self._adoption.source.table],
            )
        return found

    async def _account(self, piece: Piece, found: Verification) -> None:
        # The decoder says which message each entry came from by its bytes, which hold the key.
        name_of = {payload: _name(payload, self._adoption.prefix) for _, payload in piece.messages}
        names = list(name_of.values())
        cursor = await self._connection.execute(
            "SELECT key FROM adopted_quarantine WHERE key = ANY(%s)", [names]
        )
        quarantined = {key for (key,) in await cursor.fetchall()}
        batch = await self._adoption.batch(piece.messages)
        unread = dict.fromkeys(names)
        async with self._connection.transaction():
            verdicts = await verdicts_of(self._connection, batch)
        for (route, _, payload, _, _, entry), verdict in zip(batch.origins, verdicts, strict=True):
            name = name_of[payload]
            unread.pop(name, None)
            account = found.days[route.site_code, entry.fiscal_day]
            account.rows += 1
            account.amount += entry.amount
            if verdict == "held":
                found.held += 1
                account.held += 1
                account.held_amount += entry.amount
            elif name in quarantined:
                found.quarantined += 1
                account.quarantined += 1
                account.quarantined_amount += entry.amount
            else:
                _miss(found, name)
        for name in unread:
            found.unreadable += 1
            if name in quarantined:
                found.quarantined += 1
            else:
                _miss(found, name)
        found.rows += len(piece.keys)
        found.amount += sum((one for one in piece.amounts if one is not None), Decimal(0))

    async def _check_totals(self, found: Verification) -> None:
        sites = self._adoption.sites.by_code
        touched = [(sites[code].id, day) for code, day in found.days if code in sites]
        cursor = await self._connection.execute(
            _DAY_TOTALS,
            {
                "site_ids": [site_id for site_id, _ in touched],
                "fiscal_days": [day for _, day in touched],
            },
        )
        found.wrong_totals = await cursor.fetchall()


def _name(payload: bytes, prefix: bytes) -> str:
    """Return the key as the message tells it."""
    return payload[len(prefix) : payload.index(b'"', len(prefix))].decode()


def _miss(found: Verification, name: str) -> None:
    found.lost_count += 1
    if len(found.lost) < FAULTS_SHOWN_MAX:
        found.lost.append(name)


def what_is_wrong(found: Verification) -> str:
    """Say in sentences what does not agree."""
    parts = []
    if not found.is_complete:
        said = f"the table has {found.whole.rows:,} rows and {found.rows:,} were read one by one"
        if found.is_added_up:
            said += f", with sums of {found.whole.amount:,} and {found.amount:,}"
        parts.append(f"The table and the move do not agree: {said}.")
    if found.lost_count:
        more = " and more" if found.lost_count > len(found.lost) else ""
        parts.append(
            f"{found.lost_count} rows are neither in the ledger nor in quarantine: "
            f"{', '.join(found.lost)}{more}."
        )
    if days := found.faulty_days:
        named = ", ".join(f"{code} {day}" for code, day in days[:FAULTS_SHOWN_MAX])
        more = " and more" if len(days) > FAULTS_SHOWN_MAX else ""
        parts.append(f"{len(days)} days do not agree: {named}{more}.")
    return " ".join(parts)
