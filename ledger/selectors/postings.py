"""What corrections move in the totals of the days that they are posted to."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import F, Q, Sum

from ledger.models import CorrectionPosting, FiscalDay, Kind
from ledger.models.entry import TURNOVER_KINDS
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

    measures: dict[tuple[str, int], Measure] = field(default_factory=dict)
    #: What those of earlier days, sealed by then, add to the turnover by product.
    earlier: dict[str, Measure] = field(default_factory=dict)
    #: What they add to the turnover by hour of the site's clock.
    hours: dict[int, Measure] = field(default_factory=dict)
    #: How many corrections they are.
    count: int = 0

    @property
    def rows(self) -> list[MovedRow]:
        """The totals that they move, without those where they cancel out."""
        return [
            MovedRow(product=product, kind=Kind(kind), measure=measure)
            for (product, kind), measure in self.measures.items()
            if measure != Measure()
        ]


def moved_in_day(day: FiscalDay) -> Moved:
    """Return what corrections move in a day's totals, be they of this day or of a sealed one.

    One query, and one more when there are any.
    """
    posted = CorrectionPosting.objects.filter(site=day.site_id, posted_to=day.fiscal_day)
    sums = (
        posted.annotate(of_day=F("fiscal_day"))
        .values("product", "kind", "hour", "of_day")
        .annotate(n=Sum("count"), v=Sum("volume"), a=Sum("amount"), t=Sum("tax"))
        .order_by("product", "kind", "hour", "of_day")
    )
    measures: dict[tuple[str, int], Measure] = {}
    hours: dict[int, Measure] = {}
    earlier: dict[str, Measure] = {}
    for row in sums:
        measure = Measure(count=row["n"], volume=row["v"], amount=row["a"], tax=row["t"])
        key = (row["product"], row["kind"])
        measures[key] = measures.get(key, Measure()) + measure
        if row["kind"] in TURNOVER_KINDS:
            hours[row["hour"]] = hours.get(row["hour"], Measure()) + measure
            if row["of_day"] != day.fiscal_day:
                earlier[row["product"]] = earlier.get(row["product"], Measure()) + measure
    count = posted.values("fiscal_day", "sequence", "revision").distinct().count() if sums else 0
    return Moved(measures=measures, earlier=earlier, hours=hours, count=count)


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
