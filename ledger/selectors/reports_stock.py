"""The wet-stock trend: what each tank of a site should hold and does hold, day by day."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from django.db import connection

from ledger.models import Kind, Site

_STOCK_SQL = (
    Path(__file__).parent.parent.joinpath("sql", "report_stock.sql").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLine:
    """A tank in a fiscal day, in litres; None where a dip was not taken.

    Book stock is the opening dip, plus deliveries, less what the pumps took (pump tests return to
    the tank); the variance is the closing dip less the book stock.
    """

    day: datetime.date
    tank: int
    product: str
    opening: Decimal | None
    delivered: Decimal
    taken: Decimal
    closing: Decimal | None

    @property
    def book(self) -> Decimal | None:
        """What the tank should hold."""
        return None if self.opening is None else self.opening + self.delivered - self.taken

    @property
    def variance(self) -> Decimal | None:
        """What it holds more than it should."""
        book = self.book
        return None if book is None or self.closing is None else self.closing - book


@dataclass(frozen=True, slots=True, kw_only=True)
class TankTrend:
    """One tank over a period, its days in order; sums leave out days without both dips."""

    tank: int
    product: str
    lines: list[StockLine] = field(default_factory=list)

    @property
    def variance(self) -> Decimal:
        """The variances of all days together, litres."""
        return sum((line.variance or Decimal(0) for line in self.lines), Decimal(0))

    @property
    def taken(self) -> Decimal:
        """What the pumps took on the days that have a variance, litres."""
        return sum((line.taken for line in self.lines if line.variance is not None), Decimal(0))

    @property
    def variance_percent(self) -> Decimal | None:
        """The variance in per cent of what the pumps took, None where they took nothing."""
        return 100 * self.variance / self.taken if self.taken else None


def stock_trend(
    *, site: Site | None, first: datetime.date | None = None, last: datetime.date | None = None
) -> list[TankTrend]:
    """Return the site's tanks over a period, both ends included; none without a site. One query."""
    if site is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _STOCK_SQL,
            {
                "site_id": site.pk,
                "first": first or datetime.date.min,
                "last": last or datetime.date.max,
                "test": int(Kind.TEST),
            },
        )
        rows = cursor.fetchall()
    tanks: dict[int, TankTrend] = {}
    for day, tank, product, opening, delivered, taken, closing in rows:
        trend = tanks.setdefault(tank, TankTrend(tank=tank, product=product))
        trend.lines.append(
            StockLine(
                day=day,
                tank=tank,
                product=product,
                opening=opening,
                delivered=delivered,
                taken=taken,
                closing=closing,
            )
        )
    return list(tanks.values())
