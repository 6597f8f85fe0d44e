"""The canonical form of a fiscal day: what a seal is made of, for anyone to make again.

A **document** is text in UTF-8, each line ended by a line feed. Each line is a JSON array as
Python's `json.dumps(line, ensure_ascii=False)` writes it: items separated by comma and space,
absent values `null`. Counts, numbers and codes are JSON numbers; dates, times and decimals are
strings. Decimals have the places of their column (money 2, litres 3, price 4, rate 2); times are
in UTC as `2026-11-22 10:00:00+00`, with a fraction of a second only where there is one and without
its trailing zeros.

The first line chains the days of a site:

    ["seal", 2, z_number, previous, perpetual_total, proposed by, proposed at, sealed by, sealed at]

2 is the version of this form; `previous` is the seal of the site's sealed day before it, in lower
case hexadecimal, 64 zeros for the first; `perpetual_total` is the turnover of all sealed days, this
one included; who proposed and who sealed it are their numbers. The rest is the **body**, in this
order, and within each kind of line in the order of the fields that are marked:

    ["day", site code, fiscal day, currency, opened at, closed at, closed by (person's number, null
        when the site closed it), reason of closing by hand, declared last sequence, entries held,
        highest sequence held]
    ["declarations", opening, closing]            SHA-256 of what the site declared, in hexadecimal
    ["entries", count, digest]                                    only where there are any
    ["total", product*, kind*, tax rate*, count, litres, amount, tax]
    ["payment", payment*, kind*, count, litres, amount]
    ["hour", hour*, count, litres, amount]
    ["declared", product*, count, litres, amount]
    ["totalizer", fuelling point*, nozzle*, product, opening, closing]
    ["dip", tank*, product, opening litres, water, temperature, closing litres, water, temperature]
    ["delivery", at*, tank*, product, litres, litres at 15 °C, document, received at]
                                                               those that count for this day
    ["correction", fiscal day*, sequence*, revision*, action, kind, occurred at, product, amount,
        litres, litres at 15 °C, price, tax rate, fuelling point, nozzle, tank, payment, pump's own
        number, totalizer, stand-alone, reason, note, author, proposed at, decided by, decided at,
        note on the decision]                                     those posted to this day
    ["posting", fiscal day*, sequence*, revision*, side*, kind, product, tax rate, payment,
        fuelling point, nozzle, tank, hour, count, litres, amount, tax]   those posted to this day
    ["explanation", number*, what differs, of which, difference, reason, note, author, at]
    ["metering", "totalizers"]        litres are metered by totalizers where a nozzle's were read
    ["allowance", thousandths for a day, litres for a day, thousandths for a month, litres for a
        month]                                                        how far wet stock may vary
    ["nozzle", fuelling point*, nozzle*, tank]                    those that draw from a known tank
    ["tank", tank*, product]

The last four are the **setup**: what the day was reconciled by. A site may be set up anew later,
so the document is where a sealed day's setup is read from, and it is quoted as the day is verified.
Where there is no line of metering, wet stock was metered by entries alone. All other lines are made
again from the ledger's tables.

Texts are ordered by their code points. `digest` is the SHA-256, in hexadecimal, of the lines of
the day's entries in the order of their sequence, each ended by a line feed too:

    [sequence, kind, occurred at, received at, product, amount, litres, litres at 15 °C, price,
        tax rate, fuelling point, nozzle, tank, payment, pump's own number, totalizer, stand-alone,
        flags]

The **seal** is the SHA-256 of the document. Codes are those of `ledger.models.entry`; a tax rate of
-1.00 and a payment of 0 stand for entries that gave none.

What a sealed day's pages show and the document does not say are names and looks alone: of the site
beside its code, of people beside their numbers, the colours of products.

Days that were sealed in version 1 are verified in it. It has no declarations, deliveries or setup,
and its first line ends with the perpetual total.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.models import FiscalDay
from ledger.models.entry import TURNOVER_KINDS
from ledger.plausible import with_plausible
from ledger.sql import statement

VERSION = 2
#: The version before declarations, deliveries, setup and signatures came under the seal.
_VERSION_BARE = 1
#: What stands for the seal before a site's first one.
NO_SEAL = bytes(32)
#: An entry is known in a day's marks by its sequence and by the first bytes of its SHA-256.
_SEQUENCE_BYTES, _MARK_BYTES = 4, 4

_DELIVERY = '["delivery", '
_NOT_BARE = (_DELIVERY, '["declarations", ')
_SETUP = ('["metering", ', '["allowance", ', '["nozzle", ', '["tank", ')
_VERSION_OF = re.compile(r'\["seal", (\d+), ')

_DAYS = with_plausible(
    statement("canonical_days", "entry_line", "day_deliveries", "counted"), now=""
)
_MARKS = statement("entry_marks", "entry_line")


class Signatures(NamedTuple):
    """Who proposed a seal and who set it (their numbers), and when."""

    proposed_by: int | None
    proposed_at: datetime.datetime | None
    sealed_by: int | None
    sealed_at: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Body:
    """A fiscal day's canonical form but for the first line, and its turnover.

    `lines` are made of the ledger's tables, `setup` is how the site is set up.
    """

    fiscal_day: datetime.date
    lines: str
    setup: str
    turnover: Decimal
    version: int = VERSION

    @property
    def text(self) -> str:
        """All lines, each ended by a line feed."""
        return self.lines + self.setup

    @property
    def digest(self) -> bytes:
        """SHA-256 of the body: what a proposal to seal refers to."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def deliveries(self) -> list[tuple[int, datetime.datetime]]:
        """Tank and time of each delivery in it."""
        found = (json.loads(line) for line in self.lines.split("\n") if line.startswith(_DELIVERY))
        return [(tank, datetime.datetime.fromisoformat(at)) for _, at, tank, *_ in found]

    def as_sealed(self, document: str) -> Body:
        """Return it in the version of a sealed document, and with the setup that this one states.

        Neither of the two is stored anywhere else; the seal says whether the document is the one.
        """
        version = version_of(document)
        lines = self.lines
        if version == _VERSION_BARE:
            lines = _joined(line for line in _split(lines) if not line.startswith(_NOT_BARE))
        return replace(self, lines=lines, setup=setup_of(document), version=version)


def signatures_of(day: FiscalDay) -> Signatures:
    """Return who proposed and who set the seal of a day."""
    return Signatures(
        day.seal_proposed_by_id, day.seal_proposed_at, day.sealed_by_id, day.sealed_at
    )


def _split(text: str) -> list[str]:
    return text.split("\n")[:-1]


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def version_of(document: str) -> int:
    """Return the version that a document was sealed in; the present one if it states none."""
    stated = _VERSION_OF.match(document)
    return int(stated[1]) if stated else VERSION


def setup_of(document: str) -> str:
    """Return the lines of a document that say how the site was set up; none in version 1."""
    return _joined(line for line in _split(document) if line.startswith(_SETUP))


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
    for fiscal_day, lines, setup, turnover in cursor:
        yield Body(fiscal_day, lines, setup, turnover)


def document_of(
    body: Body,
    *,
    z_number: int,
    previous_seal: bytes,
    perpetual_total: Decimal,
    signatures: Signatures,
) -> str:
    """Return the document whose SHA-256 is the day's seal."""
    first = ["seal", body.version, z_number, previous_seal.hex(), f"{perpetual_total:.2f}"]
    if body.version != _VERSION_BARE:
        first += [
            signatures.proposed_by,
            _written(signatures.proposed_at),
            signatures.sealed_by,
            _written(signatures.sealed_at),
        ]
    return json.dumps(first) + "\n" + body.text


def _written(at: datetime.datetime | None) -> str | None:
    """Return a time as PostgreSQL writes it in UTC."""
    if at is None:
        return None
    text = at.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(" ")
    return (text.rstrip("0") if "." in text else text) + "+00"


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
