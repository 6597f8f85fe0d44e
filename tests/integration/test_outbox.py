"""What the console asks of a site goes out over a real broker, once, and heals the day."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from console.models import User
from ingest.mqtt import BrokerAddress as Address
from ingest.seal_copies import seal_copies
from ledger.copy_verification import SealCopy
from ledger.models import Command, FiscalDay, Site
from ledger.selectors.resends import DayResend, ResendStatus, day_resend
from ledger.services.resends import resend_request
from ledger.verification import ledger_verify
from tests.conftest import BrokerAddress
from tests.factories import make_day, make_forecourt, make_user
from tests.integration.conftest import Rig, RigMaker
from tests.integration.test_ingest_outcomes import LEDGER, entry, rows
from tests.mosquitto import Mosquitto
from tests.sealing import sealed, tamper

COMMANDS = "forecourt/v1/LON-1/commands"
MISSING = "SELECT highest_sequence - entry_count FROM fiscal_day"
#: As a server does that is restarted: the worker's connections end.
END_CONNECTIONS = """
SELECT count(pg_terminate_backend(pid)) >= 2 FROM pg_stat_activity
WHERE application_name LIKE 'ingest %'
"""
SENT = "SELECT count(*) FROM command WHERE sent_at IS NOT NULL"


@pytest.fixture(autouse=True)
def person(committed_db: None) -> User:
    make_forecourt("LON-1")
    return make_user(first_name="Maja", last_name="Lindqvist")


@pytest.fixture
def ask(person: User) -> Any:
    """Ask for what the one fiscal day lacks; returns how many entries were asked for."""

    @sync_to_async
    def ask() -> int:
        try:
            return resend_request(day=FiscalDay.objects.get(), requested_by=person)
        finally:
            connection.close()

    return ask


@sync_to_async
def make_commands(person: User, count: int) -> None:
    """Write single commands, each for another sequence number."""
    site = Site.objects.get()
    Command.objects.bulk_create(
        Command(
            site=site,
            kind=Command.Kind.RESEND,
            fiscal_day="2026-11-20",
            ranges=[[number, number]],
            asked_count=1,
            requested_by=person,
            requested_at=timezone.now(),
        )
        for number in range(1, count + 1)
    )
    connection.close()


@sync_to_async
def resend() -> DayResend:
    """What became of the request for the one fiscal day."""
    try:
        return day_resend(FiscalDay.objects.get())
    finally:
        connection.close()


@asynccontextmanager
async def site_that_listens(broker: BrokerAddress) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(COMMANDS, qos=1)
        yield client


async def commands(client: aiomqtt.Client, *, count: int) -> list[dict[str, Any]]:
    """Return the next commands."""
    received: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        async for message in client.messages:
            assert message.qos == 1
            assert not message.retain
            received.append(json.loads(message.payload))
            if len(received) == count:
                break
    return received


async def test_what_is_missing_is_asked_for_and_heals_the_day(rig: Rig, ask: Any) -> None:
    rig.start_worker()
    await rig.publish(*[(LEDGER, entry(n)) for n in (1, 2, 6, 8)])
    await rig.until(MISSING, 4)
    async with site_that_listens(rig.broker) as site:
        assert await ask() == 4
        assert await commands(site, count=1) == [
            {"command": "resend", "fiscal_day": "2026-11-20", "ranges": [[3, 5], [7, 7]]}
        ]
    await rig.until(SENT, 1)
    assert await rows(Command, "sent_by") == [(rig.name,)]
    request = (await resend()).request
    assert request is not None
    assert (request.status, request.missing_count) == (ResendStatus.SENT, 4)
    await rig.publish(*[(LEDGER, entry(n)) for n in (3, 4, 5, 7)])
    await rig.until(MISSING, 0)
    healed = await resend()
    assert healed.request is not None
    assert healed.request.status == ResendStatus.ARRIVED
    assert not healed.is_offered


async def test_several_workers_send_each_command_once(
    make_rig: RigMaker, mosquitto: BrokerAddress, person: User
) -> None:
    # On Mosquitto: when a member of a group leaves, the embedded broker's router may panic.
    rig = await make_rig(mosquitto)
    for name in ("one", "two"):
        rig.start_worker("--name", f"{rig.name}-{name}", "--group", rig.name)
    await rig.until("SELECT count(DISTINCT worker) FROM pulse", 2)
    async with site_that_listens(rig.broker) as site:
        await make_commands(person, 40)
        received = await commands(site, count=40)
        await rig.until(SENT, 40)
        # Whatever had been sent twice would stand before this.
        await rig.publish((COMMANDS, {"command": "end"}))
        assert await commands(site, count=1) == [{"command": "end"}]
    assert sorted(one["ranges"] for one in received) == [[[n, n]] for n in range(1, 41)]


async def test_a_request_waits_for_the_broker(make_rig: RigMaker, ask: Any, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, is_persistent=True)
    broker.start()
    try:
        rig = await make_rig(BrokerAddress(broker.port))
        rig.start_worker()
        await rig.publish((LEDGER, entry(2)))
        await rig.until(MISSING, 1)
        broker.stop()
        assert await ask() == 1
        broker.start()
        async with site_that_listens(rig.broker) as site:
            # The site may have come after the message, which the worker then has rightly sent.
            await rig.until(SENT, 1)
            assert site is not None
    finally:
        broker.stop()
    assert await rows(Command, "sent_by") == [(rig.name,)]


async def test_a_request_survives_the_loss_of_the_database(embedded_rig: Rig, ask: Any) -> None:
    rig = embedded_rig
    worker = rig.start_worker()
    await rig.publish((LEDGER, entry(2)))
    await rig.until(MISSING, 1)
    async with site_that_listens(rig.broker) as site:
        await rig.until(END_CONNECTIONS, answer=True)
        assert await ask() == 1
        assert len(await commands(site, count=1)) == 1
    await rig.until(SENT, 1)
    assert worker.process.poll() is None
    assert worker.stop() == 0


async def test_a_worker_that_is_killed_leaves_no_command_claimed(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    await make_commands(person, 200)
    first = rig.start_worker()
    await rig.until("SELECT count(*) > 0 FROM command WHERE sent_at IS NOT NULL", True)
    first.process.kill()
    rig.start_worker()
    await rig.until(SENT, 200)


async def test_a_seal_is_kept_by_the_broker_for_the_site_and_in_the_copy(
    rig: Rig, tmp_path: Path
) -> None:
    newest = await sync_to_async(_seal)("2026-11-19", "2026-11-20")
    rig.start_worker(env=[f"SEAL_SERIES={tmp_path}/seals"])
    await rig.until(SENT, 2)
    copies = await seal_copies(Address.parse(rig.broker.url))
    assert copies == {"LON-1": newest}
    # What is recorded is linked, and what is sealed while the worker runs is added to the copy.
    await sync_to_async(_seal)("2026-11-21")
    await rig.until(SENT, 3)
    await rig.until("SELECT count(*) FROM audit_unlinked", 0)
    async with asyncio.timeout(20):
        while _z_numbers(tmp_path / "seals") != [1, 2, 3]:  # noqa: ASYNC110 a file tells nobody
            await asyncio.sleep(0.05)
    assert await sync_to_async(_faults)(tmp_path / "seals") == []


async def test_seals_that_somebody_took_out_of_the_database_do_not_end_the_worker(
    embedded_rig: Rig, tmp_path: Path
) -> None:
    await sync_to_async(_seal)("2026-11-19")
    await sync_to_async(_unseal_all)()
    # Nor does a copy of the seals that tells of more.
    series = tmp_path / "seals.jsonl"
    known = {"line": "trail", "number": 99, "digest": "00" * 32, "at": "", "key": ""}
    series.write_text(json.dumps(known) + "\n")
    worker = embedded_rig.start_worker(env=[f"SEAL_SERIES={series}"])
    await embedded_rig.until(SENT, 1)
    await embedded_rig.until("SELECT count(*) FROM audit_unlinked", 0)
    log = worker.log.read_text()
    assert "is gone from the database" in log
    assert log.count(f"the copy of the seals: {series} ends with link 99 of the audit trail") == 1
    assert worker.is_running


def _seal(*days: str) -> SealCopy:
    """Seal days. Returns the copy that the site is to hold afterwards."""
    site = Site.objects.get()
    for each in days:
        day = sealed(make_day(site, fiscal_day=each))
    connection.close()
    assert day.z_number is not None
    return SealCopy(fiscal_day=day.fiscal_day, z_number=day.z_number, seal=day.seal_hex)


def _unseal_all() -> None:
    tamper(
        "UPDATE fiscal_day SET seal = NULL, z_number = NULL, perpetual_total = NULL,"
        " sealed_by_id = NULL, sealed_at = NULL"
    )
    connection.close()


def _z_numbers(series: Path) -> list[int]:
    lines = [line for path in series.glob("*.jsonl") for line in path.read_text().splitlines()]
    return [told["z_number"] for told in map(json.loads, lines) if told["line"] == "seal"]


def _faults(series: Path) -> list[str]:
    found = ledger_verify(sites=list(Site.objects.all()), series=[series]).faults
    connection.close()
    return [str(fault) for fault in found]
