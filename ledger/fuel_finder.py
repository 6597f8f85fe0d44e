"""Reading the UK Government's Fuel Finder register (CSV) into sites.

The register is filled in by thousands of hands, so it is dirty. What cannot be right is left out
and reported; nothing is guessed, rescaled or swapped. A price is in pence a litre in the register
and in pounds a litre in the ledger: rounded to 4 places, coordinates to 6, half away from zero, and
the report says how many and by how much.

Site codes: `UK-` and the first 8 hexadecimal digits of the node id in capitals. Where another
site has that code already, 4 digits more are taken until it is free; rows are looked at in the
order of their node ids, so the same file and the same ledger always give the same codes.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from ledger.import_report import (
    ImportReport,
    UnusableFileError,
    UnusableLine,
    is_utf8,
    readable_rows,
)
from ledger.models import ProductFamily
from ledger.plain import PlainTextError, plain_decimal, plain_text, without_invisible
from ledger.specs import ProductSpec, SiteSpec

TIMEZONE = "Europe/London"
CURRENCY = "GBP"
COUNTRY = "United Kingdom"

#: Outside these a price was not typed in pence a litre: in February 2026 forecourts in the
#: United Kingdom sold road fuel between about 120 and 200 pence.
PRICE_PENCE_MIN = Decimal(90)
PRICE_PENCE_MAX = Decimal(250)
#: From the Isles of Scilly to Shetland, and from Fermanagh to Lowestoft.
LATITUDE_MIN, LATITUDE_MAX = Decimal("49.8"), Decimal("60.9")
LONGITUDE_MIN, LONGITUDE_MAX = Decimal("-8.7"), Decimal("1.8")

CODE_PREFIX = "UK-"
CODE_DIGITS_MIN = 8
CODE_DIGITS_STEP = 4
CODE_DIGITS_MAX = 28  # with the prefix this is within the contract's 32 characters

NAME_LENGTH_MAX = 120
ADDRESS_LENGTH_MAX = 240
BRAND_LENGTH_MAX = CITY_LENGTH_MAX = 80
POSTCODE_LENGTH_MAX = 16

_HUNDRED = Decimal(100)
_PRICE_QUANTUM = Decimal("0.0001")
_DEGREE_QUANTUM = Decimal("0.000001")
_NODE_ID = re.compile(r"[0-9a-f]{28,64}")
_SPACES = re.compile(r"\s+")

#: Price column, and the product's code, name and family.
_PRICE_COLUMNS = {
    f"forecourts.fuel_price.{code}": (code, name, family)
    for code, name, family in (
        ("E10", "Unleaded E10", ProductFamily.PETROL),
        ("E5", "Super unleaded E5", ProductFamily.PETROL_PREMIUM),
        ("B7S", "Diesel B7", ProductFamily.DIESEL),
        ("B7P", "Premium diesel B7", ProductFamily.DIESEL_PREMIUM),
        ("B10", "Diesel B10", ProductFamily.DIESEL),
        ("HVO", "HVO renewable diesel", ProductFamily.RENEWABLE),
    )
}
_ID = "forecourts.node_id"
_NAME = "forecourts.trading_name"
_BRAND = "forecourts.brand_name"
_POSTCODE = "forecourts.location.postcode"
_CITY = "forecourts.location.city"
_ADDRESS = ("forecourts.location.address_line_1", "forecourts.location.address_line_2")
_LATITUDE = "forecourts.location.latitude"
_LONGITUDE = "forecourts.location.longitude"
_TEMPORARY = "forecourts.temporary_closure"
_PERMANENT = "forecourts.permanent_closure"
_PERMANENT_DATE = "forecourts.permanent_closure_date"
REQUIRED_COLUMNS = frozenset(
    {_ID, _NAME, _BRAND, _POSTCODE, _CITY, *_ADDRESS, _LATITUDE, _LONGITUDE}
    | {_TEMPORARY, _PERMANENT, _PERMANENT_DATE, *_PRICE_COLUMNS}
)
#: A row of the register: its line in the file and its columns.
Row: TypeAlias = tuple[int, dict[str, str]]


#: What is done with a row that cannot be used.
SKIPPED = "row skipped"


class FuelFinderError(UnusableFileError):
    """The file is not a Fuel Finder export. The message says what it is instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyValue:
    """Something in the register that is not right, and what was done with it."""

    line: int
    node_id: str
    name: str
    column: str
    value: str
    what: str
    done: str


@dataclass(slots=True)
class FuelFinder:
    """A register as it was read: its sites (without codes yet), and all that was wrong."""

    rows: int = 0
    skipped: int = 0
    sites: list[SiteSpec] = field(default_factory=list)
    dirty: list[DirtyValue] = field(default_factory=list)
    #: What was rounded, and the rows that could not be used.
    report: ImportReport = field(default_factory=ImportReport)


def read_fuel_finder(
    path: Path, *, today: datetime.date, report: ImportReport | None = None
) -> FuelFinder:
    """Read a register, as of today: a forecourt that closes later is not closed yet.

    Raises FuelFinderError for a file that is none, and where a strict report is given for the first
    row that cannot be used whole; OSError for a file that cannot be read.

    The sites' codes are provisional: `give_codes` settles them, knowing the ledger's.
    """
    register = FuelFinder(report=ImportReport() if report is None else report)
    seen: set[str | None] = set()
    places: set[tuple[str, str]] = set()
    try:
        for line, columns in _rows(path, register):
            register.rows += 1
            reader = _RowReader(path, line, columns, register, today)
            spec = reader.site()
            if spec is not None and spec.source_id in seen:
                reader.skip(_ID, "node id of an earlier row")
                spec = None
            if spec is None:
                register.skipped += 1
                continue
            seen.add(spec.source_id)
            place = (spec.name.casefold(), spec.postcode)
            if place in places:
                reader.note(_NAME, "same name and postcode as an earlier row", "registered as well")
            places.add(place)
            register.sites.append(spec)
    except UnusableFileError as error:
        raise FuelFinderError(str(error)) from None
    return register


def give_codes(sites: Iterable[SiteSpec], taken: Mapping[str, str | None]) -> list[SiteSpec]:
    """Return the sites with their codes, in the order of their node ids.

    `taken` maps each code of the ledger to the source id that holds it. A site that is
    registered already keeps its code for ever.
    """
    codes = {source_id: code for code, source_id in taken.items() if source_id}
    used = set(taken)
    settled = []
    for spec in sorted(sites, key=lambda site: site.source_id or ""):
        node_id = spec.source_id or ""
        code = codes.get(node_id) or _free_code(node_id, used)
        used.add(code)
        settled.append(replace(spec, code=code))
    return settled


def _free_code(node_id: str, used: set[str]) -> str:
    for digits in range(CODE_DIGITS_MIN, CODE_DIGITS_MAX + 1, CODE_DIGITS_STEP):
        code = CODE_PREFIX + node_id[:digits].upper()
        if code not in used:
            return code
    raise FuelFinderError(f"no code is free for node id {node_id}")


def _rows(path: Path, register: FuelFinder) -> Iterator[Row]:
    def noted(unusable: UnusableLine) -> None:
        """Count a row that cannot even be read, and note it like any other."""
        register.rows += 1
        register.skipped += 1
        register.dirty.append(
            DirtyValue(
                line=unusable.line, node_id="", name="", column=_ID, value="",
                what=unusable.reason, done=SKIPPED,
            )
        )  # fmt: skip

    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            header = reader.fieldnames or []
        except csv.Error as error:
            raise FuelFinderError(f"{path}, line {reader.reader.line_num}: {error}") from None
        if not is_utf8("".join(header)):
            raise FuelFinderError(f"{path} is not UTF-8 text")
        if missing := sorted(REQUIRED_COLUMNS - set(header)):
            raise FuelFinderError(
                f"{path} is not a Fuel Finder export: {len(missing)} of "
                f"{len(REQUIRED_COLUMNS)} columns are missing, {missing[0]} among them"
            )
        yield from readable_rows(path, reader, register.report, on_unusable=noted)


class _RowReader:
    """One row: its values, cleaned, and a note of each that was dirty."""

    def __init__(
        self,
        path: Path,
        line: int,
        columns: dict[str, str],
        register: FuelFinder,
        today: datetime.date,
    ) -> None:
        self._path = path
        self._today = today
        self._line = line
        self._columns = columns
        self._dirty = register.dirty
        self._report = register.report

    def note(self, column: str, what: str, done: str) -> None:
        """Write down what is wrong with a column, and what was done."""
        self._dirty.append(
            DirtyValue(
                line=self._line,
                node_id=(self._columns.get(_ID) or "").strip(),
                name=(self._columns.get(_NAME) or "").strip(),
                column=column,
                value=self._columns.get(column) or "",
                what=what,
                done=done,
            )
        )

    def skip(self, column: str, what: str) -> None:
        """Write down why the row cannot be used."""
        self.note(column, what, SKIPPED)
        self._report.leave_out(self._path, self._line, f"{column}: {what}")

    def lose(self, column: str, what: str, done: str) -> None:
        """Write down a value that is not used, or not whole; FuelFinderError when strict."""
        self.note(column, what, done)
        if self._report.is_strict:
            raise FuelFinderError(f"{self._path}, line {self._line}: {column}: {what}")

    def site(self) -> SiteSpec | None:
        """Return the row's site, None if the row names none."""
        node_id = self._text(_ID, 64)
        if not _NODE_ID.fullmatch(node_id):
            self.skip(_ID, "no usable node id")
            return None
        name = self._text(_NAME, NAME_LENGTH_MAX)
        if not name:
            self.skip(_NAME, "no name")
            return None
        latitude, longitude = self._coordinates()
        return SiteSpec(
            code=CODE_PREFIX + node_id[:CODE_DIGITS_MIN].upper(),
            name=name,
            brand=self._text(_BRAND, BRAND_LENGTH_MAX),
            address=self._address(),
            city=self._text(_CITY, CITY_LENGTH_MAX),
            postcode=self._text(_POSTCODE, POSTCODE_LENGTH_MAX),
            country=COUNTRY,
            latitude=latitude,
            longitude=longitude,
            timezone=TIMEZONE,
            currency=CURRENCY,
            source_id=node_id,
            is_closed=self._is_closed(),
            products=tuple(self._products()),
        )

    def _text(self, column: str, length_max: int) -> str:
        raw = self._columns[column]
        text = _SPACES.sub(" ", raw).strip()
        if text != raw:
            self.note(column, "stray spaces", "trimmed")
        try:
            text = plain_text(text)
        except PlainTextError:
            self.lose(column, "characters that nobody can see", "left out")
            text = plain_text(without_invisible(text))
        if len(text) > length_max:
            self.lose(column, f"longer than {length_max} characters", "cut off")
            text = text[:length_max].rstrip()
        return text

    def _address(self) -> str:
        lines = [self._text(column, ADDRESS_LENGTH_MAX) for column in _ADDRESS]
        address = ", ".join(line for line in lines if line)
        if len(address) > ADDRESS_LENGTH_MAX:
            self.lose(_ADDRESS[0], f"longer than {ADDRESS_LENGTH_MAX} characters", "cut off")
        return address[:ADDRESS_LENGTH_MAX].rstrip()

    def _is_closed(self) -> bool:
        if self._columns[_TEMPORARY].strip().lower() == "true":
            self.note(_TEMPORARY, "closed for now", "registered as trading")
        if self._columns[_PERMANENT].strip().lower() == "true":
            self.note(_PERMANENT, "closed for good", "registered as closed")
            return True
        date = self._columns[_PERMANENT_DATE].strip()
        if not date:
            return False
        try:
            closes = datetime.datetime.strptime(date[:15], "%a %b %d %Y").date()  # noqa: DTZ007 a date alone
        except ValueError:
            self.lose(_PERMANENT_DATE, "closing date is no date", "registered as trading")
            return False
        if closes > self._today:
            self.note(_PERMANENT_DATE, "closes for good later", "registered as trading")
            return False
        self.note(_PERMANENT_DATE, "closed for good", "registered as closed")
        return True

    def _coordinates(self) -> tuple[Decimal | None, Decimal | None]:
        """Both or neither: half a place is none."""
        latitude = _number(self._columns[_LATITUDE])
        longitude = _number(self._columns[_LONGITUDE])
        if latitude is None or longitude is None:
            self.lose(_LATITUDE, "coordinates are no numbers", "coordinates left out")
            return None, None
        if not (
            LATITUDE_MIN <= latitude <= LATITUDE_MAX and LONGITUDE_MIN <= longitude <= LONGITUDE_MAX
        ):
            wrong = _LONGITUDE if LATITUDE_MIN <= latitude <= LATITUDE_MAX else _LATITUDE
            self.lose(wrong, "coordinates outside the United Kingdom", "coordinates left out")
            return None, None
        return (
            self._rounded(_LATITUDE, latitude, _DEGREE_QUANTUM, "°"),
            self._rounded(_LONGITUDE, longitude, _DEGREE_QUANTUM, "°"),
        )

    def _rounded(self, column: str, number: Decimal, quantum: Decimal, unit: str) -> Decimal:
        try:
            return self._report.rounded(number, quantum, column=column, unit=unit)
        except ValueError as error:
            raise FuelFinderError(f"{self._path}, line {self._line}: {column}: {error}") from None

    def _products(self) -> Iterator[ProductSpec]:
        """Yield what the site sells. A price in doubt is left out; that it sells it is not."""
        for column, (code, name, family) in _PRICE_COLUMNS.items():
            if self._columns[column].strip():
                yield ProductSpec(
                    code=code, name=name, family=family.value, unit_price=self._price(column)
                )

    def _price(self, column: str) -> Decimal | None:
        pence = _number(self._columns[column])
        what = ""
        if pence is None:
            what = "price is no number"
        elif pence < PRICE_PENCE_MIN:
            what = f"price below {PRICE_PENCE_MIN} pence a litre"
        elif pence > PRICE_PENCE_MAX:
            what = f"price above {PRICE_PENCE_MAX} pence a litre"
        else:
            return self._rounded(column, pence / _HUNDRED, _PRICE_QUANTUM, f"{CURRENCY} a litre")
        self.lose(column, what, "price left out")
        return None


def _number(text: str) -> Decimal | None:
    return plain_decimal(text.strip())
