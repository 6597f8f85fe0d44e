"""One batch, one transaction: entries, events, quarantine, and all that is added up from them.

After `store` returns, every message of the batch has its outcome in the database and may be
acknowledged; where the caller has a transaction open, once that is committed. If it raises, nothing
of the batch is there and it can be stored again.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.types.json import Jsonb

from ingest import contract
from ingest.batch import Forgotten, Rejection, rejection
from ingest.database import DATA_ERRORS
from ingest.decode import INVALID, items_of
from ingest.rows import Row, csv_of, entry_row
from ingest.sql import load
from ingest.totals import Additions, DayAdditions
from ledger.models.entry import EntryFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection, Error

    from ingest.batch import Batch, Event
    from ingest.contract import LedgerEntry

_COPY_ENTRIES = load("copy_entries")
_COPY_STAGED = load("copy_staged")
_INSERT_STAGED = load("insert_staged")
_CLASSIFY_STAGED = load("classify_staged")
_LOCK_DAYS = load("lock_days")
_MAKE_DAYS = load("make_days")
_NOZZLE_METERS = load("nozzle_meters")
_QUARANTINE = load("quarantine")
_DAY_OPENED = load("day_opened")
_DAY_CLOSED = load("day_closed")
_DELIVERY = load("delivery")
_ALARM = load("alarm")
_STATUS = load("status")

#: What is known of a status that was forgotten.
_NO_STATUS = {"online": None, "controller": "", "at": None, "since": None}
_MANUAL = {"manual": int(EntryFlag.MANUAL)}

#: Meters count in hundredths of a litre.
METER_TOLERANCE = Decimal("0.010")

CONFLICT = "conflicting_duplicate"
SEALED = "day_sealed"


@dataclasses.dataclass(slots=True)
class Outcome:
    """What became of a batch's entries and events."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    quarantined_by_reason: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class _Day:
    """A fiscal day as its locked row showed it, and as this transaction goes on with it."""

    sealed: bool
    count: int
    highest: int
    opening_digest: bytes | None
    closing_digest: bytes | None
    #: What the entries being stored add to it.
    additions: DayAdditions | None = None


_Days = dict[tuple[int, datetime.date], _Day]
#: (site, fiscal day, fuelling point, nozzle) to where its meter stood after the newest entry.
_Meters = dict[tuple[int, datetime.date, int, int], Decimal | None]


async def store(connection: AsyncConnection[Any], batch: Batch) -> Outcome:
    """Store a batch in one transaction. psycopg errors pass through, with nothing stored.

    An entry or event that PostgreSQL itself refuses costs only itself: the batch is then stored
    again with a savepoint around ever smaller parts, and what is left over is quarantined.
    """
    try:
        return await _Transaction(connection, batch).run()
    except DATA_ERRORS:
        return await _CarefulTransaction(connection, batch).run()


async def verdicts_of(connection: AsyncConnection[Any], batch: Batch) -> list[str]:
    """Return how the ledger stands to each entry of a batch, in their order; nothing is stored.

    `held` when it has the same, `conflict` when it has another of that key, else `sealed`. In the
    caller's transaction.
    """
    if not batch.rows:
        return []
    async with connection.cursor() as cursor, cursor.copy(_COPY_STAGED) as copy:
        await copy.write(csv_of([(place, *row) for place, row in enumerate(batch.rows)]))
    cursor = await connection.execute(_CLASSIFY_STAGED, _MANUAL)
    return [verdict for _, verdict in sorted(await cursor.fetchall())]


class _DaysMissingError(Exception):
    """Not all days of the batch are there yet, so those that are could not be locked in order."""


class _Transaction:
    """The plain way: everything at once."""

    def __init__(self, connection: AsyncConnection[Any], batch: Batch) -> None:
        self.connection = connection
        self.batch = batch
        self.received_at = batch.received_at
        self.outcome = Outcome()
        # A copy: a transaction that fails must leave the batch as it was.
        self.rejections = {
            digest: dataclasses.replace(rejected) for digest, rejected in batch.rejections.items()
        }
        self.days: _Days = {}
        self.meters: _Meters = {}
        self.is_metered = any(day.is_metered for day in batch.days.values())

    async def run(self) -> Outcome:
        try:
            await self._store()
        except _DaysMissingError:
            # The locks that were had are given back: more of them would be out of order.
            async with self.connection.transaction():
                await self.connection.execute(_MAKE_DAYS, self._wanted_days())
                await self._store()
        return self.outcome

    async def _store(self) -> None:
        async with self.connection.transaction():
            if self.batch.days:
                self.days = await self.lock_days()
                if len(self.days) < len(self.batch.days):
                    raise _DaysMissingError
            if self.is_metered:
                self.meters = await self.read_meters()
            if self.batch.rows:
                await self.store_entries()
            for event in sorted(self.batch.events, key=_order_of):
                await self.store_event(event)
            if self.rejections:
                await self.quarantine()

    def _wanted_days(self) -> dict[str, Any]:
        wanted = sorted(self.batch.days)
        return {
            "site_ids": [site_id for site_id, _ in wanted],
            "fiscal_days": [fiscal_day for _, fiscal_day in wanted],
        }

    async def lock_days(self) -> _Days:
        rows = await self._fetch_all(_LOCK_DAYS, self._wanted_days())
        return {(site_id, fiscal_day): _Day(*columns) for site_id, fiscal_day, *columns in rows}

    async def read_meters(self) -> _Meters:
        site_ids = {site_id for (site_id, _), day in self.batch.days.items() if day.is_metered}
        rows = await self._fetch_all(_NOZZLE_METERS, {"site_ids": list(site_ids)})
        return {tuple(key): totalizer for *key, totalizer in rows}

    async def store_entries(self, places: Sequence[int] | None = None) -> None:
        """Store the entries at these places of the batch, and what they add to the totals.

        An entry above its day's highest sequence cannot be there yet, since the day is locked:
        it is copied straight into the ledger. Of the others PostgreSQL finds out what they are.
        Without places it is all entries, of which nearly always whole days are above at once.
        """
        additions = Additions()
        fresh: list[Row] = []
        doubtful: list[int] = []
        if places is None:
            fresh, places = self._take_whole_days(additions)
        for place in places:
            _, site, _, _, _, entry = self.batch.origins[place]
            day = self.days[site.id, entry.fiscal_day]
            if day.sealed or entry.sequence <= day.highest:
                doubtful.append(place)
                continue
            fresh.append(self._row(place, day))
            day.count += 1
            day.highest = entry.sequence
            if day.additions is None:
                day.additions = additions.of(site, entry.fiscal_day)
            day.additions.add(entry)
        if fresh:
            await self._copy(_COPY_ENTRIES, fresh)
            self.outcome.stored += len(fresh)
        if doubtful:
            await self._store_doubtful(doubtful, additions)
        if additions.days:
            await additions.write(self.connection, self.received_at)
            for day in self.days.values():
                day.additions = None

    def _take_whole_days(self, additions: Additions) -> tuple[list[Row], list[int]]:
        """Return the rows of the days whose entries are all new, and the places of all others.

        What those days' entries add is known already: it was summed up as they were decoded.
        """
        rows = self.batch.rows
        others: list[int] = []
        for key, taken in self.batch.days.items():
            day = self.days[key]
            if day.sealed or not taken.follow(day.highest):
                others += taken.places
                continue
            if taken.is_metered:
                rows = rows.copy() if rows is self.batch.rows else rows
                for place in taken.places:
                    rows[place] = self._row(place, day)
                    day.count += 1
                    day.highest = self.batch.origins[place][-1].sequence
            elif taken.places:
                day.count += len(taken.places)
                day.highest = taken.additions.highest
            if taken.places:
                additions.days[key] = taken.additions
        if others:
            left_out = set(others)
            rows = [row for place, row in enumerate(rows) if place not in left_out]
        return rows, sorted(others)

    def _row(self, place: int, day: _Day) -> Row:
        """Return a new entry's row, flagged if its meter jumped."""
        _, site, _, _, flags, entry = self.batch.origins[place]
        if self.is_metered and self._jumps(site.id, day, entry):
            flags |= EntryFlag.TOTALIZER_JUMP
            return entry_row(site.id, entry, int(flags), str(self.received_at))
        return self.batch.rows[place]

    def _jumps(self, site_id: int, day: _Day, entry: LedgerEntry) -> bool:
        """Tell whether the nozzle's meter moved by something else than the volume sold.

        It is judged only where the sale before it on the nozzle is certain: the day has no gap
        so far, and this entry continues it without one.
        """
        if entry.fuelling_point is None or entry.nozzle is None:
            return False
        key = (site_id, entry.fiscal_day, entry.fuelling_point, entry.nozzle)
        before = self.meters.get(key)
        self.meters[key] = entry.totalizer
        follows = day.count == day.highest == entry.sequence - 1
        if not follows or before is None or entry.totalizer is None or entry.kind == "refund":
            return False
        moved = entry.totalizer - before
        return abs(moved - (entry.volume or 0)) > METER_TOLERANCE

    async def _copy(self, statement: str, rows: list[Row]) -> None:
        async with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            await copy.write(csv_of(rows))

    async def _store_doubtful(self, places: list[int], additions: Additions) -> None:
        """Insert those of the entries whose key is free, and find out what the others are."""
        await self._copy(_COPY_STAGED, [(place, *self.batch.rows[place]) for place in places])
        by_key: dict[tuple[int, datetime.date, int], int] = {}
        for place in places:
            _, site, _, _, _, entry = self.batch.origins[place]
            by_key.setdefault((site.id, entry.fiscal_day, entry.sequence), place)
        inserted = await self._fetch_all(_INSERT_STAGED, {})
        for key in inserted:
            _, site, _, _, _, entry = self.batch.origins[by_key[key]]
            day = self.days[site.id, entry.fiscal_day]
            day.count += 1
            day.highest = max(day.highest, entry.sequence)
            additions.of(site, entry.fiscal_day).add(entry)
            if entry.fuelling_point is not None and entry.nozzle is not None:
                # Where its meter stood is the newest word perhaps, and perhaps not.
                self.meters.pop((*key[:2], entry.fuelling_point, entry.nozzle), None)
        self.outcome.stored += len(inserted)
        if len(inserted) < len(places):
            self._sort_out(await self._fetch_all(_CLASSIFY_STAGED, _MANUAL), len(inserted))

    def _sort_out(self, verdicts: list[tuple[int, str]], stored: int) -> None:
        held = 0
        for n, verdict in verdicts:
            if verdict == "held":
                held += 1
                continue
            entry = self.batch.origins[n][-1]
            if verdict == "conflict":
                reason = CONFLICT
                detail = f"the ledger holds another entry {entry.sequence} of {entry.fiscal_day}"
            else:
                reason, detail = SEALED, f"the fiscal day {entry.fiscal_day} is sealed"
            self.reject_entry(n, reason, detail)
        self.outcome.duplicates += held - stored

    def reject_entry(self, place: int, reason: str, detail: str) -> None:
        route, site, raw, item_index, _, entry = self.batch.origins[place]
        if item_index is not None:
            raw = items_of(raw)[item_index]
        rejected = rejection(route, reason, detail, raw, site_id=site.id, item_index=item_index)
        rejected.fiscal_day = entry.fiscal_day
        rejected.sequence = entry.sequence
        self.reject(rejected)

    async def store_event(self, event: Event) -> None:
        value = event.value
        if isinstance(value, contract.DayOpened | contract.DayClosed):
            verdict = await self._declare_day(event, value)
        elif isinstance(value, contract.Status):
            parameters = self._event_parameters(event, controller="")
            await self.connection.execute(_STATUS, {**parameters, "since": event.received_at})
            return
        elif isinstance(value, Forgotten):
            await self.connection.execute(_STATUS, {**_NO_STATUS, **self._receipt(event)})
            return
        elif isinstance(value, contract.Delivery):
            verdict = await self._verdict(_DELIVERY, event, document="")
        else:
            verdict = await self._verdict(_ALARM, event, severity="", text="")
        if verdict == "new":
            self.outcome.stored += 1
        elif verdict == "held":
            self.outcome.duplicates += 1
        else:
            self._reject_event(event, verdict)

    async def _verdict(self, statement: str, event: Event, **absent: str) -> str:
        rows = await self._fetch_all(statement, self._event_parameters(event, **absent))
        return str(rows[0][0])

    def _event_parameters(self, event: Event, **absent: str) -> dict[str, Any]:
        """Return the event's fields; those of `absent` take its value where they are None."""
        fields = msgspec.structs.asdict(event.value)
        for name, value in absent.items():
            if fields[name] is None:
                fields[name] = value
        return {**fields, **self._receipt(event)}

    def _receipt(self, event: Event) -> dict[str, Any]:
        return {"site_id": event.site_id, "received_at": event.received_at}

    async def _declare_day(self, event: Event, day: contract.DayOpened | contract.DayClosed) -> str:
        digest = hashlib.sha256(contract.encode(day)).digest()
        known = self.days[event.site_id, day.fiscal_day]
        is_opening = isinstance(day, contract.DayOpened)
        declared = known.opening_digest if is_opening else known.closing_digest
        if declared is not None:
            return "held" if declared == digest else "conflict"
        if known.sealed:
            return "sealed"
        parameters = self._event_parameters(event) | {"digest": digest}
        for name in ("totalizers", "dips", "totals"):
            if hasattr(day, name):
                parameters[name] = Jsonb(getattr(day, name), dumps=contract.encode)
        await self.connection.execute(_DAY_OPENED if is_opening else _DAY_CLOSED, parameters)
        if is_opening:
            known.opening_digest = digest
        else:
            known.closing_digest = digest
        return "new"

    def _reject_event(self, event: Event, verdict: str) -> None:
        fiscal_day = getattr(event.value, "fiscal_day", None)
        if verdict == "sealed":
            reason, detail = SEALED, f"the fiscal day {fiscal_day} is sealed"
        else:
            reason, detail = CONFLICT, "the ledger holds another message of the same key"
        rejected = rejection(event.route, reason, detail, event.raw, site_id=event.site_id)
        rejected.fiscal_day = fiscal_day
        self.reject(rejected)

    def reject(self, rejected: Rejection) -> None:
        known = self.rejections.get(rejected.digest)
        if known is None:
            self.rejections[rejected.digest] = rejected
        else:
            known.seen += 1

    async def quarantine(self) -> None:
        rejected = sorted(self.rejections.values(), key=lambda one: one.digest)
        async with self.connection.cursor() as cursor:
            await cursor.executemany(
                _QUARANTINE,
                [
                    {name: getattr(one, name) for name in one.__dataclass_fields__}
                    | {"received_at": self.received_at, "replay_of": self.batch.replay_of}
                    for one in rejected
                ],
            )
        reasons = self.outcome.quarantined_by_reason
        for one in rejected:
            self.outcome.quarantined += one.seen
            reasons[one.reason] = reasons.get(one.reason, 0) + one.seen

    async def _fetch_all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        cursor = await self.connection.execute(statement, parameters)
        return await cursor.fetchall()


class _CarefulTransaction(_Transaction):
    """The careful way, after the plain one failed: halve until the culprit stands alone."""

    async def store_entries(self, places: Sequence[int] | None = None) -> None:
        places = range(len(self.batch.rows)) if places is None else places
        outcome = dataclasses.replace(self.outcome)
        days = {key: dataclasses.replace(day) for key, day in self.days.items()}
        meters = dict(self.meters)
        try:
            async with self.connection.transaction():
                await super().store_entries(places)
                await self.connection.execute("TRUNCATE stage_entry")
        except DATA_ERRORS as error:
            # As if it had not been tried: the database forgot it too.
            self.outcome, self.days, self.meters = outcome, days, meters
            if len(places) == 1:
                self.reject_entry(places[0], INVALID, _why(error))
                return
            middle = len(places) // 2
            await self.store_entries(places[:middle])
            await self.store_entries(places[middle:])

    async def store_event(self, event: Event) -> None:
        try:
            async with self.connection.transaction():
                await super().store_event(event)
        except DATA_ERRORS as error:
            self.reject(
                rejection(event.route, INVALID, _why(error), event.raw, site_id=event.site_id)
            )


def _order_of(event: Event) -> tuple[str, ...]:
    """Return where an event stands in the one order in which all workers write them.

    Else two workers whose batches hold the same rows could wait for each other in a circle. Events
    that concern one row stay in the order of their receipt.
    """
    value = event.value
    site = f"{event.site_id:05}"
    match value:
        case contract.Alarm():
            return "alarm", site, value.device, str(value.number), value.code
        case contract.Delivery():
            return "delivery", site, str(value.tank), str(value.at)
        case contract.Status() | Forgotten():
            return "status", site
        case _:
            return "day", site, str(value.fiscal_day)


def _why(error: Error) -> str:
    return f"PostgreSQL refuses it: {error.diag.message_primary or error}"
