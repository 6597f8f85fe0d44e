"""Wet stock and totalizers: what the tanks and the meters say beside what was sold."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from ledger import canonical
from ledger.differences import less_ledger
from ledger.models import DaySeal, Dip, FiscalDay, Kind, Nozzle, Site, Tank, Totalizer
from ledger.selectors.deliveries import deliveries_in_days
from ledger.sql import statement
from ledger.wet_stock import (
    Allowance,
    MeteredBy,
    TankMovement,
    Variance,
    cumulative,
    meter_litres,
)

#: The kinds of entries for which fuel ran through a meter.
METERED_KINDS = (Kind.SALE, Kind.TEST, Kind.DRIVE_OFF)
#: Meters count in hundredths of a litre.
METER_TOLERANCE_LITRES = Decimal("0.010")

_DISPENSED_SQL = statement("dispensed")
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispensed:
    """What entries of a day say of one nozzle and kind; a device may be unknown.

    A correction counts on the day that it is `posted_to`, but its fuel flowed on that of the entry.
    """

    fiscal_day: datetime.date
    posted_to: datetime.date
    fuelling_point: int | None
    nozzle: int | None
    tank: int | None
    product: str
    kind: int
    volume: Decimal
    amount: Decimal
    count: int

    @property
    def is_metered(self) -> bool:
        """Whether fuel ran through a meter: a refund gives money back and no fuel."""
        return self.kind in METERED_KINDS

    def flowed_on(self, fiscal_day: datetime.date) -> bool:
        """Say whether it ran through a meter on a day, as the day itself has it.

        What was corrected once the day was sealed is none of its business.
        """
        return self.is_metered and self.fiscal_day == self.posted_to == fiscal_day


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
        """Metered litres less recorded ones: above zero where fuel ran that nobody recorded."""
        return less_ledger(self.metered, self.recorded)

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
        return self.monthly_rule.of(self.month.throughput or _NOTHING)

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
    `trusts_meters` is false for days that were sealed when litres were counted by entries alone.
    """

    daily: Allowance
    monthly: Allowance
    draws: dict[tuple[int, int], int] = field(default_factory=dict)
    holds: dict[int, str] = field(default_factory=dict)
    trusts_meters: bool = True


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
    readings = readings_in_days(day.site_id, first=start, last=day.fiscal_day)
    movements = tank_movements(
        day.site,
        first=start,
        last=day.fiscal_day,
        metered=metered,
        readings=readings,
        setup=setup,
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
    return WetStock(tanks=tanks, nozzles=meter_lines(day, metered, readings), month_start=start)


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
    trusts_meters = False
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
        elif what == "metering":
            trusts_meters = True
        elif what == "nozzle":
            point, nozzle, tank = values
            draws[point, nozzle] = tank
        else:
            tank, product = values
            holds[tank] = product
    daily, monthly = allowances
    return StockSetup(
        daily=daily, monthly=monthly, draws=draws, holds=holds, trusts_meters=trusts_meters
    )


def dispensed_in_days(
    site_id: int, *, first: datetime.date, last: datetime.date, kinds: Iterable[Kind] = Kind
) -> list[Dispensed]:
    """Return what entries say of nozzles from one fiscal day to another. One query.

    With what corrections move in these days or of their entries, so that there is more than counts.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _DISPENSED_SQL,
            {
                "site_id": site_id,
                "first": first,
                "last": last,
                "kinds": [int(kind) for kind in kinds],
            },
        )
        return [
            Dispensed(
                fiscal_day=row[0],
                posted_to=row[1],
                fuelling_point=row[2],
                nozzle=row[3],
                tank=row[4],
                product=row[5],
                kind=row[6],
                volume=row[7],
                amount=row[8],
                count=row[9],
            )
            for row in cursor.fetchall()
        ]


def metered_in_days(
    site_id: int,
    *,
    first: datetime.date,
    last: datetime.date,
    days: Collection[datetime.date] | None = None,
) -> list[Dispensed]:
    """Return what went through meters by entries, from one fiscal day to another. One query.

    Each on the day when it flowed, corrected as far as was posted up to the last day. `days`
    narrows it down to what was counted in some of these days and posted to some of them.
    """
    return [
        row
        for row in dispensed_in_days(site_id, first=first, last=last, kinds=METERED_KINDS)
        if first <= row.fiscal_day <= last
        and row.posted_to <= last
        and (days is None or (row.fiscal_day in days and row.posted_to in days))
    ]


def readings_in_days(site_id: int, *, first: datetime.date, last: datetime.date) -> list[Totalizer]:
    """Return what the nozzles' meters read as days opened and closed. One query."""
    found = Totalizer.objects.filter(site=site_id, fiscal_day__range=(first, last))
    return list(found.order_by("pk"))


def tank_movements(
    site: Site,
    *,
    first: datetime.date,
    last: datetime.date,
    metered: Iterable[Dispensed],
    readings: Iterable[Totalizer],
    setup: StockSetup,
) -> dict[tuple[int, str], dict[datetime.date, TankMovement]]:
    """Return each tank's movements by day, for the days in which it was dipped. Two queries.

    The key is the tank and its product. An entry that does not name its tank counts for the one
    that its nozzle draws from, else for the site's only tank of its product. Where a nozzle's
    meter was read twice, it says what went through it, and the entries only from which tank.
    """
    dips = list(
        Dip.objects.filter(site=site, fiscal_day__range=(first, last)).order_by(
            "tank", "fiscal_day"
        )
    )
    if not dips:
        return {}
    delivered = _delivered(site, first, last)
    counted = _by_tank(setup, metered, readings if setup.trusts_meters else [])
    movements: dict[tuple[int, str], dict[datetime.date, TankMovement]] = defaultdict(dict)
    for dip in dips:
        key = (dip.tank, dip.fiscal_day)
        movements[dip.tank, dip.product][dip.fiscal_day] = TankMovement(
            opening=dip.opening_volume,
            delivered=delivered.get(key, _NOTHING),
            metered=counted.gave.get(key, _NOTHING),
            tests=counted.tests.get(key, _NOTHING),
            closing=dip.closing_volume,
            metered_by=counted.metered_by(key),
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


@dataclass(slots=True)
class _Counted:
    """What each tank gave in each day, the part of it that was tests, and what counted it."""

    gave: _ByTank = field(default_factory=lambda: defaultdict(Decimal))
    tests: _ByTank = field(default_factory=lambda: defaultdict(Decimal))
    sources: dict[tuple[int, datetime.date], set[MeteredBy]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def add(self, tank: int, day: datetime.date, volume: Decimal, source: MeteredBy) -> None:
        self.gave[tank, day] += volume
        self.sources[tank, day].add(source)

    def metered_by(self, key: tuple[int, datetime.date]) -> MeteredBy:
        found = self.sources.get(key, set())
        if len(found) > 1:
            return MeteredBy.BOTH
        return next(iter(found), MeteredBy.ENTRIES)


def _by_tank(
    setup: StockSetup, metered: Iterable[Dispensed], readings: Iterable[Totalizer]
) -> _Counted:
    """Return what each tank gave: by the meters that were read, by entries for other nozzles."""
    counted = _Counted()
    at_nozzles: dict[_Nozzle, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    recorded: dict[_Nozzle, Decimal] = defaultdict(Decimal)
    loose: _ByTank = defaultdict(Decimal)
    tank_of = _TankOf(setup)
    for row in metered:
        tank = tank_of(row)
        if tank is not None and row.kind == Kind.TEST:
            counted.tests[tank, row.fiscal_day] += row.volume
        if row.fuelling_point is not None and row.nozzle is not None:
            nozzle = (row.fiscal_day, row.fuelling_point, row.nozzle)
            recorded[nozzle] += row.volume
            if tank is not None:
                at_nozzles[nozzle][tank] += row.volume
        elif tank is not None:
            loose[tank, row.fiscal_day] += row.volume
    read = _add_meters(counted, tank_of, at_nozzles, recorded, readings)
    for nozzle, tanks in at_nozzles.items():
        source = MeteredBy.METERS if nozzle in read else MeteredBy.ENTRIES
        for tank, volume in tanks.items():
            counted.add(tank, nozzle[0], volume, source)
    for (tank, day), volume in loose.items():
        # An entry that names no nozzle went through one: the meters of all have it already.
        draws = [nozzle for nozzle, drawn in setup.draws.items() if drawn == tank]
        has_all = counted.sources.get((tank, day)) == {MeteredBy.METERS}
        if not (has_all and all((day, *nozzle) in read for nozzle in draws)):
            counted.add(tank, day, volume, MeteredBy.ENTRIES)
    return counted


#: A fiscal day, a fuelling point and a nozzle.
_Nozzle = tuple[datetime.date, int, int]


class _TankOf:
    """Finds the tank that fuel came from, None where nobody can tell."""

    def __init__(self, setup: StockSetup) -> None:
        self._draws = setup.draws
        self._holding: dict[str, list[int]] = defaultdict(list)
        for tank, product in setup.holds.items():
            self._holding[product].append(tank)

    def __call__(self, row: Dispensed) -> int | None:
        if row.tank is not None:
            return row.tank
        return self.nozzle(row.fuelling_point, row.nozzle, row.product)

    def nozzle(self, point: int | None, nozzle: int | None, product: str) -> int | None:
        if point is not None and nozzle is not None and (point, nozzle) in self._draws:
            return self._draws[point, nozzle]
        holding = self._holding.get(product, [])
        return holding[0] if len(holding) == 1 else None


def _add_meters(
    counted: _Counted,
    tank_of: _TankOf,
    at_nozzles: dict[_Nozzle, dict[int, Decimal]],
    recorded: dict[_Nozzle, Decimal],
    readings: Iterable[Totalizer],
) -> set[_Nozzle]:
    """Add what meters counted beyond the entries of their nozzles; return which nozzles have one.

    Entries that name one tank say where it came from, before the setup does. Where nobody can tell,
    the entries have to do.
    """
    read = set()
    for reading in readings:
        litres = meter_litres(reading.opening, reading.closing)
        nozzle = (reading.fiscal_day, reading.fuelling_point, reading.nozzle)
        tanks = list(at_nozzles.get(nozzle, ()))
        tank = (
            tanks[0]
            if len(tanks) == 1
            else tank_of.nozzle(reading.fuelling_point, reading.nozzle, reading.product)
        )
        if litres is None or tank is None:
            continue
        read.add(nozzle)
        beyond = litres - recorded.get(nozzle, _NOTHING)
        counted.add(tank, reading.fiscal_day, beyond, MeteredBy.METERS)
    return read


def meter_lines(
    day: FiscalDay, dispensed: Iterable[Dispensed], readings: Iterable[Totalizer]
) -> list[MeterLine]:
    """Return each nozzle whose meter was read on a day beside what its entries add up to."""
    recorded: dict[tuple[int | None, int | None], Decimal] = defaultdict(Decimal)
    tests: dict[tuple[int | None, int | None], Decimal] = defaultdict(Decimal)
    for row in dispensed:
        if not row.flowed_on(day.fiscal_day):
            continue
        recorded[row.fuelling_point, row.nozzle] += row.volume
        if row.kind == Kind.TEST:
            tests[row.fuelling_point, row.nozzle] += row.volume
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
        for reading in readings
        if reading.fiscal_day == day.fiscal_day
    ]
