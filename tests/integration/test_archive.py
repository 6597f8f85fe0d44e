"""Archives are verified by their own `verify.py`, which knows nothing but the files beside it."""

from __future__ import annotations

import ast
import csv
import datetime
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from console.archive import verify
from console.archive.tables import TABLES
from console.audit_export import write_audit_archive
from console.own_connection import own_snapshot
from ledger.models import FiscalDay, Kind
from ledger.selectors.measures import Measure
from ledger.selectors.reports_day import day_report
from tests import second_verifier
from tests.archive_ledger import (
    FIRST,
    FOURTH,
    OPEN,
    SECOND,
    STRANGE,
    THIRD,
    ArchiveLedger,
    make_old,
)
from tests.conftest import empty_tables
from tests.second_verifier import second_look

Row = dict[str, str]
#: Entries, litres, gross amount and the tax within it, None where nobody knows it.
Figures = tuple[int, Decimal, Decimal, Decimal | None]


def asked(**wanted: Any) -> dict[str, Any]:
    """What an archive is asked for: all of it, unless said otherwise."""
    return {"site_ids": None, "first": None, "last": None, "asked_by": "the auditor"} | wanted


def unpacked(data: io.BytesIO, folder: Path) -> Path:
    with zipfile.ZipFile(data) as packed:
        packed.extractall(folder)
    return folder


def archive(folder: Path, **wanted: Any) -> Path:
    """Write an archive as the console does, and unpack it."""
    data = io.BytesIO()

    def write() -> None:
        with own_snapshot("a test", statement_max_s=60) as own:
            write_audit_archive(own.connection, data, **asked(**wanted))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(write).result()
    return unpacked(data, folder)


def archive_of_a_strange_session(folder: Path) -> Path:
    """Write an archive over a connection that takes its settings from the database."""
    settings = connection.settings_dict
    data = io.BytesIO()
    with (
        psycopg.connect(
            host=settings["HOST"], dbname=settings["NAME"], user=settings["USER"]
        ) as own,
        own.transaction(),
    ):
        (zone,) = own.execute("SELECT current_setting('timezone')").fetchone() or ("",)
        assert zone == "Asia/Kolkata"
        write_audit_archive(own, data, **asked())
    return unpacked(data, folder)


@dataclass(frozen=True)
class Archives:
    """Archives of one ledger, and what else the ledger said of it."""

    #: Everything, what one day of a site is, what a manager gets, and another database's settings.
    whole: Path
    narrow: list[Path]
    managers: Path
    strange: Path
    #: How many rows each table has.
    counts: dict[str, int]
    #: The figures of the Z reports, by site, day, part, what it is about, and kind.
    figures: dict[tuple[str, str, str, str, int], Figures]
    #: Once its seals are of the first version, without signatures: everything, and single days.
    old: list[Path]


@pytest.fixture(scope="module")
def archives(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Archives]:
    """The ledger is made once; what follows reads files alone."""
    with django_db_blocker.unblock():
        try:
            yield _archives(tmp_path_factory.mktemp("archives"))
        finally:
            empty_tables()


def _archives(folder: Path) -> Archives:
    ledger = ArchiveLedger()
    london, island = (site.pk for site in ledger.sites)
    spans = [(FIRST, FIRST), (SECOND, SECOND), (OPEN, OPEN), (THIRD, None), (None, THIRD)]
    database = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE \"{database}\" SET timezone TO 'Asia/Kolkata'")
        cursor.execute(f"ALTER DATABASE \"{database}\" SET datestyle TO 'German'")
        cursor.execute(f"ALTER DATABASE \"{database}\" SET bytea_output TO 'escape'")
        try:
            strange = archive_of_a_strange_session(folder / "strange")
        finally:
            for name in ("timezone", "datestyle", "bytea_output"):
                cursor.execute(f'ALTER DATABASE "{database}" RESET {name}')
    archives = Archives(
        whole=archive(folder / "whole"),
        narrow=[
            archive(folder / f"span-{number}", site_ids=[london], first=first, last=last)
            for number, (first, last) in enumerate(spans)
        ],
        managers=archive(
            folder / "manager", site_ids=[island], first=FOURTH, last=OPEN, with_network=False
        ),
        strange=strange,
        counts={table.name: table.model._default_manager.count() for table in TABLES},
        figures=_figures(),
        old=[folder / "old", folder / "old-day"],
    )
    make_old()
    archive(archives.old[0])
    archive(archives.old[1], site_ids=[london], first=OPEN, last=OPEN)
    archive(folder / "old-late", site_ids=[london], first=SECOND, last=SECOND)
    archives.old.append(folder / "old-late")
    return archives


def _figures() -> dict[tuple[str, str, str, str, int], Figures]:
    """Return what the console's own Z reports state, but for what is nothing."""
    kinds = {"sales": Kind.SALE, "refunds": Kind.REFUND, "tests": Kind.TEST}
    kinds["drive_offs"] = Kind.DRIVE_OFF
    found: dict[tuple[str, str, str, str, int], Measure] = {}
    for day in FiscalDay.objects.filter(sealed_at__isnull=False).select_related("site"):
        report = day_report(day)
        key = (day.site.code, str(day.fiscal_day))
        parts = [("product", line.product, line.kinds) for line in report.totals.products]
        parts += [
            ("payment", str(int(line.payment or 0)), line.kinds) for line in report.totals.payments
        ]
        parts += [
            ("nozzle", f"{line.fuelling_point or 0}/{line.nozzle} {line.product}", line.kinds)
            for line in report.nozzles
        ]
        for part, about, by_kind in parts:
            for name, kind in kinds.items():
                found[(*key, part, about, int(kind))] = getattr(by_kind, name)
        for tax in report.totals.taxes:
            rate = "not stated" if tax.tax_rate is None else str(tax.tax_rate)
            found[(*key, "tax rate", rate, 0)] = tax.turnover
        for hour in report.totals.hours:
            found[(*key, "hour", str(hour.hour), 0)] = hour.turnover
    return {
        key: (measure.count, measure.volume, measure.amount, measure.tax)
        for key, measure in found.items()
        if not measure.is_nothing
    }


def run(folder: Path) -> tuple[int, str]:
    """Run an archive's verify.py where there is nothing of the project."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py"],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def faults(folder: Path) -> list[str]:
    """Return what verify.py finds, in this process."""
    report = verify.Report()
    found = verify.Archive(folder, report)
    found.check_files()
    verify.Verifier(found).verify()
    return report.faults


def rows(folder: Path, name: str) -> list[Row]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- what is in it --------------------------------------------------------------------------------


def test_an_archive_verifies_itself_without_the_project(archives: Archives) -> None:
    code, said = run(archives.whole)
    assert code == 0, said
    assert "Everything agrees. It took " in said
    for what in (
        "8 seals", "8 signatures", "8 links of chains of seals", "263 entries", "2 month sums",
        "28 postings", "23 corrections", "16 declarations",
    ):  # fmt: skip
        assert f" {what}\n" in said, said
    assert "cannot be made again" not in said
    (key,) = rows(archives.whole, "public_key")
    assert f"Public key {key['key_id']}: {key['public_key']}" in said


def test_an_archive_of_a_part_verifies_itself_too(archives: Archives) -> None:
    for folder in (*archives.narrow, archives.managers):
        assert faults(folder) == [], folder


def test_seals_of_the_first_version_without_signatures_are_verified_too(archives: Archives) -> None:
    for folder in archives.old:
        assert faults(folder) == [], folder
        assert second_look(folder).wrong == [], folder
    # Nothing that is signed stands behind the day, so the chain goes back to its beginning.
    days = rows(archives.old[2], "fiscal_day")
    assert sorted(row["z_number"] for row in days if row["z_number"] != r"\N") == list("1234")


def test_everything_is_in_it(archives: Archives) -> None:
    manifest = json.loads((archives.whole / "manifest.json").read_text())
    held = {one["file"].removesuffix(".csv"): one["rows"] for one in manifest["files"]}
    # A person is there whose number stands somewhere, and an entry of a whole day in entry.csv.
    assert held["person"] == 2
    apart = {"person": 2, "referred_entry": 0}
    assert {name: held[name] for name in archives.counts} == archives.counts | apart
    assert archives.counts["audit_event"] > 100
    events = rows(archives.whole, "audit_event")
    assert {"person.changed"} <= {event["action"] for event in events if event["site"] == r"\N"}
    assert {row["first_name"] for row in rows(archives.whole, "person")} == {"", "Zoë"}
    assert {row["site"] for row in rows(archives.whole, "quarantine")} == {"LON-1", r"\N"}


def test_null_is_told_from_texts_that_look_like_it(archives: Archives) -> None:
    notes = {row["note"] for row in rows(archives.whole, "correction")}
    assert {"", "\\" + STRANGE, r"\\N"} <= notes
    assert {row["decision_note"] for row in rows(archives.whole, "correction")} == {"", "No."}
    assert r"\N" in {row["tax_rate"] for row in rows(archives.whole, "entry")}


def test_all_times_are_of_utc_whatever_the_database_is_set_to(archives: Archives) -> None:
    names = [path.name for path in archives.whole.glob("*.csv")]
    assert len(names) > 30
    for name in names:
        assert (archives.strange / name).read_bytes() == (archives.whole / name).read_bytes(), name
    (entry, *_) = rows(archives.whole, "entry")
    assert datetime.datetime.fromisoformat(entry["occurred_at"]).utcoffset() == datetime.timedelta()


def test_z_figures_are_those_of_the_z_reports(archives: Archives) -> None:
    def figures(row: Row) -> Figures:
        tax = None if row["tax"] == r"\N" else Decimal(row["tax"])
        return int(row["count"]), Decimal(row["volume"]), Decimal(row["amount"]), tax

    stated = {
        (row["site"], row["fiscal_day"], row["part"], row["about"], int(row["kind"])): figures(row)
        for row in rows(archives.whole, "z_figure")
    }
    assert {key: one for key, one in stated.items() if any(one)} == archives.figures
    assert any(key[3] == "not stated" and one[3] is None for key, one in stated.items())
    assert len(archives.figures) > 300


def test_rows_of_other_days_are_there_where_a_day_refers_to_them(archives: Archives) -> None:
    day = archives.narrow[2]
    assert {row["fiscal_day"] for row in rows(day, "entry")} == {str(OPEN)}
    referred = {(row["fiscal_day"], row["sequence"]) for row in rows(day, "referred_entry")}
    assert referred == {(str(FIRST), "3"), (str(FIRST), "4"), (str(THIRD), "4"), (str(SECOND), "8")}
    # All revisions of the entry, those posted to its own day too.
    assert {
        row["revision"] for row in rows(day, "correction") if row["sequence"] == "3"
    } == {"1", "2", "3"}  # fmt: skip
    # The day sealed out of order refers to the seal of a later day, which is signed.
    late = archives.narrow[1]
    days = {row["fiscal_day"]: row["z_number"] for row in rows(late, "fiscal_day")}
    assert days == {str(SECOND): "4", str(FOURTH): "3", str(OPEN): r"\N"}
    assert {row["fiscal_day"] for row in rows(late, "day_seal")} == {str(SECOND), str(FOURTH)}


def test_a_manager_gets_nothing_of_the_network(archives: Archives) -> None:
    assert {row["site"] for row in rows(archives.managers, "audit_event")} == {"LHI-2"}
    assert rows(archives.managers, "quarantine") == []
    assert rows(archives.narrow[0], "quarantine") == []
    assert {row["code"] for row in rows(archives.managers, "site")} == {"LHI-2"}


# --- what tampers with it -------------------------------------------------------------------------


def change(name: str, column: str, value: str, **where: str) -> Callable[[Path], None]:
    """Return what changes a column of the rows that have these values."""

    def tamper(folder: Path) -> None:
        found = rows(folder, name)
        chosen = [row for row in found if where.items() <= row.items()]
        assert chosen, "nothing was tampered with"
        for row in chosen:
            assert row[column] != value
            row[column] = value
        write(folder, name, found)

    return tamper


def remove(name: str, **where: str) -> Callable[[Path], None]:
    """Return what removes the rows that have these values."""

    def tamper(folder: Path) -> None:
        found = rows(folder, name)
        left = [row for row in found if not where.items() <= row.items()]
        assert len(left) < len(found), "nothing was tampered with"
        write(folder, name, left)

    return tamper


def swap(name: str, *columns: str) -> Callable[[Path], None]:
    """Return what swaps the first two rows, or these columns of them."""

    def tamper(folder: Path) -> None:
        found = rows(folder, name)
        one, other = found[0], found[1]
        if not columns:
            found[0], found[1] = other, one
        for column in columns:
            assert one[column] != other[column]
            one[column], other[column] = other[column], one[column]
        write(folder, name, found)

    return tamper


def approve_alone(folder: Path) -> None:
    """Let who proposed a correction be who approved it."""
    found = rows(folder, "correction")
    found[0]["decided_by_id"] = found[0]["author_id"]
    write(folder, "correction", found)


def remove_third(name: str) -> Callable[[Path], None]:
    """Return what removes the third row."""

    def tamper(folder: Path) -> None:
        found = rows(folder, name)
        del found[2]
        write(folder, name, found)

    return tamper


def remove_everybody(folder: Path) -> None:
    """Leave nobody's name but that of the last."""
    write(folder, "person", rows(folder, "person")[-1:])


def write(folder: Path, name: str, found: list[Row]) -> None:
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, found[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def forge(folder: Path) -> None:
    """Make all checksums and counts again, as somebody does who is thorough."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for one in manifest["files"]:
        one["sha256"] = hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest()
        one["rows"] = len(rows(folder, one["file"].removesuffix(".csv")))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    package = json.loads((folder / "datapackage.json").read_text())
    for resource, one in zip(package["resources"], manifest["files"], strict=True):
        path = folder / resource["path"]
        assert one["file"] == resource["path"]
        resource |= {"hash": f"sha256:{one['sha256']}", "rows": one["rows"]}
        resource["bytes"] = path.stat().st_size
    (folder / "datapackage.json").write_text(json.dumps(package))
    names = [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    (folder / "SHA256SUMS").write_text(
        "".join(
            f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
            for name in names
        )
    )


LONDON = {"site": "LON-1", "fiscal_day": str(FIRST)}
TAMPERINGS: list[tuple[str, Callable[[Path], None], str]] = [
    ("a changed amount", change("entry", "amount", "0.01", **LONDON, sequence="6"),
     f"LON-1 {FIRST}: entry 6 is not as it was sealed"),
    ("a removed entry", remove("entry", **LONDON, sequence="6"),
     f"LON-1 {FIRST}: entry 6 was sealed and is not there"),
    ("swapped entries", swap("entry"), "entry.csv row 2: LON-1 2026-10-24 1 is not in order"),
    ("swapped amounts", swap("entry", "amount"), f"LON-1 {FIRST}: entry 1 is not as it was sealed"),
    ("a moved entry", change("entry", "sequence", "31", **LONDON, sequence="30"),
     f"LON-1 {FIRST}: entry 31 is there and was not sealed"),
    ("a changed total", change("day_total", "tax", "0.02", **LONDON), f"LON-1 {FIRST}: day_total"),
    ("a removed total", remove("hour_total", **LONDON), f"LON-1 {FIRST}: hour_total of"),
    ("a changed payment", change("payment_total", "amount", "0.02", **LONDON, payment="1"),
     f"LON-1 {FIRST}: payment_total of 1"),
    ("a changed seal", change("fiscal_day", "seal", "ab" * 32, **LONDON),
     f"LON-1 {FIRST}: the seal is not that of its document"),
    ("a changed Z number", change("fiscal_day", "z_number", "9", **LONDON),
     f"LON-1 {FIRST}: sealed was "),
    ("a changed previous seal",
     change("fiscal_day", "previous_seal", "ab" * 32, site="LON-1", fiscal_day=str(SECOND)),
     f"LON-1 {SECOND}: it does not follow the seal of Z 3"),
    ("a changed perpetual total", change("fiscal_day", "perpetual_total", "1.00", **LONDON),
     f"LON-1 {FIRST}: the perpetual total is 1.00"),
    ("a changed signature", change("day_seal", "signature", "ab" * 64, **LONDON),
     f"LON-1 {FIRST}: the signature is not one of this seal"),
    ("a removed signature",
     change("day_seal", "signature", r"\N", site="LON-1", fiscal_day=str(THIRD)),
     f"LON-1 {THIRD}: the signature of the seal is gone"),
    ("another key", change("public_key", "public_key", "ab" * 32),
     f"LON-1 {FIRST}: the signature is not one of this seal"),
    ("a removed document", remove("day_seal", **LONDON),
     f"LON-1 {FIRST}: the sealed document is gone"),
    ("a removed day", remove("fiscal_day", **LONDON),
     f"LON-1 {FIRST}: the audit trail tells of its seal, the day is gone"),
    ("a changed posting", change("correction_posting", "amount", "1.00", **LONDON, sequence="3",
                                 revision="1", side="-1"),
     f"LON-1 {FIRST} entry 3 revision 1: side -1 posts amount 1.00"),
    ("a posting in another hour", change("correction_posting", "hour", "23", **LONDON, side="1"),
     f"LON-1 {FIRST} entry 3 revision 1: side 1 posts hour 23"),
    ("a removed posting", remove("correction_posting", **LONDON, sequence="5"),
     f"LON-1 {FIRST} entry 5 revision 1: side -1 is not posted"),
    ("a changed correction", change("correction", "note", "x", **LONDON, revision="1"),
     f'LON-1 {FIRST}: sealed was ["correction", "{FIRST}", 3, 1'),
    ("a removed correction", remove("correction", **LONDON, sequence="9", revision="1"),
     f"LON-1 {FIRST} entry 9: revision 1 is not there"),
    ("one person's approval", approve_alone, "has one person's approval alone"),
    ("a changed explanation", change("explanation", "reason", "other", **LONDON),
     f'LON-1 {FIRST}: sealed was ["explanation"'),
    ("a removed delivery", remove("delivery", **LONDON), f'LON-1 {FIRST}: sealed was ["delivery"'),
    ("a changed meter", change("totalizer", "opening", "1.000", **LONDON),
     f'LON-1 {FIRST}: sealed was ["totalizer"'),
    ("a changed dip", change("dip", "closing_water", "9.000", **LONDON),
     f'LON-1 {FIRST}: sealed was ["dip"'),
    ("a changed declaration", change("declared_total", "count", "1", **LONDON),
     f'LON-1 {FIRST}: sealed was ["declared"'),
    ("a changed Z figure", change("z_figure", "amount", "1.00", **LONDON, part="nozzle",
                                  about="1/1 E10", kind="1"),
     f"LON-1 {FIRST}: the Z report's nozzle 1/1 E10, kind 1, says"),
    ("a tax that is not known", change("z_figure", "tax", "0.00", **LONDON, about="not stated"),
     f"LON-1 {FIRST}: the Z report's tax rate not stated, kind 0, says"),
    ("a removed Z figure", remove("z_figure", **LONDON, part="hour"),
     f"LON-1 {FIRST}: the Z report's hour "),
    ("a month's sum", change("month_total", "amount", "1.00", site="LON-1", kind="1"),
     "LON-1 2026-10-01: month_total of"),
    ("a changed event", change("audit_event", "actor_name", "x", action="day.sealed"),
     "was changed"),
    ("a removed event", remove_third("audit_event"), " is gone"),
    ("a removed link", remove("audit_link", number="3"), "the link 3 before it is gone"),
    ("a changed link", change("audit_link", "digest", "ab" * 32, number="3"),
     "audit_link 3: its digest is not made of the link before"),
    ("a removed person", remove_everybody, " is not in person.csv"),
    ("a code that is none", change("entry", "payment", "9", **LONDON, sequence="6"),
     "payment has the unknown code '9'"),
    ("a number that is none", change("entry", "amount", "1e2", **LONDON, sequence="6"),
     "amount is no amount: '1e2'"),
    ("another clock", change("clock", "ahead_s", "7200", timezone="Europe/London"),
     f"LON-1 {FIRST}: hour_total of"),
    ("another currency", change("site", "currency", "EUR", code="LON-1"),
     f'LON-1 {FIRST}: sealed was ["day"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tampering", "said"), [one[1:] for one in TAMPERINGS], ids=[one[0] for one in TAMPERINGS]
)
def test_tampering_is_named_even_with_every_checksum_made_again(
    archives: Archives, tmp_path: Path, tampering: Callable[[Path], None], said: str
) -> None:
    folder = shutil.copytree(archives.whole, tmp_path / "copy")
    tampering(folder)
    forge(folder)
    found = faults(folder)
    assert any(said in fault for fault in found), found


def test_a_changed_file_is_named_and_the_exit_code_says_so(
    archives: Archives, tmp_path: Path
) -> None:
    folder = shutil.copytree(archives.whole, tmp_path / "copy")
    change("entry", "amount", "0.01", **LONDON, sequence="6")(folder)
    (folder / "tank.csv").unlink()
    (folder / "more.csv").write_text("id\n")
    code, said = run(folder)
    assert code == 1
    assert "MISMATCH entry.csv: the file is not the one of its checksum" in said
    assert "MISMATCH tank.csv: the file is gone" in said
    assert "MISMATCH more.csv: SHA256SUMS does not name the file" in said
    assert f"MISMATCH LON-1 {FIRST}: entry 6 is not as it was sealed" in said
    assert " mismatches. It took " in said


def test_what_is_no_archive_is_said(archives: Archives, tmp_path: Path) -> None:
    shutil.copy(archives.whole / "verify.py", tmp_path)
    code, said = run(tmp_path)
    assert code == 2
    assert "holds no archive" in said


# --- written anew from the documentation ----------------------------------------------------------


def test_a_verifier_written_from_the_documentation_alone_agrees(archives: Archives) -> None:
    looked = second_look(archives.whole)
    assert looked.wrong == []
    assert looked.agreed > 1_000
    for folder in (*archives.narrow, archives.managers):
        assert second_look(folder).wrong == [], folder


@pytest.mark.parametrize(
    "name",
    ["a changed amount", "a removed posting", "a changed seal", "a changed event", "another clock"],
)
def test_it_finds_what_was_tampered_with(archives: Archives, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(archives.whole, tmp_path / "copy")
    (tampering,) = [one[1] for one in TAMPERINGS if one[0] == name]
    tampering(folder)
    forge(folder)
    assert second_look(folder).wrong


def test_it_knows_nothing_of_the_project() -> None:
    text = Path(second_verifier.__file__).read_text(encoding="utf-8")
    modules = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([one.name for one in node.names] if isinstance(node, ast.Import)
                     else [node.module or ""])
    }  # fmt: skip
    assert modules - sys.stdlib_module_names == {"cryptography"}
