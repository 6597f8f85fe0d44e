"""Any messages in any order, cut anywhere by a crash, give the ledger of a plain model."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection as django_connection
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from psycopg.rows import tuple_row

from ingest.batch import Batch
from ingest.database import connection_parameters
from ingest.intake import Intake
from ingest.live import LiveStates
from ingest.sites import SiteRegistry
from ingest.sql import load
from ingest.store import store
from tests.factories import make_forecourt
from tests.ledger_model import (
    JUMP,
    KINDS,
    PAYMENTS,
    REFUSED_SEQUENCE,
    Declaration,
    Entry,
    Item,
    Message,
    Model,
    Refused,
    Site,
)

UTC = datetime.UTC
PRODUCTS, POINTS = frozenset({"E10", "B7"}), frozenset({1, 2})
SITES = {
    "LON-1": Site("Europe/London", PRODUCTS, POINTS),
    "NYC-1": Site("America/New_York", PRODUCTS, POINTS),
}
#: A day of 25 hours in London, the day after it, and one that lies in the future.
#: Days that cannot be make no row: `test_intake.py` and `test_ingest_outcomes.py` have those.
DAYS = [datetime.date(2025, 10, 26), datetime.date(2025, 10, 27), datetime.date(2026, 1, 1)]

# --- messages -----------------------------------------------------------------------------------


def make_entry(fiscal_day: datetime.date, sequence: int, variant: int) -> Entry:
    """One of some entries that may stand under a key; the same variant is the same entry."""
    noon = datetime.datetime.combine(fiscal_day, datetime.time(12), UTC)
    sale = Entry(
        fiscal_day,
        sequence,
        "sale",
        noon + datetime.timedelta(minutes=37 * (sequence % 30) - 700),
        "E10",
        Decimal("14.79"),
        volume=Decimal("10.000"),
        unit_price=Decimal("1.4790"),
        fuelling_point=1,
        nozzle=1,
        tank=1,
        tax_rate=Decimal("20.00"),
        payment="card",
        device_transaction=sequence % 65_536,
        totalizer=Decimal(f"{1000 + 10 * sequence}.0"),
    )
    match variant:
        case 0:
            return sale
        case 1:  # the amount is wrong, and the meter jumps
            return sale._replace(amount=Decimal("24.79"), totalizer=Decimal(f"{5000 + sequence}.0"))
        case 2:
            return sale._replace(kind="refund", amount=Decimal("-14.79"), totalizer=None)
        case 3:  # no volume
            return sale._replace(
                product="KIOSK",
                **dict.fromkeys(("volume", "unit_price", "fuelling_point", "nozzle", "tank")),
                **dict.fromkeys(("payment", "device_transaction", "totalizer")),
            )
        case 4:
            return sale._replace(
                kind="test", amount=Decimal("0.00"), unit_price=None, volume_15c=Decimal("9.871")
            )
        case 5:  # far from its day, by local mean time, on a fuelling point that nobody knows
            return sale._replace(
                occurred_at=datetime.datetime(1846, 6, 1, 9, sequence % 15, tzinfo=UTC),
                fuelling_point=99,
                offline=True,
            )
        case 6:  # twice the volume
            return sale._replace(volume=Decimal("20.000"), amount=Decimal("29.58"))
        case 7:
            return sale._replace(kind="drive_off", product="B7", nozzle=2, tax_rate=Decimal("7.5"))
        case 8:  # the same product at no tax, which is not the same as nothing said of it
            return sale._replace(tax_rate=Decimal("0.00"), payment="cash")
        case _:
            return sale._replace(tax_rate=None, payment="fuel_card")


def written(entry: Entry, style: int) -> bytes:
    """The entry as JSON, in one of several ways to say the same."""
    fields: dict[str, Any] = {
        name: value
        for name, value in entry._asdict().items()
        if value is not None and value is not False
    }
    at = entry.occurred_at
    if style & 1:
        at = at.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))
        fields["of_a_newer_version"] = {"nested": [None]}
        if not entry.volume_15c:
            fields["volume_15c"] = 0
    if style & 2:
        fields = dict(reversed(fields.items()))
    fields |= {"fiscal_day": entry.fiscal_day.isoformat(), "occurred_at": at.isoformat()}
    for name, value in fields.items():
        if isinstance(value, Decimal):
            fields[name] = float(value) if style & 1 else f"{value}0"
    return json.dumps(fields, indent=style & 2 or None).encode()


def broken(**changes: Any) -> bytes:
    """An entry that the contract refuses for one reason."""
    fields = json.loads(written(make_entry(DAYS[0], 1, 0), 0)) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


#: (bytes, reason) of what may stand alone or in an array.
BROKEN = [
    (b'"what"', "malformed"),
    (b"[]", "malformed"),
    (broken(amount=None), "malformed"),
    (broken(occurred_at="2025-10-26T12:00:00"), "malformed"),
    (broken(sequence=0), "invalid"),
    (broken(amount="NaN"), "invalid"),
    (broken(volume="10.0001"), "invalid"),
    (broken(product="E\x0010"), "invalid"),
    (broken(kind="gift"), "invalid"),
]
#: What is no JSON, and so nothing of it can be taken.
UNREADABLE = [b"{no", b"", b'[{"fiscal_day": "2025-10-26"}, {no]', b"\xff\xfe", b"[1, 2"]
OVERSIZE = b" " * (1024 * 1024 + 1)

sites = st.sampled_from([*SITES, "LON-1", "LON-1", "NOBODY"])
sequences = st.integers(1, 5) | st.sampled_from([REFUSED_SEQUENCE, 2_147_483_647])
entries = st.builds(
    make_entry, st.sampled_from([DAYS[0], *DAYS]), sequences, st.integers(0, 9) | st.just(0)
)
entry_items = st.builds(
    lambda entry, style: Item(written(entry, style), entry), entries, st.integers(0, 3)
)
broken_items = st.sampled_from(BROKEN).map(lambda pair: Item(pair[0], Refused(pair[1])))


def alone(site: str, item: Item) -> Message:
    # An empty array alone says nothing, which is no fault.
    items = () if item.raw == b"[]" else (item,)
    return Message(f"forecourt/v1/{site}/ledger", item.raw, items)


def array(site: str, items: list[Item]) -> Message:
    payload = b"[" + b", ".join(item.raw for item in items) + b"]"
    return Message(f"forecourt/v1/{site}/ledger", payload, tuple(items))


def run_of(site: str, fiscal_day: datetime.date, first: int, variants: list[int]) -> Message:
    """An array of entries that follow each other, as after an outage."""
    entries = [make_entry(fiscal_day, first + n, variant) for n, variant in enumerate(variants)]
    return array(site, [Item(written(entry, 0), entry) for entry in entries])


def day_message(
    site: str, name: str, fiscal_day: datetime.date, variant: int, style: int
) -> Message:
    at = datetime.datetime.combine(fiscal_day, datetime.time(23 if name == "closed" else 0), UTC)
    totals = (("E10", variant),) if name == "closed" else ()
    last = variant if name == "closed" else None
    zone = datetime.timezone(datetime.timedelta(hours=-5 * style))
    fields: dict[str, Any] = {
        "event": name,
        "fiscal_day": fiscal_day.isoformat(),
        "at": at.astimezone(zone).isoformat(),
    }
    if name == "closed":
        fields["last_sequence"] = variant
        fields["totals"] = [
            {"product": product, "count": count, "volume": "1", "amount": "1.0"}
            for product, count in totals
        ]
    raw = json.dumps(fields).encode()
    item = Item(raw, Declaration(name, fiscal_day, at, last, totals))
    return Message(f"forecourt/v1/{site}/day", raw, (item,))


def refused(topic: str, payload: bytes, reason: str, *, kept: int | None = None) -> Message:
    return Message(topic, payload, (Item(payload[:kept], Refused(reason)),))


messages = st.one_of(
    st.builds(alone, sites, entry_items),
    st.builds(alone, sites, entry_items | broken_items),
    st.builds(array, sites, st.lists(entry_items | broken_items, min_size=1, max_size=6)),
    st.builds(
        run_of,
        sites,
        st.sampled_from(DAYS[:2]),
        st.just(1) | st.integers(1, 5),
        st.lists(st.integers(0, 1) | st.integers(0, 9), min_size=1, max_size=6),
    ),
    st.builds(
        day_message,
        sites,
        st.sampled_from(["opened", "closed"]),
        st.sampled_from(DAYS),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
    st.builds(
        lambda site, raw: refused(f"forecourt/v1/{site}/ledger", raw, "malformed"),
        sites,
        st.sampled_from(UNREADABLE),
    ),
    st.sampled_from(
        [
            refused("forecourt/v1/LON-1/gossip", b"{}", "unknown_topic", kept=4096),
            refused("forecourt/v2/LON-1/ledger", b"{}", "unknown_topic", kept=4096),
            refused("forecourt/v1/LON-1/ledger", OVERSIZE, "oversize", kept=4096),
        ]
    ),
)

# --- what happens to them -----------------------------------------------------------------------


@dataclass(frozen=True)
class Deliver:
    """The broker sends its next messages; the worker makes a batch of them."""

    count: int
    #: At which exchange with the database it ends or fails; None for not at all.
    cut_at: int | None
    #: How it ends: the worker is `killed`, or the database `lost` for a moment, whereupon the
    #: worker stores the same batch once more.
    how: str
    #: How many of the messages it acknowledged, when it was killed right after it had committed.
    acknowledged: int | None


@dataclass(frozen=True)
class Seal:
    """The office seals a day, if the ledger knows it."""

    site: str
    fiscal_day: datetime.date


batch_sizes = st.integers(1, 6)
steps = st.one_of(
    st.builds(Deliver, batch_sizes, st.none(), st.just("killed"), st.none() | st.integers(0, 6)),
    *(
        st.builds(Deliver, batch_sizes, st.integers(0, 14), st.just(how), st.none())
        for how in ("killed", "lost")
    ),
    st.builds(Seal, st.sampled_from(list(SITES)), st.sampled_from(DAYS)),
)


class MortalConnection(psycopg.AsyncConnection[Any]):
    """A connection that dies at a chosen exchange with the server."""

    exchanges_left: int | None = None
    killer: psycopg.AsyncConnection[Any]

    async def wait(self, gen: Any, interval: float = 0.1) -> Any:
        """Every exchange with the server passes here."""
        if self.exchanges_left is not None:
            self.exchanges_left -= 1
            if self.exchanges_left < 0:
                self.exchanges_left = None
                # Returns once the server process is gone, and its transaction with it.
                await self.killer.execute(
                    "SELECT pg_terminate_backend(%s, 5000)", [self.info.backend_pid]
                )
        return await super().wait(gen, interval)


@dataclass
class Machine:
    """A worker's parts between a broker and the database, with the model beside them."""

    reader: psycopg.AsyncConnection[Any]
    model: Model
    worker: MortalConnection | None = None
    intake: Intake = field(init=False)
    registry: SiteRegistry = field(init=False)
    duplicates: int = 0

    async def start_worker(self) -> MortalConnection:
        """Begin anew, with an empty memory."""
        parameters = connection_parameters(application_name="test model")
        self.worker = await MortalConnection.connect(**parameters)
        self.worker.killer = self.reader
        await self.worker.execute(load("stage_entries"))
        self.registry = SiteRegistry()
        await self.registry.load(self.worker)
        self.intake = Intake(self.registry, LiveStates())
        return self.worker

    async def deliver(self, pending: list[Message], step: Deliver) -> list[Message]:
        """Store the next batch, or fail to. Returns what the broker has to send from now on."""
        worker = self.worker or await self.start_worker()
        sent = pending[: step.count]
        batch = Batch()
        taken = self.intake.take(
            batch,
            0.0,
            [(one.topic.encode(), one.payload, n) for n, one in enumerate(sent, 1)],
        )
        assert taken == len(sent)
        assert batch.packet_ids == list(range(1, len(sent) + 1))
        worker.exchanges_left = step.cut_at
        while True:
            try:
                outcome = await self._store(batch)
                break
            except psycopg.OperationalError:
                event(f"cut: {step.how}")
                await self.end_worker()
                if step.how != "lost":
                    return pending
                await self.start_worker()
        self.duplicates += outcome
        for message in sent:
            self.model.take(message)
        if step.acknowledged is None:
            return pending[len(sent) :]
        event("killed before it acknowledged all")
        await self.end_worker()
        return pending[min(step.acknowledged, len(sent)) :]

    async def _store(self, batch: Batch) -> int:
        worker = self.worker
        assert worker is not None
        if batch.strangers:
            await self.registry.look_up(worker, {route.site_code for route, *_ in batch.strangers})
            self.intake.settle_strangers(batch)
        outcome = await store(worker, batch)
        worker.exchanges_left = None
        return outcome.duplicates

    async def end_worker(self) -> None:
        """The worker's process is gone."""
        if self.worker is not None:
            self.worker.exchanges_left = None
            await self.worker.close()
            self.worker = None

    async def seal(self, step: Seal) -> None:
        """As the office does: the row of the day says so from now on."""
        cursor = await self.reader.execute(
            "UPDATE fiscal_day SET sealed_at = now() FROM site "
            "WHERE site.id = site_id AND code = %s AND fiscal_day = %s",
            [step.site, step.fiscal_day],
        )
        if cursor.rowcount:
            self.model.seal(step.site, step.fiscal_day)

    # --- what the database holds ----------------------------------------------------------------

    async def rows(self, query: str) -> list[Any]:
        return await (await self.reader.execute(query)).fetchall()

    async def compare(self) -> None:
        """Assert that the database holds what the model says."""
        model = self.model
        found = {
            (site, day, sequence): (tuple(columns), flags)
            for site, day, sequence, flags, *columns in await self.rows(
                "SELECT code, fiscal_day, sequence, flags, kind, occurred_at, product, amount, "
                "coalesce(volume, 0), volume_15c, unit_price, fuelling_point, nozzle, tank, "
                "tax_rate, payment, device_transaction, totalizer, offline "
                "FROM entry JOIN site ON site.id = site_id"
            )
        }
        assert {key: columns for key, (columns, _) in found.items()} == {
            key: (
                KINDS[content.kind],
                *content[3:13],
                PAYMENTS.get(content.payment or ""),
                *content[14:],
            )
            for key, entry in model.entries.items()
            for content in [entry.content]
        }
        for key, (_, flags) in found.items():
            assert flags & ~JUMP == model.flags[key], key
            jump = bool(flags & JUMP)
            if model.jumps[key] is None:
                assert model.may_jump[key] or not jump, key
            else:
                assert jump == model.jumps[key], key
        totals = await self.rows(
            "SELECT code, fiscal_day, product, kind, tax_rate, count, volume, amount, tax "
            "FROM day_total JOIN site ON site.id = site_id"
        )
        assert {row[:5]: row[5:] for row in totals} == model.day_totals()
        payments = await self.rows(
            "SELECT code, fiscal_day, payment, kind, count, volume, amount "
            "FROM payment_total JOIN site ON site.id = site_id"
        )
        assert {row[:4]: row[4:] for row in payments} == model.payment_totals()
        hours = await self.rows(
            "SELECT code, fiscal_day, hour, count, volume, amount "
            "FROM hour_total JOIN site ON site.id = site_id"
        )
        assert {row[:3]: row[3:] for row in hours} == model.hour_totals()
        days = await self.rows(
            "SELECT code, fiscal_day, entry_count, highest_sequence, last_entry_at, opened_at, "
            "closed_at, last_sequence, sealed_at IS NOT NULL "
            "FROM fiscal_day JOIN site ON site.id = site_id"
        )
        # A day that was only ever heard of in vain has a row that says nothing.
        empty = (0, 0, None, None, None, None)
        assert {row[:2]: row[2:] for row in days if row[2:-1] != empty} == model.day_rows()
        declared = await self.rows(
            "SELECT code, fiscal_day, product, count "
            "FROM declared_total JOIN site ON site.id = site_id"
        )
        assert {row[:3]: row[3] for row in declared} == model.declared_totals()
        kept = await self.rows("SELECT topic, reason, raw, seen FROM quarantine")
        assert Counter({tuple(row[:3]): row[3] for row in kept}) == model.quarantine
        assert len(kept) == len(model.quarantine)
        assert self.duplicates == model.duplicates


class Ledger:
    """The database of the test: emptied before each example, without its triggers in the way."""

    TABLES = (
        *("entry", "day_total", "payment_total", "hour_total", "declared_total", "totalizer"),
        *("dip", "nozzle_state", "fiscal_day", "quarantine"),
    )

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.reader = runner.run(self._connect())

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        parameters = connection_parameters(application_name="test reader")
        reader = await psycopg.AsyncConnection.connect(**parameters, row_factory=tuple_row)
        await reader.execute("SET session_replication_role = replica")
        await reader.execute(
            f"ALTER TABLE entry ADD CONSTRAINT refused CHECK (sequence <> {REFUSED_SEQUENCE})"
        )
        return reader

    async def _play(self, sent: list[Message], steps: list[Deliver | Seal]) -> None:
        for table in self.TABLES:
            await self.reader.execute(f"DELETE FROM {table}")
        machine = Machine(self.reader, Model(SITES, now=datetime.datetime.now(UTC)))
        try:
            pending = sent
            for step in steps:
                if isinstance(step, Seal):
                    await machine.seal(step)
                elif pending:
                    pending = await machine.deliver(pending, step)
            while pending:
                pending = await machine.deliver(pending, Deliver(6, None, "", None))
            await machine.compare()
        finally:
            await machine.end_worker()

    def play(self, sent: list[Message], steps: list[Deliver | Seal]) -> None:
        """Deliver the messages through all that happens, and compare."""
        self.runner.run(self._play(sent, steps))

    async def close(self) -> None:
        await self.reader.execute("ALTER TABLE entry DROP CONSTRAINT refused")
        await self.reader.close()


@pytest.fixture
def ledger(committed_db: None) -> Iterator[Ledger]:
    for code, site in SITES.items():
        make_forecourt(code, timezone=site.timezone)
    django_connection.close()
    with asyncio.Runner() as runner:
        ledger = Ledger(runner)
        yield ledger
        runner.run(ledger.close())


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sent=st.lists(messages, min_size=1, max_size=14),
    steps=st.lists(steps, max_size=12),
)
def test_the_ledger_is_the_model_s(
    ledger: Ledger, sent: list[Message], steps: list[Deliver | Seal]
) -> None:
    ledger.play(sent, steps)


def test_a_sale_that_came_late_is_not_forgotten_by_its_nozzle(ledger: Ledger) -> None:
    """In the batch that the database refused at first, and that was stored part by part."""

    def sale(sequence: int, variant: int) -> Message:
        entry = make_entry(DAYS[0], sequence, variant)
        return alone("LON-1", Item(written(entry, 0), entry))

    other_nozzle, twice = 7, 6
    ledger.play(
        [sale(1, 0), sale(3, other_nozzle), sale(2, 0), sale(4, twice), sale(REFUSED_SEQUENCE, 0)],
        [Deliver(2, None, "", None)],
    )
