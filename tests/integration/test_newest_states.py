"""States of which the newest wins, in the database: clocks that are ahead, late and repeated news.

Each message goes the worker's whole way (decode, round or batch, statement) with a time of receipt
that the test chooses; a list of messages is what was received, in the order of its commits.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from ingest.batch import Batch
from ingest.database import make_pool
from ingest.intake import Intake
from ingest.live import LiveStates, write_round
from ingest.sites import SiteRegistry
from ingest.store import store
from ledger.models import Alarm, AlarmEvent, Delivery, FiscalDay, PumpState, SiteStatus, TankState
from ledger.selectors.deliveries import deliveries_in_days
from tests.factories import make_forecourt
from tests.integration.test_ingest_outcomes import rows

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
AHEAD = NOON + datetime.timedelta(hours=1)
IN_2031 = datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)
FUTURES = pytest.mark.parametrize("future", [AHEAD, IN_2031], ids=["an hour ahead", "in 2031"])


def after(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def site(committed_db: None) -> None:
    make_forecourt("LON-1")


class Worker:
    """The way of messages into the database, as one worker goes it."""

    def __init__(self, pool: Pool, sites: SiteRegistry) -> None:
        self.pool = pool
        self.live = LiveStates()
        self.intake = Intake(sites, self.live)

    def take(self, lane: str, message: dict[str, Any] | None, at: datetime.datetime) -> Batch:
        """Receive a message; None is an empty payload."""
        batch = Batch()
        payload = b"" if message is None else json.dumps(message, default=_text).encode()
        topic = f"forecourt/v1/LON-1/{lane}".encode()
        self.intake.take(batch, 0.0, [(topic, payload, 1)], told_at=at)
        assert not batch.rejections
        return batch

    async def commit(self, batch: Batch) -> None:
        """Store a batch and the round of live states."""
        async with self.pool.connection() as connection:
            await store(connection, batch)
            await write_round(connection, self.live.next_round(), batch.received_at, "{}")

    async def receive(
        self, lane: str, message: dict[str, Any] | None, at: datetime.datetime
    ) -> None:
        """Receive a message and commit it."""
        await self.commit(self.take(lane, message, at))


def _text(value: Any) -> str:
    return value.isoformat()


@pytest.fixture
async def workers(site: None) -> AsyncIterator[Callable[[], Worker]]:
    """Make workers that know the site."""
    async with make_pool(application_name="test newest") as pool:
        sites = SiteRegistry()
        async with pool.connection() as connection:
            await sites.load(connection)
        yield lambda: Worker(pool, sites)


@pytest.fixture
def worker(workers: Callable[[], Worker]) -> Worker:
    return workers()


def alarm(state: str, at: datetime.datetime) -> dict[str, Any]:
    return {"at": at, "device": "tank", "number": 1, "code": "low_product", "state": state}


def pump(state: str, at: datetime.datetime) -> dict[str, Any]:
    return {"at": at, "state": state}


def gauge(volume: int | None, at: datetime.datetime) -> dict[str, Any]:
    return {"at": at, "product": "E10"} | ({} if volume is None else {"volume": str(volume)})


def status(online: bool, at: datetime.datetime) -> dict[str, Any]:
    return {"online": online, "at": at}


# --- clocks that are ahead -----------------------------------------------------------------------


@FUTURES
async def test_an_alarm_that_finished_in_the_future_does_not_hide_the_one_that_starts(
    worker: Worker, future: datetime.datetime
) -> None:
    await worker.receive("alarms", alarm("finished", future), NOON)
    await worker.receive("alarms", alarm("started", NOON), after(1))
    assert await rows(Alarm, "state", "at") == [("started", NOON)]


@FUTURES
async def test_an_alarm_that_started_in_the_future_ends(
    worker: Worker, future: datetime.datetime
) -> None:
    await worker.receive("alarms", alarm("started", future), NOON)
    await worker.receive("alarms", alarm("finished", after(30)), after(31))
    assert await rows(Alarm, "state", "at") == [("finished", after(30))]


async def test_the_right_time_also_wins_after_the_wrong_one_has_come(worker: Worker) -> None:
    """Received after the future has come, told before: the clock was put right meanwhile."""
    await worker.receive("alarms", alarm("finished", AHEAD), NOON)
    begun = after(1_800)
    await worker.receive("alarms", alarm("started", begun), AHEAD + datetime.timedelta(minutes=5))
    assert await rows(Alarm, "state", "at") == [("started", begun)]


@FUTURES
async def test_pumps_and_tanks_give_way(worker: Worker, future: datetime.datetime) -> None:
    await worker.receive("pumps/1", pump("idle", future), NOON)
    await worker.receive("tanks/1", gauge(9_000, future), NOON)
    assert await rows(PumpState, "since") == [(NOON,)]
    await worker.receive("pumps/1", pump("calling", NOON), after(2))
    await worker.receive("tanks/1", gauge(8_000, NOON), after(2))
    assert await rows(PumpState, "state", "since") == [("calling", NOON)]
    assert [int(volume) for (volume,) in await rows(TankState, "volume")] == [8_000]


@FUTURES
async def test_a_status_in_the_future_gives_way(worker: Worker, future: datetime.datetime) -> None:
    await worker.receive("status", status(True, future), NOON)
    await worker.receive("status", status(False, NOON), after(1))
    assert await rows(SiteStatus, "online", "since") == [(False, after(1))]


async def test_a_delivery_in_the_future_counts_for_the_day_that_it_was_heard_of(
    worker: Worker,
) -> None:
    from asgiref.sync import sync_to_async
    from django.db import connection

    for number, day in enumerate(("2026-11-20", "2026-11-21")):
        opened = {"event": "opened", "fiscal_day": day, "at": after(-3_600 + number * 86_400)}
        await worker.receive("day", opened, NOON)
    drop = {"at": AHEAD + datetime.timedelta(days=1), "tank": 1, "product": "E10", "volume": "1"}
    await worker.receive("deliveries", drop, NOON)
    await worker.receive("deliveries", drop | {"at": IN_2031, "tank": 2}, after(9))

    @sync_to_async
    def counted() -> list[list[int]]:
        try:
            return [
                [
                    one.tank
                    for one in deliveries_in_days(
                        day.site_id, first=day.fiscal_day, last=day.fiscal_day
                    )
                ]
                for day in FiscalDay.objects.order_by("fiscal_day")
            ]
        finally:
            connection.close()

    assert await counted() == [[1, 2], []]
    assert len(await rows(Delivery, "at")) == 2


async def test_a_meter_s_sale_in_the_future_was_made_when_it_was_received(worker: Worker) -> None:
    entry = {
        "fiscal_day": "2026-11-20", "sequence": 1, "kind": "sale", "occurred_at": IN_2031,
        "product": "E10", "amount": "1.00", "fuelling_point": 1, "nozzle": 1,
    }  # fmt: skip
    await worker.receive("ledger", entry, NOON)
    async with worker.pool.connection() as connection:
        told = await connection.execute(
            "SELECT n.occurred_at = e.received_at, d.last_entry_at = e.received_at "
            "FROM entry e, nozzle_state n, fiscal_day d"
        )
        assert await told.fetchall() == [(True, True)]


# --- equal times, repeats, two workers -----------------------------------------------------------


async def test_started_finished_and_started_within_one_second_ends_as_started(
    worker: Worker,
) -> None:
    for number, state in enumerate(("started", "finished", "started")):
        await worker.receive("alarms", alarm(state, NOON), after(number / 10))
    assert await rows(Alarm, "state") == [("started",)]
    assert sorted(await rows(AlarmEvent, "state")) == [("finished",), ("started",)]


async def test_a_batch_that_comes_again_changes_nothing(worker: Worker) -> None:
    told = [
        (alarm("started", NOON), after(0)),
        (alarm("finished", after(20)), after(20)),
        (alarm("started", after(20)), after(20)),
        (alarm("finished", after(20)), after(20)),
        (alarm("started", IN_2031), after(21)),
        (alarm("finished", after(25)), after(26)),
    ]
    for message, received_at in told:
        await worker.receive("alarms", message, received_at)
    stands = await rows(Alarm, "state", "at", "received_at")
    assert stands == [("finished", after(25), after(26))]
    for message, received_at in told:
        await worker.receive("alarms", message, received_at + datetime.timedelta(minutes=1))
    assert await rows(Alarm, "state", "at", "received_at") == stands


@FUTURES
async def test_of_two_workers_the_later_receipt_wins_whoever_commits_first(
    workers: Callable[[], Worker], future: datetime.datetime
) -> None:
    slow, quick = workers(), workers()
    lanes: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "alarms": (alarm("finished", future), alarm("started", after(1))),
        "pumps/1": (pump("idle", future), pump("calling", after(1))),
        "tanks/1": (gauge(9_000, future), gauge(8_000, after(1))),
        "status": (status(True, future), status(False, after(1))),
    }
    held = [slow.take(lane, wrong, NOON) for lane, (wrong, _right) in lanes.items()]
    for lane, (_wrong, right) in lanes.items():
        await quick.receive(lane, right, after(2))
    for batch in held:
        await slow.commit(batch)
    assert await rows(Alarm, "state") == [("started",)]
    assert await rows(PumpState, "state") == [("calling",)]
    assert [int(volume) for (volume,) in await rows(TankState, "volume")] == [8_000]
    assert await rows(SiteStatus, "online", "received_at") == [(False, after(2))]


async def test_a_batch_counts_as_received_when_its_first_message_came(worker: Worker) -> None:
    """And not when it was made: at a quiet hour it waits long for that message."""
    batch = Batch(received_at=NOON - datetime.timedelta(days=1))
    drop = {"at": NOON, "tank": 1, "product": "E10", "volume": "1"}
    payload = json.dumps(drop, default=_text).encode()
    worker.intake.take(batch, 0.0, [(b"forecourt/v1/LON-1/deliveries", payload, 1)])
    assert batch.received_at > NOON
    assert batch.received_at == batch.events[0].received_at


# --- since when a tank is low --------------------------------------------------------------------


async def test_a_tank_is_low_since_the_first_low_reading_of_those_that_go_on(
    worker: Worker,
) -> None:
    since = []
    for minute, volume in enumerate((9_000, 3_900, 3_800, None, 3_700, 12_000, 3_999)):
        at = after(60 * minute)
        await worker.receive("tanks/1", gauge(volume, at), at)
        since += [low for (low,) in await rows(TankState, "low_since")]
    assert since == [None, *[after(60)] * 4, None, after(360)]


# --- states that are forgotten -------------------------------------------------------------------


async def test_an_empty_payload_has_a_state_forgotten(worker: Worker) -> None:
    await worker.receive("pumps/1", pump("idle", NOON), NOON)
    await worker.receive("pumps/2", pump("idle", NOON), NOON)
    await worker.receive("tanks/1", gauge(9_000, NOON), NOON)
    await worker.receive("status", status(True, NOON), NOON)
    for lane in ("pumps/1", "tanks/1", "status"):
        await worker.receive(lane, None, after(1))
    assert await rows(PumpState, "fuelling_point") == [(2,)]
    assert await rows(TankState, "tank") == []
    assert await rows(SiteStatus, "online", "at", "since") == [(None, None, None)]


async def test_what_is_told_after_it_counts_whatever_its_time_says(worker: Worker) -> None:
    earlier = after(-86_400)
    await worker.receive("pumps/1", pump("fuelling", NOON), NOON)
    await worker.receive("tanks/1", gauge(9_000, NOON), NOON)
    await worker.receive("status", status(True, NOON), NOON)
    batches = [worker.take(lane, None, after(1)) for lane in ("pumps/1", "tanks/1", "status")]
    batches += [
        worker.take("pumps/1", pump("idle", earlier), after(1)),
        worker.take("tanks/1", gauge(8_000, earlier), after(1)),
        worker.take("status", status(False, earlier), after(1)),
    ]
    for batch in batches:
        await worker.commit(batch)
    assert await rows(PumpState, "state", "since") == [("idle", earlier)]
    assert [int(volume) for (volume,) in await rows(TankState, "volume")] == [8_000]
    assert await rows(SiteStatus, "online") == [(False,)]


async def test_a_status_that_was_received_before_does_not_come_back(
    workers: Callable[[], Worker],
) -> None:
    slow, quick = workers(), workers()
    held = slow.take("status", status(True, NOON), NOON)
    await quick.receive("status", None, after(1))
    await slow.commit(held)
    assert await rows(SiteStatus, "online") == [(None,)]


async def test_clearing_a_topic_is_no_word_of_the_site(worker: Worker) -> None:
    await worker.receive("pumps/1", None, NOON)
    await worker.receive("status", None, NOON)
    assert await rows(SiteStatus, "last_heard_at") == [(None,)]
