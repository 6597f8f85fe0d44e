"""What counts in fiscal days: the totals of their entries and what corrections posted to them move.

All that is said of single days asks here: the day's page, its reconciliation, what a correction
would do, the turnover of days that wait for their seal, and the ledger as a whole. Reports of
periods (`ledger.selectors.reports`) read the same rows, beside months that are summed up already.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db import connection

from ledger.models import FiscalDay, Kind
from ledger.models.entry import TURNOVER_KINDS
from ledger.selectors.measures import Measure, measure_of
from ledger.sql import statement

Column = Literal["currency", "site_id", "fiscal_day", "of_day", "is_correction", "product", "kind"]

#: Product and kind to what they add up to.
ByKind = dict[tuple[str, int], Measure]

_FIGURES = statement("figures", "counted")
_HOURS = statement("figures_hours")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """What counts in a fiscal day, by product and kind.

    `recorded` is what its entries add up to, `corrected` what corrections of these entries move in
    it, `earlier` what corrections of sealed days do that are posted to it.
    """

    recorded: ByKind = field(default_factory=dict)
    corrected: ByKind = field(default_factory=dict)
    earlier: ByKind = field(default_factory=dict)

    @property
    def moved(self) -> ByKind:
        """What all corrections posted to the day move."""
        return _together(self.corrected, self.earlier)

    @property
    def all(self) -> ByKind:
        """What counts."""
        return _together(self.recorded, self.corrected, self.earlier)


def day_figures(day: FiscalDay) -> DayFigures:
    """Return what counts in a day. One query."""
    figures = DayFigures()
    rows = sums(
        by=("product", "kind", "is_correction", "of_day"),
        site_ids=[day.site_id],
        days=[day.fiscal_day],
    )
    for (product, kind, is_correction, of_day), measure in rows.items():
        if not is_correction:
            part = figures.recorded
        else:
            part = figures.corrected if of_day == day.fiscal_day else figures.earlier
        _add(part, (product, kind), measure)
    return figures


def turnover_by_product(figures: ByKind) -> dict[str, Measure]:
    """Return the sales and refunds of each product."""
    turnover: dict[str, Measure] = {}
    for (product, kind), measure in figures.items():
        if kind in TURNOVER_KINDS:
            _add(turnover, product, measure)
    return turnover


def hour_figures(day: FiscalDay) -> dict[int, Measure]:
    """Return the turnover of a day by hour of the site's clock, taxes unknown. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _HOURS,
            {"site_id": day.site_id, "fiscal_day": day.fiscal_day, "kinds": _codes(TURNOVER_KINDS)},
        )
        return {
            hour: Measure(count=count, volume=volume, amount=amount, tax=None)
            for hour, count, volume, amount in cursor.fetchall()
        }


def turnover_of_days(
    *, site_id: int, fiscal_days: Collection[datetime.date]
) -> dict[datetime.date, Measure]:
    """Return the turnover of a site's days, of those that have any. One query."""
    if not fiscal_days:
        return {}
    found = sums(
        by=("fiscal_day",), site_ids=[site_id], days=list(fiscal_days), kinds=TURNOVER_KINDS
    )
    return {fiscal_day: measure for (fiscal_day,), measure in found.items()}


def sums(
    *,
    by: Sequence[Column],
    site_ids: Collection[int] | None = None,
    days: Collection[datetime.date] | None = None,
    first: datetime.date | None = None,
    last: datetime.date | None = None,
    kinds: Iterable[Kind] | None = None,
) -> dict[tuple[Any, ...], Measure]:
    """Return what counts, added up by columns, of sites, days and kinds (None: all). One query."""
    found: dict[tuple[Any, ...], Measure] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _FIGURES.replace("{columns}", ", ".join(by)),
            {
                "site_ids": None if site_ids is None else list(site_ids),
                "days": None if days is None else list(days),
                "first": first,
                "last": last,
                "kinds": None if kinds is None else _codes(kinds),
            },
        )
        for *key, rate, count, volume, amount, tax in cursor.fetchall():
            _add(found, tuple(key), measure_of(count, volume, amount, tax, is_rated=rate is None))
    return found


def _codes(kinds: Iterable[Kind]) -> list[int]:
    return [int(kind) for kind in kinds]


def _add(into: dict[Any, Measure], key: Any, measure: Measure) -> None:
    known = into.get(key)
    into[key] = measure if known is None else known + measure


def _together(*parts: ByKind) -> ByKind:
    together: ByKind = {}
    for part in parts:
        for key, measure in part.items():
            _add(together, key, measure)
    return together
