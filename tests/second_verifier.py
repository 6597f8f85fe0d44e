"""A second verifier of archives, written from their README.md and datapackage.json alone.

It imports nothing of the project, nor `verify.py`, and goes other ways: decimals in place of whole
numbers, the whole archive in memory, the time zones of Python, signatures by a library. Where it
and `verify.py` agree, the documentation says all that one has to know.
"""

from __future__ import annotations

import base64
import csv
import datetime
import hashlib
import itertools
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ZEROS = "0" * 64
CENT = Decimal("0.01")
Row = dict[str, Any]


def canonical(*items: Any) -> str:
    """A line as the README has it: decimals, dates and times as they stand in the files."""
    return json.dumps([_plain(item) for item in items], ensure_ascii=False) + "\n"


def _plain(item: Any) -> Any:
    return str(item) if isinstance(item, Decimal) else item


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def tax(amount: Decimal, rate: Decimal | None) -> Decimal:
    if rate is None:
        return Decimal(0)
    return (amount * rate / (100 + rate)).quantize(CENT, ROUND_HALF_UP)


class Second:
    """Reads an archive and says what does not agree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wrong: list[str] = []
        self.agreed = 0
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
        self.schemas = {one["name"]: one["schema"] for one in package["resources"]}
        self.files = {one["name"]: self._load(one) for one in package["resources"]}
        self.sites = {row["code"]: row for row in self.files["site"]}

    def same(self, what: str, one: Any, other: Any) -> None:
        """Note whether two things that should be equal are."""
        if one == other:
            self.agreed += 1
        else:
            self.wrong.append(f"{what}: {one!r} and {other!r}")

    # --- reading, as "How to read the files" has it -----------------------------------------------

    def _load(self, resource: dict[str, Any]) -> list[Row]:
        path = self.folder / resource["path"]
        data = path.read_bytes()
        self.same(f"checksum of {path.name}", resource["hash"],
                  f"sha256:{hashlib.sha256(data).hexdigest()}")  # fmt: skip
        self.same(f"bytes of {path.name}", resource["bytes"], len(data))
        fields = resource["schema"]["fields"]
        header, *lines = csv.reader(data.decode("utf-8").splitlines(keepends=True), strict=True)
        self.same(f"columns of {path.name}", header, [field["name"] for field in fields])
        found = [
            {
                field["name"]: self._value(field, text)
                for field, text in zip(fields, line, strict=True)
            }
            for line in lines
        ]
        self.same(f"rows of {path.name}", resource["rows"], len(found))
        return found

    def _value(self, field: dict[str, Any], text: str) -> Any:
        if text == r"\N":
            if field.get("constraints", {}).get("required"):
                self.wrong.append(f"{field['name']} is NULL")
            return None
        match field["type"], field.get("format"):
            case "integer", _:
                value: Any = int(text)
            case "number", _:
                value = Decimal(text)
            case "boolean", _:
                value = {"true": True, "false": False}[text]
            case "string", "binary":
                value = base64.b64decode(text, validate=True)
            case "string", _:
                value = text.removeprefix("\\") if text.startswith("\\") else text
            case _:
                value = text
        codes = [one["value"] for one in field.get("categories", [])]
        if codes and value not in codes:
            self.wrong.append(f"{field['name']} has the code {value!r}")
        return value

    def check_keys(self) -> None:
        """Order, uniqueness and references."""
        places = {code: place for place, code in enumerate(self.sites)}
        for name, schema in self.schemas.items():
            keys = [
                tuple(places.get(row[one], -1) if one == "site" else row[one]
                      for one in schema["primaryKey"])
                for row in self.files[name]
            ]  # fmt: skip
            self.same(f"order of {name}", keys, sorted(set(keys)))
            for reference in schema["foreignKeys"]:
                to = reference["reference"]
                there = {tuple(row[one] for one in to["fields"])
                         for row in self.files[to["resource"]]}  # fmt: skip
                named = {tuple(row[one] for one in reference["fields"])
                         for row in self.files[name]}  # fmt: skip
                lost = {one for one in named if None not in one} - there
                self.same(f"references of {name} to {to['resource']}", lost, set())

    # --- entries, totals, corrections -------------------------------------------------------------

    def of(self, name: str, site: str, day: str, column: str = "fiscal_day") -> list[Row]:
        return [row for row in self.files[name] if row["site"] == site and row[column] == day]

    def is_whole(self, day: str) -> bool:
        first, last = self.manifest["first_fiscal_day"], self.manifest["last_fiscal_day"]
        return (first is None or first <= day) and (last is None or day <= last)

    def hour(self, site: str, at: str) -> int:
        zone = self.sites[site]["timezone"]
        moment = datetime.datetime.fromisoformat(at)
        rows = [row for row in self.files["clock"] if row["timezone"] == zone
                and datetime.datetime.fromisoformat(row["from_at"]) <= moment]  # fmt: skip
        ahead = datetime.timedelta(seconds=rows[-1]["ahead_s"])
        hour = (moment + ahead).hour
        self.same(f"the clock of {zone} at {at}", hour, moment.astimezone(ZoneInfo(zone)).hour)
        return hour

    @staticmethod
    def added(pairs: Any) -> dict[Any, list[Any]]:
        sums: dict[Any, list[Any]] = {}
        for key, measures in pairs:
            sums[key] = [a + b for a, b in zip(sums.get(key, [0] * 4), measures, strict=True)]
        return sums

    def entry_sums(self, site: str, entries: list[Row]) -> dict[str, dict[Any, list[Any]]]:
        measured = [
            (row, [1, row["volume"] or 0, row["amount"], tax(row["amount"], row["tax_rate"])])
            for row in entries
        ]
        return {
            "day_total": self.added(
                ((r["product"], r["kind"],
                  Decimal("-1.00") if r["tax_rate"] is None else r["tax_rate"]), m)
                for r, m in measured
            ),
            "payment_total": self.added(
                ((r["payment"] or 0, r["kind"]), [*m[:3], 0]) for r, m in measured
            ),
            "hour_total": self.added(
                ((self.hour(site, r["occurred_at"]),), [*m[:3], 0])
                for r, m in measured if r["kind"] in (1, 2)
            ),
            "nozzle": self.added(
                ((f"{r['fuelling_point'] or 0}/{r['nozzle']} {r['product']}", r["kind"]),
                 [*m[:3], 0])
                for r, m in measured if r["nozzle"] is not None
            ),
        }  # fmt: skip

    def check_totals(self, where: str, rows: dict[str, list[Row]], sums: dict[str, Any]) -> None:
        for name, columns in KEYS.items():
            stated = {
                tuple(row[one] for one in columns):
                    [row["count"], row["volume"], row["amount"], row.get("tax", 0)]
                for row in rows[name]
            }  # fmt: skip
            self.same(f"{where} {name}", stated, sums[name])

    def check_z(self, site: str, day: str, sums: dict[str, Any]) -> Decimal:
        """Compare the Z figures; return the turnover."""

        def rate(value: Decimal | None) -> str:
            return "not stated" if value is None or value == -1 else str(value)

        parts: list[tuple[Any, list[Any]]] = []
        for (product, kind, of_rate), m in sums["day_total"].items():
            parts.append((("product", product, kind), m))
            parts += [(("tax rate", rate(of_rate), 0), m)] if kind in (1, 2) else []
        for (payment, kind), m in sums["payment_total"].items():
            parts.append((("payment", str(payment), kind), m))
        parts += [(("hour", str(hour), 0), m) for (hour,), m in sums["hour_total"].items()]
        parts += [(("nozzle", *key), m) for key, m in sums["nozzle"].items()]
        for row in self.of("correction_posting", site, day, "posted_to"):
            kind, m = row["kind"], [row["count"], row["volume"], row["amount"], row["tax"]]
            untaxed = [*m[:3], 0]
            parts.append((("product", row["product"], kind), m))
            parts.append((("payment", str(row["payment"] or 0), kind), untaxed))
            if kind in (1, 2):
                parts.append((("tax rate", rate(row["tax_rate"]), 0), m))
                parts.append((("hour", str(row["hour"]), 0), untaxed))
            if row["nozzle"] is not None:
                of = f"{row['fuelling_point'] or 0}/{row['nozzle']} {row['product']}"
                parts.append((("nozzle", of, kind), untaxed))
        stated = {
            (row["part"], row["about"], row["kind"]):
                [row["count"], row["volume"], row["amount"], row["tax"] or 0]
            for row in self.of("z_figure", site, day)
        }  # fmt: skip
        made = self.added(parts)
        self.same(f"Z figures of {site} {day}", stated, made)
        # Tax is not known where nothing states a rate, nor by payment, hour and nozzle.
        rated = {("product", product, kind) for product, kind, of in sums["day_total"] if of != -1}
        rated |= {("tax rate", row["about"], 0) for row in self.files["z_figure"]
                  if row["part"] == "tax rate" and row["about"] != "not stated"}  # fmt: skip
        rated |= {("product", row["product"], row["kind"])
                  for row in self.of("correction_posting", site, day, "posted_to")
                  if row["tax_rate"] is not None}  # fmt: skip
        for row in self.of("z_figure", site, day):
            key = (row["part"], row["about"], row["kind"])
            self.same(f"known tax of {key} of {day}", row["tax"] is not None, key in rated)
        return sum((m[2] for key, m in made.items() if key[0] == "tax rate"), Decimal(0))

    def check_postings(self) -> None:
        """Make all postings from the corrections and the entries that they are of."""
        entries = {
            (row["site"], row["fiscal_day"], row["sequence"]): row
            for row in (*self.files["entry"], *self.files["referred_entry"])
        }
        made: dict[Any, Row] = {}
        grouped = itertools.groupby(
            self.files["correction"], lambda r: (r["site"], r["fiscal_day"], r["sequence"])
        )
        for key, revisions in grouped:
            stated: Row | None = entries.get(key)
            for number, row in enumerate(revisions, start=1):
                self.same(f"revision of {key}", row["revision"], number)
                if row["status"] != "approved":
                    self.same(f"posted_to of {key}", row["posted_to"], None)
                    continue
                if row["needs_approval"]:
                    self.same(
                        f"two people of {key}", row["author_id"] != row["decided_by_id"], True
                    )
                after = None if row["action"] == "void" else row
                if row["action"] == "add" and row["posted_to"] == row["fiscal_day"]:
                    values = [name for name in _VALUES.split() if name in row]
                    for name in values:
                        self.same(f"{name} of {key}", entries[key][name], row[name])
                    self.same(f"flag of {key}", entries[key]["flags"] & 64, 64)
                else:
                    for side, values_of in ((-1, stated), (1, after)):
                        if values_of is not None:
                            made[*key, number, side] = self._posting(row, side, values_of)
                stated = after
        held = {
            (r["site"], r["fiscal_day"], r["sequence"], r["revision"], r["side"]): r
            for r in self.files["correction_posting"]
        }
        self.same("keys of postings", set(held), set(made))
        for key in held.keys() & made.keys():
            self.same(f"posting {key}", held[key], made[key])

    def _posting(self, row: Row, side: int, of: Row) -> Row:
        names = ("kind", "product", "tax_rate", "payment", "fuelling_point", "nozzle", "tank")
        return {
            **{name: row[name] for name in ("site", "fiscal_day", "sequence", "revision")},
            "side": side,
            "posted_to": row["posted_to"],
            **{name: of[name] for name in names},
            "hour": self.hour(row["site"], of["occurred_at"]),
            "count": side,
            "volume": side * (of["volume"] or 0),
            "amount": side * of["amount"],
            "tax": side * tax(of["amount"], of["tax_rate"]),
        }

    # --- seals ------------------------------------------------------------------------------------

    def lines_of(self, site: str, day: str) -> list[str]:
        """The body of a document but for the setup, as the table of lines has it."""
        (of_day,) = self.of("fiscal_day", site, day)
        found = [
            canonical("day", site, day, self.sites[site]["currency"], *_values(of_day, """opened_at
                closed_at closed_by_id close_reason last_sequence entry_count highest_sequence""")),
            canonical("declarations", of_day["opening_digest"], of_day["closing_digest"]),
        ]  # fmt: skip
        entries = self.of("entry", site, day)
        if entries:
            found.append(canonical("entries", len(entries), sha("".join(map(entry_line, entries)))))
        for word, name, order, columns, column in LINES:
            rows = sorted(
                self.of(name, site, day, column), key=lambda r: [r[one] for one in order.split()]
            )
            found += [canonical(word, *_values(row, columns)) for row in rows]
        return found

    def check_day(self, row: Row) -> tuple[str, Decimal]:
        """Check a day; return its seal and its turnover."""
        site, day = row["site"], row["fiscal_day"]
        where = f"{site} {day}"
        entries = self.of("entry", site, day)
        turnover = Decimal(0)
        if self.is_whole(day):
            sums = self.entry_sums(site, entries)
            self.check_totals(where, {n: self.of(n, site, day) for n in KEYS}, sums)
            self.same(f"{where} entry_count", row["entry_count"], len(entries))
            highest = max((entry["sequence"] for entry in entries), default=0)
            self.same(f"{where} highest_sequence", row["highest_sequence"], highest)
            self.check_declarations(row)
        seals = self.of("day_seal", site, day)
        self.same(f"{where} is sealed", row["seal"] is not None, len(seals) == 1)
        if not seals or row["seal"] is None:
            return "", turnover
        (seal,) = seals
        document = seal["document"]
        self.same(f"{where} seal", sha(document), row["seal"])
        self.same(f"{where} two people", row["sealed_by_id"] != row["seal_proposed_by_id"], True)
        head, *body = document.splitlines(keepends=True)
        version = json.loads(head)[1]
        columns = "perpetual_total"
        if version == 2:
            columns += " seal_proposed_by_id seal_proposed_at sealed_by_id sealed_at"
        previous = row["previous_seal"] or ZEROS
        made = canonical("seal", version, row["z_number"], previous, *_values(row, columns))
        self.same(f"{where} first line", head, made)
        setup = [one for one in body if json.loads(one)[0] in SETUP]
        if self.is_whole(day):
            turnover = self.check_z(site, day, sums)
            lines = self.lines_of(site, day)
            if version == 1:
                later = ("declarations", "delivery")
                lines = [one for one in lines if json.loads(one)[0] not in later]
            self.same(f"{where} document", [*lines, *setup], body)
            marks = "".join(f"{e['sequence']:08x}{sha(entry_line(e))[:8]}" for e in entries)
            self.same(f"{where} marks", seal["entry_marks"], marks)
        else:
            for one in map(json.loads, body):
                if one[0] == "total" and one[2] in (1, 2):
                    turnover += Decimal(one[6])
                elif one[0] == "posting" and one[5] in (1, 2):
                    turnover += Decimal(one[15])
        self.check_signature(row, seal)
        return row["seal"], turnover

    def check_signature(self, row: Row, seal: Row) -> None:
        where = f"{row['site']} {row['fiscal_day']}"
        if not seal["key_id"]:
            self.same(f"{where} is not signed", seal["signature"], None)
            return
        keys = {one["key_id"]: one["public_key"] for one in self.files["public_key"]}
        line = canonical(
            "signed seal", 1, seal["key_id"], row["site"], row["z_number"], row["fiscal_day"],
            row["seal"], seal["trail_number"], seal["trail_digest"],
        )  # fmt: skip
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[seal["key_id"]]))
            key.verify(bytes.fromhex(seal["signature"]), line.encode())
        except (InvalidSignature, KeyError, TypeError, ValueError):
            self.wrong.append(f"{where} signature")
        for link in self.files["audit_link"]:
            if link["number"] == seal["trail_number"]:
                self.same(f"{where} trail", link["digest"], seal["trail_digest"])

    def check_declarations(self, row: Row) -> None:
        site, day = row["site"], row["fiscal_day"]
        for event, side in (("opened", "opening"), ("closed", "closing")):
            if row[f"{side}_digest"] is None:
                continue
            then = (
                datetime.datetime.fromisoformat(row[f"{event}_at"]).replace(tzinfo=None).isoformat()
                + "Z"
            )
            told: Row = {"event": event, "fiscal_day": day, "at": then}
            if event == "closed":
                told["last_sequence"] = row["last_sequence"]
                told["totals"] = [
                    {name: _plain(total[name]) for name in ("product", "count", "volume", "amount")}
                    for total in self.of("declared_total", site, day)
                ]
            told["totalizers"] = [
                {**{name: one[name] for name in ("fuelling_point", "nozzle", "product")},
                 "volume": str(one[side])}
                for one in self.of("totalizer", site, day) if one[side] is not None
            ]  # fmt: skip
            told["dips"] = [
                {"tank": one["tank"], "product": one["product"],
                 **{name: str(one[f"{side}_{name}"]) for name in ("volume", "water", "temperature")
                    if one[f"{side}_{name}"] is not None}}
                for one in self.of("dip", site, day) if one[f"{side}_volume"] is not None
            ]  # fmt: skip
            text = json.dumps(
                {name: value for name, value in told.items() if value != []},
                ensure_ascii=False, separators=(",", ":"),
            )  # fmt: skip
            self.same(f"{site} {day} {side} declaration", row[f"{side}_digest"], sha(text))

    def check_chains(self) -> None:
        """All days, and the chain of each site."""
        chain: dict[tuple[str, int], tuple[Row, str, Decimal]] = {}
        for row in self.files["fiscal_day"]:
            seal, turnover = self.check_day(row)
            if seal:
                chain[row["site"], row["z_number"]] = (row, seal, turnover)
        for (site, number), (row, _seal, turnover) in chain.items():
            where = f"{site} Z {number}"
            before = chain.get((site, number - 1))
            if number == 1:
                self.same(where, (row["previous_seal"], row["perpetual_total"]), (None, turnover))
            elif before:
                total = before[0]["perpetual_total"] + turnover
                self.same(where, (row["previous_seal"], row["perpetual_total"]), (before[1], total))

    def check_months(self) -> None:
        for month in self.files["month_sum"]:
            site, name = month["site"], month["month"]
            days = {r["fiscal_day"] for r in self.files["fiscal_day"]
                    if r["site"] == site and r["fiscal_day"][:7] == name[:7]}  # fmt: skip
            entries = [r for r in self.files["entry"]
                       if r["site"] == site and r["fiscal_day"] in days]  # fmt: skip
            if self.manifest["first_fiscal_day"] or self.manifest["last_fiscal_day"]:
                continue
            if len(entries) == month["entries"]:
                files = {"day_total": "month_total", "payment_total": "month_payment_total",
                         "hour_total": "month_hour_total"}  # fmt: skip
                rows = {own: self.of(of, site, name, "month") for own, of in files.items()}
                self.check_totals(f"{site} {name}", rows, self.entry_sums(site, entries))

    def check_trail(self) -> None:
        events = {}
        for row in self.files["audit_event"]:
            events[row["id"]] = sha(canonical("event", *_values(row, """id at actor_id actor_name
                action site fiscal_day sequence subject detail""")))  # fmt: skip
            if row["action"] == "day.sealed":
                told = json.loads(row["detail"])
                (day,) = self.of("fiscal_day", row["site"], row["fiscal_day"])
                said = (told["seal"], told["z_number"])
                self.same("a seal in the trail", said, (day["seal"], day["z_number"]))
        before: Row = {"number": 0, "digest": ZEROS}
        for link in self.files["audit_link"]:
            if link["event_id"] in events:
                self.same(f"event {link['event_id']}", link["event_digest"],
                          events[link["event_id"]])  # fmt: skip
            if before["number"] + 1 == link["number"]:
                made = canonical("link", link["number"], before["digest"], link["event_digest"])
                self.same(f"link {link['number']}", link["digest"], sha(made))
            before = link


KEYS = {
    "day_total": ("product", "kind", "tax_rate"),
    "payment_total": ("payment", "kind"),
    "hour_total": ("hour",),
}
SETUP = {"metering", "allowance", "nozzle", "tank"}
_VALUES = """kind occurred_at product amount volume volume_15c unit_price tax_rate fuelling_point
    nozzle tank payment device_transaction totalizer offline"""
#: Word, file, order, columns, and the column that says which day: from the README's list of lines.
LINES = [
    ("total", "day_total", "product kind tax_rate",
     "product kind tax_rate count volume amount tax", "fiscal_day"),
    ("payment", "payment_total", "payment kind", "payment kind count volume amount", "fiscal_day"),
    ("hour", "hour_total", "hour", "hour count volume amount", "fiscal_day"),
    ("declared", "declared_total", "product", "product count volume amount", "fiscal_day"),
    ("totalizer", "totalizer", "fuelling_point nozzle",
     "fuelling_point nozzle product opening closing", "fiscal_day"),
    ("dip", "dip", "tank", """tank product opening_volume opening_water opening_temperature
     closing_volume closing_water closing_temperature""", "fiscal_day"),
    ("delivery", "delivery", "at tank",
     "at tank product volume volume_15c document received_at", "fiscal_day"),
    ("correction", "correction", "fiscal_day sequence revision",
     f"""fiscal_day sequence revision action {_VALUES} reason note author_id proposed_at
     decided_by_id decided_at decision_note""", "posted_to"),
    ("posting", "correction_posting", "fiscal_day sequence revision side",
     """fiscal_day sequence revision side kind product tax_rate payment fuelling_point nozzle tank
     hour count volume amount tax""", "posted_to"),
    ("explanation", "explanation", "number",
     "number subject key difference reason note author_id at", "fiscal_day"),
]  # fmt: skip


def _values(row: Row, columns: str) -> list[Any]:
    return [row[name] for name in columns.split()]


def entry_line(row: Row) -> str:
    columns = _VALUES.split()
    columns.insert(2, "received_at")
    columns = ["sequence", "kind", "occurred_at", "received_at", *columns[3:], "flags"]
    return canonical(*(row[name] for name in columns))


def second_look(folder: Path) -> Second:
    """Look at all of an archive."""
    second = Second(folder)
    second.check_keys()
    second.check_postings()
    second.check_chains()
    second.check_months()
    second.check_trail()
    return second
