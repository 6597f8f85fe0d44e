"""Reconciling a day: entries with the declaration, meters with sales, dips with the books.

Everything here is read, never judged for good: a difference stays one until it is put right or
somebody explains it (`ledger.services.sealing`).
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from django.db import connection
from django.db.models import Q, Sum

from ledger.models import (
    Delivery,
    Dip,
    Explanation,
    FiscalDay,
    Kind,
    Nozzle,
    Site,
    Totalizer,
)
from ledger.selectors.days import DaySummary, day_summary
from ledger.wet_stock import Allowance, TankMovement, Variance, cumulative

Subject = Explanation.Subject

#: Meters and controllers round each sale by themselves; below this a meter agrees with its sales.
NOZZLE_TOLERANCE_LITRES = Decimal("0.500")

_METERED = (Path(__file__).parent.parent / "sql" / "metered.sql").read_text(encoding="utf-8")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that does not agree. `stated` is it in canonical words, as it is explained."""

    subject: Explanation.Subject
    key: str = ""
    stated: str
    explanation: Explanation | None = None

    @property
    def is_explained(self) -> bool:
        """Whether somebody explained it as it is now."""
        return self.explanation is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class NozzleDay:
    """A nozzle's meter against what its entries say was sold, in litres."""

    fuelling_point: int
    nozzle: int
    product: str
    opening: Decimal | None
    closing: Decimal | None
    sold: Decimal

    @property
    def key(self) -> str:
        """How an explanation names it."""
        return f"{self.fuelling_point}/{self.nozzle}"

    @property
    def moved(self) -> Decimal | None:
        """How far the meter went, None where a reading is missing."""
        if self.opening is None or self.closing is None:
            return None
        return self.closing - self.opening

    @property
    def difference(self) -> Decimal | None:
        """The meter less the sales: positive where litres left that no entry tells of."""
        return None if self.moved is None else self.moved - self.sold

    @property
    def agrees(self) -> bool:
        """Whether the two agree, or cannot be compared."""
        return self.difference is None or abs(self.difference) <= NOZZLE_TOLERANCE_LITRES


@dataclass(frozen=True, slots=True, kw_only=True)
class TankDay:
    """A tank's wet stock: the day, and the month so far, each with what the site's rule allows."""

    tank: int
    product: str
    movement: TankMovement
    day: Variance
    month: Variance
    day_allowance: Allowance
    month_allowance: Allowance

    @property
    def key(self) -> str:
        """How an explanation names it."""
        return str(self.tank)

    @property
    def day_agrees(self) -> bool:
        """Whether the day's variance is within the rule, or cannot be known."""
        return self.movement.variance is None or not self.day.exceeds(self.day_allowance)

    @property
    def month_agrees(self) -> bool:
        """Whether the month's variance is within the rule."""
        return not self.month.exceeds(self.month_allowance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A fiscal day with all that is compared in it."""

    summary: DaySummary
    nozzles: list[NozzleDay] = field(default_factory=list)
    tanks: list[TankDay] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Difference]:
        """The differences that nobody has explained as they are now."""
        return [one for one in self.differences if not one.is_explained]

    @property
    def is_settled(self) -> bool:
        """Whether everything agrees or is explained."""
        return not self.unexplained


def reconciliation(day: FiscalDay) -> Reconciliation:
    """Compare all that a fiscal day has to be compared with. `day.site` is read."""
    summary = day_summary(day)
    nozzles, tanks = nozzles_of_day(day), tanks_of_day(day)
    explained = {
        (one.subject, one.key, one.difference): one
        for one in Explanation.objects.filter(site=day.site_id, fiscal_day=day.fiscal_day)
        .select_related("author")
        .order_by("number")
    }
    found = (
        *_of_entries(summary),
        *(
            Difference(subject=Subject.NOZZLE, key=one.key, stated=f"{one.difference} L")
            for one in nozzles
            if not one.agrees
        ),
        *_of_tanks(tanks),
    )
    return Reconciliation(
        summary=summary,
        nozzles=nozzles,
        tanks=tanks,
        differences=[
            replace(one, explanation=explained.get((one.subject, one.key, one.stated)))
            for one in found
        ],
    )


def nozzles_of_day(day: FiscalDay) -> list[NozzleDay]:
    """Return each nozzle's meter beside its sales: those that were read, and those that sold."""
    readings = {
        (row.fuelling_point, row.nozzle): row
        for row in Totalizer.objects.filter(site=day.site_id, fiscal_day=day.fiscal_day)
    }
    if not readings:
        return []
    sold: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for row in _metered(day.site_id, day.fiscal_day, day.fiscal_day):
        if row.fuelling_point is not None and row.nozzle is not None:
            sold[row.fuelling_point, row.nozzle] += row.volume
    return [
        NozzleDay(
            fuelling_point=key[0],
            nozzle=key[1],
            product=row.product,
            opening=row.opening,
            closing=row.closing,
            sold=sold.get(key, _ZERO),
        )
        for key, row in sorted(readings.items())
    ]


def tanks_of_day(day: FiscalDay) -> list[TankDay]:
    """Return the wet stock of each tank that was dipped, by day and by the month so far."""
    site: Site = day.site
    first = day.fiscal_day.replace(day=1)
    movements = tank_movements(site, first=first, last=day.fiscal_day)
    day_allowance = Allowance(
        permille=site.wet_stock_daily_permille, litres=site.wet_stock_daily_litres
    )
    month_allowance = Allowance(
        permille=site.wet_stock_monthly_permille, litres=site.wet_stock_monthly_litres
    )
    return [
        TankDay(
            tank=tank,
            product=products[day.fiscal_day],
            movement=days[day.fiscal_day],
            day=cumulative([days[day.fiscal_day]]),
            month=cumulative(days.values()),
            day_allowance=day_allowance,
            month_allowance=month_allowance,
        )
        for tank, (products, days) in sorted(movements.items())
        if day.fiscal_day in days
    ]


def tank_movements(
    site: Site, *, first: datetime.date, last: datetime.date
) -> dict[int, tuple[dict[datetime.date, str], dict[datetime.date, TankMovement]]]:
    """Return by tank, for each day with a dip, its product and what went in and out."""
    dips = Dip.objects.filter(site=site, fiscal_day__range=(first, last)).order_by("fiscal_day")
    if not dips:
        return {}
    tank_of = {
        (fuelling_point, nozzle): tank
        for fuelling_point, nozzle, tank in Nozzle.objects.filter(site=site).values_list(
            "fuelling_point", "number", "tank"
        )
    }
    metered: dict[tuple[datetime.date, int], Decimal] = defaultdict(Decimal)
    tests: dict[tuple[datetime.date, int], Decimal] = defaultdict(Decimal)
    for row in _metered(site.pk, first, last):
        tank = row.tank
        if tank is None and row.fuelling_point is not None and row.nozzle is not None:
            tank = tank_of.get((row.fuelling_point, row.nozzle))
        if tank is not None:
            metered[row.fiscal_day, tank] += row.volume
            if row.kind == Kind.TEST:
                tests[row.fiscal_day, tank] += row.volume
    delivered = _delivered(site, first, last)
    found: dict[int, tuple[dict[datetime.date, str], dict[datetime.date, TankMovement]]] = {}
    for dip in dips:
        key = (dip.fiscal_day, dip.tank)
        products, days = found.setdefault(dip.tank, ({}, {}))
        products[dip.fiscal_day] = dip.product
        days[dip.fiscal_day] = TankMovement(
            opening=dip.opening_volume,
            delivered=delivered.get(key, _ZERO),
            metered=metered.get(key, _ZERO),
            tests=tests.get(key, _ZERO),
            closing=dip.closing_volume,
        )
    return found


# --- what is read ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Metered:
    fiscal_day: datetime.date
    fuelling_point: int | None
    nozzle: int | None
    tank: int | None
    kind: int
    volume: Decimal


def _metered(site_id: int, first: datetime.date, last: datetime.date) -> list[_Metered]:
    with connection.cursor() as cursor:
        cursor.execute(_METERED, {"site_id": site_id, "first": first, "last": last})
        return [_Metered(*row) for row in cursor.fetchall()]


def _delivered(
    site: Site, first: datetime.date, last: datetime.date
) -> dict[tuple[datetime.date, int], Decimal]:
    """Return the litres delivered by fiscal day and tank.

    A delivery belongs to the day that was open then: from a day's opening to the next one's.
    """
    days = list(
        FiscalDay.objects.filter(
            site=site, fiscal_day__range=(first, last), opened_at__isnull=False
        )
        .order_by("opened_at")
        .values_list("fiscal_day", "opened_at", "closed_at")
    )
    delivered: dict[tuple[datetime.date, int], Decimal] = defaultdict(Decimal)
    if not days:
        return delivered
    until = Q() if days[-1][2] is None else Q(at__lt=days[-1][2])
    rows = (
        Delivery.objects.filter(until, site=site, at__gte=days[0][1])
        .values_list("at", "tank")
        .annotate(litres=Sum("volume"))
        .order_by("at")
    )
    for at, tank, litres in rows:
        day = max((opened, fiscal_day) for fiscal_day, opened, _ in days if opened <= at)[1]
        delivered[day, tank] += litres
    return delivered


# --- what differs ---------------------------------------------------------------------------------


def _of_entries(summary: DaySummary) -> Iterable[Difference]:
    day = summary.day
    if day.missing_count > 0:
        stated = f"{day.missing_count} of {day.expected_count}"
        yield Difference(subject=Subject.MISSING, stated=stated)
    if not summary.is_declared:
        # Who closed the day by hand has said why the site did not.
        if summary.products and not day.is_closed_by_hand:
            yield Difference(subject=Subject.DECLARATION, stated="nothing declared")
        return
    for row in summary.products:
        difference = row.difference
        if difference is not None and not row.agrees:
            yield Difference(
                subject=Subject.PRODUCT,
                key=row.product,
                stated=f"{difference.count}; {difference.volume} L; {difference.amount}",
            )


def _of_tanks(tanks: Iterable[TankDay]) -> Iterable[Difference]:
    for one in tanks:
        if not one.day_agrees:
            yield Difference(subject=Subject.TANK, key=one.key, stated=f"{one.day.litres} L")
        if not one.month_agrees:
            yield Difference(
                subject=Subject.TANK_MONTH, key=one.key, stated=f"{one.month.litres} L"
            )
