"""A ledger entry as one line of COPY's text format, and what looks wrong about it.

The line is built by hand because it is the worker's hottest code: one f-string costs a third of
what an adapter for each column does. The order is that of
`sql/copy_entries.sql` and `sql/copy_staged.sql`.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import lru_cache

from ingest.contract import LedgerEntry
from ingest.sites import SiteConfig
from ledger.models.entry import EntryFlag, Kind, Payment

KIND_CODES: dict[str, int] = {kind.name.lower(): kind.value for kind in Kind}
PAYMENT_CODES: dict[str | None, str] = {
    payment.name.lower(): str(payment.value) for payment in Payment
} | {None: "\\N"}

#: A fiscal day may run over midnight and a fuelling over the cut-over, but not further than this.
DAYS_FROM_FISCAL_DAY_MAX = 2
#: How far a controller's clock may run ahead before its entries are flagged.
CLOCK_AHEAD_MAX = datetime.timedelta(minutes=5)
#: Rounding of the amount, and of the price at its fourth place for each litre.
_AMOUNT_TOLERANCE = Decimal("0.01")
_PRICE_TOLERANCE = Decimal("0.00005")

_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def entry_flags(entry: LedgerEntry, site: SiteConfig, latest: datetime.datetime) -> int:
    """Return what looks wrong about an entry, as `EntryFlag` bits.

    `latest` is the latest time that is not the future. The totalizer is judged where the ledger
    is at hand (`ingest.store`).
    """
    flags = 0
    volume = entry.volume
    if volume and entry.unit_price is not None and entry.kind != "test":
        off = abs(abs(volume * entry.unit_price) - abs(entry.amount))
        if off > _AMOUNT_TOLERANCE and off > _AMOUNT_TOLERANCE + abs(volume) * _PRICE_TOLERANCE:
            flags |= EntryFlag.AMOUNT_MISMATCH.value
    if site.products and entry.product not in site.products:
        flags |= EntryFlag.UNKNOWN_PRODUCT.value
    if (
        entry.fuelling_point is not None
        and site.fuelling_points
        and entry.fuelling_point not in site.fuelling_points
    ):
        flags |= EntryFlag.UNKNOWN_FUELLING_POINT.value
    occurred_at = entry.occurred_at
    days = occurred_at.toordinal() - entry.fiscal_day.toordinal()
    if not -DAYS_FROM_FISCAL_DAY_MAX <= days <= DAYS_FROM_FISCAL_DAY_MAX:
        flags |= EntryFlag.FAR_FROM_FISCAL_DAY.value
    if occurred_at > latest:
        flags |= EntryFlag.IN_THE_FUTURE.value
    return flags


@lru_cache(maxsize=10_000)
def _day_text(fiscal_day: datetime.date) -> str:
    return fiscal_day.isoformat()


def entry_line(site_id: int, entry: LedgerEntry, flags: int, received_at: str) -> str:
    """Return the entry, whose time is UTC, as a line for COPY, ending with a newline."""
    at = entry.occurred_at.replace(tzinfo=None).isoformat()  # half the cost of an offset
    product = entry.product
    if "\\" in product or not product.isprintable():
        product = product.translate(_ESCAPES)
    volume = entry.volume
    volume_15c = entry.volume_15c
    unit_price = entry.unit_price
    tax_rate = entry.tax_rate
    point = entry.fuelling_point
    nozzle = entry.nozzle
    tank = entry.tank
    transaction = entry.device_transaction
    totalizer = entry.totalizer
    return (
        f"{site_id}\t{_day_text(entry.fiscal_day)}\t{entry.sequence}\t{KIND_CODES[entry.kind]}\t{flags}\t"
        f"{at}Z\t{received_at}\t{product}\t{entry.amount}\t"
        f"{_NULL if volume is None else volume}\t"
        f"{_NULL if volume_15c is None else volume_15c}\t"
        f"{_NULL if unit_price is None else unit_price}\t"
        f"{_NULL if tax_rate is None else tax_rate}\t"
        f"{_NULL if point is None else point}\t"
        f"{_NULL if nozzle is None else nozzle}\t"
        f"{_NULL if tank is None else tank}\t"
        f"{PAYMENT_CODES[entry.payment]}\t"
        f"{_NULL if transaction is None else transaction}\t"
        f"{_NULL if totalizer is None else totalizer}\t"
        f"{'t' if entry.offline else 'f'}\n"
    )
