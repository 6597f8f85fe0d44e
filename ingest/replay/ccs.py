"""The CCS data set: real fuel-card transactions of Czech and Slovak stations, as contract messages.

`Price` is the total of a line and `Amount` its quantity, litres for fuel; the price of a litre is
therefore Price / Amount. Lines of other goods, and fuel lines without a quantity, are sales
without a volume. The set knows no sequence numbers: the lines of a station and day are numbered
by time, then by TransactionID. So the same files always give the same messages, and replaying
them again changes nothing.
"""

from __future__ import annotations

import csv
import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from ingest.contract import DayClosed, DayOpened, DeclaredTotal, LedgerEntry
from ingest.topics import DAY, LEDGER
from ledger.specs import ProductSpec, SiteSpec

CODE_PREFIX = "CCS-"
CONTROLLER_DAY_STARTS = datetime.time(0)
PRODUCT_CODE_LENGTH_MAX = 32

_TRANSACTION_COLUMNS = (
    "TransactionID", "Date", "Time", "GasStationID", "ProductID", "Amount", "Price",
)  # fmt: skip
_PRODUCT_COLUMNS = ("ProductID", "Description")
_STATION_COLUMNS = ("SiteID", "chainID", "Country")

_CENT = Decimal("0.01")
_MILLILITRE = Decimal("0.001")
_UNIT_PRICE = Decimal("0.0001")

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


class ReplayError(Exception):
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

    transaction_id: int
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


def read_ccs(*, transactions: Path, products: Path, stations: Path) -> list[Transaction]:
    """Read the three files. Raises ReplayError for a file or a line that cannot be right."""
    known_products = _read_products(products)
    known_stations = _read_stations(stations)
    found: list[Transaction] = []
    seen: set[int] = set()
    for line, row in _rows(transactions, _TRANSACTION_COLUMNS):
        place = f"{transactions}, line {line}"
        try:
            transaction = Transaction(
                transaction_id=int(row["TransactionID"]),
                station=known_stations[row["GasStationID"]],
                product=known_products[row["ProductID"]],
                fiscal_day=datetime.date.fromisoformat(row["Date"]),
                time=datetime.time.fromisoformat(row["Time"]),
                quantity=_exactly(row["Amount"], _MILLILITRE),
                total=_exactly(row["Price"], _CENT),
            )
        except KeyError as error:
            raise ReplayError(f"{place}: no product or station {error}") from None
        except (ValueError, InvalidOperation) as error:
            raise ReplayError(f"{place}: {error}") from None
        if transaction.transaction_id in seen:
            raise ReplayError(f"{place}: TransactionID {transaction.transaction_id} repeats")
        seen.add(transaction.transaction_id)
        found.append(transaction)
    return found


def site_specs(transactions: list[Transaction]) -> list[SiteSpec]:
    """Return the stations that occur, as sites, with the products that each of them sold."""
    sold: dict[Station, dict[str, Product]] = defaultdict(dict)
    for transaction in transactions:
        sold[transaction.station][transaction.product.code] = transaction.product
    return [
        SiteSpec(
            code=station.code,
            name=f"CCS station {station.station_id}",
            brand=f"CCS chain {station.chain_id}",
            country=station.land.name,
            timezone=station.land.timezone,
            currency=station.land.currency,
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
    lines = sorted(lines, key=lambda line: (line.time, line.transaction_id))
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
        entry.unit_price = (line.total / line.quantity).quantize(_UNIT_PRICE, ROUND_HALF_UP)
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


def _read_products(path: Path) -> dict[str, Product]:
    """Read the products. Their codes are their names, for people read them; the id tells twins."""
    rows = [row for _, row in _rows(path, _PRODUCT_COLUMNS)]
    names = [" ".join(row["Description"].split()) for row in rows]
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


def _read_stations(path: Path) -> dict[str, Station]:
    stations = {}
    for line, row in _rows(path, _STATION_COLUMNS):
        land = LANDS.get(row["Country"])
        if land is None:
            raise ReplayError(
                f"{path}, line {line}: country {row['Country']!r} is none of {', '.join(LANDS)}"
            )
        stations[row["SiteID"]] = Station(row["SiteID"], row["chainID"], land)
    return stations


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise ReplayError(f"{path} has no column {', '.join(missing)}")
            for row in reader:
                if None in row.values() or None in row:
                    raise ReplayError(f"{path}, line {reader.line_num}: wrong number of columns")
                yield reader.line_num, row
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReplayError(f"{path} is no readable CSV: {error}") from error


def _exactly(text: str, quantum: Decimal) -> Decimal:
    """Read a number that has no more places than the contract allows."""
    number = Decimal(text)
    if not number.is_finite() or number != number.quantize(quantum):
        raise ValueError(f"{text} has more places than {quantum}")
    return number.quantize(quantum)
