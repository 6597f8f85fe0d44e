"""Fiscal days: what a day holds, what it lacks, and whether it agrees with the site."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from ledger.differences import less_ledger
from ledger.models import (
    Correction,
    DayTotal,
    DeclaredTotal,
    Dip,
    Entry,
    FiscalDay,
    Kind,
    Product,
    Site,
    Totalizer,
)
from ledger.models.entry import TURNOVER_KINDS
from ledger.plausible import plausible_span
from ledger.selectors.corrections import Values, approved_values
from ledger.selectors.figures import (
    DayFigures,
    day_figures,
    hour_figures,
    turnover_by_product,
)
from ledger.selectors.measures import Measure
from ledger.selectors.postings import Moved, moved_in_day
from ledger.selectors.sites import HOURS_A_DAY

#: A page names this many runs of missing entries; the count of missing ones is always exact.
MISSING_RANGES_MAX = 50
#: A page offers to enter this many missing entries by hand, the first ones.
MISSING_NUMBERS_MAX = 10
#: A list of entries shows this many at a time.
ENTRIES_PER_PAGE = 50
#: A list of fiscal days shows this many at a time.
DAYS_PER_PAGE = 31

_MISSING_RANGES_SQL = (
    Path(__file__).parent.parent.joinpath("sql", "missing_ranges.sql").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True)
class MissingRange:
    """Sequence numbers without an entry, `first` and `last` included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDay:
    """One product's turnover in a day beside what the site declared (None: it declared none).

    `recorded` is that of its entries, `corrected` what corrections of them move; `earlier` is what
    corrections of sealed days moved here, of which the site could declare nothing.
    """

    product: str
    recorded: Measure = field(default_factory=Measure)
    corrected: Measure = field(default_factory=Measure)
    earlier: Measure = field(default_factory=Measure)
    declared: Measure | None = None

    @property
    def effective(self) -> Measure:
        """What counts of the day's own entries: recorded and corrected."""
        return self.recorded + self.corrected

    @property
    def turnover(self) -> Measure:
        """All that counts in the day."""
        return self.effective + self.earlier

    @property
    def difference(self) -> Measure | None:
        """Declared less effective, None without a declaration. Taxes are not declared."""
        return less_ledger(self.declared, self.effective)

    @property
    def agrees(self) -> bool:
        """Whether the site declared exactly this count, volume and amount."""
        difference = self.difference
        return difference is not None and not (
            difference.count or difference.volume or difference.amount
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTotal:
    """What the entries of one kind and product add up to."""

    product: str
    kind: Kind
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySummary:
    """A fiscal day with its totals: what its entries add up to and what corrections move in it.

    `moved` is that second part, which `products` and `kinds` hold already. `hours` is the turnover
    in litres for each hour of the site's clock; `missing` lists at most MISSING_RANGES_MAX ranges,
    while `day.missing_count` is exact.
    """

    day: FiscalDay
    products: list[ProductDay] = field(default_factory=list)
    kinds: list[KindTotal] = field(default_factory=list)
    hours: list[Decimal] = field(default_factory=list)
    missing: list[MissingRange] = field(default_factory=list)
    moved: Moved = field(default_factory=Moved)

    @property
    def turnover(self) -> Measure:
        """All products' sales and refunds."""
        return sum((row.turnover for row in self.products), Measure())

    @property
    def others(self) -> list[KindTotal]:
        """What is not turnover: pump tests and drive-offs."""
        return [row for row in self.kinds if row.kind not in TURNOVER_KINDS]

    @property
    def declared(self) -> Measure | None:
        """All products' declared totals, None where the site declared none."""
        return declared_in_all(self.products)

    @property
    def is_declared(self) -> bool:
        """Whether the site declared any totals."""
        return self.declared is not None

    @property
    def difference(self) -> Measure | None:
        """What the site declared less the day's own turnover, None where it declared none."""
        return less_ledger(self.declared, sum((row.effective for row in self.products), Measure()))

    @property
    def totals_agree(self) -> bool:
        """Whether each product's turnover is what the site declared."""
        return all(row.agrees for row in self.products)

    @property
    def is_balanced(self) -> bool:
        """Whether the day is closed, nothing is missing and the totals are the declared ones."""
        return self.day.closed_at is not None and self.day.missing_count == 0 and self.totals_agree

    @property
    def missing_numbers(self) -> list[int]:
        """The first missing numbers, at most MISSING_NUMBERS_MAX, each to be added by hand."""
        numbers = (number for part in self.missing for number in range(part.first, part.last + 1))
        return list(islice(numbers, MISSING_NUMBERS_MAX))

    @property
    def is_missing_list_cut(self) -> bool:
        """Whether more is missing than `missing` lists."""
        return sum(part.last - part.first + 1 for part in self.missing) < self.day.missing_count


def day_summary(day: FiscalDay) -> DaySummary:
    """Return the day with its totals.

    Three queries, and one more each where entries are missing and where something was corrected.
    """
    figures = day_figures(day)
    return DaySummary(
        day=day,
        products=product_days(day, figures),
        kinds=[
            KindTotal(product=product, kind=Kind(kind), measure=measure)
            for (product, kind), measure in sorted(figures.all.items())
        ],
        hours=_hours(day),
        missing=missing_ranges(day),
        moved=moved_in_day(day, figures),
    )


def product_days(day: FiscalDay, figures: DayFigures) -> list[ProductDay]:
    """Return the turnover of a day's products beside what the site declared. One query."""
    recorded = turnover_by_product(figures.recorded)
    corrected = turnover_by_product(figures.corrected)
    earlier = turnover_by_product(figures.earlier)
    declared = {
        row.product: Measure(count=row.count, volume=row.volume, amount=row.amount, tax=None)
        for row in DeclaredTotal.objects.filter(**_of(day))
    }
    return [
        ProductDay(
            product=product,
            recorded=recorded.get(product, Measure()),
            corrected=corrected.get(product, Measure()),
            earlier=earlier.get(product, Measure()),
            # A product that the site did not name in its declaration was declared to be nothing.
            declared=declared.get(product, Measure()) if declared else None,
        )
        for product in sorted(recorded | corrected | earlier | declared)
    ]


def declared_in_all(products: Iterable[ProductDay]) -> Measure | None:
    """Return what a site declared for all products of a day, None where it declared nothing."""
    declared = [row.declared for row in products if row.declared is not None]
    return sum(declared, Measure()) if declared else None


def day_products(day: FiscalDay) -> list[str]:
    """Return the codes of the products that the day's entries name, as sent or as corrected."""
    sent = DayTotal.objects.filter(**_of(day)).order_by().values_list("product")
    approved = Correction.objects.filter(**_of(day), status=Correction.Status.APPROVED)
    corrected = approved.order_by().values_list("product")
    return sorted(product for (product,) in sent.union(corrected))


def missing_ranges(day: FiscalDay, *, limit: int = MISSING_RANGES_MAX) -> list[MissingRange]:
    """Return the day's first runs of missing sequence numbers; no query when none is missing."""
    if day.missing_count <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _MISSING_RANGES_SQL,
            {
                "site_id": day.site_id,
                "fiscal_day": day.fiscal_day,
                "expected_count": day.expected_count,
                "ranges_max": limit,
            },
        )
        return [MissingRange(first, last) for first, last in cursor.fetchall()]


def day_readings(day: FiscalDay) -> tuple[list[Dip], list[Totalizer]]:
    """Return what the tanks held and where the meters stood as the day opened and closed."""
    dips = Dip.objects.filter(**_of(day)).order_by("pk")
    totalizers = Totalizer.objects.filter(**_of(day)).order_by("pk")
    return list(dips), list(totalizers)


def day_neighbours(day: FiscalDay) -> tuple[FiscalDay | None, FiscalDay | None]:
    """Return the site's fiscal days before and after this one.

    Of a plausible day those are plausible, too.
    """
    days = FiscalDay.objects.filter(site=day.site_id)
    span = plausible_span(day.site, timezone.now())
    if span.holds(day.fiscal_day):
        days = days.filter(fiscal_day__range=span)
    before = days.filter(fiscal_day__lt=day.fiscal_day).order_by("-fiscal_day").first()
    after = days.filter(fiscal_day__gt=day.fiscal_day).order_by("fiscal_day").first()
    return before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which of a day's entries to list, by what they state now: as sent, or as corrected.

    A void one is found by what it stated last, and a flagged one by how it was sent.
    """

    flagged: bool = False
    kind: int | None = None
    product: str = ""
    fuelling_point: int | None = None

    @property
    def values(self) -> Values:
        """The values that are asked for, by name."""
        wanted = {
            "kind": self.kind,
            "product": self.product or None,
            "fuelling_point": self.fuelling_point,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def apply(self, entries: QuerySet[Entry], day: FiscalDay) -> QuerySet[Entry]:
        """Narrow the entries of a day down. One query when values are asked for, else none.

        Few of a day's entries are corrected, so those that are, and match, are named one by one:
        the rest is found by the columns, along the day's key.
        """
        if self.flagged:
            entries = entries.exclude(flags=0)
        if not self.values:
            return entries
        corrected = approved_values(day)
        matching = [
            sequence
            for sequence, stated in corrected.items()
            if all(stated[name] == value for name, value in self.values.items())
        ]
        as_sent = Q(**self.values)
        if corrected:
            as_sent &= ~Q(sequence__in=list(corrected))
        return entries.filter(as_sent | Q(sequence__in=matching) if matching else as_sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """A page of a day's entries, newest first.

    `before` asks for the older ones with `sequence` below it, `after` for the newer ones; None
    where there are no more.
    """

    entries: list[Entry] = field(default_factory=list)
    before: int | None = None
    after: int | None = None


def day_entries(
    day: FiscalDay,
    *,
    only: EntryFilter | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int = ENTRIES_PER_PAGE,
) -> EntryPage:
    """Return a page of the day's entries by keyset: each page is one walk along the key.

    One query, and one more where `only` asks for values.
    """
    entries = Entry.objects.filter(**_of(day))
    if only is not None:
        entries = only.apply(entries, day)
    if after is not None:
        newer = list(
            entries.filter(pk__gt=(day.site_id, day.fiscal_day, after)).order_by("pk")[: limit + 1]
        )
        rows = newer[:limit][::-1]
        has_newer, has_older = len(newer) > limit, True
    else:
        if before is not None:
            entries = entries.filter(pk__lt=(day.site_id, day.fiscal_day, before))
        older = list(entries.order_by("-pk")[: limit + 1])
        rows = older[:limit]
        has_newer, has_older = before is not None, len(older) > limit
    return EntryPage(
        entries=rows,
        before=rows[-1].sequence if rows and has_older else None,
        after=rows[0].sequence if rows and has_newer else None,
    )


def entry_neighbours(entry: Entry) -> tuple[Entry | None, Entry | None]:
    """Return the day's entries before and after this one."""
    entries = Entry.objects.filter(site=entry.site_id, fiscal_day=entry.fiscal_day)
    before = entries.filter(pk__lt=entry.pk).order_by("-pk").first()
    after = entries.filter(pk__gt=entry.pk).order_by("pk").first()
    return before, after


def latest_entries(
    site: Site, *, days: Sequence[FiscalDay] = (), limit: int = ENTRIES_PER_PAGE
) -> list[Entry]:
    """Return the newest entries of the given fiscal days of a site.

    The days are named so that only their partitions are read.
    """
    keys = [day.fiscal_day for day in days]
    if not keys:
        return []
    entries = Entry.objects.filter(site=site, fiscal_day__in=keys)
    return list(entries.order_by("-fiscal_day", "-sequence")[:limit])


def latest_days(site: Site, *, limit: int, now: datetime.datetime | None = None) -> list[FiscalDay]:
    """Return a site's newest fiscal days, the current one first, as `sites.current_days` has it."""
    span = plausible_span(site, now or timezone.now())
    days = FiscalDay.objects.filter(site=site, fiscal_day__range=span)
    return list(days.order_by("-fiscal_day")[:limit])


def site_days(
    site: Site, *, before: datetime.date | None = None, limit: int = DAYS_PER_PAGE
) -> tuple[list[FiscalDay], datetime.date | None]:
    """Return a site's fiscal days, newest first, and the `before` of the next page or None."""
    days = FiscalDay.objects.filter(site=site)
    if before is not None:
        days = days.filter(fiscal_day__lt=before)
    found = list(days.order_by("-fiscal_day")[: limit + 1])
    return found[:limit], found[limit - 1].fiscal_day if len(found) > limit else None


def product_families(site: Site) -> dict[str, str]:
    """Return the family of each of the site's products by code."""
    return dict(Product.objects.filter(site=site).values_list("code", "family"))


def families_of_sites(site_ids: Collection[int]) -> dict[int, dict[str, str]]:
    """Return the families of sites' products by site and code. One query."""
    found: dict[int, dict[str, str]] = {}
    products = Product.objects.filter(site__in=site_ids)
    for site_id, code, family in products.values_list("site_id", "code", "family"):
        found.setdefault(site_id, {})[code] = family
    return found


def product_tax_rates(site: Site) -> dict[str, Decimal | None]:
    """Return the tax rate of each of the site's products by code, in per cent."""
    return dict(Product.objects.filter(site=site).values_list("code", "tax_rate"))


def _of(day: FiscalDay) -> dict[str, Any]:
    return {"site": day.site_id, "fiscal_day": day.fiscal_day}


def _hours(day: FiscalDay) -> list[Decimal]:
    hours = [Decimal(0)] * HOURS_A_DAY
    for hour, measure in hour_figures(day).items():
        hours[hour] = measure.volume
    return hours
