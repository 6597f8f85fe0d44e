"""What corrections move in the totals of the days that they are posted to."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Sum

from ledger.models import CorrectionPosting, FiscalDay, Kind
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
    """Return what corrections move in a day's totals, be they of this day or of a sealed one."""
    posted = CorrectionPosting.objects.filter(site=day.site_id, posted_to=day.fiscal_day)
    sums = (
        posted.values("product", "kind")
        .annotate(n=Sum("count"), v=Sum("volume"), a=Sum("amount"), t=Sum("tax"))
        .order_by("product", "kind")
    )
    measures = {
        (row["product"], row["kind"]): Measure(
            count=row["n"], volume=row["v"], amount=row["a"], tax=row["t"]
        )
        for row in sums
    }
    count = posted.values("fiscal_day", "sequence", "revision").distinct().count() if sums else 0
    return Moved(measures=measures, count=count)
