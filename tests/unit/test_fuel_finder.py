"""The Fuel Finder register: what is kept, what is left out, and that it is reported."""

from __future__ import annotations

import csv
import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.fuel_finder import (
    REQUIRED_COLUMNS,
    FuelFinder,
    FuelFinderError,
    give_codes,
    read_fuel_finder,
)
from ledger.import_report import ImportReport
from ledger.specs import SiteSpec

TODAY = datetime.date(2026, 11, 22)
NODE_ID = "4882e3fee979cfefa29a8777ce57ca0ecea27b4f12ba7fb538ed0855d6b0af1c"
OTHER_NODE_ID = "b739362af81acc9fec9eda6f155348125fa2d5c1772c96bf6855a1bad0179711"
GOOD = dict.fromkeys(REQUIRED_COLUMNS, "") | {
    "forecourts.node_id": NODE_ID,
    "forecourts.trading_name": "RIVERSIDE FILLING STATION",
    "forecourts.brand_name": "GULF",
    "forecourts.location.postcode": "NP4 6JU",
    "forecourts.location.address_line_1": "LOWER BRIDGE STREET",
    "forecourts.location.city": "PONTYPOOL",
    "forecourts.location.latitude": "51.7000700",
    "forecourts.location.longitude": "-3.0402500",
    "forecourts.fuel_price.E10": "125.9000",
    "forecourts.temporary_closure": "false",
}


def read(tmp_path: Path, *rows: dict[str, str]) -> FuelFinder:
    path = tmp_path / "register.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, sorted(REQUIRED_COLUMNS))
        writer.writeheader()
        writer.writerows(GOOD | row for row in rows)
    return read_fuel_finder(path, today=TODAY)


def read_one(tmp_path: Path, **columns: str) -> tuple[SiteSpec, list[tuple[str, str]]]:
    register = read(tmp_path, {f"forecourts.{name}": value for name, value in columns.items()})
    return register.sites[0], [(dirty.what, dirty.done) for dirty in register.dirty]


def test_it_reads_a_clean_row(tmp_path: Path) -> None:
    site, dirty = read_one(tmp_path)
    assert dirty == []
    assert (site.code, site.source_id) == ("UK-4882E3FE", NODE_ID)
    assert (site.timezone, site.currency, site.country) == (
        "Europe/London", "GBP", "United Kingdom",
    )  # fmt: skip
    assert (site.latitude, site.longitude) == (Decimal("51.700070"), Decimal("-3.040250"))
    assert site.products is not None
    assert [(p.code, p.family, p.unit_price) for p in site.products] == [
        ("E10", "petrol", Decimal("1.2590"))
    ]


@pytest.mark.parametrize(
    ("price", "what"),
    [
        ("1.2990", "price below 90 pence a litre"),
        ("0.1000", "price below 90 pence a litre"),
        ("-129.9", "price below 90 pence a litre"),
        ("1499.0000", "price above 250 pence a litre"),
        ("n/a", "price is no number"),
        ("NaN", "price is no number"),
        ("1_29.9", "price is no number"),
    ],
)
def test_it_leaves_a_doubtful_price_out_and_keeps_the_product(
    tmp_path: Path, price: str, what: str
) -> None:
    site, dirty = read_one(tmp_path, **{"fuel_price.E10": price})
    assert dirty == [(what, "price left out")]
    assert site.products is not None
    assert [(p.code, p.unit_price) for p in site.products] == [("E10", None)]


def test_it_rounds_what_is_finer_than_the_ledger_and_says_by_how_much(tmp_path: Path) -> None:
    finer = {
        "forecourts.fuel_price.E10": "129.905",
        "forecourts.location.latitude": "51.70000750",
    }
    register = read(tmp_path, finer)
    (site,) = register.sites
    assert register.dirty == []
    assert site.products is not None
    assert [(p.code, p.unit_price) for p in site.products] == [("E10", Decimal("1.2991"))]
    assert site.latitude == Decimal("51.700008")
    told = {column: one.moved for (column, _), one in register.report.roundings.items()}
    assert told == {
        "forecourts.fuel_price.E10": Decimal("0.00005"),
        "forecourts.location.latitude": Decimal("0.0000005"),
    }
    assert all("rounded half away from zero" in one for one in register.report.sentences())
    with pytest.raises(FuelFinderError, match=r"line 2: .* has more places"):
        read_fuel_finder(
            tmp_path / "register.csv", today=TODAY, report=ImportReport(is_strict=True)
        )


def test_it_names_the_rows_that_it_could_not_use(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    read(tmp_path, {}, {"forecourts.node_id": OTHER_NODE_ID, "forecourts.trading_name": "Other"})
    header, one, other = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + one + b"\xff" + other + b"only,two\n" + other)
    register = read_fuel_finder(path, today=TODAY)
    assert (register.rows, register.skipped, len(register.sites)) == (4, 2, 2)
    assert [(d.line, d.done) for d in register.dirty] == [(3, "row skipped"), (4, "row skipped")]
    assert [one.line for one in register.report.unusable] == [3, 4]
    with pytest.raises(FuelFinderError, match="line 3"):
        read_fuel_finder(path, today=TODAY, report=ImportReport(is_strict=True))


def test_it_leaves_out_what_nobody_can_see(tmp_path: Path) -> None:
    site, dirty = read_one(tmp_path, trading_name="RIVER\u200bSIDE\x00")
    assert site.name == "RIVERSIDE"
    assert dirty == [("characters that nobody can see", "left out")]


def test_the_bounds_of_a_price_are_plausible_themselves(tmp_path: Path) -> None:
    site, dirty = read_one(tmp_path, **{"fuel_price.E5": "90", "fuel_price.HVO": "250.0000"})
    assert dirty == []
    assert site.products is not None
    assert {p.code: p.unit_price for p in site.products} == {
        "E10": Decimal("1.2590"),
        "E5": Decimal("0.9000"),
        "HVO": Decimal("2.5000"),
    }


def test_it_trims_spaces_and_keeps_the_casing(tmp_path: Path) -> None:
    site, dirty = read_one(tmp_path, trading_name=" W I  Rendall\xa0Shop ")
    assert site.name == "W I Rendall Shop"
    assert dirty == [("stray spaces", "trimmed")]


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [("51.5789600", "4.2078000"), ("-7.6311460", "54.3413369"), ("", "-3.1"), ("north", "-3.1")],
)
def test_it_drops_coordinates_that_lie_elsewhere(
    tmp_path: Path, latitude: str, longitude: str
) -> None:
    site, dirty = read_one(
        tmp_path, **{"location.latitude": latitude, "location.longitude": longitude}
    )
    assert (site.latitude, site.longitude) == (None, None)
    assert [done for _, done in dirty] == ["coordinates left out"]


@pytest.mark.parametrize(
    ("columns", "is_closed", "what"),
    [
        ({"permanent_closure": "true"}, True, "closed for good"),
        ({"permanent_closure_date": "Tue Jan 01 2008 00:00:00 GMT+0000"}, True, "closed for good"),
        ({"permanent_closure_date": "Fri Jan 01 2027 00:00:00"}, False, "closes for good later"),
        ({"permanent_closure_date": "soon"}, False, "closing date is no date"),
        ({"temporary_closure": "true"}, False, "closed for now"),
    ],
)
def test_it_says_which_are_closed(
    tmp_path: Path, columns: dict[str, str], is_closed: bool, what: str
) -> None:
    site, dirty = read_one(tmp_path, **columns)
    assert site.is_closed is is_closed
    assert [found for found, _ in dirty] == [what]


@pytest.mark.parametrize(
    "row",
    [
        {"forecourts.node_id": ""},
        {"forecourts.node_id": "4882"},
        {"forecourts.trading_name": "  "},
    ],
)
def test_it_skips_a_row_that_names_no_forecourt(tmp_path: Path, row: dict[str, str]) -> None:
    register = read(tmp_path, row)
    assert (register.rows, register.skipped, register.sites) == (1, 1, [])
    assert register.dirty[-1].done == "row skipped"


def test_it_skips_a_repeated_node_id(tmp_path: Path) -> None:
    register = read(tmp_path, {}, {"forecourts.trading_name": "ANOTHER"})
    assert [site.name for site in register.sites] == ["RIVERSIDE FILLING STATION"]
    assert [(d.line, d.what, d.done) for d in register.dirty] == [
        (3, "node id of an earlier row", "row skipped")
    ]


def test_it_reports_twins_and_registers_both(tmp_path: Path) -> None:
    register = read(tmp_path, {}, {"forecourts.node_id": OTHER_NODE_ID})
    assert len(register.sites) == 2
    assert [d.what for d in register.dirty] == ["same name and postcode as an earlier row"]


def test_it_skips_a_row_with_too_few_columns(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    path.write_text(",".join(sorted(REQUIRED_COLUMNS)) + "\nonly,two\n")
    register = read_fuel_finder(path, today=TODAY)
    assert register.skipped == 1
    assert register.dirty[0].what == "wrong number of columns"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ProductID,Description\n1,Nafta\n", "columns are missing"),
        (b"", "columns are missing"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
    ],
)
def test_it_refuses_another_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(FuelFinderError, match=message):
        read_fuel_finder(path, today=TODAY)


def _site(node_id: str) -> SiteSpec:
    return SiteSpec(
        code="UK-provisional", name="A", timezone="Europe/London", currency="GBP", source_id=node_id
    )


def test_codes_that_collide_grow_in_the_order_of_the_node_ids() -> None:
    first, second = "0" * 8 + "a" * 56, "0" * 8 + "b" * 56
    for order in ([first, second], [second, first]):
        codes = {s.source_id: s.code for s in give_codes(map(_site, order), {})}
        assert codes == {first: "UK-00000000", second: "UK-00000000BBBB"}


def test_a_registered_site_keeps_its_code() -> None:
    node_id = "0" * 8 + "b" * 56
    taken = {"UK-00000000": "another", "OLD-CODE": node_id}
    assert [s.code for s in give_codes([_site(node_id)], taken)] == ["OLD-CODE"]
    assert [s.code for s in give_codes([_site("0" * 64)], taken)] == ["UK-000000000000"]
