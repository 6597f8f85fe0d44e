"""What a batch's new entries add to the totals, summed up here so that PostgreSQL adds once a row.

The sums go into the same transaction as the entries they are made of. Amounts and litres are
`Decimal`; nothing is rounded but each entry's tax, half away from zero to 2 places.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.rows import KIND_CODES, PAYMENT_CODES
from ledger.hours import hour_of
from ledger.models.day import NO_PAYMENT, NO_TAX_RATE
from ledger.models.entry import TURNOVER_KINDS, Kind
from ledger.plausible import with_plausible
from ledger.sql import statement
from ledger.tax import tax_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import AsyncConnection

    from ingest.contract import LedgerEntry
    from ingest.sites import SiteConfig

_ADD_TOTALS = with_plausible(statement("add_totals"), now="received_at")
_TURNOVER = frozenset(Kind(kind).name.lower() for kind in TURNOVER_KINDS)
_ZERO = Decimal(0)


class DayAdditions:
    """Sums over the new entries of one fiscal day.

    They are kept by all that `day_total`, `payment_total` and `hour_total` are made of, so that an
    entry is added once.
    """

    def __init__(self, timezone: str) -> None:
        self._timezone = timezone
        self.count = 0
        self.highest = 0
        self.newest: datetime.datetime | None = None
        #: (product, kind, tax rate, payment, hour) to count, volume, amount and tax.
        self._sums: dict[tuple[str, str, Decimal | None, str | None, int], list[Any]] = {}
        #: (fuelling point, nozzle) to its entry of the highest sequence.
        self.nozzles: dict[tuple[int, int], LedgerEntry] = {}

    def add(self, entry: LedgerEntry) -> None:
        """Add a new entry."""
        amount = entry.amount
        volume = entry.volume or _ZERO
        tax_rate = entry.tax_rate
        tax = tax_of(amount, tax_rate) if tax_rate else _ZERO
        sequence = entry.sequence
        self.count += 1
        if sequence > self.highest:
            self.highest = sequence
        if self.newest is None or entry.occurred_at > self.newest:
            self.newest = entry.occurred_at
        hour = hour_of(entry.occurred_at, self._timezone)
        key = (entry.product, entry.kind, tax_rate, entry.payment, hour)
        sums = self._sums.get(key)
        if sums is None:
            self._sums[key] = [1, volume, amount, tax]
        else:
            sums[0] += 1
            sums[1] += volume
            sums[2] += amount
            sums[3] += tax
        nozzle = entry.nozzle
        if nozzle is not None and entry.fuelling_point is not None:
            known = self.nozzles.get((entry.fuelling_point, nozzle))
            if known is None or known.sequence < sequence:
                self.nozzles[entry.fuelling_point, nozzle] = entry

    def by_product(self) -> dict[tuple[str, str, Decimal | None], list[Any]]:
        """Return count, volume, amount and tax by product, kind and tax rate."""
        return _regroup(self._sums, lambda key: key[:3])

    def by_payment(self) -> dict[tuple[str | None, str], list[Any]]:
        """Return count, volume and amount by payment and kind."""
        return {
            key: sums[:3]
            for key, sums in _regroup(self._sums, lambda key: (key[3], key[1])).items()
        }

    def by_hour(self) -> dict[tuple[int], list[Any]]:
        """Return the turnover's count, volume and amount by hour of the site's own clock."""
        turnover = {key: sums[:3] for key, sums in self._sums.items() if key[1] in _TURNOVER}
        return _regroup(turnover, lambda key: key[4:])


def _regroup(sums: dict[Any, list[Any]], by: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    grouped: dict[Any, list[Any]] = {}
    for key, values in sums.items():
        known = grouped.get(by(key))
        grouped[by(key)] = (
            values if known is None else [a + b for a, b in zip(known, values, strict=True)]
        )
    return grouped


class Additions:
    """Sums over new entries, by fiscal day."""

    def __init__(self) -> None:
        self.days: dict[tuple[int, datetime.date], DayAdditions] = {}

    def of(self, site: SiteConfig, fiscal_day: datetime.date) -> DayAdditions:
        """Return the sums of a site's day."""
        key = (site.id, fiscal_day)
        day = self.days.get(key)
        if day is None:
            day = self.days[key] = DayAdditions(site.timezone)
        return day

    async def write(self, connection: AsyncConnection[Any], received_at: datetime.datetime) -> None:
        """Add the sums in the connection's transaction; it holds the days' rows already."""
        days = [(*key, day.count, day.highest, day.newest) for key, day in self.days.items()]
        totals = [
            (
                *key,
                product,
                KIND_CODES[kind],
                NO_TAX_RATE if tax_rate is None else tax_rate,
                *sums,
            )
            for key, day in self.days.items()
            for (product, kind, tax_rate), sums in day.by_product().items()
        ]
        payments = [
            (*key, PAYMENT_CODES[payment] or NO_PAYMENT, KIND_CODES[kind], *sums)
            for key, day in self.days.items()
            for (payment, kind), sums in day.by_payment().items()
        ]
        hours = [
            (*key, *hour, *sums)
            for key, day in self.days.items()
            for hour, sums in day.by_hour().items()
        ]
        nozzles: dict[tuple[int, int, int], LedgerEntry] = {}
        for (site_id, _), day in sorted(self.days.items(), key=lambda item: item[0]):
            nozzles |= {(site_id, *nozzle): entry for nozzle, entry in day.nozzles.items()}
        await connection.execute(
            _ADD_TOTALS,
            {
                "received_at": received_at,
                "days": _rows(days),
                "totals": _rows(totals),
                "payments": _rows(payments),
                "hours": _rows(hours),
                "nozzles": _rows([_nozzle_row(key, entry) for key, entry in nozzles.items()]),
            },
        )


def _nozzle_row(key: tuple[int, int, int], entry: LedgerEntry) -> tuple[Any, ...]:
    return (
        *key,
        entry.fiscal_day,
        entry.sequence,
        entry.occurred_at,
        entry.product,
        entry.volume,
        entry.amount,
        entry.totalizer,
    )


def _rows(rows: list[tuple[Any, ...]]) -> str:
    """Return rows as JSON; decimals become strings, which PostgreSQL reads exactly."""
    return msgspec.json.encode(rows).decode()
