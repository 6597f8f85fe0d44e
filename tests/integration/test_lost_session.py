"""A broker that forgot a worker's session is noticed, and sites are asked for what came since."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import Client
from django.utils import timezone

from console.models import Role
from ingest.lost_session import ask_sites
from ingest.mqtt import BrokerAddress as Address
from ingest.seal_copies import seal_copies
from ingest.sql import load
from ledger.copy_verification import SealCopy
from ledger.models import AuditEvent, Command, FiscalDay, IngestWorker
from ledger.selectors.ingest import ingest_pulse
from tests.conftest import BrokerAddress
from tests.factories import make_day, make_forecourt, make_status, make_user
from tests.integration.conftest import Rig, RigMaker
from tests.integration.test_ingest_outcomes import LEDGER, entry
from tests.mosquitto import Mosquitto
from tests.sealing import sealed

NOW = datetime.datetime.now(datetime.UTC)
COMMANDS = "forecourt/v1/LON-1/commands"
STATUS = "forecourt/v1/LON-1/status"
ASKED = "SELECT count(*) FROM command WHERE kind = 'resend_since'"
CONNECTED = "SELECT count(*) FROM ingest_worker WHERE state = 'connected'"


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps nothing when it is stopped."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.stop()


@asynccontextmanager
async def site_client(broker: Mosquitto) -> AsyncIterator[aiomqtt.Client]:
    """The controller of LON-1, there and listening to its commands."""
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, identifier="LON-1", clean_session=False
    ) as client:
        await client.subscribe(COMMANDS, qos=1)
        await client.publish(STATUS, json.dumps({"online": True, "at": now_text()}), qos=1)
        yield client


def now_text() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


async def restart(broker: Mosquitto) -> None:
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)


async def test_a_restarted_broker_that_forgot_makes_the_sites_send_again(
    make_rig: RigMaker, forgetful: Mosquitto
) -> None:
    await make_site("LON-1")
    rig = await make_rig(BrokerAddress(forgetful.port))
    rig.start_worker()
    await rig.publish((LEDGER, entry(1)))
    await rig.until("SELECT count(*) FROM entry", 1)
    await rig.until(f"SELECT ({CONNECTED} AND connected_at IS NOT NULL)", 1)
    await rig.until(ASKED, 0)

    await restart(forgetful)

    await rig.until(ASKED, 1)
    async with site_client(forgetful) as site:
        async with asyncio.timeout(20):
            message = await anext(site.messages)
        told = json.loads(bytes(message.payload))
        assert told["command"] == "resend"
        assert datetime.date.fromisoformat(told["since"]) < NOW.date()
        # What the site sends again is known; what was lost is new.
        await site.publish(LEDGER, json.dumps([entry(1), entry(2)]), qos=1)
        await rig.until("SELECT count(*) FROM entry", 2)
    await rig.until("SELECT sites_asked FROM ingest_worker", 1)


async def test_a_restarted_broker_that_forgot_is_sent_the_newest_seals_again(
    make_rig: RigMaker, forgetful: Mosquitto
) -> None:
    newest = await sync_to_async(_seal_two_days)()
    rig = await make_rig(BrokerAddress(forgetful.port))
    rig.start_worker()
    sent = "SELECT count(*) FROM command WHERE kind = 'seal' AND sent_at IS NOT NULL"
    await rig.until(sent, 2)
    await restart(forgetful)
    await rig.until(sent, 3)
    assert await seal_copies(Address.parse(rig.broker.url)) == {"LON-1": newest}


def _seal_two_days() -> SealCopy:
    site = make_forecourt("LON-1")
    sealed(make_day(site, fiscal_day="2026-11-19"))
    day = sealed(make_day(site, fiscal_day="2026-11-20"))
    connection.close()
    return SealCopy(fiscal_day=day.fiscal_day, z_number=2, seal=day.seal_hex)


async def test_a_site_that_is_not_there_is_asked_once_it_is(
    make_rig: RigMaker, forgetful: Mosquitto
) -> None:
    """The broker forgot the site's session, too: what is sent to nobody would be lost."""
    await make_site("LON-1")
    rig = await make_rig(BrokerAddress(forgetful.port))
    rig.start_worker()
    await rig.until("SELECT count(connected_at) FROM ingest_worker", 1)
    await restart(forgetful)
    await rig.until(ASKED, 1)
    # A second loss before anybody was asked asks for nothing more.
    await restart(forgetful)
    await rig.until("SELECT sites_asked FROM ingest_worker", 0)
    await rig.until("SELECT count(*) FROM command WHERE sent_at IS NULL", 1)
    async with site_client(forgetful) as site, asyncio.timeout(20):
        await anext(site.messages)
    await rig.until("SELECT count(*) FROM command WHERE sent_at IS NULL", 0)


async def test_a_first_start_and_a_session_that_was_kept_ask_nobody(
    rig: Rig, database_url: str
) -> None:
    make = rig.start_worker
    worker = make()
    await rig.until("SELECT count(connected_at) FROM ingest_worker", 1)
    assert await asyncio.to_thread(worker.stop) == 0
    make()
    await rig.until("SELECT count(*) FROM ingest_worker WHERE state = 'connected'", 1)
    await rig.until(ASKED, 0)
    assert "is gone" not in "".join(each.log.read_text() for each in rig.workers)


class TestWhoIsAsked:
    """The statements alone, on a real connection."""

    @pytest.fixture(autouse=True)
    def worker(self, committed_db: None) -> IngestWorker:
        return make_worker("ingest", connected_at=NOW - datetime.timedelta(hours=2))

    async def ask(self, database_url: str, worker: str = "ingest") -> int | None:
        async with await psycopg.AsyncConnection.connect(
            database_url, autocommit=True
        ) as asynchronous:
            return await ask_sites(asynchronous, worker=worker)

    def since(self) -> dict[str, datetime.date]:
        rows = Command.objects.filter(kind=Command.Kind.RESEND_SINCE)
        found = dict(rows.values_list("site__code", "fiscal_day"))
        connection.close()
        return found

    async def test_each_open_site_for_the_day_before_and_its_open_days(
        self, database_url: str
    ) -> None:
        await make_sites()
        assert await self.ask(database_url) == 3
        today = NOW.date()
        found = await asyncio.to_thread(self.since)
        assert found["PLAIN"] in {today - datetime.timedelta(days=days) for days in (1, 2)}
        assert found["LONG-OPEN"] == today - datetime.timedelta(days=4)
        assert found["NEW"] == today
        assert "SHUT" not in found

    async def test_two_workers_that_lose_theirs_ask_once(self, database_url: str) -> None:
        await make_sites()
        await asyncio.to_thread(make_worker, "other", connected_at=NOW)
        counts = await asyncio.gather(self.ask(database_url), self.ask(database_url, "other"))
        assert sorted(counts) == [0, 3]

    async def test_a_site_that_was_asked_is_asked_again_after_the_next_loss(
        self, database_url: str
    ) -> None:
        await make_sites()
        assert await self.ask(database_url) == 3
        assert await self.ask(database_url) == 0, "the first request waits to be sent"

        def send() -> None:
            Command.objects.update(sent_at=timezone.now())
            connection.close()

        await asyncio.to_thread(send)
        assert await self.ask(database_url) == 3, "what came since may be lost, or the answer"

    async def test_a_request_goes_out_to_who_is_heard_after_the_newest_loss_and_not_at_once_again(
        self, database_url: str
    ) -> None:
        site = await asyncio.to_thread(_make_heard_site)
        wanted = {"asked_again_after_s": 120}
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as raw:

            async def is_claimed() -> bool:
                return (
                    await (await raw.execute(load("claim_command"), wanted)).fetchone() is not None
                )

            async def hear() -> None:
                await raw.execute("UPDATE site_status SET last_heard_at = now()")

            await ask_sites(raw, worker="ingest")
            assert not await is_claimed()
            await hear()
            assert await is_claimed()
            # Once more, before it was sent: the site's own session is gone with it.
            await ask_sites(raw, worker="ingest")
            assert not await is_claimed()
            await hear()
            assert await is_claimed()
            await raw.execute("UPDATE command SET sent_at = now() - interval '10 s'")
            await ask_sites(raw, worker="ingest")
            await hear()
            assert not await is_claimed()
            await raw.execute(
                "UPDATE command SET sent_at = now() - interval '121 s' WHERE sent_at IS NOT NULL"
            )
            assert await is_claimed()
            cursor = await raw.execute("SELECT count(*) FROM command WHERE site_id = %s", [site])
            assert await cursor.fetchone() == (2,)

    async def test_a_worker_that_never_was_connected_lost_nothing(self, database_url: str) -> None:
        await make_sites()
        assert await self.ask(database_url, "new") is None
        assert await asyncio.to_thread(self.since) == {}


def _make_heard_site() -> int:
    try:
        return make_status(make_forecourt("HEARD")).site_id
    finally:
        connection.close()


async def make_sites() -> None:
    await asyncio.to_thread(_make_sites)


async def make_site(code: str) -> None:
    def make() -> None:
        make_forecourt(code)
        connection.close()

    await asyncio.to_thread(make)


def _make_sites() -> None:
    today = NOW.date()
    make_forecourt("PLAIN")
    make_forecourt("SHUT", is_closed=True)
    make_forecourt("NEW", first_fiscal_day=today)
    slow = make_forecourt("LONG-OPEN")
    for days in (4, 30):
        FiscalDay.objects.create(site=slow, fiscal_day=today - datetime.timedelta(days=days))
    connection.close()


def make_worker(name: str, **values: Any) -> IngestWorker:
    given = {
        "host": "here", "process_id": 1, "started_at": NOW, "reported_at": NOW,
        "state": "connected", "state_since": NOW, "backlog": 0,
    }  # fmt: skip
    try:
        return IngestWorker.objects.create(name=name, **given | values)
    finally:
        connection.close()


@pytest.mark.django_db
class TestPages:
    """Who looks at the network learns of it, for a day."""

    @pytest.fixture(autouse=True)
    def lost(self) -> None:
        now = timezone.now()
        IngestWorker.objects.create(
            name="harbour", host="here", process_id=1, started_at=now, reported_at=now,
            state="connected", state_since=now, backlog=0, connected_at=now, sites_asked=3,
            session_lost_at=now, session_lost_since=now - datetime.timedelta(hours=2),
        )  # fmt: skip

    def test_it_needs_attention_and_stands_beside_the_worker(self, client: Client) -> None:
        client.force_login(make_user(role=Role.ADMINISTRATOR))
        text = " ".join(client.get("/").text.split())
        assert "lost what it kept for worker harbour: 3 sites are asked" in text
        assert "The broker lost what it kept for this worker since" in text

    def test_it_is_no_news_after_a_day(self) -> None:
        later = timezone.now() + datetime.timedelta(days=1, minutes=1)
        [health] = ingest_pulse(now=later).workers
        assert not health.lost_session

    def test_the_audit_trail_names_it(self, client: Client) -> None:
        AuditEvent.objects.create(
            action="ingest.session_lost", actor_name="harbour", subject="harbour",
            detail={"since": "2026-11-20T10:00:00+00:00", "sites": 3},
        )  # fmt: skip
        client.force_login(make_user(role=Role.AUDITOR))
        page = client.get("/audit/").text
        assert "Session lost at the broker" in page
        assert "20 Nov 2026, 10:00:00" in page
