"""What a worker says of itself: its row, its metrics, and its lines on a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.models import IngestWorker
from tests.conftest import free_port
from tests.factories import make_forecourt
from tests.integration.conftest import ROOT, Rig, RigMaker
from tests.integration.test_ingest_outcomes import LEDGER, entry, rows


@pytest.fixture(autouse=True)
def site(committed_db: None) -> None:
    make_forecourt("LON-1")


def scraped(port: int) -> dict[tuple[str, str], float]:
    """Ask as Prometheus does: each value by its name and reason."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels.get("reason", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_it_reports_each_second_and_says_goodbye(embedded_rig: Rig) -> None:
    rig = embedded_rig
    worker = rig.start_worker()
    await rig.publish((LEDGER, entry(1)), (LEDGER, entry(1)), (LEDGER, b"{"))
    await rig.until("SELECT sum(duplicates)::int FROM pulse", 1)
    await rig.until("SELECT state FROM ingest_worker", "connected")
    assert worker.stop() == 0
    [row] = await rows(IngestWorker, "name", "process_id", "state", "backlog", "standby_at")
    assert row == (rig.name, worker.process.pid, "stopped", 0, None)
    [times] = await rows(
        IngestWorker,
        "last_received_at",
        "last_committed_at",
        "last_stored_at",
        "last_duplicate_at",
        "last_quarantined_at",
    )
    assert None not in times


async def test_a_figure_s_last_time_stays_while_nothing_happens(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((LEDGER, entry(1)))
    await rig.until("SELECT last_stored_at IS NOT NULL FROM ingest_worker", answer=True)
    [(stored_at, since)] = await rows(IngestWorker, "last_stored_at", "state_since")
    await rig.until("SELECT reported_at > last_stored_at + interval '2 s' FROM ingest_worker", True)
    assert await rows(IngestWorker, "last_stored_at", "state_since") == [(stored_at, since)]
    assert await rows(IngestWorker, "last_quarantined_at", "last_duplicate_at") == [(None, None)]


async def test_a_worker_that_stands_by_is_known(embedded_rig: Rig) -> None:
    rig = embedded_rig
    port = free_port()
    rig.start_worker()
    await rig.until("SELECT count(*) FROM ingest_worker", 1)
    standby = rig.start_worker("--metrics-port", str(port))
    await rig.until("SELECT standby_at IS NOT NULL FROM ingest_worker", True)
    values = await asyncio.to_thread(scraped, port)
    assert values["forecourt_ingest_standing_by", ""] == 1
    assert values["forecourt_ingest_name_held", ""] == 0
    assert await rows(IngestWorker, "process_id") != [(standby.process.pid,)]


async def test_a_broker_that_is_away_is_told(embedded_rig: Rig) -> None:
    embedded_rig.start_worker(mqtt_url=f"mqtt://127.0.0.1:{free_port()}")
    await embedded_rig.until("SELECT state FROM ingest_worker", "disconnected")


async def test_prometheus_is_answered(embedded_rig: Rig) -> None:
    rig = embedded_rig
    port = free_port()
    rig.start_worker("--metrics-port", str(port))
    await rig.publish((LEDGER, entry(1)), (LEDGER, [entry(1), entry(2)]), (LEDGER, b"{"))
    await rig.until("SELECT sum(quarantined)::int FROM pulse", 1)
    await rig.until("SELECT sum(stored)::int FROM pulse", 2)
    values = await asyncio.to_thread(scraped, port)
    assert values["forecourt_ingest_received_total", ""] == 3
    assert values["forecourt_ingest_stored_total", ""] == 2
    assert values["forecourt_ingest_duplicates_total", ""] == 1
    assert values["forecourt_ingest_quarantined_total", "malformed"] == 1
    assert values["forecourt_ingest_quarantined_total", "day_sealed"] == 0
    assert values["forecourt_ingest_latency_seconds_count", ""] == 3
    # They occurred days ago: their lag says nothing of how the ingest does.
    assert values["forecourt_ingest_lag_seconds_count", ""] == 0
    assert values["forecourt_ingest_late_lag_seconds_count", ""] == 3
    assert values["forecourt_ingest_late_total", ""] == 3
    assert values["forecourt_ingest_batch_messages_sum", ""] == 3
    assert values["forecourt_ingest_broker_connections_total", ""] == 1
    assert values["forecourt_ingest_backlog_messages", ""] == 0
    for gauge in ("connected", "name_held"):
        assert values[f"forecourt_ingest_{gauge}", ""] == 1
    assert values["process_resident_memory_bytes", ""] > 0


async def test_a_metrics_port_that_is_taken_is_said(embedded_rig: Rig) -> None:
    port = free_port()
    first = embedded_rig.start_worker("--metrics-port", str(port))
    await embedded_rig.until("SELECT count(*) FROM ingest_worker", 1)
    second = embedded_rig.start_worker("--metrics-port", str(port))
    assert await asyncio.to_thread(second.process.wait, 20) != 0
    assert f"127.0.0.1:{port}" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()
    assert first.process.poll() is None


async def test_a_terminal_shows_a_line_a_second_and_a_log_file_none(
    embedded_rig: Rig, make_rig: RigMaker
) -> None:
    rig = embedded_rig
    ours, theirs = pty.openpty()
    environment = os.environ | {
        "DATABASE_URL": rig.database_url,
        "MQTT_URL": rig.broker.url,
        "DJANGO_SETTINGS_MODULE": "console.settings",
        "COLUMNS": "200",
        "LINES": "24",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "manage.py"), "ingest", "--name", rig.name),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    try:
        terminal = await _reader(ours)
        async with asyncio.timeout(30):
            header = (await terminal.readline()).decode().split()
            await rig.publish((LEDGER, entry(1)), (LEDGER, entry(1)))
            seen: dict[str, int] = {"received": 0, "stored": 0, "repeat": 0}
            while seen != {"received": 2, "stored": 1, "repeat": 1}:
                line = dict(zip(header, (await terminal.readline()).decode().split(), strict=True))
                for name in seen:
                    seen[name] += int(line[name])
                if line["stored"] != "0":
                    assert line["p99"].endswith("s")
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    beside = await make_rig(rig.broker)
    worker = beside.start_worker()
    await beside.until(f"SELECT count(*) FROM ingest_worker WHERE name = '{beside.name}'", 1)
    worker.stop()
    assert "received" not in worker.log.read_text()


async def _reader(descriptor: int) -> asyncio.StreamReader:
    """Read a terminal's side; what is at its end is an error there and an end here."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader
