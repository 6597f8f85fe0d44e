"""In the database: what the intake took can be stored, and what cannot costs only itself."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from ingest.batch import Batch, Forgotten
from ingest.contract import Status
from ingest.database import make_pool
from ingest.intake import Intake
from ingest.live import LiveStates, write_round
from ingest.sites import SiteRegistry
from ingest.store import store
from ledger.models import EntryFlag
from tests.factories import make_forecourt
from tests.mutations import mutated_messages

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]


@pytest.fixture(autouse=True)
def site(committed_db: None) -> None:
    make_forecourt("LON-1")


@pytest.fixture
async def pool(site: None) -> AsyncIterator[Pool]:
    """The worker's own connections."""
    async with make_pool(application_name="test store") as pool:
        yield pool


async def make_intake(pool: Pool) -> tuple[Intake, LiveStates]:
    """An intake that knows the registered sites."""
    sites, live = SiteRegistry(), LiveStates()
    async with pool.connection() as connection:
        await sites.load(connection)
    return Intake(sites, live), live


async def value(pool: Pool, question: str) -> Any:
    """The first column of a query's first row."""
    async with pool.connection() as connection:
        row = await (await connection.execute(question)).fetchone()
    return row and row[0]


async def test_whatever_the_intake_takes_is_stored_repeated_or_quarantined(pool: Pool) -> None:
    intake, live = await make_intake(pool)
    stored = duplicates = quarantined = 0
    messages = [(topic, payload, 7) for topic, payload in mutated_messages(20261121, 50_000)]
    while messages:
        batch = Batch()
        taken, messages = messages[:1_000], messages[1_000:]
        messages = taken[intake.take(batch, 0.0, taken) :] + messages
        intake.settle_strangers(batch)
        statuses = sum(isinstance(event.value, Status | Forgotten) for event in batch.events)
        rejected = sum(one.seen for one in batch.rejections.values())
        async with pool.connection() as connection:
            outcome = await store(connection, batch)
            await write_round(connection, live.next_round(), batch.received_at, "{}")
        assert outcome.quarantined >= rejected
        assert (
            outcome.stored + outcome.duplicates + outcome.quarantined
            == len(batch.rows) + len(batch.events) - statuses + rejected
        )
        stored += outcome.stored
        duplicates += outcome.duplicates
        quarantined += outcome.quarantined
    entries = await value(pool, "SELECT count(*) FROM entry")
    assert entries > 100
    assert entries == await value(pool, "SELECT sum(count) FROM day_total")
    assert entries == await value(pool, "SELECT sum(entry_count) FROM fiscal_day")
    assert stored > entries
    assert duplicates > 500
    assert quarantined == await value(pool, "SELECT sum(seen) FROM quarantine")
    assert await value(pool, "SELECT count(*) FROM pump_state") >= 1
    assert await value(pool, "SELECT count(*) FROM tank_state") >= 1
    # The decoder is as strict as the columns are: PostgreSQL had nothing to add.
    refused = "SELECT count(*) FROM quarantine WHERE detail LIKE 'PostgreSQL refuses%'"
    assert await value(pool, refused) == 0


async def test_a_live_state_that_postgresql_refuses_costs_only_itself(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    intake, live = await make_intake(pool)
    batch = Batch()
    for topic in (b"pumps/1", b"pumps/2", b"pumps/3"):
        state = b'{"state": "idle", "at": "2026-11-20T05:00:00Z"}'
        intake.take(batch, 0.0, [(b"forecourt/v1/LON-1/" + topic, state, 0)])
    gauge = b'{"at": "2026-11-20T05:00:00Z", "volume": 1}'
    intake.take(batch, 0.0, [(b"forecourt/v1/LON-1/tanks/1", gauge, 0)])
    async with pool.connection() as connection:
        await connection.execute(
            "ALTER TABLE pump_state ADD CONSTRAINT no_2 CHECK (fuelling_point <> 2)"
        )
        try:
            with caplog.at_level(logging.WARNING):
                written = await write_round(connection, live.next_round(), batch.received_at, "{}")
        finally:
            await connection.execute("ALTER TABLE pump_state DROP CONSTRAINT no_2")
    assert written == 3
    assert await value(pool, "SELECT array_agg(fuelling_point ORDER BY 1) FROM pump_state") == [
        1,
        3,
    ]
    assert await value(pool, "SELECT count(*) FROM tank_state") == 1
    assert await value(pool, "SELECT count(*) FROM site_status") == 1
    (record,) = caplog.records
    assert "no_2" in record.getMessage()


async def test_a_meter_of_a_day_that_cannot_be_hides_no_jump(pool: Pool) -> None:
    intake, _ = await make_intake(pool)
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO nozzle_state (site_id, fuelling_point, nozzle, fiscal_day, sequence, "
            "occurred_at, product, volume, amount, totalizer) "
            "SELECT id, 1, 1, '2099-06-01', 5, now(), 'E10', 10, 15, 9999 FROM site"
        )
        for sequence, totalizer in ((1, 1010), (2, 1020), (3, 1234)):
            sale = {
                "fiscal_day": "2026-11-20", "sequence": sequence, "kind": "sale",
                "occurred_at": "2026-11-20T12:00:00Z", "product": "E10", "amount": "15.00",
                "volume": "10.000", "unit_price": "1.5", "fuelling_point": 1, "nozzle": 1,
                "totalizer": str(totalizer),
            }  # fmt: skip
            batch = Batch()
            intake.take(batch, 0.0, [(b"forecourt/v1/LON-1/ledger", json.dumps(sale).encode(), 0)])
            await store(connection, batch)
    flags = await value(pool, "SELECT array_agg(flags ORDER BY sequence) FROM entry")
    assert flags == [0, 0, int(EntryFlag.TOTALIZER_JUMP)]
    stored = "SELECT (fiscal_day, sequence, totalizer)::text FROM nozzle_state"
    assert await value(pool, stored) == "(2026-11-20,3,1234.000)"


async def test_days_are_made_and_locked_in_one_order(pool: Pool) -> None:
    """Another worker holds a day that this one has to make, and then wants one that is there."""
    intake, _ = await make_intake(pool)
    batch = Batch()
    for day in ("2026-11-20", "2026-11-21"):
        opened = {
            "event": "opened", "fiscal_day": day, "at": f"{day}T04:00:00Z",
            "totalizers": [], "dips": [],
        }  # fmt: skip
        intake.take(batch, 0.0, [(b"forecourt/v1/LON-1/day", json.dumps(opened).encode(), 0)])
    assert len(batch.days) == 2
    make = "INSERT INTO fiscal_day (site_id, fiscal_day) SELECT id, %s FROM site"
    async with pool.connection() as other, pool.connection() as connection:
        await other.execute(make, ["2026-11-21"])
        async with other.transaction():
            await other.execute(make, ["2026-11-20"])
            storing = asyncio.create_task(store(connection, batch))
            async with asyncio.timeout(20):
                while not await value(pool, _WAITS):  # noqa: ASYNC110 - a lock rings no bell
                    await asyncio.sleep(0.01)
            await other.execute("SELECT FROM fiscal_day WHERE fiscal_day = '2026-11-21' FOR UPDATE")
        outcome = await storing
    assert outcome.stored == 2


_WAITS = (
    "SELECT count(*) > 0 FROM pg_stat_activity "
    "WHERE application_name = 'test store' AND wait_event_type = 'Lock'"
)
