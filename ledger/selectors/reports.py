"""Reports of a period: turnover by product, tax rate, payment, hour, site and time.

They come from the totals of days, never from entries: raw totals and what corrections posted to
the period move. Amounts are gross, in the sites' currencies, which are never added to each other.
The tax is the sum of each entry's own (`DayTotal`), and net is gross less tax, both of what states
a tax rate (`Measure`): with the gross amount of what states none, the three add up to the cent.

Each function is total: `sites` may be None (all sites), any list or queryset of sites, or none at
all, and the answer always has the same shape, with zeros where there is nothing. A period that is
open at an end reaches as far as the sites' plausible fiscal days do (`ledger.plausible`).
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from ledger.models import Correction, Kind, Payment, Product, Site
from ledger.models.day import NO_PAYMENT, NO_TAX_RATE
from ledger.models.entry import TURNOVER_KINDS
from ledger.plausible import latest_day
from ledger.selectors.measures import Measure, measure_of
from ledger.selectors.sites import HOURS_A_DAY

#: A longer period shows its turnover by month.
DAYS_SHOWN_MAX = 62
#: A report lists this many corrections; their number and what they move is always exact.
CORRECTIONS_SHOWN_MAX = 200

_PERIOD_SQL = (
    Path(__file__).parent.parent.joinpath("sql", "report_period.sql").read_text(encoding="utf-8")
)
_ONE_DAY = datetime.timedelta(days=1)

#: Whole months: the first day of the first one, and that of the month after the last one.
Months = tuple[datetime.date, datetime.date]
#: Whose report: None for all sites. A queryset may be sliced, a union or none().
Sites = Iterable[Site | int] | None


class MonthsOutdatedError(Exception):
    """What months were summed up of is not all that the ledger holds of them."""


def site_ids_of(sites: Sites) -> frozenset[int] | None:
    """Return the sites' ids, None standing for all of them and an empty set for none."""
    if sites is None:
        return None
    return frozenset(site if isinstance(site, int) else site.pk for site in sites)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByKind:
    """What was sold, refunded, tested and driven off with."""

    sales: Measure = field(default_factory=Measure)
    refunds: Measure = field(default_factory=Measure)
    tests: Measure = field(default_factory=Measure)
    drive_offs: Measure = field(default_factory=Measure)

    @property
    def turnover(self) -> Measure:
        """Sales and refunds."""
        return self.sales + self.refunds

    def __add__(self, other: ByKind) -> ByKind:
        return ByKind(
            sales=self.sales + other.sales,
            refunds=self.refunds + other.refunds,
            tests=self.tests + other.tests,
            drive_offs=self.drive_offs + other.drive_offs,
        )


#: Nothing, of what taxes are not known of.
UNTAXED = Measure(tax=None)
BY_KIND_UNTAXED = ByKind(sales=UNTAXED, refunds=UNTAXED, tests=UNTAXED, drive_offs=UNTAXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductLine:
    """One product."""

    product: str
    family: str = ""
    kinds: ByKind = field(default_factory=ByKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """The turnover at one tax rate in per cent, None for what stated no rate."""

    tax_rate: Decimal | None
    turnover: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentLine:
    """What was paid in one way, None for what stated none. Taxes are not known by payment."""

    payment: Payment | None
    kinds: ByKind = BY_KIND_UNTAXED


@dataclass(frozen=True, slots=True, kw_only=True)
class HourLine:
    """The turnover of one hour of the sites' own clocks, 0 to 23. Taxes are not known by hour."""

    hour: int
    turnover: Measure = UNTAXED


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLine:
    """The turnover of a fiscal day, or of the month that begins with it."""

    day: datetime.date
    turnover: Measure = field(default_factory=Measure)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLine:
    """One site: its fiscal days with entries, and the entries missing in them."""

    site_id: int
    code: str
    name: str
    fiscal_days: int = 0
    missing: int = 0
    kinds: ByKind = field(default_factory=ByKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyReport:
    """All that was written in one currency.

    `entries` and `missing` count what sites sent and did not send; `moved` is what corrections
    posted to the period add to the raw totals, and it is in all other figures already.
    """

    currency: str = ""
    entries: int = 0
    missing: int = 0
    fiscal_days: int = 0
    kinds: ByKind = field(default_factory=ByKind)
    moved: ByKind = field(default_factory=ByKind)
    products: list[ProductLine] = field(default_factory=list)
    taxes: list[TaxLine] = field(default_factory=list)
    payments: list[PaymentLine] = field(default_factory=list)
    hours: list[HourLine] = field(default_factory=list)
    times: list[TimeLine] = field(default_factory=list)
    sites: list[SiteLine] = field(default_factory=list)

    @property
    def turnover(self) -> Measure:
        """Sales and refunds."""
        return self.kinds.turnover


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodReport:
    """What was sold in a period. There is one currency at least, without a name if no site."""

    first: datetime.date | None
    last: datetime.date | None
    is_by_month: bool
    currencies: list[CurrencyReport]
    corrections: list[Correction]
    correction_count: int

    @property
    def site_count(self) -> int:
        """How many sites it is about, with or without entries."""
        return sum(len(one.sites) for one in self.currencies)


def period_report(
    *,
    sites: Sites = None,
    first: datetime.date | None = None,
    last: datetime.date | None = None,
    months: Months | None = None,
) -> PeriodReport:
    """Return the report of a period of fiscal days, both ends included.

    `months` within the period, which `months_sum_up` made ready for these sites, are read as summed
    up: so a year costs about as much as some weeks. Without them it says the same, from its days.
    MonthsOutdatedError when the ledger holds other entries of them by now.
    """
    site_ids = site_ids_of(sites)
    earliest, latest = ends_of(site_ids, first, last)
    is_by_month = _is_by_month(earliest, latest)
    rows = _rows(_parameters(site_ids, earliest, latest, months, is_by_month=is_by_month))
    if months and any(count for *_, count, _v, _a, _t, _d, _m in rows["outdated"]):
        raise MonthsOutdatedError
    corrections, correction_count = _corrections(site_ids, earliest, latest)
    return PeriodReport(
        first=first,
        last=last,
        is_by_month=is_by_month,
        currencies=_currencies(rows, first, last, is_by_month=is_by_month),
        corrections=corrections,
        correction_count=correction_count,
    )


def ends_of(
    site_ids: frozenset[int] | None, first: datetime.date | None, last: datetime.date | None
) -> tuple[datetime.date, datetime.date]:
    """Return the ends of a period; one that is open is that of the sites' plausible days.

    At most one query.
    """
    latest = last or latest_day(timezone.now())
    if first is None:
        sites = Site.objects.all() if site_ids is None else Site.objects.filter(id__in=site_ids)
        first = sites.aggregate(day=Min("first_fiscal_day"))["day"]
    return first or latest, latest


def whole_months(
    earliest: datetime.date, latest: datetime.date, *, until: datetime.date
) -> Months | None:
    """Return the whole months before `until` in a long period, None where there are none."""
    if not _is_by_month(earliest, latest):
        return None
    begin = earliest if earliest.day == 1 else _next_month(earliest)
    end = (until if until <= latest else latest + _ONE_DAY).replace(day=1)
    return (begin, end) if begin < end else None


def _is_by_month(earliest: datetime.date, latest: datetime.date) -> bool:
    return (latest - earliest).days >= DAYS_SHOWN_MAX


def _next_month(day: datetime.date) -> datetime.date:
    return (day.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)


def _parameters(
    site_ids: frozenset[int] | None,
    earliest: datetime.date,
    latest: datetime.date,
    months: Months | None,
    *,
    is_by_month: bool,
) -> dict[str, Any]:
    # Without months the days are all of the period, and the second half of them is empty.
    head, tail = latest, datetime.date.max
    first_month, last_month = datetime.date.max, datetime.date.min
    if months:
        begin, until = months
        head = begin - _ONE_DAY if begin > datetime.date.min else begin
        tail = until
        first_month, last_month = begin, until - _ONE_DAY
    elif latest == datetime.date.max:
        head = datetime.date.max - _ONE_DAY
    return {
        "site_ids": None if site_ids is None else list(site_ids),
        "first": earliest,
        "last": latest,
        "head": head,
        "tail": tail,
        "first_month": first_month,
        "last_month": last_month,
        "by_month": is_by_month,
    }


def _rows(parameters: dict[str, Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        # Room to add up thousands of sites without sorting them on disk; compiling the statement
        # would take longer than it runs.
        cursor.execute("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
        cursor.execute(_PERIOD_SQL, parameters)
        for row in cursor.fetchall():
            found.setdefault(row[0], []).append(row[1:])
    return found


def _corrections(
    site_ids: frozenset[int] | None, earliest: datetime.date, latest: datetime.date
) -> tuple[list[Correction], int]:
    corrections = Correction.objects.filter(
        status=Correction.Status.APPROVED, posted_to__range=(earliest, latest)
    )
    if site_ids is not None:
        corrections = corrections.filter(site__in=site_ids)
    ordered = corrections.select_related("site", "author", "decided_by").order_by(
        "posted_to", "site", "fiscal_day", "sequence", "revision"
    )
    found = list(ordered[:CORRECTIONS_SHOWN_MAX])
    count = len(found) if len(found) < CORRECTIONS_SHOWN_MAX else corrections.count()
    return found, count


def _by_kind(measures: dict[int, Measure], nothing: Measure) -> ByKind:
    def of(kind: Kind) -> Measure:
        return measures.get(kind, nothing)

    return ByKind(
        sales=of(Kind.SALE),
        refunds=of(Kind.REFUND),
        tests=of(Kind.TEST),
        drive_offs=of(Kind.DRIVE_OFF),
    )


class SumsByKind:
    """Measures added up under keys, each by kind; `nothing` is what was never added to."""

    def __init__(self, nothing: Measure | None = None) -> None:
        self._nothing = nothing or Measure()
        self._sums: dict[Any, dict[int, Measure]] = {}

    def add(self, key: Any, kind: int, measure: Measure) -> None:
        """Add to what is under the key."""
        kinds = self._sums.setdefault(key, {})
        known = kinds.get(kind)
        kinds[kind] = measure if known is None else known + measure

    def known(self) -> list[Any]:
        """Return the keys, in the order in which they came."""
        return list(self._sums)

    def of(self, key: Any) -> ByKind:
        """Return what is under a key, nothing under one that never came."""
        return _by_kind(self._sums.get(key, {}), self._nothing)


def _currencies(
    rows: dict[str, list[Any]],
    first: datetime.date | None,
    last: datetime.date | None,
    *,
    is_by_month: bool,
) -> list[CurrencyReport]:
    sites, products, taxes = SumsByKind(), SumsByKind(), SumsByKind()
    payments, hours = SumsByKind(UNTAXED), SumsByKind(UNTAXED)
    times, moved = SumsByKind(), SumsByKind()
    for part, sums in (("site kind", sites), ("product", products), ("posted", moved)):
        for currency, site_id, _day, product, kind, tax_rate, _n, *values in rows.get(part, []):
            key = site_id if part == "site kind" else product
            measure = _measure(values, tax_rate)
            sums.add((currency, None if part == "posted" else key), kind, measure)
            if part == "product" and kind in TURNOVER_KINDS:
                taxes.add((currency, tax_rate), kind, measure)
    for currency, _s, _d, _p, kind, _t, payment, *values in rows.get("payment", []):
        payments.add((currency, payment), kind, _untaxed(values))
    for currency, _s, _d, _p, _k, _t, hour, *values in rows.get("hour", []):
        hours.add((currency, hour), Kind.SALE, _untaxed(values))
    for currency, _s, day, _p, kind, tax_rate, _n, *values in rows.get("time", []):
        times.add((currency, day), kind, _measure(values, tax_rate))
    of_sites = rows.get("site", [])
    names = (
        {
            site_id: (code, name)
            for site_id, code, name in Site.objects.filter(
                id__in=[row[1] for row in of_sites]
            ).values_list("id", "code", "name")
        }
        if of_sites
        else {}
    )
    families = _families({product for _, product in products.known()})
    counts = Counter(row[0] for row in of_sites)
    found = []
    for currency, _count in sorted(counts.items(), key=lambda one: (-one[1], one[0])) or [("", 0)]:
        site_lines = [
            SiteLine(
                site_id=site_id,
                code=names[site_id][0],
                name=names[site_id][1],
                fiscal_days=days,
                missing=missing,
                kinds=sites.of((currency, site_id)),
            )
            for row_currency, site_id, *_, days, missing in of_sites
            if row_currency == currency and site_id in names
        ]
        site_lines.sort(key=lambda line: (-line.kinds.turnover.amount, line.code))
        own = [row for row in of_sites if row[0] == currency]
        product_lines = [
            ProductLine(
                product=product,
                family=families.get(product, ""),
                kinds=products.of((currency, product)),
            )
            for row_currency, product in sorted(products.known())
            if row_currency == currency
        ]
        found.append(
            CurrencyReport(
                currency=currency,
                entries=sum(row[7] for row in own),
                missing=sum(line.missing for line in site_lines),
                fiscal_days=sum(line.fiscal_days for line in site_lines),
                kinds=sum((line.kinds for line in product_lines), ByKind()),
                moved=moved.of((currency, None)),
                products=product_lines,
                taxes=[
                    TaxLine(
                        tax_rate=None if rate == NO_TAX_RATE else rate,
                        turnover=taxes.of((currency, rate)).turnover,
                    )
                    for row_currency, rate in sorted(taxes.known(), reverse=True)
                    if row_currency == currency
                ],
                payments=[
                    PaymentLine(
                        payment=payment,
                        kinds=payments.of((currency, payment or NO_PAYMENT)),
                    )
                    for payment in (*Payment, None)
                ],
                hours=[
                    HourLine(hour=hour, turnover=hours.of((currency, hour)).turnover)
                    for hour in range(HOURS_A_DAY)
                ],
                times=[
                    TimeLine(day=day, turnover=times.of((currency, day)).turnover)
                    for day in _times(
                        first,
                        last,
                        [day for c, day in times.known() if c == currency],
                        is_by_month=is_by_month,
                    )
                ],
                sites=site_lines,
            )
        )
    return found


def _measure(values: list[Any], tax_rate: Decimal | None) -> Measure:
    """Return a row as a measure; its rate is NO_TAX_RATE where none was stated."""
    count, volume, amount, tax = values[:4]
    return measure_of(count, volume, amount, tax, is_rated=tax_rate != NO_TAX_RATE)


def _untaxed(values: list[Any]) -> Measure:
    count, volume, amount = values[:3]
    return measure_of(count, volume, amount, None, is_rated=False)


def _times(
    first: datetime.date | None,
    last: datetime.date | None,
    known: list[datetime.date],
    *,
    is_by_month: bool,
) -> list[datetime.date]:
    """Return each day or month of the period, or from the first to the last one there is."""
    if first is None or last is None:
        if not known:
            return []
        first, last = first or min(known), last or max(known)
    if not is_by_month:
        return [first + _ONE_DAY * number for number in range((last - first).days + 1)]
    months, month = [], first.replace(day=1)
    while month <= last:
        months.append(month)
        month = _next_month(month)
    return months


def _families(products: set[str]) -> dict[str, str]:
    """Return the family of each product; sites may see one differently, its chip has one colour."""
    if not products:
        return {}
    rows = Product.objects.filter(code__in=products).order_by("code").distinct("code")
    return dict(rows.values_list("code", "family"))
