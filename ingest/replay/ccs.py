"""The CCS data set: real fuel-card transactions of Czech and Slovak stations, as contract messages.

`Price` is the total of a line and `Amount` its quantity, litres for fuel; the price of a litre is
therefore Price / Amount. Lines of other goods, and fuel lines without a quantity, are sales
without a volume. The set knows no sequence numbers: the lines of a station and day are numbered
by time, then by TransactionID, then by line where there is no such id. So the same files always
give the same messages, and replaying them again changes nothing.

Money is rounded to 2 places and a quantity to 3, half away from zero, since real exports carry up
to 8. What is rounded, and each line that cannot be used, stands in an `ImportReport`.
"""

from __future__ import annotations

import csv
import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from ingest.contract import SITE_CODE, DayClosed, DayOpened, DeclaredTotal, LedgerEntry
from ingest.decode import MONEY, UNIT_PRICE, VOLUME, Measure
from ingest.topics import DAY, LEDGER
from ledger.import_report import ImportReport, UnusableFileError, readable_rows
from ledger.plain import plain_decimal, plain_text, without_invisible, without_leap_second
from ledger.specs import ProductSpec, SiteSpec

CODE_PREFIX = "CCS-"
CONTROLLER_DAY_STARTS = datetime.time(0)
PRODUCT_CODE_LENGTH_MAX = 32

_ID = "TransactionID"
_TRANSACTION_COLUMNS = (
    "Date", "Time", "GasStationID", "ProductID", "Amount", "Price",
)  # fmt: skip
_PRODUCT_COLUMNS = ("ProductID", "Description")
_STATION_COLUMNS = ("SiteID", "chainID", "Country")

#: A price of a litre beyond this has no place in the ledger; such a line states none.
_UNIT_PRICE_MAX = Decimal(10) ** (UNIT_PRICE.digits - UNIT_PRICE.places) - UNIT_PRICE.quantum

#: Which descriptions are sold by the litre, and as what; the first that matches decides. The
#: words are Czech, Slovak and English, compared without case and accents.
_FUELS = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"natural gas", "dry_goods"),
        (r"(nafta|diesel) ?(\+|plus|spec|aditiv)", "diesel_premium"),
        (r"(nafta|diesel|motorova nafta)\b", "diesel"),
        (r"nat(ural|\.) ?(\+|plus|spec|super|aditiv)", "petrol_premium"),
        (r"natural\b", "petrol"),
        (r"lpg\b", "lpg"),
    )
)


class ReplayError(UnusableFileError):
    """A file cannot be replayed. The message names the file, the line and the reason."""


@dataclass(frozen=True, slots=True)
class Land:
    """What follows from a station's country."""

    name: str
    timezone: str
    currency: str


LANDS = {
    "CZE": Land("Czechia", "Europe/Prague", "CZK"),
    "SVK": Land("Slovakia", "Europe/Bratislava", "EUR"),
}


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the set: the code it gets in the ledger, and whether it is sold by the litre."""

    code: str
    name: str
    family: str

    @property
    def is_fuel(self) -> bool:
        """Whether a line's quantity is litres."""
        return self.family != "dry_goods"


@dataclass(frozen=True, slots=True)
class Station:
    """A station of the set."""

    station_id: str
    chain_id: str
    land: Land

    @property
    def code(self) -> str:
        """The site's code in the ledger."""
        return CODE_PREFIX + self.station_id


@dataclass(frozen=True, slots=True)
class Transaction:
    """A line of the set. `quantity` is litres for fuel, `total` the money of the whole line."""

    line: int
    #: None where the line has none.
    transaction_id: int | None
    station: Station
    product: Product
    fiscal_day: datetime.date
    time: datetime.time
    quantity: Decimal
    total: Decimal

    @property
    def occurred_at(self) -> datetime.datetime:
        """When it happened, by the station's own clock."""
        zone = ZoneInfo(self.station.land.timezone)
        return datetime.datetime.combine(self.fiscal_day, self.time, zone)


Message: TypeAlias = LedgerEntry | DayOpened | DayClosed


class TimedMessage(NamedTuple):
    """A message and when the site would have sent it."""

    at: datetime.datetime
    site_code: str
    lane: str
    message: Message


def read_ccs(
    *, transactions: Path, products: Path, stations: Path, report: ImportReport | None = None
) -> list[Transaction]:
    """Read the three files. What cannot be used, or is rounded, goes into the report.

    Raises ReplayError for a file that is none of them; and for the first line that is not right as
    it stands where the report is strict, or there is none.
    """
    report = ImportReport(is_strict=True) if report is None else report
    try:
        known_products = _read_products(products, report)
        known_stations = _read_stations(stations, report)
        found: list[Transaction] = []
        line_of: dict[int, int] = {}
        for line, row in _rows(transactions, _TRANSACTION_COLUMNS, report):
            try:
                found.append(
                    _transaction(line, row, known_products, known_stations, line_of, report)
                )
            except ValueError as error:
                report.leave_out(transactions, line, str(error))
    except UnusableFileError as error:
        raise ReplayError(str(error)) from None
    return found


def _transaction(
    line: int,
    row: Mapping[str, str],
    products: Mapping[str, Product],
    stations: Mapping[str, Station],
    line_of: dict[int, int],
    report: ImportReport,
) -> Transaction:
    """Read a line. ValueError says why it is none. `line_of` tells where each id was first seen."""
    try:
        station, product = stations[row["GasStationID"]], products[row["ProductID"]]
    except KeyError as error:
        raise ValueError(f"no product or station {error}") from None
    number = (row.get(_ID) or "").strip()
    if number and not (number.isascii() and number.isdecimal()):
        raise ValueError(f"{number!r} is no TransactionID")
    quantity, total = _number(row["Amount"]), _number(row["Price"])
    fiscal_day = datetime.date.fromisoformat(row["Date"])
    time = _time(row["Time"], fiscal_day)
    for figure, measure in ((quantity, VOLUME), (total, MONEY)):
        _refuse_beyond(figure, measure)
    if number and (first := line_of.setdefault(int(number), line)) != line:
        raise ValueError(f"{_ID} {number} repeats that of line {first}")
    # From here on the line is used, so what is rounded and numbered counts.
    report.numbered += not number
    return Transaction(
        line=line,
        transaction_id=int(number) if number else None,
        station=station,
        product=product,
        fiscal_day=fiscal_day,
        time=time,
        quantity=_rounded(quantity, VOLUME, report, "Amount", "L" if product.is_fuel else "pieces"),
        total=_rounded(total, MONEY, report, "Price", station.land.currency),
    )


def _number(text: str) -> Decimal:
    number = plain_decimal(text.strip())
    if number is None:
        raise ValueError(f"{text!r} is no decimal of digits and one point")
    return number


def _time(text: str, day: datetime.date) -> datetime.time:
    """Read a time of the station's own clock; a leap second is the last instant of its minute."""
    at = datetime.time.fromisoformat(
        without_leap_second(f"{day}T{text}Z").removeprefix(f"{day}T").removesuffix("Z")
    )
    if at.tzinfo is not None:
        raise ValueError(f"{text!r} has an offset; a time of the station's own clock is expected")
    return at


def _refuse_beyond(number: Decimal, measure: Measure) -> None:
    whole = measure.digits - measure.places
    if abs(number) >= 10**whole - measure.quantum / 2:
        raise ValueError(f"{number} is too large: at most {whole} digits before the point")


def _rounded(
    number: Decimal, measure: Measure, report: ImportReport, column: str, unit: str
) -> Decimal:
    return report.rounded(number, measure.quantum, column=column, unit=unit)


def site_specs(transactions: list[Transaction]) -> list[SiteSpec]:
    """Return the stations that occur, as sites, with the products that each of them sold.

    Each begins with its first day in the file, however long ago: what is replayed is wanted.
    """
    sold: dict[Station, dict[str, Product]] = defaultdict(dict)
    first_days: dict[Station, datetime.date] = {}
    for transaction in transactions:
        station, day = transaction.station, transaction.fiscal_day
        sold[station][transaction.product.code] = transaction.product
        first_days[station] = min(first_days.get(station, day), day)
    return [
        SiteSpec(
            code=station.code,
            name=f"CCS station {station.station_id}",
            brand=f"CCS chain {station.chain_id}",
            country=station.land.name,
            timezone=station.land.timezone,
            currency=station.land.currency,
            first_fiscal_day=first_days[station],
            products=tuple(
                ProductSpec(code=product.code, name=product.name, family=product.family)
                for _, product in sorted(products.items())
            ),
        )
        for station, products in sorted(sold.items(), key=lambda pair: pair[0].code)
    ]


def messages(transactions: list[Transaction]) -> list[TimedMessage]:
    """Return all that the stations would have published, in the order of its time.

    Each day of a station is opened at its midnight and closed at the next one, with the totals
    that its lines really have.
    """
    days: dict[tuple[str, datetime.date], list[Transaction]] = defaultdict(list)
    for transaction in transactions:
        days[transaction.station.code, transaction.fiscal_day].append(transaction)
    timed = [message for lines in days.values() for message in _day_messages(lines)]
    # Stable, so a day is opened before its first line and closed after its last one.
    return sorted(timed, key=lambda message: message.at)


def _day_messages(lines: list[Transaction]) -> Iterator[TimedMessage]:
    lines = sorted(lines, key=_order)
    station, day = lines[0].station, lines[0].fiscal_day
    zone = ZoneInfo(station.land.timezone)
    opened_at = datetime.datetime.combine(day, CONTROLLER_DAY_STARTS, zone)
    closed_at = opened_at + datetime.timedelta(days=1)
    yield TimedMessage(opened_at, station.code, DAY, DayOpened(fiscal_day=day, at=opened_at))
    entries = [_entry(line, sequence) for sequence, line in enumerate(lines, start=1)]
    for entry in entries:
        yield TimedMessage(entry.occurred_at, station.code, LEDGER, entry)
    closed = DayClosed(
        fiscal_day=day, at=closed_at, last_sequence=len(entries), totals=_declared_totals(entries)
    )
    yield TimedMessage(closed_at, station.code, DAY, closed)


def _order(line: Transaction) -> tuple[datetime.time, bool, int]:
    """Return what lines of a day are put in order by: those without an id come after the others."""
    number = line.transaction_id
    return line.time, number is None, line.line if number is None else number


def _entry(line: Transaction, sequence: int) -> LedgerEntry:
    entry = LedgerEntry(
        fiscal_day=line.fiscal_day,
        sequence=sequence,
        kind="refund" if line.total < 0 else "sale",
        occurred_at=line.occurred_at,
        product=line.product.code,
        amount=line.total,
        payment="fuel_card",
    )
    if line.product.is_fuel and line.quantity:
        entry.volume = line.quantity
        unit_price = (line.total / line.quantity).quantize(UNIT_PRICE.quantum, ROUND_HALF_UP)
        if abs(unit_price) <= _UNIT_PRICE_MAX:
            entry.unit_price = unit_price
    return entry


def _declared_totals(entries: list[LedgerEntry]) -> list[DeclaredTotal]:
    totals: dict[str, DeclaredTotal] = {}
    for entry in entries:
        total = totals.setdefault(
            entry.product,
            DeclaredTotal(product=entry.product, count=0, volume=Decimal(0), amount=Decimal(0)),
        )
        total.count += 1
        total.volume += entry.volume or 0
        total.amount += entry.amount
    return [totals[product] for product in sorted(totals)]


def _read_products(path: Path, report: ImportReport) -> dict[str, Product]:
    """Read the products. Their codes are their names, for people read them; the id tells twins.

    What nobody can see is left out of a name.
    """
    rows = [row for _, row in _rows(path, _PRODUCT_COLUMNS, report)]
    names = [plain_text(" ".join(without_invisible(row["Description"]).split())) for row in rows]
    products = {}
    for row, name in zip(rows, names, strict=True):
        code = name
        if not name or len(name) > PRODUCT_CODE_LENGTH_MAX or names.count(name) > 1:
            suffix = f" {row['ProductID']}"
            code = (name[: PRODUCT_CODE_LENGTH_MAX - len(suffix)] + suffix).strip()
        products[row["ProductID"]] = Product(code, name[:80] or code, _family(name))
    return products


def _family(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return next((family for pattern, family in _FUELS if pattern.match(plain)), "dry_goods")


def _read_stations(path: Path, report: ImportReport) -> dict[str, Station]:
    stations = {}
    for line, row in _rows(path, _STATION_COLUMNS, report):
        land = LANDS.get(row["Country"])
        if land is None:
            report.leave_out(
                path, line, f"country {row['Country']!r} is none of {', '.join(LANDS)}"
            )
        elif not SITE_CODE.fullmatch(CODE_PREFIX + row["SiteID"]):
            report.leave_out(path, line, f"{row['SiteID']!r} makes no site code")
        else:
            stations[row["SiteID"]] = Station(row["SiteID"], row["chainID"], land)
    return stations


def _rows(
    path: Path, columns: tuple[str, ...], report: ImportReport
) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise ReplayError(f"{path} has no column {', '.join(missing)}")
            yield from readable_rows(path, reader, report)
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise ReplayError(f"{path} is no readable CSV: {error}") from error
