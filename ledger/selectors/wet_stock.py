"""Wet stock and totalizers: what the tanks and the meters say beside what was sold."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from ledger import canonical
from ledger.models import DaySeal, Dip, FiscalDay, Kind, Nozzle, Site, Tank, Totalizer
from ledger.selectors.deliveries import deliveries_in_days
from ledger.sql import statement
from ledger.wet_stock import Allowance, TankMovement, Variance, cumulative

#: The kinds of entries for which fuel ran through a meter.
METERED_KINDS = (Kind.SALE, Kind.TEST, Kind.DRIVE_OFF)
#: Meters count in hundredths of a litre.
METER_TOLERANCE_LITRES = Decimal("0.010")

_METERED_SQL = statement("metered_days")
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """Litres and entries of one kind that one nozzle gave in one day; a device may be unknown."""

    fiscal_day: datetime.date
    fuelling_point: int | None
    nozzle: int | None
    tank: int | None
    product: str
    kind: int
    volume: Decimal
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterLine:
    """A nozzle's totalizer over a day beside what was recorded for it, in litres."""

    fuelling_point: int
    nozzle: int
    product: str
    opening: Decimal | None
    closing: Decimal | None
    recorded: Decimal = Decimal(0)
    tests: Decimal = Decimal(0)

    @property
    def metered(self) -> Decimal | None:
        """What the meter counted, None where it was not read twice."""
        if self.opening is None or self.closing is None:
            return None
        return self.closing - self.opening

    @property
    def difference(self) -> Decimal | None:
        """Recorded litres less metered ones: negative where fuel ran that nobody recorded."""
        return None if self.metered is None else self.recorded - self.metered

    @property
    def agrees(self) -> bool:
        """Whether meter and record agree as far as a meter can tell."""
        return self.difference is None or abs(self.difference) <= METER_TOLERANCE_LITRES


@dataclass(frozen=True, slots=True, kw_only=True)
class TankLine:
    """A tank over a day, and over the month so far, against the site's two rules."""

    tank: int
    product: str
    movement: TankMovement
    month: Variance
    daily_rule: Allowance
    monthly_rule: Allowance

    @property
    def day(self) -> Variance | None:
        """The day's variance, None where a dip is missing."""
        if self.movement.variance is None:
            return None
        return Variance(litres=self.movement.variance, throughput=self.movement.throughput, days=1)

    @property
    def daily_allowance(self) -> Decimal:
        """How many litres the day may vary."""
        return self.daily_rule.of(self.movement.throughput)

    @property
    def monthly_allowance(self) -> Decimal:
        """How many litres the month so far may vary."""
        return self.monthly_rule.of(self.month.throughput)

    @property
    def exceeds_day(self) -> bool:
        """Whether the day varies by more than its rule allows."""
        return self.day is not None and self.day.exceeds(self.daily_rule)

    @property
    def exceeds_month(self) -> bool:
        """Whether the month so far varies by more than its rule allows."""
        return self.month.exceeds(self.monthly_rule)

    @property
    def is_to_watch(self) -> bool:
        """Whether the month so far is beyond what the rule for one day would allow it."""
        return self.month.exceeds(self.daily_rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockSetup:
    """What wet stock is judged by: the rules, and where fuel comes from.

    `draws` has the tank of each fuelling point and nozzle, `holds` the product of each tank.
    """

    daily: Allowance
    monthly: Allowance
    draws: dict[tuple[int, int], int] = field(default_factory=dict)
    holds: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WetStock:
    """The tanks and nozzles of a fiscal day. `earlier` counts the month's days before it."""

    tanks: list[TankLine] = field(default_factory=list)
    nozzles: list[MeterLine] = field(default_factory=list)
    month_start: datetime.date


def wet_stock_of_day(day: FiscalDay) -> WetStock:
    """Return tanks and nozzles of a day, the tanks with the month so far. Six queries.

    The month is that of the fiscal day; its entries are read once. A sealed day is judged by the
    setup that it was sealed with, and by the days of its month that were sealed by then.
    """
    start = day.fiscal_day.replace(day=1)
    setup = setup_of_day(day)
    days = _days_sealed_before(day, start)
    metered = metered_in_days(day.site_id, first=start, last=day.fiscal_day, days=days)
    movements = tank_movements(
        day.site, first=start, last=day.fiscal_day, metered=metered, setup=setup
    )
    tanks = [
        TankLine(
            tank=tank,
            product=product,
            movement=by_day[day.fiscal_day],
            month=cumulative(
                movement for date, movement in by_day.items() if days is None or date in days
            ),
            daily_rule=setup.daily,
            monthly_rule=setup.monthly,
        )
        for (tank, product), by_day in movements.items()
        if day.fiscal_day in by_day
    ]
    return WetStock(tanks=tanks, nozzles=_meter_lines(day, metered), month_start=start)


def _days_sealed_before(day: FiscalDay, start: datetime.date) -> list[datetime.date] | None:
    """Return which days from `start` on a sealed day was sealed after, itself included.

    None for an unsealed one, which looks at all days. The ledger may hear of a day once later ones
    are sealed.
    """
    if day.z_number is None:
        return None
    days = FiscalDay.objects.filter(site=day.site_id, fiscal_day__range=(start, day.fiscal_day))
    return list(days.filter(z_number__lte=day.z_number).values_list("fiscal_day", flat=True))


def site_setup(site: Site) -> StockSetup:
    """Return how a site is set up now. Two queries."""
    nozzles = Nozzle.objects.filter(site=site)
    return StockSetup(
        daily=Allowance(permille=site.wet_stock_daily_permille, litres=site.wet_stock_daily_litres),
        monthly=Allowance(
            permille=site.wet_stock_monthly_permille, litres=site.wet_stock_monthly_litres
        ),
        draws={
            (one.fuelling_point, one.number): one.tank for one in nozzles if one.tank is not None
        },
        holds=dict(Tank.objects.filter(site=site).values_list("number", "product")),
    )


def setup_of_day(day: FiscalDay) -> StockSetup:
    """Return what a day is judged by: a sealed one by what its document states. Two queries.

    A document of version 1 states none, so that the site's present one has to do.
    """
    if day.sealed_at is not None:
        seal = DaySeal.objects.filter(pk=day.pk).only("document").first()
        if seal is not None and (lines := canonical.setup_of(seal.document)):
            return _sealed_setup(lines)
    return site_setup(day.site)


def _sealed_setup(lines: str) -> StockSetup:
    allowances: list[Allowance] = []
    draws: dict[tuple[int, int], int] = {}
    holds: dict[int, str] = {}
    for line in lines.split("\n")[:-1]:
        what, *values = json.loads(line)
        if what == "allowance":
            day_permille, day_litres, month_permille, month_litres = map(Decimal, values)
            allowances = [
                Allowance(permille=day_permille, litres=day_litres),
                Allowance(permille=month_permille, litres=month_litres),
            ]
        elif what == "nozzle":
            point, nozzle, tank = values
            draws[point, nozzle] = tank
        else:
            tank, product = values
            holds[tank] = product
    daily, monthly = allowances
    return StockSetup(daily=daily, monthly=monthly, draws=draws, holds=holds)


def metered_in_days(
    site_id: int,
    *,
    first: datetime.date,
    last: datetime.date,
    days: list[datetime.date] | None = None,
) -> list[Metered]:
    """Return what the meters of a site counted from one fiscal day to another. One query.

    `days` narrows it down to what was counted in some of these days and posted to some of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _METERED_SQL,
            {
                "site_id": site_id,
                "first": first,
                "last": last,
                "days": days,
                "metered_kinds": [int(kind) for kind in METERED_KINDS],
            },
        )
        return [
            Metered(
                fiscal_day=row[0],
                fuelling_point=row[1],
                nozzle=row[2],
                tank=row[3],
                product=row[4],
                kind=row[5],
                volume=row[6],
                count=row[7],
            )
            for row in cursor.fetchall()
        ]


def tank_movements(
    site: Site,
    *,
    first: datetime.date,
    last: datetime.date,
    metered: Iterable[Metered],
    setup: StockSetup,
) -> dict[tuple[int, str], dict[datetime.date, TankMovement]]:
    """Return each tank's movements by day, for the days in which it was dipped. Two queries.

    The key is the tank and its product. An entry that does not name its tank counts for the one
    that its nozzle draws from, else for the site's only tank of its product.
    """
    dips = list(
        Dip.objects.filter(site=site, fiscal_day__range=(first, last)).order_by(
            "tank", "fiscal_day"
        )
    )
    if not dips:
        return {}
    delivered = _delivered(site, first, last)
    gave, tests = _by_tank(setup, metered)
    movements: dict[tuple[int, str], dict[datetime.date, TankMovement]] = defaultdict(dict)
    for dip in dips:
        key = (dip.tank, dip.fiscal_day)
        movements[dip.tank, dip.product][dip.fiscal_day] = TankMovement(
            opening=dip.opening_volume,
            delivered=delivered.get(key, _NOTHING),
            metered=gave.get(key, _NOTHING),
            tests=tests.get(key, _NOTHING),
            closing=dip.closing_volume,
        )
    return movements


_ByTank = dict[tuple[int, datetime.date], Decimal]


def _delivered(site: Site, first: datetime.date, last: datetime.date) -> _ByTank:
    """Return litres by tank and fiscal day."""
    delivered: _ByTank = defaultdict(Decimal)
    for delivery in deliveries_in_days(site.pk, first=first, last=last):
        assert delivery.fiscal_day is not None
        delivered[delivery.tank, delivery.fiscal_day] += delivery.volume
    return delivered


def _by_tank(setup: StockSetup, metered: Iterable[Metered]) -> tuple[_ByTank, _ByTank]:
    """Return what each tank gave in each day, and the part of it that was tests."""
    holding: dict[str, list[int]] = defaultdict(list)
    for tank, product in setup.holds.items():
        holding[product].append(tank)
    gave: _ByTank = defaultdict(Decimal)
    tests: _ByTank = defaultdict(Decimal)
    for row in metered:
        number = row.tank
        if number is None and row.fuelling_point is not None and row.nozzle is not None:
            number = setup.draws.get((row.fuelling_point, row.nozzle))
        if number is None and len(holding[row.product]) == 1:
            number = holding[row.product][0]
        if number is None:
            continue
        gave[number, row.fiscal_day] += row.volume
        if row.kind == Kind.TEST:
            tests[number, row.fiscal_day] += row.volume
    return gave, tests


def _meter_lines(day: FiscalDay, metered: Sequence[Metered]) -> list[MeterLine]:
    recorded: dict[tuple[int | None, int | None], Decimal] = defaultdict(Decimal)
    tests: dict[tuple[int | None, int | None], Decimal] = defaultdict(Decimal)
    for row in metered:
        if row.fiscal_day != day.fiscal_day:
            continue
        recorded[row.fuelling_point, row.nozzle] += row.volume
        if row.kind == Kind.TEST:
            tests[row.fuelling_point, row.nozzle] += row.volume
    totalizers = Totalizer.objects.filter(site=day.site_id, fiscal_day=day.fiscal_day)
    return [
        MeterLine(
            fuelling_point=reading.fuelling_point,
            nozzle=reading.nozzle,
            product=reading.product,
            opening=reading.opening,
            closing=reading.closing,
            recorded=recorded.get((reading.fuelling_point, reading.nozzle), _NOTHING),
            tests=tests.get((reading.fuelling_point, reading.nozzle), _NOTHING),
        )
        for reading in totalizers.order_by("pk")
    ]
