"""Verify an audit archive with nothing but Python (3.9 or newer) and the files beside this one.

    python3 verify.py [FOLDER]

Everything that was sealed, signed, chained or added up is made again from the rows, as README.md
describes it. Each mismatch is named on a line of its own. The exit code is 0 when there is none, 1
when there is one, 2 when the folder holds no archive. The figures are whole numbers of cents and
millilitres; nothing passes through a binary float.
"""

from __future__ import annotations

import bisect
import csv
import hashlib
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

NULL = r"\N"
VERSION = 2
#: A file with more mismatches than this is said to have more; each of the others is named.
FAULTS_NAMED_MAX = 1_000
NO_DIGEST = "0" * 64
TURNOVER = frozenset({"1", "2"})
ALL_TURNOVER = 0
BY_HAND = 64
MISSING_RATE, MISSING_PAYMENT = "-1.00", "0"
_SETUP = ('["metering", ', '["allowance", ', '["nozzle", ', '["tank", ')
_NOT_IN_VERSION_1 = ('["declarations", ', '["delivery", ')
_TIME = r"\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00"
_TYPES = {
    "integer": re.compile(r"-?\d+\Z"),
    "number": re.compile(r"-?\d+(\.\d+)?\Z"),
    "boolean": re.compile(r"(true|false)\Z"),
    "date": re.compile(r"\d{4,}-\d\d-\d\d\Z"),
    "time": re.compile(r"\d\d:\d\d:\d\d(\.\d{1,6})?\Z"),
    "datetime": re.compile(_TIME + r"\Z"),
}
#: An event may wait for its link as long as this when the archive is made.
_LINKED_WITHIN = timedelta(hours=1)

Row = dict[str, Any]
Day = tuple[str, str]


# --- numbers --------------------------------------------------------------------------------------


def whole(text: str | None) -> int:
    """Return a decimal as the whole number of its last places; 0 for NULL."""
    return 0 if text is None else int(text.replace(".", ""))


def decimal(value: int, places: int) -> str:
    """Return a whole number of last places as a decimal."""
    digits = str(abs(value)).rjust(places + 1, "0")
    return ("-" if value < 0 else "") + digits[:-places] + "." + digits[-places:]


def tax_within(amount: int, tax_rate: str | None) -> int:
    """Return the tax within a gross amount: amount x rate / (100 + rate), half away from zero."""
    if tax_rate is None:
        return 0
    rate = whole(tax_rate)
    tax = (2 * abs(amount) * rate + 10_000 + rate) // (2 * (10_000 + rate))
    return -tax if amount < 0 else tax


def number_or_null(text: str | None) -> int | None:
    """Return a number as JSON has it."""
    return None if text is None else int(text)


def line(*items: Any) -> str:
    """Return a canonical line."""
    return json.dumps(items, ensure_ascii=False) + "\n"


def sha256(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


# --- Ed25519 (RFC 8032), to verify only -----------------------------------------------------------

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
Point = tuple[int, int, int, int]


def _x_of(y: int, is_odd: int) -> int | None:
    """Return the x of a point, None where there is none."""
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and is_odd):
        return None
    return _P - x if x % 2 != is_odd else x


def _point(data: bytes) -> Point | None:
    """Return the point that 32 bytes stand for, None where they stand for none."""
    number = int.from_bytes(data, "little")
    y = number & ((1 << 255) - 1)
    x = _x_of(y, number >> 255) if y < _P else None
    return None if x is None else (x, y, 1, x * y % _P)


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(factor: int, point: Point) -> Point:
    product = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            product = _add(product, point)
        point = _add(point, point)
        factor >>= 1
    return product


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE = _point(_BASE_Y.to_bytes(32, "little"))


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether an Ed25519 signature is of this message and made with the key's private one."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = _point(public_key), _point(signature[:32])
    response = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or response >= _ORDER or _BASE is None:
        return False
    told = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(told, "little") % _ORDER
    left, right = _times(response, _BASE), _add(commitment, _times(challenge, key))
    return not (
        (left[0] * right[2] - right[0] * left[2]) % _P
        or (left[1] * right[2] - right[1] * left[2]) % _P
    )


# --- the files ------------------------------------------------------------------------------------


class NoArchive(Exception):
    """The folder does not hold an archive that this program can read."""


class Column(NamedTuple):
    """What the schema says of a column."""

    name: str
    pattern: re.Pattern[str] | None
    is_required: bool
    codes: frozenset[str] | None
    is_text: bool


class Report:
    """What was looked at, what is wrong, and what is no fault but worth knowing."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.fault_count = 0
        self.notes: list[str] = []
        self.checked: Counter[str] = Counter()

    def fault(self, where: str, what: str) -> None:
        """Name something that is wrong."""
        self.fault_count += 1
        if self.fault_count <= FAULTS_NAMED_MAX:
            self.faults.append(f"{where}: {what}")


class Archive:
    """The files of a folder, read as the schema describes them."""

    def __init__(self, folder: Path, report: Report) -> None:
        self.folder = folder
        self.report = report
        try:
            self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
            if self.manifest["version"] != VERSION:
                raise NoArchive(f"the archive has version {self.manifest['version']}")
            self.schemas = {one["name"]: one["schema"] for one in package["resources"]}
            self._hashes = {one["path"]: one["hash"] for one in package["resources"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NoArchive(f"{folder} holds no archive ({error!r})") from error
        self.first = self.manifest["first_fiscal_day"] or ""
        self.last = self.manifest["last_fiscal_day"] or "~"
        self.rows = {one["file"]: one["rows"] for one in self.manifest["files"]}
        self.places: dict[str, int] = {}
        self._keys: dict[tuple[str, tuple[str, ...]], set[tuple[str, ...]]] = {}

    def is_whole(self, fiscal_day: str) -> bool:
        """Whether all rows of a fiscal day are in the archive."""
        return self.first <= fiscal_day <= self.last

    def check_files(self) -> None:
        """Compare each file with its checksum."""
        stated = {}
        for told in self._text("SHA256SUMS").splitlines():
            digest, _, name = told.partition("  ")
            stated[name] = digest
        for one in self.manifest["files"]:
            if stated.get(one["file"]) != one["sha256"]:
                self.report.fault(one["file"], "manifest.json states another checksum")
            if self._hashes.get(one["file"]) != f"sha256:{one['sha256']}":
                self.report.fault(one["file"], "datapackage.json states another checksum")
        known = {*stated, "SHA256SUMS"}
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and path.name not in known:
                self.report.fault(path.name, "SHA256SUMS does not name the file")
        for name, digest in stated.items():
            found = hashlib.sha256()
            try:
                with (self.folder / name).open("rb") as file:
                    for block in iter(lambda f=file: f.read(1 << 20), b""):  # type: ignore[misc]
                        found.update(block)
            except OSError:
                self.report.fault(name, "the file is gone")
                continue
            if found.hexdigest() != digest:
                self.report.fault(name, "the file is not the one of its checksum")
            self.report.checked["files"] += 1

    def _text(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError as error:
            raise NoArchive(f"{name} is missing") from error

    def read(self, name: str) -> Iterator[Row]:
        """Yield the rows of a file by column, None for NULL; what is wrong with one is named.

        Checked are the header, types, required values, codes, the key's order (so that no row
        stands there twice or elsewhere), references to files that were read before, and the
        number of rows.
        """
        schema = self.schemas[name]
        columns = [_column(field) for field in schema["fields"]]
        names = [column.name for column in columns]
        key = schema["primaryKey"]
        numbers = {
            field["name"] for field in schema["fields"] if field["type"] in {"integer", "number"}
        }
        references = [
            (one["fields"], one["reference"]["resource"], tuple(one["reference"]["fields"]))
            for one in schema["foreignKeys"]
        ]
        kept = self._kept(name)
        before: tuple[Any, ...] = ()
        count = 0
        path = f"{name}.csv"
        try:
            file = (self.folder / path).open(encoding="utf-8", newline="")
        except OSError:
            return
        with file:
            lines = csv.reader(file, strict=True)
            if next(lines, None) != names:
                self.report.fault(path, "the columns are not those of datapackage.json")
                return
            for values in lines:
                count += 1
                where = f"{path} row {count}"
                if len(values) != len(names):
                    self.report.fault(where, f"has {len(values)} values, not {len(names)}")
                    continue
                row = self._checked(where, columns, values)
                place = tuple(
                    self.places.get(row[one] or "", -1)
                    if one == "site"
                    else (whole(row[one]) if one in numbers else row[one] or "")
                    for one in key
                )
                if place <= before:
                    self.report.fault(where, f"{self._named(row, key)} is not in order")
                before = place
                if name == "site":
                    self.places[row["code"]] = count
                for fields, other, wanted in references:
                    pointer = tuple(row[field] for field in fields)
                    if None not in pointer and pointer not in self._keys[other, wanted]:
                        if other == name:
                            continue
                        told = self._named(row, fields)
                        self.report.fault(where, f"{told} is not in {other}.csv")
                for wanted, found in kept:
                    found.add(tuple(row[one] for one in wanted))
                yield row
        self.report.checked["rows"] += count
        if self.rows.get(path) != count:
            self.report.fault(path, f"has {count} rows, manifest.json says {self.rows.get(path)}")

    def _kept(self, name: str) -> list[tuple[tuple[str, ...], set[tuple[str, ...]]]]:
        """Return the columns by which other files refer to this one, each with an empty set."""
        wanted = {
            tuple(one["reference"]["fields"])
            for schema in self.schemas.values()
            for one in schema["foreignKeys"]
            if one["reference"]["resource"] == name
        }
        return [(one, self._keys.setdefault((name, one), set())) for one in sorted(wanted)]

    def _checked(self, where: str, columns: list[Column], values: list[str]) -> Row:
        row: Row = {}
        for column, value in zip(columns, values):
            if value == NULL:
                row[column.name] = None
                if column.is_required:
                    self.report.fault(where, f"{column.name} is NULL")
                continue
            if column.is_text:
                value = value[1:] if value[:1] == "\\" else value
            elif column.pattern and not column.pattern.match(value):
                self.report.fault(where, f"{column.name} is no {column.name}: {value!r}")
                row[column.name] = None
                continue
            if column.codes is not None and value not in column.codes:
                self.report.fault(where, f"{column.name} has the unknown code {value!r}")
            row[column.name] = value
        return row

    @staticmethod
    def _named(row: Row, fields: list[str]) -> str:
        return " ".join(str(row[field]) for field in fields)


def _column(field: dict[str, Any]) -> Column:
    codes = field.get("categories")
    return Column(
        field["name"],
        _TYPES.get(field["type"]),
        bool(field.get("constraints", {}).get("required")),
        frozenset(str(one["value"]) for one in codes) if codes else None,
        field["type"] == "string" and field.get("format") != "binary",
    )


class ByKey:
    """The rows of a file that is sorted by a key, taken key by key."""

    def __init__(self, archive: Archive, name: str, key: tuple[str, ...]) -> None:
        self._rows = archive.read(name)
        self._archive = archive
        self._key = key
        self._next = next(self._rows, None)

    def take(self, *key: str) -> list[Row]:
        """Return the rows of a key; those before it belong to none and were named as such."""
        wanted, taken = self._place(key), []
        while self._next is not None:
            place = self._place(tuple(self._next[one] for one in self._key))
            if place > wanted:
                break
            if place == wanted:
                taken.append(self._next)
            self._next = next(self._rows, None)
        return taken

    def drain(self) -> None:
        """Read what is left."""
        for _row in self._rows:
            pass

    def _place(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._archive.places.get(key[0], -1), *key[1:])


# --- what is made again ---------------------------------------------------------------------------


class Sums:
    """Counts, millilitres, cents and cents of tax by what they are of."""

    def __init__(self) -> None:
        self.by: dict[tuple[Any, ...], list[int]] = {}

    def add(self, key: tuple[Any, ...], *measures: int) -> None:
        """Add measures to what is there under a key."""
        known = self.by.setdefault(key, [0] * len(measures))
        for place, measure in enumerate(measures):
            known[place] += measure


class Clocks:
    """What the clocks of the sites showed."""

    def __init__(self, archive: Archive) -> None:
        self._zones: dict[str, tuple[list[datetime], list[int]]] = {}
        for row in archive.read("clock"):
            times, ahead = self._zones.setdefault(row["timezone"], ([], []))
            times.append(moment(row["from_at"]))
            ahead.append(int(row["ahead_s"]))

    def hour(self, zone: str, at: str) -> int:
        """Return the hour of the day at a time; -1 where the archive does not say it."""
        times, ahead = self._zones.get(zone, ([], []))
        then = moment(at)
        place = bisect.bisect_right(times, then) - 1
        if place < 0:
            return -1
        seconds = then.hour * 3600 + then.minute * 60 + then.second + ahead[place]
        return seconds // 3600 % 24


def moment(text: str) -> datetime:
    """Return a time of the archive."""
    plain, _, _zone = text.partition("+")
    head, _, fraction = plain.partition(".")
    at = datetime.strptime(head, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    return at.replace(microsecond=int(fraction.ljust(6, "0"))) if fraction else at


class Postings:
    """Corrections and postings, by the day that they are posted to and by their entry."""

    def __init__(self, archive: Archive) -> None:
        self.corrections: dict[Day, list[Row]] = defaultdict(list)
        self.postings: dict[Day, list[Row]] = defaultdict(list)
        self.revisions: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        self.sides: dict[tuple[str, str, str, str], dict[str, Row]] = defaultdict(dict)
        for row in archive.read("correction"):
            self.revisions[row["site"], row["fiscal_day"], row["sequence"]].append(row)
            if row["status"] == "approved" and row["posted_to"]:
                self.corrections[row["site"], row["posted_to"]].append(row)
        for row in archive.read("correction_posting"):
            self.postings[row["site"], row["posted_to"]].append(row)
            entry = (row["site"], row["fiscal_day"], row["sequence"], row["revision"])
            self.sides[entry][row["side"]] = row


class Link(NamedTuple):
    """A sealed day as a link of its site's chain."""

    fiscal_day: str
    seal: str
    previous: str
    perpetual: int
    turnover: int
    is_signed: bool


def entry_line(row: Row) -> str:
    """Return the canonical line of an entry."""
    return line(
        int(row["sequence"]), int(row["kind"]), row["occurred_at"], row["received_at"],
        row["product"], row["amount"], row["volume"], row["volume_15c"], row["unit_price"],
        row["tax_rate"], number_or_null(row["fuelling_point"]), number_or_null(row["nozzle"]),
        number_or_null(row["tank"]), number_or_null(row["payment"]),
        number_or_null(row["device_transaction"]), row["totalizer"], row["offline"] == "true",
        int(row["flags"]),
    )  # fmt: skip


def correction_line(row: Row) -> str:
    """Return the canonical line of a correction."""
    return line(
        "correction", row["fiscal_day"], int(row["sequence"]), int(row["revision"]),
        row["action"], int(row["kind"]), row["occurred_at"], row["product"], row["amount"],
        row["volume"], row["volume_15c"], row["unit_price"], row["tax_rate"],
        number_or_null(row["fuelling_point"]), number_or_null(row["nozzle"]),
        number_or_null(row["tank"]), number_or_null(row["payment"]),
        number_or_null(row["device_transaction"]), row["totalizer"], row["offline"] == "true",
        row["reason"], row["note"], int(row["author_id"]), row["proposed_at"],
        number_or_null(row["decided_by_id"]), row["decided_at"], row["decision_note"],
    )  # fmt: skip


def posting_line(row: Row) -> str:
    """Return the canonical line of a posting."""
    return line(
        "posting", row["fiscal_day"], int(row["sequence"]), int(row["revision"]),
        int(row["side"]), int(row["kind"]), row["product"], row["tax_rate"],
        number_or_null(row["payment"]), number_or_null(row["fuelling_point"]),
        number_or_null(row["nozzle"]), number_or_null(row["tank"]), int(row["hour"]),
        int(row["count"]), row["volume"], row["amount"], row["tax"],
    )  # fmt: skip


class Verifier:
    """Makes again what an archive says."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.report = archive.report
        self.sites = {row["code"]: row for row in archive.read("site")}
        for name in ("person", "product", "fuelling_point", "nozzle", "tank", "code_list"):
            for _row in archive.read(name):
                pass
        self.days = {(row["site"], row["fiscal_day"]): row for row in archive.read("fiscal_day")}
        self.clocks = Clocks(archive)
        self.keys = {row["key_id"]: row["public_key"] for row in archive.read("public_key")}
        self.posted = Postings(archive)
        self.deliveries: dict[Day, list[Row]] = defaultdict(list)
        for row in archive.read("delivery"):
            if row["fiscal_day"]:
                self.deliveries[row["site"], row["fiscal_day"]].append(row)
        #: Entries that corrections are of.
        self.corrected: dict[tuple[str, str, str], Row] = {}
        self.heads: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.newest: dict[str, str] = {}

    def verify(self) -> None:
        """Look at everything."""
        day = ("site", "fiscal_day")
        names = (
            "entry", "referred_entry", "day_total", "payment_total", "hour_total",
            "declared_total", "totalizer", "dip", "explanation", "day_seal", "z_figure",
        )  # fmt: skip
        files = {name: ByKey(self.archive, name, day) for name in names}
        month_names = ("month_sum", "month_total", "month_payment_total", "month_hour_total")
        months = {name: ByKey(self.archive, name, ("site",)) for name in month_names}
        by_site: dict[str, list[str]] = defaultdict(list)
        for site, fiscal_day in self.days:
            by_site[site].append(fiscal_day)
        for code in self.sites:
            chain: dict[int, Link] = {}
            sums: dict[str, dict[str, Sums]] = defaultdict(lambda: defaultdict(Sums))
            counts: Counter[str] = Counter()
            for fiscal_day in by_site[code]:
                rows = {name: file.take(code, fiscal_day) for name, file in files.items()}
                self._verify_day(code, fiscal_day, rows, chain, sums[fiscal_day[:-2] + "01"])
                if self.archive.is_whole(fiscal_day):
                    counts[fiscal_day[:-2] + "01"] += len(rows["entry"])
            self._verify_chain(code, chain)
            of_site = {name: file.take(code) for name, file in months.items()}
            self._verify_months(code, of_site, sums, counts)
        for file in (*files.values(), *months.values()):
            file.drain()
        self._verify_corrections()
        self._verify_trail()
        for name in ("quarantine", "quarantine_decision"):
            for _row in self.archive.read(name):
                pass

    # --- a day ------------------------------------------------------------------------------------

    def _verify_day(
        self,
        code: str,
        fiscal_day: str,
        rows: dict[str, list[Row]],
        chain: dict[int, Link],
        month: dict[str, Sums],
    ) -> None:
        where = f"{code} {fiscal_day}"
        day = self.days[code, fiscal_day]
        is_whole = self.archive.is_whole(fiscal_day)
        entries = rows["entry"] if is_whole else rows["referred_entry"]
        if rows["referred_entry" if is_whole else "entry"]:
            self.report.fault(where, "entries stand in the wrong file")
        for row in entries:
            key = (code, fiscal_day, row["sequence"])
            if key in self.posted.revisions:
                self.corrected[key] = row
        sums: dict[str, Sums] = {}
        if is_whole:
            self.report.checked["days"] += 1
            self.report.checked["entries"] += len(entries)
            sums = self._added_up(code, entries)
            self._compare_totals(where, rows, sums)
            for name, found in sums.items():
                for place, measures in found.by.items():
                    month[name].add(place, *measures)
            highest = max((int(row["sequence"]) for row in entries), default=0)
            for name, held in (("entry_count", len(entries)), ("highest_sequence", highest)):
                if int(day[name]) != held:
                    self.report.fault(where, f"{name} says {day[name]}, the entries say {held}")
            self._verify_declarations(day, rows)
        seals = rows["day_seal"]
        if day["seal"] is None:
            if seals:
                self.report.fault(where, "a sealed document of a day that is not sealed")
            if rows["z_figure"]:
                self.report.fault(where, "figures of a Z report of a day that is not sealed")
            return
        if day["sealed_by_id"] == day["seal_proposed_by_id"]:
            self.report.fault(where, "one person proposed the seal and set it")
        if not seals:
            self.report.fault(where, "the sealed document is gone")
            return
        (seal,) = seals
        self.report.checked["seals"] += 1
        self.newest[code] = day["seal"]
        if sha256(seal["document"]) != day["seal"]:
            self.report.fault(where, "the seal is not that of its document")
        self._compare_head(where, day, seal["document"])
        turnover = _turnover_stated(seal["document"])
        marked = self._verify_marks(where, seal, entries, is_whole=is_whole)
        if is_whole:
            self._compare_document(where, day, rows, seal["document"], is_named=marked)
            figures = self._z_figures(code, fiscal_day, sums, entries)
            self._compare_z(where, rows["z_figure"], figures)
            turnover = sum(
                measures[2] for key, measures in figures.by.items() if key[0] == "tax rate"
            )
        chain[int(day["z_number"])] = Link(
            fiscal_day,
            day["seal"],
            day["previous_seal"] or NO_DIGEST,
            whole(day["perpetual_total"]),
            turnover,
            self._verify_signature(where, day, seal),
        )

    def _added_up(self, code: str, entries: list[Row]) -> dict[str, Sums]:
        """Return what entries add up to, by the name of the file that states it."""
        totals, payments, hours = Sums(), Sums(), Sums()
        zone = self.sites[code]["timezone"]
        for row in entries:
            kind, amount, volume = row["kind"], whole(row["amount"]), whole(row["volume"])
            tax = tax_within(amount, row["tax_rate"])
            rate = MISSING_RATE if row["tax_rate"] is None else row["tax_rate"]
            totals.add((row["product"], kind, rate), 1, volume, amount, tax)
            payments.add((row["payment"] or MISSING_PAYMENT, kind), 1, volume, amount)
            if kind in TURNOVER:
                hour = str(self.clocks.hour(zone, row["occurred_at"]))
                hours.add((hour,), 1, volume, amount)
        return {"total": totals, "payment_total": payments, "hour_total": hours}

    def _compare_totals(
        self, where: str, rows: dict[str, list[Row]], sums: dict[str, Sums], *, prefix: str = ""
    ) -> None:
        first = f"{prefix}total" if prefix else "day_total"
        for name, file, columns in (
            ("total", first, ("product", "kind", "tax_rate")),
            ("payment_total", f"{prefix}payment_total", ("payment", "kind")),
            ("hour_total", f"{prefix}hour_total", ("hour",)),
        ):
            stated = {
                tuple(row[column] for column in columns): [
                    int(row["count"]),
                    whole(row["volume"]),
                    whole(row["amount"]),
                    *([whole(row["tax"])] if "tax" in row else []),
                ]
                for row in rows[file]
            }
            self.report.checked["totals"] += len(stated)
            found = sums[name].by if name in sums else {}
            for key in sorted({*stated, *found}):
                if stated.get(key) != found.get(key):
                    self.report.fault(
                        where,
                        f"{file} of {', '.join(map(str, key))} says {_told(stated.get(key))},"
                        f" the entries say {_told(found.get(key))}",
                    )

    def _verify_declarations(self, day: Row, rows: dict[str, list[Row]]) -> None:
        """Make the digests of what the site declared again, as far as the ledger kept it."""
        for event, at, digest in (
            ("opened", day["opened_at"], day["opening_digest"]),
            ("closed", day["closed_at"], day["closing_digest"]),
        ):
            if digest is None or at is None:
                continue
            made = sha256(declaration(event, at, day, rows))
            self.report.checked["declarations"] += 1
            if made != digest:
                self.report.checked["declarations that cannot be made again"] += 1

    # --- a seal -----------------------------------------------------------------------------------

    def _compare_head(self, where: str, day: Row, document: str) -> None:
        """Compare the first line of a document with the columns of its day."""
        told = document.split("\n", 1)[0]
        version = _version(told)
        columns: list[Any] = [
            int(day["z_number"]), day["previous_seal"] or NO_DIGEST, day["perpetual_total"]
        ]  # fmt: skip
        if version != 1:
            columns += [
                int(day["seal_proposed_by_id"]), day["seal_proposed_at"],
                int(day["sealed_by_id"]), day["sealed_at"],
            ]  # fmt: skip
        made = line("seal", version, *columns)[:-1]
        if told != made:
            self.report.fault(where, f"sealed was {told}, fiscal_day.csv says {made}")

    def _compare_document(
        self, where: str, day: Row, rows: dict[str, list[Row]], document: str, *, is_named: bool
    ) -> None:
        """Name each line of a document that the rows do not make again, and the other way round."""
        sealed = document.split("\n")[1:-1]
        made = self._body(day, rows)
        if _version(document) == 1:
            made = [one for one in made if not one.startswith(_NOT_IN_VERSION_1)]
        made += [one for one in sealed if one.startswith(_SETUP)]
        if sealed == made:
            return
        if is_named:
            # Which entries they are was said already.
            sealed = [one for one in sealed if not one.startswith('["entries", ')]
            made = [one for one in made if not one.startswith('["entries", ')]
        differing = False
        for one in sealed:
            if one not in made:
                differing = True
                self.report.fault(where, f"sealed was {one}, which the rows do not say")
        for one in made:
            if one not in sealed:
                differing = True
                self.report.fault(where, f"the rows say {one}, which was not sealed")
        if not differing and not is_named:
            self.report.fault(where, "the sealed document has its lines in another order")

    def _body(self, day: Row, rows: dict[str, list[Row]]) -> list[str]:
        """Return the lines of a day's body but for the setup."""
        key = (day["site"], day["fiscal_day"])
        entries = rows["entry"]
        lines = [
            line(
                "day", day["site"], day["fiscal_day"], self.sites[day["site"]]["currency"],
                day["opened_at"], day["closed_at"], number_or_null(day["closed_by_id"]),
                day["close_reason"], number_or_null(day["last_sequence"]),
                int(day["entry_count"]), int(day["highest_sequence"]),
            ),
            line("declarations", day["opening_digest"], day["closing_digest"]),
        ]  # fmt: skip
        if entries:
            told = sha256("".join(entry_line(row) for row in entries))
            lines.append(line("entries", len(entries), told))
        lines += [
            line("total", row["product"], int(row["kind"]), row["tax_rate"], int(row["count"]),
                 row["volume"], row["amount"], row["tax"])
            for row in rows["day_total"]
        ]  # fmt: skip
        lines += [
            line("payment", int(row["payment"]), int(row["kind"]), int(row["count"]),
                 row["volume"], row["amount"])
            for row in rows["payment_total"]
        ]  # fmt: skip
        lines += [
            line("hour", int(row["hour"]), int(row["count"]), row["volume"], row["amount"])
            for row in rows["hour_total"]
        ]
        lines += [
            line("declared", row["product"], int(row["count"]), row["volume"], row["amount"])
            for row in rows["declared_total"]
        ]
        lines += [
            line("totalizer", int(row["fuelling_point"]), int(row["nozzle"]), row["product"],
                 row["opening"], row["closing"])
            for row in rows["totalizer"]
        ]  # fmt: skip
        lines += [
            line("dip", int(row["tank"]), row["product"], row["opening_volume"],
                 row["opening_water"], row["opening_temperature"], row["closing_volume"],
                 row["closing_water"], row["closing_temperature"])
            for row in rows["dip"]
        ]  # fmt: skip
        lines += [
            line("delivery", row["at"], int(row["tank"]), row["product"], row["volume"],
                 row["volume_15c"], row["document"], row["received_at"])
            for row in sorted(self.deliveries[key], key=lambda r: (r["at"], int(r["tank"])))
        ]  # fmt: skip
        lines += [correction_line(row) for row in self.posted.corrections[key]]
        lines += [posting_line(row) for row in self.posted.postings[key]]
        lines += [
            line("explanation", int(row["number"]), row["subject"], row["key"],
                 row["difference"], row["reason"], row["note"], int(row["author_id"]), row["at"])
            for row in rows["explanation"]
        ]  # fmt: skip
        return [one[:-1] for one in lines]

    def _verify_marks(self, where: str, seal: Row, entries: list[Row], *, is_whole: bool) -> bool:
        """Name the entries that are not as they were sealed; return whether there is one."""
        text = seal["entry_marks"]
        marks = {int(text[at : at + 8], 16): text[at + 8 : at + 16]
                 for at in range(0, len(text), 16)}  # fmt: skip
        found = {int(row["sequence"]): sha256(entry_line(row))[:8] for row in entries}
        differing = sorted(
            number
            for number in ({*marks, *found} if is_whole else found)
            if marks.get(number) != found.get(number)
        )
        for number in differing:
            if number not in found:
                self.report.fault(where, f"entry {number} was sealed and is not there")
            elif number not in marks:
                self.report.fault(where, f"entry {number} is there and was not sealed")
            else:
                self.report.fault(where, f"entry {number} is not as it was sealed")
        return bool(differing)

    def _verify_signature(self, where: str, day: Row, seal: Row) -> bool:
        if seal["signature"] is None:
            if seal["key_id"]:
                self.report.fault(where, "the signature of the seal is gone")
            return False
        key = self.keys.get(seal["key_id"])
        if key is None:
            self.report.fault(where, f"the key {seal['key_id']} is not in public_key.csv")
            return True
        message = line(
            "signed seal", 1, seal["key_id"], day["site"], int(day["z_number"]),
            day["fiscal_day"], day["seal"], int(seal["trail_number"]), seal["trail_digest"],
        )  # fmt: skip
        try:
            told = is_signed(bytes.fromhex(key), message.encode(), bytes.fromhex(seal["signature"]))
        except ValueError:
            told = False
        if not told:
            self.report.fault(where, "the signature is not one of this seal")
        self.report.checked["signatures"] += 1
        self.heads[int(seal["trail_number"])].append((where, seal["trail_digest"]))
        return True

    def _verify_chain(self, code: str, chain: dict[int, Link]) -> None:
        """Follow the seals of a site."""
        was_signed = False
        numbers = sorted(chain)
        needed = [number for number, one in chain.items() if self.archive.is_whole(one.fiscal_day)]
        for number in numbers:
            one, before = chain[number], chain.get(number - 1)
            where = f"{code} {one.fiscal_day}"
            if was_signed and not one.is_signed:
                self.report.fault(where, "the seal is not signed, though one before it is")
            was_signed = was_signed or one.is_signed
            if number == 1:
                before = Link("", NO_DIGEST, "", 0, 0, is_signed=False)
            elif before is None:
                # What lies before the archive, or beside the chain that the period needs.
                if number in needed or (needed and number > min(needed)):
                    self.report.fault(where, f"the seal before it (Z {number - 1}) is not there")
                continue
            if one.previous != before.seal:
                self.report.fault(where, f"it does not follow the seal of Z {number - 1}")
            if one.perpetual != before.perpetual + one.turnover:
                made = decimal(before.perpetual + one.turnover, 2)
                told = decimal(one.perpetual, 2)
                self.report.fault(where, f"the perpetual total is {told}, the days say {made}")
            self.report.checked["links of chains of seals"] += 1

    # --- Z reports --------------------------------------------------------------------------------

    def _z_figures(
        self, code: str, fiscal_day: str, sums: dict[str, Sums], entries: list[Row]
    ) -> Sums:
        """Return the figures of a Z report: what the entries and the postings add up to.

        The last measure counts what states a tax rate: without any, the tax is not known.
        """
        figures = Sums()
        for (product, kind, rate), measures in sums["total"].by.items():
            known = int(rate != MISSING_RATE)
            figures.add(("product", product, int(kind)), *measures, known)
            if kind in TURNOVER:
                figures.add(("tax rate", _rate(rate), ALL_TURNOVER), *measures, known)
        for (payment, kind), measures in sums["payment_total"].by.items():
            figures.add(("payment", payment, int(kind)), *measures, 0, 0)
        for (hour,), measures in sums["hour_total"].by.items():
            figures.add(("hour", hour, ALL_TURNOVER), *measures, 0, 0)
        for row in entries:
            if row["nozzle"] is not None:
                key = ("nozzle", _nozzle(row), int(row["kind"]))
                figures.add(key, 1, whole(row["volume"]), whole(row["amount"]), 0, 0)
        for row in self.posted.postings[code, fiscal_day]:
            kind = int(row["kind"])
            moved = (int(row["count"]), whole(row["volume"]), whole(row["amount"]))
            tax, known = whole(row["tax"]), int(row["tax_rate"] is not None)
            figures.add(("product", row["product"], kind), *moved, tax, known)
            figures.add(("payment", row["payment"] or MISSING_PAYMENT, kind), *moved, 0, 0)
            if row["kind"] in TURNOVER:
                rate = MISSING_RATE if row["tax_rate"] is None else row["tax_rate"]
                figures.add(("tax rate", _rate(rate), ALL_TURNOVER), *moved, tax, known)
                figures.add(("hour", row["hour"], ALL_TURNOVER), *moved, 0, 0)
            if row["nozzle"] is not None:
                figures.add(("nozzle", _nozzle(row), kind), *moved, 0, 0)
        return figures

    def _compare_z(self, where: str, rows: list[Row], figures: Sums) -> None:
        stated = {
            (row["part"], row["about"], int(row["kind"])): [
                int(row["count"]),
                whole(row["volume"]),
                whole(row["amount"]),
                *([] if row["tax"] is None else [whole(row["tax"])]),
            ]
            for row in rows
        }
        made = {key: measures[: 4 if measures[4] else 3] for key, measures in figures.by.items()}
        self.report.checked["Z figures"] += sum(map(len, stated.values()))
        for key in sorted({*stated, *made}):
            if stated.get(key) != made.get(key):
                self.report.fault(
                    where,
                    f"the Z report's {key[0]} {key[1]}, kind {key[2]}, says"
                    f" {_told(stated.get(key))}, the rows say {_told(made.get(key))}",
                )

    # --- what is not of one day -------------------------------------------------------------------

    def _verify_months(
        self,
        code: str,
        rows: dict[str, list[Row]],
        sums: dict[str, dict[str, Sums]],
        counts: Counter[str],
    ) -> None:
        for month in rows["month_sum"]:
            name = month["month"]
            end = _next_month(name)
            if not (self.archive.first <= name and end <= _day_after(self.archive.last)):
                self.report.checked["month sums of months that are not whole here"] += 1
                continue
            if counts[name] != int(month["entries"]):
                self.report.checked["month sums that are out of date"] += 1
                continue
            self.report.checked["month sums"] += 1
            of_month = {
                file: [row for row in found if row["month"] == name] for file, found in rows.items()
            }
            self._compare_totals(f"{code} {name}", of_month, sums[name], prefix="month_")

    def _verify_corrections(self) -> None:
        """Make the postings of each correction again from what its entry stated before."""
        for key, revisions in sorted(self.posted.revisions.items()):
            where = f"{key[0]} {key[1]} entry {key[2]}"
            entry = self.corrected.get(key)
            before = entry
            zone = self.sites[key[0]]["timezone"] if key[0] in self.sites else ""
            for number, row in enumerate(revisions, start=1):
                if int(row["revision"]) != number:
                    self.report.fault(where, f"revision {number} is not there")
                    break
                self.report.checked["corrections"] += 1
                if row["status"] != "approved":
                    if self.posted.sides.pop((*key, row["revision"]), None):
                        self.report.fault(where, f"revision {number} moves without an approval")
                    continue
                if row["needs_approval"] == "true" and row["author_id"] == row["decided_by_id"]:
                    self.report.fault(where, f"revision {number} has one person's approval alone")
                sides = self.posted.sides.pop((*key, row["revision"]), {})
                after = None if row["action"] == "void" else row
                if row["action"] == "add" and row["posted_to"] == row["fiscal_day"]:
                    before, after = None, None
                    self._compare_added(where, row, entry)
                self._compare_postings(
                    f"{where} revision {number}", row, zone, sides, before, after
                )
                before = None if row["action"] == "void" else row
        for left in self.posted.sides:
            self.report.fault(" ".join(left), "a posting without its correction")

    def _compare_added(self, where: str, row: Row, entry: Row | None) -> None:
        """Compare an entry that was added by hand with the correction that says so."""
        if entry is None:
            self.report.fault(where, "it was added by hand and is not there")
            return
        if not int(entry["flags"]) & BY_HAND:
            self.report.fault(where, "it was added by hand and has no such flag")
        for name in (
            "kind", "occurred_at", "product", "amount", "volume", "volume_15c", "unit_price",
            "tax_rate", "fuelling_point", "nozzle", "tank", "payment", "device_transaction",
            "totalizer", "offline",
        ):  # fmt: skip
            if row[name] != entry[name]:
                self.report.fault(where, f"{name} is not as it was added by hand")

    def _compare_postings(
        self,
        where: str,
        row: Row,
        zone: str,
        sides: dict[str, Row],
        before: Row | None,
        after: Row | None,
    ) -> None:
        for side, stated in ((-1, before), (1, after)):
            posting = sides.get(str(side))
            self.report.checked["postings"] += posting is not None
            if stated is None:
                if posting is not None:
                    self.report.fault(where, f"side {side} is posted though it moves nothing")
                continue
            amount = whole(stated["amount"])
            wanted = {
                name: stated[name]
                for name in (
                    "kind", "product", "tax_rate", "payment", "fuelling_point", "nozzle", "tank"
                )
            }  # fmt: skip
            wanted |= {
                "posted_to": row["posted_to"],
                "hour": str(self.clocks.hour(zone, stated["occurred_at"])),
                "count": str(side),
                "volume": decimal(side * whole(stated["volume"]), 3),
                "amount": decimal(side * amount, 2),
                "tax": decimal(side * tax_within(amount, stated["tax_rate"]), 2),
            }
            if posting is None:
                self.report.fault(where, f"side {side} is not posted")
                continue
            for name, value in wanted.items():
                if posting[name] != value:
                    self.report.fault(
                        where, f"side {side} posts {name} {posting[name]}, it should be {value}"
                    )

    def _verify_trail(self) -> None:
        """Make the digests of events and links again, and compare what seals say of them."""
        events: dict[str, str] = {}
        times: dict[str, str] = {}
        for row in self.archive.read("audit_event"):
            events[row["id"]] = sha256(
                line(
                    "event", int(row["id"]), row["at"], number_or_null(row["actor_id"]),
                    row["actor_name"], row["action"], row["site"], row["fiscal_day"],
                    number_or_null(row["sequence"]), row["subject"], row["detail"],
                )
            )  # fmt: skip
            times[row["id"]] = row["at"]
            self.report.checked["audit events"] += 1
            if row["action"] == "day.sealed":
                self._compare_told(row)
        linked, newest = set(), 0
        number, digest = 0, NO_DIGEST
        for row in self.archive.read("audit_link"):
            where = f"audit_link {row['number']}"
            before = (number, digest)
            number, digest = int(row["number"]), row["digest"]
            made = events.get(row["event_id"])
            if made is not None:
                linked.add(row["event_id"])
                if made != row["event_digest"]:
                    self.report.fault(where, f"audit event {row['event_id']} was changed")
            elif self.manifest_is_everything:
                self.report.fault(where, f"audit event {row['event_id']} is gone")
            newest = max(newest, int(row["event_id"]))
            if before[0] == number - 1:
                told = line("link", number, before[1], row["event_digest"])
                if sha256(told) != digest:
                    self.report.fault(where, "its digest is not made of the link before")
                self.report.checked["links of the audit trail"] += 1
            elif self.manifest_is_everything:
                self.report.fault(where, f"the link {number - 1} before it is gone")
            for seal, head in self.heads.pop(number, ()):
                if head != digest:
                    self.report.fault(seal, f"was signed with another link {number} of the trail")
                self.report.checked["heads of the trail that are signed"] += 1
        for seal, head in self.heads.pop(0, ()):
            if head != NO_DIGEST:
                self.report.fault(seal, "was signed with a link 0 of the trail")
        if self.manifest_is_everything:
            for number, seals in self.heads.items():
                self.report.fault(seals[0][0], f"the link {number} that it was signed with is gone")
        made_at = datetime.fromisoformat(self.archive.manifest["made_at"])
        for event in events:
            if event not in linked:
                is_old = moment(times[event]) < made_at - _LINKED_WITHIN
                if int(event) < newest and is_old:
                    self.report.fault(f"audit event {event}", "it is no link of the trail")
                else:
                    self.report.checked["audit events that wait for their link"] += 1

    @property
    def manifest_is_everything(self) -> bool:
        """Whether the archive has all sites, all days and all that belongs to no site."""
        told = self.archive.manifest
        is_everything = told["all_sites"] and told["with_network"]
        return is_everything and not (told["first_fiscal_day"] or told["last_fiscal_day"])

    def _compare_told(self, event: Row) -> None:
        """Compare what the trail says of a seal with the seal."""
        day = self.days.get((event["site"], event["fiscal_day"]))
        where = f"{event['site']} {event['fiscal_day']}"
        if day is None:
            if self.archive.is_whole(event["fiscal_day"] or ""):
                self.report.fault(where, "the audit trail tells of its seal, the day is gone")
            return
        told = json.loads(event["detail"])
        if (told.get("seal"), str(told.get("z_number"))) != (day["seal"], day["z_number"]):
            self.report.fault(where, f"the audit trail says that it was sealed as {told}")
        self.report.checked["seals that the trail tells of"] += 1


def declaration(event: str, at: str, day: Row, rows: dict[str, list[Row]]) -> str:
    """Return what a site declared as it opened or closed a day, as its digest is made of it."""
    side = "opening" if event == "opened" else "closing"
    then = moment(at).replace(tzinfo=None)
    stated: Row = {"event": event, "fiscal_day": day["fiscal_day"], "at": then.isoformat() + "Z"}
    if event == "closed":
        stated["last_sequence"] = int(day["last_sequence"])
        stated["totals"] = [
            {"product": row["product"], "count": int(row["count"]), "volume": row["volume"],
             "amount": row["amount"]}
            for row in rows["declared_total"]
        ]  # fmt: skip
    stated["totalizers"] = [
        {"fuelling_point": int(row["fuelling_point"]), "nozzle": int(row["nozzle"]),
         "product": row["product"], "volume": row[side]}
        for row in rows["totalizer"]
        if row[side] is not None
    ]  # fmt: skip
    stated["dips"] = [
        {"tank": int(row["tank"]), "product": row["product"], "volume": row[f"{side}_volume"],
         **{name: row[f"{side}_{name}"] for name in ("water", "temperature")
            if row[f"{side}_{name}"] is not None}}
        for row in rows["dip"]
        if row[f"{side}_volume"] is not None
    ]  # fmt: skip
    present = {name: value for name, value in stated.items() if value != []}
    return json.dumps(present, ensure_ascii=False, separators=(",", ":"))


def _version(document: str) -> int:
    stated = re.match(r'\["seal", (\d+), ', document)
    return int(stated[1]) if stated else 0


def _turnover_stated(document: str) -> int:
    """Return the turnover that a document states, of its totals and postings."""
    turnover = 0
    for told in document.split("\n")[1:]:
        if told.startswith('["total", '):
            _, _product, kind, _rate, _count, _volume, amount, _tax = json.loads(told)
        elif told.startswith('["posting", '):
            kind, amount = json.loads(told)[5], json.loads(told)[15]
        else:
            continue
        if str(kind) in TURNOVER:
            turnover += whole(amount)
    return turnover


def _told(measures: list[int] | None) -> str:
    if measures is None:
        return "nothing"
    told = f"{measures[0]} entries, {decimal(measures[1], 3)} L, {decimal(measures[2], 2)}"
    return told + (f", tax {decimal(measures[3], 2)}" if len(measures) > 3 else "")


def _rate(rate: str) -> str:
    return "not stated" if rate == MISSING_RATE else rate


def _nozzle(row: Row) -> str:
    return f"{row['fuelling_point'] or 0}/{row['nozzle']} {row['product']}"


def _next_month(day: str) -> str:
    year, month = int(day[:4]), int(day[5:7])
    return f"{year + month // 12:04}-{month % 12 + 1:02}-01"


def _day_after(day: str) -> str:
    if day == "~":
        return day
    return (datetime.strptime(day, "%Y-%m-%d") + timedelta(days=1)).strftime("%Y-%m-%d")


def main() -> int:
    """Verify, say what was found, and return the exit code."""
    begun = time.perf_counter()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    folder = folder if folder.is_dir() else folder.parent
    report = Report()
    csv.field_size_limit(1 << 30)
    try:
        archive = Archive(folder, report)
        archive.check_files()
    except NoArchive as error:
        print(error, file=sys.stderr)
        return 2
    verifier = Verifier(archive)
    verifier.verify()
    told = archive.manifest
    print(
        f"Archive of {told['made_at']}, asked for by {told['asked_by']}: fiscal days from"
        f" {told['first_fiscal_day'] or 'the first'} to {told['last_fiscal_day'] or 'the last'},"
        f" {len(verifier.sites)} sites."
    )
    print("Checked:")
    for name, count in report.checked.items():
        print(f"  {count:>12,} {name}")
    for name, key in verifier.keys.items():
        print(f"Public key {name}: {key}")
    for code, seal in verifier.newest.items():
        print(f"Newest seal of {code} here: {seal}")
    for fault in report.faults:
        print(f"MISMATCH {fault}")
    if report.fault_count > len(report.faults):
        print(f"... and {report.fault_count - len(report.faults):,} more")
    verdict = f"{report.fault_count:,} mismatches." if report.fault_count else "Everything agrees."
    print(f"{verdict} It took {time.perf_counter() - begun:.1f} s.")
    return 1 if report.fault_count else 0


if __name__ == "__main__":
    sys.exit(main())
