"""The CCS files become contract messages, always the same ones."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.contract import DayClosed, DayOpened, LedgerEntry, encode
from ingest.decode import decode_day, decode_entry
from ingest.replay.ccs import ReplayError, messages, read_ccs, site_specs
from ledger.import_report import LINES_NAMED_MAX, ImportReport

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
        ('1,2012-08-24,"10:03:00",1,1,12,2,NaN,1.00', "line 8: 'NaN' is no decimal"),
        ('1,2012-08-24,"10:03:00",1,1,12,2,18,much', "line 8: "),
        ('3,2012-08-24,"10:03:00",1,1,12,2,18,1.00', "line 8: TransactionID 3 repeats"),
        ("1,2012-08-24", "line 8: wrong number of columns"),
    ],
)
def test_a_line_that_cannot_be_right_stops_a_strict_replay(
    files: dict[str, Path], line: str, message: str
) -> None:
    with files["transactions"].open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ReplayError, match=message):
        read_ccs(**files)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('1,2012-08-24,"10:03:00",1,1,9999,2,18,1.00', "no product or station '9999'"),
        ('1,2012-08-32,"10:03:00",1,1,12,2,18,1.00', "day is out of range"),
        ('1,2012-08-24,"10:03:00+02:00",1,1,12,2,18,1.00', "'10:03:00+02:00' has an offset"),
        ('1,2012-08-24,"10:03:00",1,1,12,2,1_8,1.00', "'1_8' is no decimal"),
        ('1,2012-08-24,"10:03:00",1,1,12,2,18,10000000000', "10000000000 is too large"),
        ('1,2012-08-24,"10:03:00",1,1,12,2,18,9999999999.995', "is too large"),
        ('x1,2012-08-24,"10:03:00",1,1,12,2,18,1.00', "'x1' is no TransactionID"),
        ('3,2012-08-24,"10:03:00",1,1,12,2,18,1.00', "TransactionID 3 repeats that of line 4"),
        ("1,2012-08-24", "wrong number of columns"),
        ('1,2012-08-24,"10:03"00",1,1,12,2,18,1.00', "no readable CSV"),
        ('1,2012-08-24,"10:03:00",1,\udcff,12,2,18,1.00', "CardID is not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_rest_is_read(
    files: dict[str, Path], line: str, reason: str
) -> None:
    first, *rest = LINES.splitlines(keepends=True)
    text = "".join([HEADER, first, rest[0], rest[1], line + "\n", *rest[2:]])
    files["transactions"].write_text(text, encoding="utf-8", errors="surrogateescape")
    report = ImportReport()
    assert len(read_ccs(**files, report=report)) == 6
    (unusable,) = report.unusable
    assert (unusable.line, report.unusable_count) == (5, 1)
    assert reason in unusable.reason
    assert f"transactions.csv, line 5: {unusable.reason}" in "\n".join(report.sentences())


def test_a_bad_station_costs_its_own_lines(files: dict[str, Path]) -> None:
    files["stations"].write_text(STATIONS.replace("SVK", "POL"), encoding="utf-8")
    report = ImportReport()
    assert {one.station.code for one in read_ccs(**files, report=report)} == {"CCS-3704"}
    assert [(Path(one.file).name, one.line) for one in report.unusable] == [
        ("stations.csv", 3), ("transactions.csv", 6), ("transactions.csv", 7),
    ]  # fmt: skip


def test_money_and_litres_are_rounded_and_it_is_said_by_how_much(files: dict[str, Path]) -> None:
    """Real exports carry 8 places. Halves go away from zero, refunds' too."""
    lines = [
        '1,2012-08-24,"10:00:00",1,1,3704,2,28.12349999,672.64500000',
        '2,2012-08-24,"11:00:00",1,1,3704,2,28.0005,672.64000001',
        '3,2012-08-24,"12:00:00",1,1,3704,2,1,-9.99500000',
        '4,2012-08-24,"13:00:00",1,1,12,5,1,1.00400000',
        '5,2012-08-24,"14:00:00",1,1,12,5,1,1.00000000',
    ]
    files["transactions"].write_text(HEADER + "\n".join(lines), encoding="utf-8")
    report = ImportReport()
    found = read_ccs(**files, report=report)
    assert [one.total for one in found] == [
        Decimal(text) for text in ("672.65", "672.64", "-10.00", "1.00", "1.00")
    ]
    assert [str(one.quantity) for one in found[:2]] == ["28.123", "28.001"]
    told = {key: (one.count, one.moved, one.largest) for key, one in report.roundings.items()}
    assert told == {
        # +0.005 and -0.005 and -0.00000001: nobody's loss on the whole, half a cent at most.
        ("Price", "CZK"): (3, Decimal("-0.00000001"), Decimal("0.005")),
        ("Price", "EUR"): (1, Decimal("-0.004"), Decimal("0.004")),
        ("Amount", "L"): (2, Decimal("0.00000001"), Decimal("0.0005")),
    }
    assert "Price: 3 figures were rounded half away from zero" in "\n".join(report.sentences())
    for timed in messages(found):
        (decode_entry if timed.lane == "ledger" else decode_day)(encode(timed.message))
    with pytest.raises(ReplayError, match=r"line 2: 28.12349999 has more places"):
        read_ccs(**files, report=ImportReport(is_strict=True))


def test_lines_without_an_id_go_by_their_numbers(files: dict[str, Path]) -> None:
    """Two equal lines are two sales; the same file always gives the same messages."""
    rows = [line.partition(",")[2] for line in (HEADER + LINES).splitlines()]
    files["transactions"].write_text("\n".join([*rows, rows[1], ""]), encoding="utf-8")
    report = ImportReport()
    found = read_ccs(**files, report=report)
    assert len(found) == report.numbered == 7
    assert "7 lines have no id of their own" in "\n".join(report.sentences())
    day = [
        (t.message.sequence, t.message.amount)
        for t in messages(found)
        if t.site_code == "CCS-3704" and isinstance(t.message, LedgerEntry)
    ]
    assert day == [
        (1, Decimal("36.26")),
        (2, Decimal("430.72")),
        (3, Decimal("672.64")),
        (4, Decimal("430.72")),
        (5, Decimal("50.00")),
    ]
    assert messages(found) == messages(read_ccs(**files, report=ImportReport()))


def test_some_lines_may_lack_their_id(files: dict[str, Path]) -> None:
    files["transactions"].write_text(HEADER + LINES.replace("7,2012", ",2012"), encoding="utf-8")
    report = ImportReport()
    assert len(read_ccs(**files, report=report)) == 6
    assert report.numbered == 1


def test_a_leap_second_and_a_price_beyond_the_column(files: dict[str, Path]) -> None:
    lines = '1,2012-06-30,"23:59:60",1,1,12,5,0.001,999.00\n'
    files["transactions"].write_text(HEADER + lines, encoding="utf-8")
    (found,) = read_ccs(**files, report=ImportReport())
    assert found.time == datetime.time(23, 59, 59, 999999)
    _, entry, _ = [timed.message for timed in messages([found])]
    assert isinstance(entry, LedgerEntry)
    assert (entry.volume, entry.unit_price) == (Decimal("0.001"), None)


def test_a_file_of_bad_lines_is_told_in_a_few(files: dict[str, Path]) -> None:
    bad = [f'{n},2012-08-24,"10:00:00",1,1,{n},2,1,1' for n in range(100_000, 101_000)]
    bad += [f'{n},2012-08-24,"10:00:00",1,1,12,2,1,{n}x' for n in range(500)]
    files["transactions"].write_text(HEADER + LINES + "\n".join(bad), encoding="utf-8")
    report = ImportReport()
    assert len(read_ccs(**files, report=report)) == 6
    assert (report.unusable_count, len(report.unusable)) == (1_500, LINES_NAMED_MAX)
    told = list(report.sentences())
    assert told[0] == "1,500 lines could not be used:"
    assert told[1].endswith("line 8: no product or station '100000'")
    assert told[-3:] == [
        "  and 1,480 more. By reason:",
        "  1,000 x no product or station …",
        "  500 x … is no decimal of digits and one point",
    ]


def test_a_quotation_mark_that_is_never_closed_says_what_it_took(files: dict[str, Path]) -> None:
    first, *rest = LINES.splitlines(keepends=True)
    text = "".join([HEADER, first, rest[0], '1,"2012', *rest[1:]])
    files["transactions"].write_text(text, encoding="utf-8")
    report = ImportReport()
    read_ccs(**files, report=report)
    assert report.unusable_count
    assert report.unusable[0].line > 3
    assert "no readable CSV" in report.unusable[0].reason


def test_an_invisible_character_in_a_product_s_name_is_left_out(files: dict[str, Path]) -> None:
    files["products"].write_text(PRODUCTS.replace("Nafta", "Naf\u200bta"), encoding="utf-8")
    assert read_ccs(**files)[0].product.code == "Nafta"


def test_another_file_is_named(files: dict[str, Path]) -> None:
    with pytest.raises(ReplayError, match=r"products.csv has no column Date"):
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
