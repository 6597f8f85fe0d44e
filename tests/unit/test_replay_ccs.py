"""The CCS files become contract messages, always the same ones."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.contract import DayClosed, DayOpened, LedgerEntry, encode
from ingest.decode import decode_day, decode_entry
from ingest.replay.ccs import ReplayError, messages, read_ccs, site_specs

PRODUCTS = """"ProductID","Description"
"2","Nafta"
"5","Natural"
"9","Diesel +"
"15","Mytí  vozidel"
"23","Provoz.nápl."
"24","Provoz.nápl."
"40","Natural Gas NPG"
"""
STATIONS = (
    '"SiteID","chainID","Country","Segment"\n"3704","10","CZE","Other"\n"12","3","SVK","Noname"\n'
)
HEADER = "TransactionID,Date,Time,CustomerID,CardID,GasStationID,ProductID,Amount,Price\n"
LINES = """7,2012-08-24,"10:03:00",1,1,3704,2,18,430.72
9,2012-08-24,"09:41:00",1,1,3704,15,0,36.26
3,2012-08-24,"10:03:00",1,1,3704,2,28,672.64
8,2012-08-24,"11:00:00",1,1,3704,2,0,50.00
10,2012-08-25,"00:05:00",1,1,12,5,17,15.20
11,2012-08-25,"00:06:00",1,1,12,23,1,-9.99
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / f"{name}.csv" for name in ("transactions", "products", "stations")}
    found["transactions"].write_text(HEADER + LINES, encoding="utf-8")
    found["products"].write_text(PRODUCTS, encoding="utf-8")
    found["stations"].write_text(STATIONS, encoding="utf-8")
    return found


def test_lines_are_numbered_by_time_then_by_transaction(files: dict[str, Path]) -> None:
    entries = [
        timed.message
        for timed in messages(read_ccs(**files))
        if timed.site_code == "CCS-3704" and isinstance(timed.message, LedgerEntry)
    ]
    assert [(entry.sequence, entry.amount) for entry in entries] == [
        (1, Decimal("36.26")),
        (2, Decimal("672.64")),
        (3, Decimal("430.72")),
        (4, Decimal("50.00")),
    ]


def test_fuel_has_litres_and_their_price_and_other_goods_do_not(files: dict[str, Path]) -> None:
    entries = [t.message for t in messages(read_ccs(**files)) if isinstance(t.message, LedgerEntry)]
    wash, fuel, _, fuel_without_litres, *_ = entries
    assert (fuel.product, fuel.volume, fuel.unit_price) == (
        "Nafta", Decimal("28.000"), Decimal("24.0229"),
    )  # fmt: skip
    assert (wash.product, wash.volume, wash.unit_price) == ("Mytí vozidel", None, None)
    assert (fuel_without_litres.volume, fuel_without_litres.unit_price) == (None, None)


def test_times_are_the_stations_own(files: dict[str, Path]) -> None:
    opened, *_, closed = [t for t in messages(read_ccs(**files)) if t.site_code == "CCS-12"]
    assert isinstance(opened.message, DayOpened)
    assert opened.message.at.isoformat() == "2012-08-25T00:00:00+02:00"
    assert isinstance(closed.message, DayClosed)
    assert closed.message.at.isoformat() == "2012-08-26T00:00:00+02:00"


def test_a_day_is_opened_before_its_lines_and_closed_with_true_totals(
    files: dict[str, Path],
) -> None:
    day = [timed.message for timed in messages(read_ccs(**files)) if timed.site_code == "CCS-12"]
    opened, sale, refund, closed = day
    assert isinstance(opened, DayOpened)
    assert isinstance(sale, LedgerEntry)
    assert isinstance(refund, LedgerEntry)
    assert isinstance(closed, DayClosed)
    assert opened.fiscal_day == closed.fiscal_day == datetime.date(2012, 8, 25)
    assert (sale.kind, refund.kind) == ("sale", "refund")
    assert closed.last_sequence == 2
    assert [(t.product, t.count, t.volume, t.amount) for t in closed.totals] == [
        ("Natural", 1, Decimal(17), Decimal("15.20")),
        ("Provoz.nápl. 23", 1, Decimal(0), Decimal("-9.99")),
    ]


def test_every_message_passes_the_contract(files: dict[str, Path]) -> None:
    for timed in messages(read_ccs(**files)):
        decode = decode_entry if timed.lane == "ledger" else decode_day
        decode(encode(timed.message))


def test_stations_become_sites_with_what_they_sold(files: dict[str, Path]) -> None:
    first, second = site_specs(read_ccs(**files))
    assert (first.code, first.timezone, first.currency) == ("CCS-12", "Europe/Bratislava", "EUR")
    assert (second.code, second.timezone, second.currency) == ("CCS-3704", "Europe/Prague", "CZK")
    assert second.products is not None
    assert [(product.code, product.family) for product in second.products] == [
        ("Mytí vozidel", "dry_goods"),
        ("Nafta", "diesel"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('1,2012-08-24,"10:03:00",1,1,9999,2,18,1.00', "line 8: no product or station '9999'"),
        ('1,2012-08-24,"10:03:00",1,1,12,77,18,1.00', "line 8: no product or station '77'"),
        ('1,2012-08-24,"25:03:00",1,1,12,2,18,1.00', "line 8: hour must be in"),
        ('1,2012-08-24,"10:03:00",1,1,12,2,18,1.005', "line 8: 1.005 has more places"),
        ('1,2012-08-24,"10:03:00",1,1,12,2,NaN,1.00', "line 8: NaN has more places"),
        ('1,2012-08-24,"10:03:00",1,1,12,2,18,much', "line 8: "),
        ('3,2012-08-24,"10:03:00",1,1,12,2,18,1.00', "line 8: TransactionID 3 repeats"),
        ("1,2012-08-24", "line 8: wrong number of columns"),
    ],
)
def test_a_line_that_cannot_be_right_stops_the_replay(
    files: dict[str, Path], line: str, message: str
) -> None:
    with files["transactions"].open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ReplayError, match=message):
        read_ccs(**files)


def test_another_file_is_named(files: dict[str, Path]) -> None:
    with pytest.raises(ReplayError, match=r"products.csv has no column TransactionID"):
        read_ccs(**files | {"transactions": files["products"]})


@pytest.mark.shared_data
def test_the_real_set_adds_up(shared_data: Path) -> None:
    ccs = shared_data / "ccs"
    transactions = read_ccs(
        transactions=ccs / "transactions_1k.csv",
        products=ccs / "products.csv",
        stations=ccs / "gasstations.csv",
    )
    timed = messages(transactions)
    entries = [t.message for t in timed if isinstance(t.message, LedgerEntry)]
    closed = [t.message for t in timed if isinstance(t.message, DayClosed)]
    assert len(entries) == 1000
    assert len(closed) == 498
    assert len(site_specs(transactions)) == 437
    assert sum(entry.amount for entry in entries) == Decimal("425576.16")
    assert sum(total.amount for day in closed for total in day.totals) == Decimal("425576.16")
    assert sum(entry.volume is None for entry in entries) >= 91
