"""The wet-stock trend: what each tank of a site should hold and does hold, day by day.

It is made of the same movements and by the same formulas as the reconciliation of a fiscal day
(`ledger.wet_stock`), so for a month up to a day both say the same.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from django.utils import timezone

from ledger.models import Site
from ledger.plausible import plausible_span
from ledger.selectors.wet_stock import (
    metered_in_days,
    readings_in_days,
    site_setup,
    tank_movements,
)
from ledger.wet_stock import TankMovement, Variance, cumulative


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLine:
    """A tank in a fiscal day."""

    day: datetime.date
    movement: TankMovement


@dataclass(frozen=True, slots=True, kw_only=True)
class TankTrend:
    """One product in one tank over a period, the days on which it was dipped in order."""

    tank: int
    product: str
    lines: list[StockLine] = field(default_factory=list)

    @property
    def total(self) -> Variance:
        """The variance of all days together that have both dips."""
        return cumulative(line.movement for line in self.lines)


def stock_trend(
    *, site: Site | None, first: datetime.date | None = None, last: datetime.date | None = None
) -> list[TankTrend]:
    """Return the site's tanks over a period, both ends included; none without a site.

    An end that is open is that of the site's plausible days.

    What corrections moved counts on the day when the fuel flowed, if they were posted up to the
    end of the period. Six queries, however long the period is.
    """
    if site is None:
        return []
    span = plausible_span(site, timezone.now())
    first, last = first or span.first, last or span.last
    metered = metered_in_days(site.pk, first=first, last=last)
    movements = tank_movements(
        site,
        first=first,
        last=last,
        metered=metered,
        readings=readings_in_days(site.pk, first=first, last=last),
        setup=site_setup(site),
    )
    return [
        TankTrend(
            tank=tank,
            product=product,
            lines=[
                StockLine(day=day, movement=movement) for day, movement in sorted(by_day.items())
            ],
        )
        for (tank, product), by_day in sorted(movements.items())
    ]
