"""The canonical form of a fiscal day: what a seal is made of, for anyone to make again.

A **document** is text in UTF-8, each line ended by a line feed. Each line is a JSON array as
Python's `json.dumps(line, ensure_ascii=False)` writes it: items separated by comma and space,
absent values `null`. Counts, numbers and codes are JSON numbers; dates, times and decimals are
strings. Decimals have the places of their column (money 2, litres 3, price 4, rate 2); times are
in UTC as `2026-11-22 10:00:00+00`, with a fraction of a second only where there is one and without
its trailing zeros.

The first line chains the days of a site:

    ["seal", 1, z_number, previous, perpetual_total]

1 is the version of this form; `previous` is the seal of the site's sealed day before it, in lower
case hexadecimal, 64 zeros for the first; `perpetual_total` is the turnover of all sealed days, this
one included. The rest is the **body**, in this order, and within each kind of line in the order of
the fields that are marked:

    ["day", site code, fiscal day, currency, opened at, closed at, closed by (person's number, null
        when the site closed it), reason of closing by hand, declared last sequence, entries held,
        highest sequence held]
    ["entries", count, digest]                                    only where there are any
    ["total", product*, kind*, tax rate*, count, litres, amount, tax]
    ["payment", payment*, kind*, count, litres, amount]
    ["hour", hour*, count, litres, amount]
    ["declared", product*, count, litres, amount]
    ["totalizer", fuelling point*, nozzle*, product, opening, closing]
    ["dip", tank*, product, opening litres, water, temperature, closing litres, water, temperature]
    ["correction", fiscal day*, sequence*, revision*, action, kind, occurred at, product, amount,
        litres, litres at 15 °C, price, tax rate, fuelling point, nozzle, tank, payment, pump's own
        number, totalizer, stand-alone, reason, note, author, proposed at, decided by, decided at,
        note on the decision]                                     those posted to this day
    ["posting", fiscal day*, sequence*, revision*, side*, kind, product, tax rate, payment,
        fuelling point, nozzle, tank, hour, count, litres, amount, tax]   those posted to this day
    ["explanation", number*, what differs, of which, difference, reason, note, author, at]

Texts are ordered by their code points. `digest` is the SHA-256, in hexadecimal, of the lines of
the day's entries in the order of their sequence, each ended by a line feed too:

    [sequence, kind, occurred at, received at, product, amount, litres, litres at 15 °C, price,
        tax rate, fuelling point, nozzle, tank, payment, pump's own number, totalizer, stand-alone,
        flags]

The **seal** is the SHA-256 of the document. Codes are those of `ledger.models.entry`; a tax rate of
-1.00 and a payment of 0 stand for entries that gave none.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ledger.models.entry import TURNOVER_KINDS

VERSION = 1
#: What stands for the seal before a site's first one.
NO_SEAL = bytes(32)
#: An entry is known in a day's marks by its sequence and by the first bytes of its SHA-256.
_SEQUENCE_BYTES, _MARK_BYTES = 4, 4

_SQL = Path(__file__).parent / "sql"
_ENTRY_LINE = (_SQL / "entry_line.sql").read_text(encoding="utf-8")


def _statement(name: str) -> str:
    text = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
    return text.replace("{entry_line} ", f"{_ENTRY_LINE} ")


_DAYS = _statement("canonical_days")
_MARKS = _statement("entry_marks")


@dataclass(frozen=True, slots=True)
class Body:
    """A fiscal day's canonical form but for the first line, and its turnover."""

    fiscal_day: datetime.date
    text: str
    turnover: Decimal

    @property
    def digest(self) -> bytes:
        """SHA-256 of the body: what a proposal to seal refers to."""
        return hashlib.sha256(self.text.encode()).digest()


def bodies(
    cursor: Any, *, site_id: int, first: datetime.date, last: datetime.date
) -> Iterator[Body]:
    """Yield the bodies of a site's days, in their order, as one statement reads them.

    `cursor` is of a connection whose time zone is UTC, as Django's are.
    """
    cursor.execute(
        _DAYS,
        {
            "site_id": site_id,
            "first": first,
            "last": last,
            "turnover_kinds": [int(kind) for kind in TURNOVER_KINDS],
        },
    )
    for fiscal_day, text, turnover in cursor:
        yield Body(fiscal_day, text, turnover)


def document_of(
    body: Body, *, z_number: int, previous_seal: bytes, perpetual_total: Decimal
) -> str:
    """Return the document whose SHA-256 is the day's seal."""
    first = ["seal", VERSION, z_number, previous_seal.hex(), f"{perpetual_total:.2f}"]
    return json.dumps(first) + "\n" + body.text


def seal_of(document: str) -> bytes:
    """Return a document's seal."""
    return hashlib.sha256(document.encode()).digest()


def entry_marks(cursor: Any, *, site_id: int, fiscal_day: datetime.date) -> bytes:
    """Return what tells the entries of a day apart: 8 bytes each, sequence and mark."""
    cursor.execute(_MARKS, {"site_id": site_id, "fiscal_day": fiscal_day})
    return b"".join(
        sequence.to_bytes(_SEQUENCE_BYTES, "big") + bytes(mark)
        for sequence, mark in cursor.fetchall()
    )


def changed_entry(sealed: bytes, now: bytes) -> int | None:
    """Return the first sequence whose entry is not as it was sealed, None when none is."""
    before, after = _by_sequence(sealed), _by_sequence(now)
    changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return int.from_bytes(min(changed), "big") if changed else None


def _by_sequence(marks: bytes) -> dict[bytes, bytes]:
    size = _SEQUENCE_BYTES + _MARK_BYTES
    parts = (marks[at : at + size] for at in range(0, len(marks), size))
    return {part[:_SEQUENCE_BYTES]: part for part in parts}
