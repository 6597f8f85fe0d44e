"""The ledger summed over sites and days, from the totals that the entries' transactions keep."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Count, Q, Sum

from ledger.models import DayTotal, FiscalDay, Kind
from ledger.models.entry import TURNOVER_KINDS
from ledger.selectors.days import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductTotal:
    """One product in one currency: its turnover, and what is not turnover."""

    product: str
    turnover: Measure
    tests: Measure
    drive_offs: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyTotal:
    """All that was written in one currency. `entries` counts every kind."""

    currency: str
    entries: int = 0
    sites: int = 0
    products: list[ProductTotal] = field(default_factory=list)

    @property
    def turnover(self) -> Measure:
        """Sales and refunds of all products."""
        return sum((row.turnover for row in self.products), Measure())


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTotals:
    """What the ledger holds for some sites in a period."""

    entries: int = 0
    sites: int = 0
    fiscal_days: int = 0
    currencies: list[CurrencyTotal] = field(default_factory=list)

    @property
    def control_amount(self) -> Decimal:
        """The amounts of all entries added as bare numbers, whatever their kind and currency.

        No money: a bookkeeper's control total, to be compared with that of a file.
        """
        return sum(
            (
                row.turnover.amount + row.tests.amount + row.drive_offs.amount
                for currency in self.currencies
                for row in currency.products
            ),
            Decimal(0),
        )


def ledger_totals(
    *,
    site_ids: frozenset[int] | None,
    first_day: datetime.date | None = None,
    last_day: datetime.date | None = None,
) -> LedgerTotals:
    """Sum the ledger over sites (None: all) and a period, both days included. Two queries."""
    within = _within(site_ids, first_day, last_day)
    sums = (
        DayTotal.objects.filter(within)
        .values("site__currency", "product", "kind")
        .annotate(entries=Sum("count"), litres=Sum("volume"), money=Sum("amount"), taxes=Sum("tax"))
        .order_by("site__currency", "product", "kind")
    )
    measures: dict[str, dict[str, dict[int, Measure]]] = {}
    for row in sums:
        products = measures.setdefault(row["site__currency"], {})
        products.setdefault(row["product"], {})[row["kind"]] = Measure(
            count=row["entries"], volume=row["litres"], amount=row["money"], tax=row["taxes"]
        )
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
        _currency_total(currency, products, sites=site_counts[currency])
        for currency, products in measures.items()
    ]
    return LedgerTotals(
        entries=sum(currency.entries for currency in currencies),
        sites=site_counts.total(),
        fiscal_days=day_count,
        currencies=currencies,
    )


def _currency_total(
    currency: str, products: dict[str, dict[int, Measure]], *, sites: int
) -> CurrencyTotal:
    return CurrencyTotal(
        currency=currency,
        entries=sum(measure.count for kinds in products.values() for measure in kinds.values()),
        sites=sites,
        products=[
            ProductTotal(
                product=product,
                turnover=sum(
                    (kinds.get(kind, Measure()) for kind in TURNOVER_KINDS),
                    Measure(),
                ),
                tests=kinds.get(Kind.TEST, Measure()),
                drive_offs=kinds.get(Kind.DRIVE_OFF, Measure()),
            )
            for product, kinds in products.items()
        ],
    )


def _within(
    site_ids: frozenset[int] | None,
    first_day: datetime.date | None,
    last_day: datetime.date | None,
) -> Q:
    within = Q()
    if site_ids is not None:
        within &= Q(site__in=site_ids)
    if first_day is not None:
        within &= Q(fiscal_day__gte=first_day)
    if last_day is not None:
        within &= Q(fiscal_day__lte=last_day)
    return within
