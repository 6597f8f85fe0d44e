"""The copy of all seals outside of the database: how it grows, and what it tells afterwards."""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django import Settings

from ingest import contract
from ingest.simulator.seals import KeptSeals
from ingest.sql import load
from ledger import signing
from ledger.models import AuditLink, FiscalDay, Site
from ledger.seal_series import SeriesError, series_add
from ledger.series_verification import series_verify
from ledger.services.audit import audit_record
from ledger.services.sealing import seal_obstacles
from ledger.verification import ledger_verify
from tests.factories import make_day, make_forecourt
from tests.sealing import link_anew, sealed, tamper, undone

pytestmark = pytest.mark.django_db

DAYS = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"]
NOTHING = "seal = NULL, z_number = NULL, sealed_by_id = NULL, sealed_at = NULL,"


@pytest.fixture
def site() -> Site:
    """Four sealed days."""
    site = make_forecourt("HILL")
    for day in DAYS:
        sealed(make_day(site, fiscal_day=day))
    return site


@pytest.fixture
def series(site: Site, tmp_path: Path) -> Path:
    """The copy of them."""
    path = tmp_path / "seals.jsonl"
    series_add(path)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def numbers(path: Path) -> list[Any]:
    """The Z numbers of a series, and `trail` for each head."""
    return [line.get("z_number", line["line"]) for line in lines(path)]


def record() -> None:
    with transaction.atomic():
        audit_record(action="site.changed", actor="x")


def faults(site: Site, *series: Path) -> list[str]:
    return [str(fault) for fault in ledger_verify(sites=[site], series=series).faults]


class TestAdding:
    def test_every_seal_and_the_head(self, site: Site, series: Path) -> None:
        *seals, head = lines(series)
        assert [line["z_number"] for line in seals] == [1, 2, 3, 4]
        day = FiscalDay.objects.get(fiscal_day=DAYS[-1])
        assert seals[-1]["seal"] == seals[-1]["document"] == day.seal_hex
        assert (seals[-1]["previous_seal"], seals[-1]["site"]) == (seals[2]["seal"], "HILL")
        newest = AuditLink.objects.latest("number")
        assert (head["number"], head["digest"]) == (newest.number, bytes(newest.digest).hex())
        assert head["key"] == seals[-1]["key"] == signing.newest_key()

    def test_the_same_again_adds_nothing(self, series: Path) -> None:
        before = series.read_bytes()
        assert series_add(series).seals == 0
        assert series.read_bytes() == before

    def test_only_what_is_new(self, site: Site, series: Path) -> None:
        before = series.read_bytes()
        record()
        assert series_add(series).seals == 0
        sealed(make_day(site, fiscal_day="2026-11-22"))
        assert series_add(series).seals == 1
        assert series.read_bytes().startswith(before)
        assert numbers(series) == [1, 2, 3, 4, "trail", "trail", 5, "trail"]
        assert faults(site, series) == []

    def test_a_folder_gets_a_file_for_each_day(
        self, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "outside" / "seals"
        series_add(folder)
        [file] = folder.iterdir()
        today = datetime.datetime.now(datetime.UTC).date()
        assert file.name == f"seals-{today}.jsonl"
        yesterday = file.rename(folder / f"seals-{today - datetime.timedelta(days=1)}.jsonl")
        assert series_add(folder).seals == 0
        sealed(make_day(site, fiscal_day="2026-11-22"))
        assert series_add(folder).seals == 1
        assert sorted(folder.iterdir()) == [yesterday, file]
        assert numbers(folder) == [1, 2, 3, 4, "trail", 5, "trail"]
        assert faults(site, folder) == []

    @pytest.mark.parametrize("left", [1, 200, 1_500])
    def test_what_a_killed_run_left_is_made_good(self, site: Site, series: Path, left: int) -> None:
        """Killed at any byte behind the first run's end."""
        first = series.read_bytes()
        for day in ("2026-11-22", "2026-11-23"):
            sealed(make_day(site, fiscal_day=day))
        series_add(series)
        whole = series.read_bytes()
        series.write_bytes(whole[: len(first) + left])
        assert faults(site, series) == []
        series_add(series)
        assert numbers(series) == [1, 2, 3, 4, "trail", 5, 6, "trail"]
        assert series.read_bytes()[: len(first) + left] == whole[: len(first) + left]
        assert faults(site, series) == []

    def test_a_ledger_that_knows_less_is_not_added(self, site: Site, series: Path) -> None:
        before = series.read_bytes()
        tamper("DELETE FROM audit_link WHERE number > 5")
        with pytest.raises(SeriesError, match="which the ledger does not hold"):
            series_add(series)
        assert series.read_bytes() == before

    def test_without_a_key_the_head_is_not_signed(
        self, series: Path, settings: Settings, tmp_path: Path
    ) -> None:
        settings.SEAL_KEYS = tmp_path
        record()
        series_add(series)
        assert (lines(series)[-1]["key"], lines(series)[-1]["signature"]) == ("", "")


def remove(*days: str) -> None:
    """Remove sealed days with all that tells of them, and make the rest a whole trail again."""
    for table in ("day_seal", "fiscal_day", "entry", "day_total", "payment_total", "hour_total"):
        tamper(f"DELETE FROM {table} WHERE fiscal_day = ANY(%s::date[])", list(days))
    tamper("DELETE FROM audit_event WHERE fiscal_day = ANY(%s::date[])", list(days))
    link_anew()


def unseal_only() -> None:
    tamper(
        f"UPDATE fiscal_day SET {NOTHING} previous_seal = NULL, perpetual_total = NULL"
        " WHERE fiscal_day = %s",
        DAYS[-1],
    )
    tamper("DELETE FROM day_seal WHERE fiscal_day = %s", DAYS[-1])


def unseal() -> None:
    """Take the seal away with all that tells of it."""
    unseal_only()
    tamper("DELETE FROM audit_event WHERE fiscal_day = %s AND action = 'day.sealed'", DAYS[-1])
    link_anew()


def test_what_was_cut_off_the_end_is_named(site: Site, series: Path) -> None:
    """By somebody who may write anything in the database, and nothing outside of it."""

    def assert_named(days: list[str], said: str, *, is_trail_another: bool = True) -> None:
        found = faults(site, series)
        for day in days:
            start = f"HILL {day}: {series} holds seal"
            assert any(one.startswith(start) and said in one for one in found), found
        if is_trail_another:
            trail = (f"link 12 of {series} is not in", f"{series} holds another link 12")
            assert any(one in fault for fault in found for one in trail), found

    assert faults(site, series) == []
    for days in (DAYS[3:], DAYS[1:], DAYS):
        with undone():
            remove(*days)
            assert_named(days, "which is not sealed; the key")
    with undone():
        unseal_only()
        assert_named(DAYS[3:], "which is not sealed; the key", is_trail_another=False)
    unseal()
    assert_named(DAYS[3:], "which is not sealed; the key")
    tamper("UPDATE entry SET amount = 1 WHERE fiscal_day = %s AND sequence = 1", DAYS[-1])
    for table in ("day_total", "payment_total", "hour_total"):
        tamper(f"UPDATE {table} SET amount = amount - 46.93 WHERE fiscal_day = %s", DAYS[-1])
    sealed(FiscalDay.objects.select_related("site").get(fiscal_day=DAYS[-1]))
    assert_named(DAYS[3:], "which is another one; the key")


def test_nothing_is_sealed_while_the_copy_here_tells_of_more(
    site: Site, series: Path, settings: Settings
) -> None:
    """Two people who seal again what somebody unsealed without a trace in the database."""
    settings.SEAL_SERIES = str(series)
    assert sealed(make_day(site, fiscal_day="2026-11-22")).z_number == 5
    unseal()
    day = FiscalDay.objects.select_related("site").get(fiscal_day=DAYS[-1])
    assert any("tells of more than the ledger holds" in why for why in seal_obstacles(day))
    series.unlink()
    assert not any("tells of more" in why for why in seal_obstacles(day))


def test_what_a_seal_was_is_compared(site: Site, series: Path) -> None:
    for tampering, said in (
        ("UPDATE day_seal SET document = document || ' '", "holds another document"),
        ("UPDATE day_seal SET signature = sha512('x')", "holds another signature"),
        ("UPDATE day_seal SET key_id = 'x'", "holds another key"),
        ("UPDATE day_seal SET trail_number = 0", "holds another head of the audit trail"),
        ("UPDATE fiscal_day SET sealed_at = now()", "holds another time of its seal"),
        ("UPDATE fiscal_day SET perpetual_total = 1", "holds another perpetual total"),
        ("UPDATE site SET code = 'VALE'", "of a site that is not registered"),
    ):
        where = "" if "site SET" in tampering else f" WHERE fiscal_day = '{DAYS[1]}'"
        with undone():
            tamper(tampering + where)
            found = [str(fault) for fault in series_verify(series, sites=[site]).faults]
            assert any(said in fault and f"HILL {DAYS[1]}" in fault for fault in found), found


def test_what_a_site_keeps_is_such_a_copy(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "simulator.seals.jsonl"
    kept = KeptSeals(path)
    with connection.cursor() as cursor:
        cursor.execute(load("newest_seal"), {"site_id": site.pk})
        row = cursor.fetchone()
    seal = contract.Seal(**dict(zip(contract.Seal.__struct_fields__, row, strict=True)))
    for _ in range(2):
        kept.keep("HILL", contract.encode(seal))
    assert numbers(path) == [4]
    verdict = series_verify(path, sites=[site], are_all_sites=False)
    assert (verdict.faults, verdict.seals) == ([], 1)
    remove(DAYS[3])
    [said] = series_verify(path, sites=[site]).faults
    assert f"which is not sealed; the key {signing.newest_key()} signed it" in said.what


class TestTheCopyItself:
    def altered(self, series: Path, **changes: Any) -> None:
        first, *rest = series.read_text().splitlines(keepends=True)
        series.write_text(json.dumps(json.loads(first) | changes) + "\n" + "".join(rest))

    def found(self, site: Site, series: Path) -> list[str]:
        return [str(fault) for fault in series_verify(series, sites=[site]).faults]

    def test_a_seal_that_nobody_signed(self, site: Site, series: Path) -> None:
        self.altered(series, seal="00" * 32)
        [said] = self.found(site, series)
        assert said.endswith(
            "holds seal 1 of this day, which is another one; its signature is wrong"
        )

    def test_a_line_that_was_taken_out(self, site: Site, series: Path) -> None:
        first, _, *rest = series.read_text().splitlines(keepends=True)
        series.write_text("".join([first, *rest]))
        assert self.found(site, series) == [f"HILL {DAYS[1]}: {series} does not hold seal 2"]

    def test_a_line_that_is_none(self, site: Site, series: Path) -> None:
        series.write_text("[]\n" + series.read_text())
        assert self.found(site, series) == [f"line 1 of {series} cannot be read"]

    def test_a_head_that_nobody_signed(self, site: Site, series: Path) -> None:
        *seals, head = series.read_text().splitlines(keepends=True)
        told = json.loads(head) | {"at": "2030-01-01T00:00:00+00:00"}
        series.write_text("".join(seals) + json.dumps(told) + "\n")
        assert self.found(site, series) == [
            f"{series} holds link 12 of the audit trail with a wrong signature"
        ]

    def test_no_copy_at_all(self, site: Site, tmp_path: Path) -> None:
        assert self.found(site, tmp_path / "a.jsonl") == [
            f"{tmp_path}/a.jsonl holds no series of seals"
        ]

    def test_many_faults_are_counted(
        self, site: Site, series: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ledger.series_verification.FAULTS_NAMED_MAX", 1)
        remove(*DAYS)
        assert self.found(site, series)[1:] == [f"4 more things do not agree with {series}"]

    def test_a_part_of_the_ledger(self, site: Site, series: Path) -> None:
        other = make_forecourt("VALE")
        sealed(make_day(other, fiscal_day=DAYS[0], entries=1))
        series_add(series)
        day = datetime.date.fromisoformat(DAYS[2])
        for sites in ([site], [other]):
            verdict = series_verify(series, sites=sites, are_all_sites=False)
            assert (verdict.faults, verdict.seals) == ([], 4 if sites == [site] else 1)
        part = series_verify(series, sites=[site], first=day, last=day, are_all_sites=False)
        assert (part.faults, part.seals) == ([], 1)


class TestTheCommands:
    def run(self, *arguments: Any) -> str:
        out = io.StringIO()
        call_command(*map(str, arguments), stdout=out)
        return out.getvalue()

    def test_export_and_verify(self, site: Site, tmp_path: Path) -> None:
        target = tmp_path / "copy"
        assert "4 seals added to the folder" in self.run("export_seals", target)
        assert "0 seals added" in self.run("export_seals", target)
        said = self.run("verify_ledger", "--against", target)
        assert f"4 seals of {target} compared" in said
        remove(DAYS[-1])
        with pytest.raises(CommandError, match="which is not sealed"):
            self.run("verify_ledger", "--against", target)
        with pytest.raises(CommandError, match="verify_ledger --against names what is missing"):
            self.run("export_seals", target)

    def test_the_usual_place(self, site: Site, tmp_path: Path, settings: Settings) -> None:
        with pytest.raises(CommandError, match="Say where to"):
            self.run("export_seals")
        settings.SEAL_SERIES = str(tmp_path / "usual")
        assert "compared" not in self.run("verify_ledger")
        self.run("export_seals")
        assert f"4 seals of {tmp_path}/usual compared" in self.run("verify_ledger")

    def test_a_place_that_cannot_be_written(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CommandError, match="cannot be written"):
            self.run("export_seals", tmp_path / "file" / "copy")
