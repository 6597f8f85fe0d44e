"""`manage.py import_sites`: the register goes into the ledger, and the command says what it did."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ledger.models import Product, Site
from tests.unit.test_fuel_finder import GOOD, OTHER_NODE_ID

pytestmark = pytest.mark.django_db


@pytest.fixture
def register(tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    rows = [
        GOOD,
        GOOD
        | {
            "forecourts.node_id": OTHER_NODE_ID,
            "forecourts.trading_name": "Hilltop ",
            "forecourts.fuel_price.E10": "1.2590",
        },
        GOOD | {"forecourts.node_id": ""},
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(GOOD))
        writer.writeheader()
        writer.writerows(rows)
    return path


def import_sites(*arguments: object) -> str:
    output = io.StringIO()
    call_command("import_sites", *map(str, arguments), stdout=output)
    return output.getvalue()


def figures(output: str) -> dict[str, str]:
    """Read the summary table back."""
    cells = [line.strip("│┃ \n").split("│") for line in output.splitlines() if line[:1] == "│"]
    return {row[0].strip(): row[1].strip() for row in cells if len(row) == 2}


def test_it_registers_and_says_what_it_did(register: Path) -> None:
    output = import_sites(register)
    assert figures(output) == {
        "registered": "2",
        "updated": "0",
        "unchanged": "0",
        "skipped": "1",
        "in the file": "3",
    }
    assert "Dirty values" in output
    assert {site.name for site in Site.objects.all()} == {"RIVERSIDE FILLING STATION", "Hilltop"}


def test_importing_again_changes_nothing(register: Path) -> None:
    import_sites(register)
    assert figures(import_sites(register))["unchanged"] == "2"


def test_strict_registers_nothing_where_something_cannot_be_used(register: Path) -> None:
    with pytest.raises(CommandError, match=r"register.csv, line 3: .*price below 90 pence"):
        import_sites(register, "--strict")
    assert not Site.objects.exists()
    assert "line 4: forecourts.node_id: no usable node id" in " ".join(
        import_sites(register).split()
    )


def test_it_writes_the_report(register: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    import_sites(register, "--report", report)
    with report.open(encoding="utf-8", newline="") as file:
        found = [(row["line"], row["what"], row["done"]) for row in csv.DictReader(file)]
    assert found == [
        ("3", "stray spaces", "trimmed"),
        ("3", "price below 90 pence a litre", "price left out"),
        ("4", "no usable node id", "row skipped"),
    ]


@pytest.mark.parametrize("content", [None, "ProductID,Description\n"])
def test_a_wrong_file_is_a_clear_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "wrong.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError, match=r"cannot be read: No such file|not a Fuel Finder"):
        import_sites(path)


@pytest.mark.shared_data
def test_it_takes_the_real_register(shared_data: Path) -> None:
    (path,) = (shared_data / "fuel_finder").glob("*.csv")
    assert figures(import_sites(path)) == {
        "registered": "7,100",
        "updated": "0",
        "unchanged": "0",
        "skipped": "0",
        "in the file": "7,100",
    }
    assert Site.objects.filter(is_closed=True).count() == 2
    assert Site.objects.filter(latitude=None).count() == 84
    assert Product.objects.filter(unit_price=None).count() == 111
    assert figures(import_sites(path))["unchanged"] == "7,100"


def test_the_forecourts_may_begin_with_an_older_day(register: Path) -> None:
    import_sites(register, "--first-day", "2019-03-01")
    assert {site.first_fiscal_day.isoformat() for site in Site.objects.all()} == {"2019-03-01"}
    # A first day only ever moves back.
    assert figures(import_sites(register, "--first-day", "2024-01-01"))["unchanged"] == "2"
    with pytest.raises(CommandError, match="broken clock"):
        import_sites(register, "--first-day", "1970-01-01")
