"""The worker's exit code and its last line say why it ended.

Of one that was killed whoever watches it says so: `tests/integration/test_run.py`.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest

from tests.faults.conftest import Rig
from tests.faults.proxy import Proxy, proxy_to_port, proxy_to_socket

ENTRIES = 100
ALL_DONE = "nothing left undone"
BROKER_KEEPS_IT = "the broker keeps it"


@pytest.fixture
async def database(rig: Rig) -> AsyncIterator[Proxy]:
    """A line to the database."""
    async with proxy_to_socket(rig.postgres.socket) as proxy:
        yield proxy


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_was_asked_to_stop(rig: Rig, number: signal.Signals) -> None:
    worker = rig.start_worker()
    async with rig.publishing(10 * ENTRIES):
        await rig.until_stored(ENTRIES)
        assert await rig.stop(worker, number) == 0
    assert worker.last_line == (
        f"ingest {rig.name}: stopped as asked by {number.name}, nothing left undone"
    )
    # What it had not taken is there for the next one.
    worker = rig.start_worker()
    await rig.finish(worker)


async def test_it_was_asked_to_stop_while_it_stood_by(rig: Rig) -> None:
    rig.start_worker()
    await rig.publish(ENTRIES)
    await rig.until_all_stored()
    standby = rig.start_worker()
    await rig.until_said(standby, "standing by")
    assert await rig.stop(standby) == 0
    assert standby.last_line.endswith(ALL_DONE)


@pytest.mark.parametrize("how", ["refuses", "is silent"])
async def test_it_was_asked_to_stop_while_the_database_was_away(
    rig: Rig, database: Proxy, how: str
) -> None:
    worker = rig.start_worker(database_url=rig.postgres.url_through(database.port))
    await rig.publish(ENTRIES)
    await rig.until_all_stored()
    if how == "refuses":
        database.cut()
        await rig.publish(ENTRIES)
        await rig.until_said(worker, "trying again")
    else:
        database.fall_silent()
        await rig.publish(ENTRIES)
    assert await rig.stop(worker) == 0
    assert worker.last_line.endswith(BROKER_KEEPS_IT), rig.logs
    database.reset()

    worker = rig.start_worker()
    await rig.until_all_stored()
    assert await rig.stop(worker) == 0
    assert worker.last_line.endswith(ALL_DONE)
    rig.assert_ledger_is_what_was_published()
    await rig.assert_nothing_is_left_at_the_broker()


async def test_it_was_asked_to_stop_while_the_broker_was_silent(rig: Rig) -> None:
    async with proxy_to_port(rig.broker.port) as broker:
        worker = rig.start_worker(mqtt_port=broker.port)
        await rig.publish(ENTRIES)
        await rig.until_all_stored()
        broker.fall_silent()
        broker.reset()
        await rig.until_said(worker, "trying again")
        assert await rig.stop(worker) == 0
        assert worker.last_line.endswith(BROKER_KEEPS_IT), rig.logs


async def test_a_fault_ended_it(rig: Rig) -> None:
    with rig.postgres.connect() as connection:
        connection.execute("ALTER TABLE site RENAME TO site_elsewhere")
        try:
            worker = rig.start_worker()
            await rig.publish(ENTRIES)
            assert worker.process.wait(20) == 1
        finally:
            connection.execute("ALTER TABLE site_elsewhere RENAME TO site")
    assert "ended by" in worker.last_line
    assert 'relation "site" does not exist' in worker.last_line
    # Nothing was acknowledged.
    worker = rig.start_worker()
    await rig.finish(worker)


async def test_a_fault_in_mid_stream_ended_it(rig: Rig) -> None:
    worker = rig.start_worker()
    await rig.publish(ENTRIES)
    await rig.until_all_stored()
    with rig.postgres.connect() as connection:
        connection.execute("ALTER TABLE day_total RENAME TO day_total_elsewhere")
        try:
            await rig.publish(ENTRIES)
            assert worker.process.wait(20) == 1
        finally:
            connection.execute("ALTER TABLE day_total_elsewhere RENAME TO day_total")
    assert 'relation "day_total" does not exist' in worker.last_line
    worker = rig.start_worker()
    await rig.finish(worker)
