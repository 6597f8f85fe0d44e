"""A stream of ledger entries, believable and all different, and what the ledger makes of it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ingest.publication import Publication, encoded_publication

FISCAL_DAYS = ("2026-11-19", "2026-11-20")
SITES = ("FAULT-A", "FAULT-B", "FAULT-C", "FAULT-D")
#: Zones whose days and hours differ, so that totals by the hour are put to the test, too.
TIMEZONES = ("Europe/London", "Europe/Berlin", "Asia/Kolkata", "America/New_York")
#: Every so many messages a site sends an array, as after an outage of its own.
ARRAY_EVERY = 7
ARRAY_ITEMS = 5
ARRAY_LOOKAHEAD = 50

_NOZZLES = 6
_KINDS = ("sale",) * 7 + ("refund", "test", "drive_off")
_KIND_CODES = {"sale": 1, "refund": 2, "test": 3, "drive_off": 4}
_PAYMENTS = ("cash", "card", "fuel_card", "account", "app", "other", None)
_PAYMENT_CODES = {name: code for code, name in enumerate(_PAYMENTS, 1) if name}
_PRICES = {"E10": Decimal("1.4790"), "B7": Decimal("1.5490")}
_PLACES = {
    "amount": "0.01",
    "volume": "0.001",
    "volume_15c": "0.001",
    "unit_price": "0.0001",
    "tax_rate": "0.01",
    "totalizer": "0.001",
}

#: A row of the ledger: site code, and all columns of `entry` but the time of receipt.
Row = tuple[Any, ...]
COLUMNS = (
    "fiscal_day", "sequence", "kind", "flags", "occurred_at", "product", "amount", "volume",
    "volume_15c", "unit_price", "tax_rate", "fuelling_point", "nozzle", "tank", "payment",
    "device_transaction", "totalizer", "offline",
)  # fmt: skip


@dataclass
class Controllers:
    """The controllers of some sites: they number their entries and know where the meters stand."""

    sites: Sequence[str] = SITES
    _made: int = 0
    _sequences: dict[tuple[str, str], int] = field(default_factory=dict)
    _meters: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def entries(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Make the next entries, as pairs of a site's code and what it publishes."""
        return [self._next() for _ in range(count)]

    def _next(self) -> tuple[str, dict[str, Any]]:
        number = self._made
        self._made += 1
        site = self.sites[number % len(self.sites)]
        day = FISCAL_DAYS[number // len(self.sites) % len(FISCAL_DAYS)]
        sequence = self._sequences[site, day] = self._sequences.get((site, day), 0) + 1
        kind = _KINDS[number * 7 // 3 % len(_KINDS)]
        noon = datetime.datetime.fromisoformat(f"{day}T12:00:00+00:00")
        made: dict[str, Any] = {
            "fiscal_day": day,
            "sequence": sequence,
            "kind": kind,
            "occurred_at": (noon + datetime.timedelta(seconds=number * 17 % 36_000)).isoformat(),
            "tax_rate": ("20.00", "19.00", "5.00")[number % 3],
            "payment": _PAYMENTS[number % len(_PAYMENTS)],
            "offline": number % 50 == 49,
        }
        if kind == "refund":
            made |= {"product": "SHOP", "amount": str(-Decimal(number % 900 + 1) / 100)}
        else:
            made |= self._fuel(site, day, number)
        return site, {name: value for name, value in made.items() if value is not None}

    def _fuel(self, site: str, day: str, number: int) -> dict[str, Any]:
        product = ("E10", "B7")[number % 2]
        millilitres = 5_000 + number * 7_919 % 60_000
        nozzle = number // 8 % _NOZZLES
        meter = self._meters.get((site, day, nozzle), 0) + millilitres
        self._meters[site, day, nozzle] = meter
        volume = Decimal(millilitres) / 1000
        amount = (volume * _PRICES[product]).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return {
            "product": product,
            "amount": str(amount),
            "volume": str(volume),
            "volume_15c": str(round(volume * Decimal("0.99"), 3)) if number % 3 else None,
            "unit_price": str(_PRICES[product]),
            "fuelling_point": nozzle // 2 + 1,
            "nozzle": nozzle % 2 + 1,
            "tank": number % 2 + 1,
            "device_transaction": number % 65_536,
            "totalizer": str(Decimal(meter) / 1000),
        }


def publications(entries: Sequence[tuple[str, dict[str, Any]]]) -> list[Publication]:
    """Put entries into messages: most alone, some in arrays."""
    messages: list[Publication] = []
    packed: set[int] = set()
    for place, (site, made) in enumerate(entries):
        if place in packed:
            continue
        payload: Any = made
        if len(messages) % ARRAY_EVERY == ARRAY_EVERY - 1:
            # An array speaks for one site, so it takes the next ones of this.
            ahead = range(place + 1, min(place + ARRAY_LOOKAHEAD, len(entries)))
            company = [n for n in ahead if n not in packed and entries[n][0] == site]
            company = company[: ARRAY_ITEMS - 1]
            packed.update(company)
            payload = [made, *(entries[n][1] for n in company)]
        messages.append(publication(site, payload))
    return messages


def publication(site: str, payload: Any) -> Publication:
    """Put an entry, or a list of them, into one message."""
    return encoded_publication(site, "ledger", json.dumps(payload).encode())


def row(site: str, made: dict[str, Any]) -> Row:
    """What the ledger must hold of a published entry: every column, exactly."""
    expected: dict[str, Any] = {name: made.get(name) for name in COLUMNS}
    for name, place in _PLACES.items():
        if expected[name] is not None:
            expected[name] = Decimal(expected[name]).quantize(Decimal(place))
    expected |= {
        "fiscal_day": datetime.date.fromisoformat(made["fiscal_day"]),
        "kind": _KIND_CODES[made["kind"]],
        "flags": 0,
        "occurred_at": datetime.datetime.fromisoformat(made["occurred_at"]),
        "payment": _PAYMENT_CODES.get(made.get("payment", "")),
    }
    return (site, *expected.values())
