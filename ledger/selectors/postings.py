"""What corrections move in the totals of the days that they are posted to."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import F, Q, Sum

from ledger.models import CorrectionPosting, FiscalDay, Kind
from ledger.models.entry import TURNOVER_KINDS
from ledger.selectors.figures import ByKind, DayFigures, day_figures
from ledger.selectors.measures import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedRow:
    """What corrections add to one product's total of one kind."""

    product: str
    kind: Kind
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What the corrections posted to a day add to its raw totals, by product and kind."""

    measures: ByKind = field(default_factory=dict)
    #: How many corrections they are.
    count: int = 0

    @property
    def rows(self) -> list[MovedRow]:
        """The totals that they move, without those where they cancel out."""
        return [
            MovedRow(product=product, kind=Kind(kind), measure=measure)
            for (product, kind), measure in sorted(self.measures.items())
            if not measure.is_nothing
        ]


def moved_in_day(day: FiscalDay, figures: DayFigures | None = None) -> Moved:
    """Return what corrections move in a day's totals, be they of this day or of a sealed one.

    One query where `figures` are not known yet, and one more when there are any corrections.
    """
    measures = (figures or day_figures(day)).moved
    posted = CorrectionPosting.objects.filter(site=day.site_id, posted_to=day.fiscal_day)
    revisions = posted.values("fiscal_day", "sequence", "revision").distinct()
    return Moved(measures=measures, count=revisions.count() if measures else 0)


def moved_by_site_and_hour(posted: Q) -> dict[tuple[int, int], Measure]:
    """Return what the matching postings move in the turnover by site and hour. One query."""
    sums = (
        CorrectionPosting.objects.filter(posted, kind__in=TURNOVER_KINDS)
        .values_list("site_id", "hour")
        .annotate(Sum("count"), Sum("volume"), Sum("amount"))
        .order_by()
    )
    return {
        (site_id, hour): Measure(count=count, volume=volume, amount=amount)
        for site_id, hour, count, volume, amount in sums
    }


def moved_sales(
    *, site_id: int, fiscal_days: Collection[datetime.date]
) -> dict[tuple[datetime.date, int, str], Measure]:
    """Return how corrections restate what was sold when: by day, hour and product. One query.

    Only what is posted to the day of the sale itself. The correction of a sealed day moves the
    totals of a later one, but nobody fuelled in its hours.
    """
    if not fiscal_days:
        return {}
    sums = (
        CorrectionPosting.objects.filter(
            site=site_id,
            posted_to__in=fiscal_days,
            posted_to=F("fiscal_day"),
            kind__in=TURNOVER_KINDS,
        )
        .values_list("fiscal_day", "hour", "product")
        .annotate(Sum("count"), Sum("volume"), Sum("amount"))
        .order_by()
    )
    return {
        (day, hour, product): Measure(count=count, volume=volume, amount=amount)
        for day, hour, product, count, volume, amount in sums
    }
