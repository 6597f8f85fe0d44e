"""The audit export: everything of a period, with checksums, in constant memory."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import subprocess
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient

from console.archive.tables import MADE, TABLES
from console.audit_export import write_audit_archive
from console.models import Role, User
from console.own_connection import own_snapshot
from console.spool import PIECE_BYTES
from ledger.models import Delivery, Site
from tests.factories import make_day, make_forecourt, make_site, make_user

DAY = datetime.date(2026, 11, 21)


class Pieces:
    """Takes an archive, and keeps it where that is wanted."""

    def __init__(self, *, keeps: bool) -> None:
        self.size = 0
        self.kept = bytearray()
        self._keeps = keeps

    def write(self, data: bytes, /) -> int:
        self.size += len(data)
        if self._keeps:
            self.kept += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def archive_of(*, keeps: bool = True, **wanted: Any) -> Pieces:
    """Write an archive as an export does: in a thread that has no connection yet."""
    pieces = Pieces(keeps=keeps)

    def write() -> None:
        with own_snapshot("a test", statement_max_s=60) as own:
            write_audit_archive(own.connection, pieces, asked_by="the auditor", **wanted)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(write).result()
    return pieces


def opened(data: bytes | bytearray) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(data))


def rows_of(archive: zipfile.ZipFile, table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(f"{table}.csv").decode())))


def test_everything_of_a_period_and_of_nothing_else(committed_db: None, tmp_path: Path) -> None:
    one, other = make_forecourt("S1"), make_site("S2")
    for day in ("2026-11-20", "2026-11-21", "2026-11-22"):
        make_day(one, fiscal_day=day)
        make_day(other, fiscal_day=day)
    data = archive_of(site_ids={one.pk}, first=DAY, last=DAY).kept
    with opened(data) as archive:
        assert {row["site"] for row in rows_of(archive, "entry")} == {"S1"}
        entries = [(row["fiscal_day"], row["sequence"]) for row in rows_of(archive, "entry")]
        assert entries == [("2026-11-21", "1"), ("2026-11-21", "2"), ("2026-11-21", "3")]
        assert [row["code"] for row in rows_of(archive, "site")] == ["S1"]
        assert len(rows_of(archive, "fiscal_day")) == 1
        assert set(archive.namelist()) == {
            *(f"{file.name}.csv" for file in (*TABLES, *MADE)), "SHA256SUMS", "manifest.json",
            "datapackage.json", "README.md", "verify.py",
        }  # fmt: skip
        manifest = json.loads(archive.read("manifest.json"))
        for one_file in manifest["files"]:
            content = archive.read(one_file["file"])
            assert hashlib.sha256(content).hexdigest() == one_file["sha256"]
            assert len(content) == one_file["bytes"]
        assert manifest["asked_by"] == "the auditor"
        assert {f["file"]: f["rows"] for f in manifest["files"]}["entry.csv"] == 3
        archive.extractall(tmp_path)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_a_delivery_is_there_with_the_days_around_it_and_with_its_sealed_day(
    committed_db: None,
) -> None:
    site = make_forecourt("S1")
    make_day(site, fiscal_day="2026-11-21")
    for number in (19, 20, 22, 24, 25):
        at = datetime.datetime(2026, 11, number, 9, tzinfo=datetime.UTC)
        Delivery.objects.create(site=site, tank=1, at=at, product="E10", volume=100, received_at=at)
    # A day that stayed open for days, and is sealed.
    Delivery.objects.filter(at__day=25).update(fiscal_day=DAY)
    data = archive_of(site_ids=None, first=DAY, last=DAY).kept
    with opened(data) as archive:
        assert [row["at"][8:10] for row in rows_of(archive, "delivery")] == ["20", "22", "25"]


def test_no_site_is_an_archive_without_rows(committed_db: None) -> None:
    make_day(make_site("S1"), fiscal_day="2026-11-21")
    data = archive_of(site_ids=frozenset(), first=None, last=None).kept
    with opened(data) as archive:
        files = json.loads(archive.read("manifest.json"))["files"]
    # What codes mean and the keys that sign belong to no site.
    rows = {one["file"]: one["rows"] for one in files if one["rows"]}
    assert rows.keys() <= {"code_list.csv", "public_key.csv"}


def fill(site: Site, entries: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO fiscal_day (site_id, fiscal_day, entry_count) VALUES (%s, %s, %s)",
            [site.pk, DAY, entries],
        )
        cursor.execute(
            "INSERT INTO entry (site_id, fiscal_day, sequence, occurred_at, received_at, kind, "
            "product, amount, volume) SELECT %s, %s, n, now(), now(), 1, 'E10', n, n "
            "FROM generate_series(1, %s) AS n",
            [site.pk, DAY, entries],
        )


def peak_bytes(site: Site) -> tuple[int, int]:
    """Export a site; return the most memory that was held, and how large it is."""
    tracemalloc.start()
    try:
        pieces = archive_of(keeps=False, site_ids={site.pk}, first=DAY, last=DAY)
        return tracemalloc.get_traced_memory()[1], pieces.size
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_ledger(committed_db: None) -> None:
    small, large = make_site("SMALL"), make_site("LARGE")
    fill(small, 40_000)
    fill(large, 200_000)
    small_peak, small_size = peak_bytes(small)
    large_peak, large_size = peak_bytes(large)
    assert large_size > 4 * small_size
    assert large_peak < small_peak + 4 * PIECE_BYTES


def manager_of_one() -> User:
    own = make_site("OWN")
    make_day(own, fiscal_day="2026-11-21", entries=2)
    make_day(make_site("OTHER"), fiscal_day="2026-11-21", entries=5)
    return make_user(Role.MANAGER, own)


@pytest.fixture
def manager(committed_db: None) -> User:
    return manager_of_one()


async def test_the_page_streams_what_the_person_may_see(manager: User) -> None:
    client = AsyncClient()
    await client.aforce_login(manager)
    answer = await client.get("/reports/export/?first=2026-11-21&last=2026-11-21")
    assert answer["Content-Disposition"].endswith('.zip"')
    data = b"".join([piece async for piece in answer.streaming_content])
    await sync_to_async(lambda: connection.close())()
    with opened(data) as archive:
        assert [row["site"] for row in rows_of(archive, "entry")] == ["OWN", "OWN"]
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["asked_by"] == manager.username
        # People, imports and the ingest are no business of a manager.
        assert manifest["with_network"] is False
        assert [
            row["site"] for row in rows_of(archive, "audit_event") if row["site"] != "OWN"
        ] == []
