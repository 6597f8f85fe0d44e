"""What the simulator plays is what the ledger holds: the demo's two halves fit together."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from ingest.contract import Resend, encode
from ingest.mqtt import BrokerAddress as IngestAddress
from ingest.simulator.fleet import run_fleet
from ingest.simulator.forecourt import Behaviour
from ingest.simulator.journal import Journal
from ingest.simulator.site import Plan
from ledger.demo_sites import DemoSite, demo_sites
from ledger.services.sites import sites_register
from tests.integration.conftest import Rig
from tests.integration.test_replay import DISAGREEING_TOTALS

LOSSY = Behaviour(lost_share=0.02, outages_per_day=0, point_faults_per_day=1)
CLOSED_DAYS = "SELECT count(*) FROM fiscal_day WHERE closed_at IS NOT NULL"
MISSING = (
    "SELECT sum(last_sequence - entry_count)::integer FROM fiscal_day WHERE closed_at IS NOT NULL"
)
GAPS = """
SELECT s.code, d.fiscal_day, n
FROM fiscal_day d JOIN site s ON s.id = d.site_id, generate_series(1, d.last_sequence) n
WHERE NOT EXISTS (
    SELECT 1 FROM entry e
    WHERE (e.site_id, e.fiscal_day, e.sequence) = (d.site_id, d.fiscal_day, n)
)
"""
TOTALIZER_JUMP = 32


@pytest.fixture
def registered(committed_db: None) -> tuple[DemoSite, ...]:
    sites = demo_sites(2)
    sites_register(specs=[site.spec for site in sites])
    return sites


async def test_the_ledger_balances_once_the_gaps_are_sent_again(
    registered: tuple[DemoSite, ...], embedded_rig: Rig, tmp_path: Path
) -> None:
    rig = embedded_rig
    rig.start_worker()
    journal = Journal(tmp_path / "simulator.sqlite3")
    stop = asyncio.Event()
    plan = Plan(seed=1, pace=1.0, history_days=2, behaviour=LOSSY)
    address = IngestAddress.parse(rig.broker.url)
    fleet = asyncio.create_task(
        run_fleet(registered, plan=plan, journal=journal, address=address, stop=stop)
    )
    try:
        await rig.until(CLOSED_DAYS, 4)
        gaps = await _gaps()
        assert gaps
        async with rig.publisher() as client:
            for code, day, number in gaps:
                resend = Resend(fiscal_day=day, ranges=[(number, number)])
                await client.publish(f"forecourt/v1/{code}/commands", encode(resend), qos=1)
        await rig.until(MISSING, 0)
    finally:
        stop.set()
        await fleet
        journal.close()
    await rig.until(
        DISAGREEING_TOTALS.replace(
            "FULL JOIN", "JOIN fiscal_day USING (site_id, fiscal_day) FULL JOIN"
        )
        + " AND closed_at IS NOT NULL",
        0,
    )
    await rig.until("SELECT count(*) FROM quarantine WHERE topic LIKE 'forecourt/v1/GB-%'", 0)
    # After a lost entry its nozzle's meter has jumped, which is worth a flag; nothing else is.
    await rig.until(f"SELECT count(*) FROM entry WHERE flags & ~{TOTALIZER_JUMP} <> 0", 0)
    await rig.until("SELECT count(*) FROM site_status WHERE online", 0)
    await rig.until("SELECT count(*) FROM tank_state", 6)
    await rig.until("SELECT count(*) FROM pump_state", 14)


@sync_to_async
def _gaps() -> list[tuple[str, datetime.date, int]]:
    with connection.cursor() as cursor:
        cursor.execute(GAPS)
        found = cursor.fetchall()
    connection.close()
    return found
