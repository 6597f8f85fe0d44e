"""The ledger summed over sites and days, from the totals that the entries' transactions keep."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from ledger.models import Correction, FiscalDay, Kind
from ledger.models.entry import TURNOVER_KINDS
from ledger.plausible import latest_day, with_plausible
from ledger.selectors.figures import sums
from ledger.selectors.measures import Measure

#: A site whose newest fiscal day is dated further back than this has sold nothing today.
TODAY_DAYS_BACK = 1

_SQL = Path(__file__).parent.parent / "sql"
_TODAY_TOTALS_SQL = with_plausible((_SQL / "today_totals.sql").read_text(encoding="utf-8"))
_SITE_VOLUMES_SQL = with_plausible((_SQL / "site_volumes.sql").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductTotal:
    """One product in one currency: its turnover, and what is not turnover."""

    product: str
    turnover: Measure
    tests: Measure
    drive_offs: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyTotal:
    """All that counts in one currency, corrections included.

    `entries` counts the entries that the ledger holds, of every kind. `moved` is the part of the
    turnover that corrections put in (or, negative, took out).
    """

    currency: str
    entries: int = 0
    sites: int = 0
    products: list[ProductTotal] = field(default_factory=list)
    moved: Measure = field(default_factory=Measure)

    @property
    def turnover(self) -> Measure:
        """Sales and refunds of all products."""
        return sum((row.turnover for row in self.products), Measure())


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTotals:
    """What the ledger holds for some sites in a period.

    The currencies' totals include what corrections move in these days; `corrections` counts the
    ones posted to them. `entries` and `control_amount` are of the entries as they came, whatever
    was corrected: the amounts of all added as bare numbers, whatever their kind and currency. No
    money: a bookkeeper's control total, to be compared with that of a file.
    """

    entries: int = 0
    sites: int = 0
    fiscal_days: int = 0
    corrections: int = 0
    control_amount: Decimal = Decimal(0)
    currencies: list[CurrencyTotal] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TodayProduct:
    """What was sold of one product today, in litres and money; `family` decides its colour."""

    product: str
    family: str = ""
    volume: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TodayTotal:
    """The turnover of today in one currency, the product that sold most first."""

    currency: str
    sites: int = 0
    entries: int = 0
    products: list[TodayProduct] = field(default_factory=list)

    @property
    def volume(self) -> Decimal:
        """Litres of all products."""
        return sum((one.volume for one in self.products), Decimal(0))

    @property
    def amount(self) -> Decimal:
        """Money for all products."""
        return sum((one.amount for one in self.products), Decimal(0))


def today_totals(
    *, site_ids: Collection[int] | None = None, now: datetime.datetime | None = None
) -> list[TodayTotal]:
    """Return the turnover of sites' current fiscal days by currency. One query.

    `site_ids` of None means all sites. A site's current day is its newest one, if it is dated
    yesterday or later. The currency with most sites comes first.
    """
    rows = _of_today(_TODAY_TOTALS_SQL, site_ids, now)
    products: dict[str, list[TodayProduct]] = {}
    site_counts = {}
    entries: Counter[str] = Counter()
    for currency, product, family, volume, amount, count, sites in rows:
        if product is None:
            site_counts[currency] = sites
            continue
        entries[currency] += count
        products.setdefault(currency, []).append(
            TodayProduct(product=product, family=family, volume=volume, amount=amount)
        )
    return [
        TodayTotal(
            currency=currency,
            sites=sites,
            entries=entries[currency],
            products=sorted(
                products.get(currency, []),
                key=lambda one: (-one.volume, -one.amount, one.product),
            ),
        )
        for currency, sites in sorted(site_counts.items(), key=lambda row: (-row[1], row[0]))
    ]


def site_volumes(
    *, site_ids: Collection[int] | None = None, now: datetime.datetime | None = None
) -> dict[int, Decimal]:
    """Return the litres that each site sold on its current fiscal day, by site id. One query.

    As `today_totals`; a site that sold nothing is left out.
    """
    return dict(_of_today(_SITE_VOLUMES_SQL, site_ids, now))


def _of_today(
    statement: str, site_ids: Collection[int] | None, now: datetime.datetime | None
) -> list[Any]:
    now = now or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "site_ids": None if site_ids is None else list(site_ids),
                "now": now,
                "earliest": now.date() - datetime.timedelta(days=TODAY_DAYS_BACK),
                "latest": latest_day(now),
                "kinds": [int(kind) for kind in TURNOVER_KINDS],
            },
        )
        return cursor.fetchall()


def ledger_totals(
    *,
    site_ids: frozenset[int] | None,
    first_day: datetime.date | None = None,
    last_day: datetime.date | None = None,
) -> LedgerTotals:
    """Sum the ledger over sites (None: all) and a period, both days included. Three queries."""
    within = _within(site_ids, first_day, last_day)
    posted = _within(site_ids, first_day, last_day, column="posted_to")
    raw: _Sums = {}
    moved: _Sums = {}
    counted = sums(
        by=("is_correction", "currency", "product", "kind"),
        site_ids=site_ids,
        first=first_day,
        last=last_day,
    )
    for (is_correction, currency, product, kind), measure in counted.items():
        (moved if is_correction else raw)[currency, product, kind] = measure
    corrections = Correction.objects.filter(posted, status=Correction.Status.APPROVED).count()
    # A day with entries is one with totals, of which there are several. And counted by site, for
    # PostgreSQL counts what is distinct by sorting all of it.
    of_sites = (
        FiscalDay.objects.filter(within, entry_count__gt=0)
        .values_list("site__currency", "site_id")
        .annotate(days=Count("*"))
        .order_by()
    )
    site_counts: Counter[str] = Counter()
    day_count = 0
    for currency, _site_id, days in of_sites:
        site_counts[currency] += 1
        day_count += days
    currencies = [
        _currency_total(currency, raw, moved, sites=site_counts[currency])
        for currency in sorted({key[0] for key in (*raw, *moved)})
    ]
    return LedgerTotals(
        entries=sum(measure.count for measure in raw.values()),
        sites=site_counts.total(),
        fiscal_days=day_count,
        corrections=corrections,
        control_amount=sum((measure.amount for measure in raw.values()), Decimal(0)),
        currencies=currencies,
    )


#: Currency, product and kind to what its entries or corrections add up to.
_Sums = dict[tuple[str, str, int], Measure]


def _currency_total(currency: str, raw: _Sums, moved: _Sums, *, sites: int) -> CurrencyTotal:
    def measure(product: str, *kinds: Kind) -> Measure:
        keys = [(currency, product, kind) for kind in kinds]
        return sum((those.get(key, Measure()) for those in (raw, moved) for key in keys), Measure())

    products = sorted({product for other, product, _ in (*raw, *moved) if other == currency})
    return CurrencyTotal(
        currency=currency,
        entries=sum(one.count for key, one in raw.items() if key[0] == currency),
        sites=sites,
        products=[
            ProductTotal(
                product=product,
                turnover=measure(product, *TURNOVER_KINDS),
                tests=measure(product, Kind.TEST),
                drive_offs=measure(product, Kind.DRIVE_OFF),
            )
            for product in products
        ],
        moved=sum(
            (
                one
                for (other, _, kind), one in moved.items()
                if other == currency and kind in TURNOVER_KINDS
            ),
            Measure(),
        ),
    )


def _within(
    site_ids: frozenset[int] | None,
    first_day: datetime.date | None,
    last_day: datetime.date | None,
    *,
    column: str = "fiscal_day",
) -> Q:
    within = Q()
    if site_ids is not None:
        within &= Q(site__in=site_ids)
    if first_day is not None:
        within &= Q(**{f"{column}__gte": first_day})
    if last_day is not None:
        within &= Q(**{f"{column}__lte": last_day})
    return within
