"""Recorded transactions travel through the broker and a worker of its own process to the ledger."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection
from django.test import Client

from console.models import Role
from ingest.replay.ccs import Transaction, read_ccs
from ledger.models import FiscalDay
from ledger.selectors.measures import Measure
from ledger.selectors.reports import period_report
from tests.conftest import free_port
from tests.factories import make_user
from tests.integration.conftest import ROOT, Rig
from tests.sealing import sealed
from tests.unit.test_replay_ccs import HEADER, LINES, PRODUCTS, STATIONS

SITES_THAT_SOLD = "SELECT count(DISTINCT site_id) FROM entry"
OPEN_OR_INCOMPLETE_DAYS = """
SELECT count(*) FROM fiscal_day
WHERE opened_at IS NULL OR closed_at IS NULL OR entry_count <> last_sequence
"""
#: Turnover of products that is not what the site declared, or was not declared at all.
DISAGREEING_TOTALS = """
WITH turnover AS (
    SELECT site_id, fiscal_day, product, sum(count) AS count, sum(volume) AS volume,
        sum(amount) AS amount
    FROM day_total WHERE kind IN (1, 2) GROUP BY 1, 2, 3
)
SELECT count(*) FROM turnover FULL JOIN declared_total USING (site_id, fiscal_day, product)
WHERE (turnover.count, turnover.volume, turnover.amount)
    IS DISTINCT FROM (declared_total.count, declared_total.volume, declared_total.amount)
"""
#: The broker outlives a test: what others left retained there is not ours.
QUARANTINED = "SELECT count(*) FROM quarantine WHERE topic LIKE 'forecourt/v1/CCS-%'"
#: Every repeat of the second replay, entries and days, has been counted.
DUPLICATES = "SELECT coalesce(sum(duplicates), 0)::integer FROM pulse"


async def replay(rig: Rig, folder: Path, transactions: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "manage.py"), "replay", str(transactions), "--as", "ccs",
        "--products", str(folder / "products.csv"),
        "--stations", str(folder / "gasstations.csv"),
        "--mqtt-url", rig.broker.url, *arguments,
        env=os.environ | {
            "DATABASE_URL": rig.database_url,
            "DJANGO_SETTINGS_MODULE": "console.settings",
            "COLUMNS": "120",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def assert_published(output: str, **figures: str) -> None:
    cells = [[cell.strip() for cell in line.split("│")] for line in output.splitlines()]
    found = {row[1]: row[2] for row in cells if len(row) == 4}
    for name, figure in figures.items():
        assert found[name.replace("_", " ")] == figure, output


@sync_to_async
def ledger_figures() -> dict[str, str]:
    """Return the key figures of the ledger page as a person reads them, by the ids they have."""
    client = Client()
    client.force_login(make_user())
    page = client.get("/ledger/").text
    connection.close()
    return dict(re.findall(r'id="total-(\w+)">\s*([^<]*?)\s*<', page))


def declared_by_file(folder: Path) -> list[Transaction]:
    return read_ccs(
        transactions=folder / "transactions_1k.csv",
        products=folder / "products.csv",
        stations=folder / "gasstations.csv",
    )


def measured(lines: Iterable[Transaction]) -> Measure:
    """What these lines come to; only what is sold by the litre has litres."""
    lines = list(lines)
    return Measure(
        count=len(lines),
        volume=sum((line.quantity for line in lines if line.product.is_fuel), Decimal(0)),
        amount=sum((line.total for line in lines), Decimal(0)),
        # The file states no rates.
        tax=None if lines else Decimal(0),
    )


def assert_reports_are_the_file(lines: list[Transaction]) -> None:
    """Compare the reports of the whole period, of each day and of each site with the file."""
    days = sorted({line.fiscal_day for line in lines})
    for first, last in [(days[0], days[-1]), *((day, day) for day in days)]:
        report = period_report(first=first, last=last)
        within = [line for line in lines if first <= line.fiscal_day <= last]
        for one in report.currencies:
            own = [line for line in within if line.station.land.currency == one.currency]
            assert one.turnover == measured(own)
            assert {line.product: line.kinds.turnover for line in one.products} == {
                code: measured(line for line in own if line.product.code == code)
                for code in {line.product.code for line in own}
            }
            assert {line.day: line.turnover for line in one.times if line.turnover.count} == {
                day: measured(line for line in own if line.fiscal_day == day)
                for day in {line.fiscal_day for line in own}
            }
            sold = [line for line in one.sites if line.kinds.turnover.count]
            assert {line.code: line.kinds.turnover for line in sold} == {
                code: measured(line for line in own if line.station.code == code)
                for code in {line.station.code for line in own}
            }
        assert sum(one.turnover.count for one in report.currencies) == len(within)


@sync_to_async
def seal_all_and_compare(folder: Path) -> None:
    """Seal every day, then see that reports, seals and ledger agree with the file."""
    with closing(connection):
        lines = declared_by_file(folder)
        assert_reports_are_the_file(lines)
        people = make_user(), make_user(Role.APPROVER)
        for day in FiscalDay.objects.select_related("site").order_by("site_id", "fiscal_day"):
            sealed(day, by=people)
        assert_reports_are_the_file(lines)
        last_days = FiscalDay.objects.order_by("site_id", "-fiscal_day").distinct("site_id")
        assert {day.site.code: day.perpetual_total for day in last_days.select_related("site")} == {
            code: measured(line for line in lines if line.station.code == code).amount
            for code in {line.station.code for line in lines}
        }
        output = io.StringIO()
        call_command("verify_ledger", stdout=output)
        assert "1,000 entries of 498 fiscal days, 498 of them sealed" in output.getvalue()
        assert "Everything agrees." in output.getvalue()


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    folder = tmp_path / "ccs"
    folder.mkdir()
    (folder / "transactions.csv").write_text(HEADER + LINES, encoding="utf-8")
    (folder / "products.csv").write_text(PRODUCTS, encoding="utf-8")
    (folder / "gasstations.csv").write_text(STATIONS, encoding="utf-8")
    return folder


async def test_a_replay_fills_the_ledger_and_a_second_changes_nothing(
    embedded_rig: Rig, small_set: Path
) -> None:
    rig = embedded_rig
    rig.start_worker()
    code, output = await replay(rig, small_set, small_set / "transactions.csv")
    assert code == 0, output
    assert_published(
        output, entries="6", sites="2", fiscal_days="2", total_over_all_currencies="1,194.83"
    )
    await rig.until("SELECT count(*) FROM entry", 6)
    await rig.until("SELECT count(*) FROM fiscal_day WHERE closed_at IS NOT NULL", 2)
    code, output = await replay(rig, small_set, small_set / "transactions.csv", "--speed", "1e9")
    assert code == 0, output
    await rig.until(f"SELECT ({DUPLICATES}) >= 6", answer=True)
    await rig.until("SELECT (count(*), sum(amount))::text FROM entry", "(6,1194.83)")
    await rig.until(OPEN_OR_INCOMPLETE_DAYS, 0)
    await rig.until(DISAGREEING_TOTALS, 0)
    await rig.until(QUARANTINED, 0)


async def test_a_broken_line_is_named_and_the_rest_published(
    embedded_rig: Rig, small_set: Path
) -> None:
    broken = small_set / "broken.csv"
    odd = "99,2012-08-24,10:00,1,1,404,2,1,1.00\n98,2012-08-24,10:00,1,1,3704,2,1,1.00500000\n"
    broken.write_text(HEADER + LINES + odd, encoding="utf-8")
    embedded_rig.start_worker()
    code, output = await replay(embedded_rig, small_set, broken, "--strict")
    assert code == 1
    assert "line 8: no product or station '404'" in " ".join(output.split())
    await embedded_rig.until("SELECT count(*) FROM site", 0)
    code, output = await replay(embedded_rig, small_set, broken)
    assert code == 0, output
    assert "line 8: no product or station '404'" in " ".join(output.split())
    assert "Price: 1 figures were rounded half away from zero" in " ".join(output.split())
    assert_published(output, entries="7")
    await embedded_rig.until("SELECT (count(*), sum(amount))::text FROM entry", "(7,1195.84)")


async def test_a_file_without_a_line_that_can_be_used_is_a_clear_error(
    embedded_rig: Rig, small_set: Path
) -> None:
    empty = small_set / "empty.csv"
    empty.write_text(HEADER + "1,2012-08-24\n", encoding="utf-8")
    code, output = await replay(embedded_rig, small_set, empty)
    assert code == 1
    assert "holds no line that can be used" in " ".join(output.split())


async def test_a_missing_broker_is_a_clear_error(
    embedded_rig: Rig, small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    code, output = await replay(
        embedded_rig, small_set, small_set / "transactions.csv", "--mqtt-url", nowhere,
        "--connect-seconds", "0.2",
    )  # fmt: skip
    assert code == 1
    assert f"No broker answers at {nowhere.removeprefix('mqtt://')}" in output
    assert "Traceback" not in output


@pytest.mark.timeout(300)  # of 498 days each is sealed
@pytest.mark.shared_data
async def test_the_real_transactions_arrive_to_the_cent_and_are_sealed(
    embedded_rig: Rig, shared_data: Path
) -> None:
    rig, folder = embedded_rig, shared_data / "ccs"
    rig.start_worker()
    for _ in range(2):
        code, output = await replay(rig, folder, folder / "transactions_1k.csv")
        assert code == 0, output
        assert_published(
            output,
            entries="1,000",
            sites="437",
            fiscal_days="498",
            total_over_all_currencies="425,576.16",
        )
    # The second replay is through once all of its entries were counted as repeats.
    await rig.until(f"SELECT ({DUPLICATES}) >= 1000", answer=True, seconds=60)
    await rig.until("SELECT count(*) FROM entry", 1000)
    await rig.until("SELECT sum(amount)::text FROM entry", "425576.16")
    await rig.until(SITES_THAT_SOLD, 437)
    await rig.until("SELECT count(*) FROM site", 437)
    await rig.until("SELECT count(*) FROM fiscal_day", 498)
    await rig.until(OPEN_OR_INCOMPLETE_DAYS, 0)
    await rig.until(DISAGREEING_TOTALS, 0)
    await rig.until(QUARANTINED, 0)
    await rig.until("SELECT count(*) FROM entry WHERE flags <> 0", 0)
    figures = await ledger_figures()
    assert figures["entries"] == "1,000"
    assert figures["sites"] == "437"
    assert figures["days"] == "498"
    assert figures["control"] == "425,576.16"
    # What the seals make the worker send is not to stay in the broker.
    for worker in rig.workers:
        worker.end()
    await seal_all_and_compare(folder)
