"""The worker outlives its broker and its database, and says why it ends when it must."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.models import DayTotal
from tests.conftest import BrokerAddress, free_port, wait_for_port
from tests.factories import make_forecourt
from tests.integration.conftest import Rig, RigMaker
from tests.integration.test_ingest_outcomes import LEDGER, entry, rows


@pytest.fixture(autouse=True)
def site(committed_db: None) -> None:
    make_forecourt("LON-1")


async def terminate_backends(database_url: str, like: str) -> int:
    """End the worker's connections at the server's side. Returns how many there were."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name LIKE %s",
            [like],
        )
        row = await cursor.fetchone()
        return row[0] if row else 0


async def test_it_survives_the_loss_of_its_database_connections(embedded_rig: Rig) -> None:
    rig = embedded_rig
    worker = rig.start_worker()
    await rig.publish((LEDGER, entry(1)))
    await rig.until("SELECT count(*) FROM entry", 1)
    assert await terminate_backends(rig.database_url, "ingest %") >= 2
    await rig.publish(*[(LEDGER, entry(n)) for n in range(2, 40)])
    await rig.until("SELECT count(*) FROM entry", 39)
    assert await rows(DayTotal, "count") == [(39,)]
    assert worker.process.poll() is None
    assert worker.stop() == 0


@contextmanager
def persistent_mosquitto(folder: Path, port: int) -> Any:
    """A Mosquitto that keeps sessions on disk, as production would."""
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {folder}/\nmax_inflight_messages 0\nmax_queued_messages 0\n"
        "user root\n"
    )
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert binary, "mosquitto is missing; `make test` installs it"
    with subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            yield
        finally:
            process.terminate()


async def test_it_survives_a_restart_of_the_broker(make_rig: RigMaker, tmp_path: Path) -> None:
    port = free_port()
    with persistent_mosquitto(tmp_path, port):
        rig = await make_rig(BrokerAddress(port))
        worker = rig.start_worker()
        await rig.publish(*[(LEDGER, entry(n)) for n in range(1, 20)])
        await rig.until("SELECT count(*) FROM entry", 19)
    with persistent_mosquitto(tmp_path, port):
        await rig.publish(*[(LEDGER, entry(n)) for n in range(20, 40)])
        await rig.until("SELECT count(*) FROM entry", 39)
        assert worker.stop() == 0
    assert await rows(DayTotal, "count") == [(39,)]


async def test_what_postgresql_refuses_costs_only_itself(embedded_rig: Rig) -> None:
    """A rule that only the database knows stands for all that a decoder may overlook."""
    rig = embedded_rig
    async with await psycopg.AsyncConnection.connect(
        rig.database_url, autocommit=True
    ) as connection:
        await connection.execute(
            "ALTER TABLE entry ADD CONSTRAINT no_seven CHECK (sequence % 7 <> 0)"
        )
        try:
            rig.start_worker()
            array = json.dumps([entry(n) for n in range(1, 101)]).encode()
            await rig.publish((LEDGER, array), (LEDGER, entry(107)), (LEDGER, entry(119)))
            await rig.until("SELECT count(*) FROM entry", 87)
            await rig.until("SELECT count(*) FROM quarantine", 15)
        finally:
            await connection.execute("ALTER TABLE entry DROP CONSTRAINT no_seven")
    assert await rows(DayTotal, "count") == [(87,)]


async def test_it_says_why_it_ends(embedded_rig: Rig) -> None:
    rig = embedded_rig
    async with await psycopg.AsyncConnection.connect(
        rig.database_url, autocommit=True
    ) as connection:
        await connection.execute("ALTER TABLE site RENAME TO site_elsewhere")
        try:
            worker = rig.start_worker()
            assert worker.process.wait(20) == 1
        finally:
            await connection.execute("ALTER TABLE site_elsewhere RENAME TO site")
    last_line = worker.log.read_text().strip().splitlines()[-1]
    assert "ended by" in last_line
    assert 'relation "site" does not exist' in last_line
