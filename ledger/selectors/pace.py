"""How a site sells by the hour: today beside what is usual, and how long its stock lasts.

What is usual is the average of the last fiscal days of the same weekday that the site has closed,
once there are some; a day that is still open, or that was only half heard, would pull it down.
Sales count as they were corrected, on the day and in the hour in which they happened. A fiscal day
runs from when it was opened, perhaps in the evening before the day that it is named after.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Sum
from django.db.models.functions import ExtractIsoWeekDay
from django.utils import timezone

from ledger.models import DayTotal, FiscalDay, HourTotal, Site
from ledger.models.entry import TURNOVER_KINDS
from ledger.selectors.forecourt import TankView
from ledger.selectors.measures import Measure
from ledger.selectors.postings import moved_sales
from ledger.selectors.sites import HOURS_A_DAY

#: What is usual on a weekday is the average of this many of them.
USUAL_WEEKS = 8
#: Of fewer days nothing is said to be usual: one odd day would be most of it.
USUAL_DAYS_MIN = 4
#: No end of stock is foretold beyond this: a weekday's name then means one day only.
FORECAST_MAX = datetime.timedelta(days=6)
#: How much today weighs against what is usual: as much as what was sold, against this share of a
#: usual day. So the first sale of a day says little, and by noon the day speaks for itself.
USUAL_WEIGHT = Decimal("0.25")
#: However odd the day, nobody sells more or less than these times the usual for long.
PACE_MIN, PACE_MAX = Decimal("0.2"), Decimal(5)
#: Without any usual day, today alone is believed after this long.
TODAY_ALONE_HOURS = Decimal(1)
#: Stock that lasts for less than this wants a delivery now.
SHORT_STOCK = datetime.timedelta(hours=24)
DAYS_A_WEEK = 7

_NO_TIME = datetime.timedelta()
_DAY = datetime.timedelta(days=1)
_HOUR = datetime.timedelta(hours=1)
_SECOND = datetime.timedelta(seconds=1)
_NOTHING = Measure()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualHours:
    """What the site usually sells: `averages` by (ISO weekday, hour of the site's clock).

    `day_counts` says of how many days each weekday's average is, USUAL_DAYS_MIN at least; a weekday
    that it does not name has the average of all `day_count` days. `shares` is which part of the
    litres each product has.
    """

    day_count: int = 0
    day_counts: dict[int, int] = field(default_factory=dict)
    averages: dict[tuple[int, int], Measure] = field(default_factory=dict)
    shares: dict[str, Decimal] = field(default_factory=dict)

    def at(self, weekday: int, hour: int) -> Measure:
        """Return the average hour, zeros where nothing is known."""
        return self.averages.get((weekday, hour), _NOTHING)


def usual_hours(site: Site, *, before: datetime.date) -> UsualHours:
    """Return what is usual at a site before a fiscal day. Four queries."""
    if before <= site.first_fiscal_day:
        return UsualHours()
    weeks = min(before - site.first_fiscal_day, datetime.timedelta(weeks=USUAL_WEEKS))
    days = list(
        FiscalDay.objects.filter(
            site=site, fiscal_day__gte=before - weeks, fiscal_day__lt=before,
            closed_at__isnull=False,
        ).values_list("fiscal_day", flat=True)
    )  # fmt: skip
    if len(days) < USUAL_DAYS_MIN:
        return UsualHours()
    day_counts: dict[int, int] = {}
    for day in days:
        day_counts[day.isoweekday()] = day_counts.get(day.isoweekday(), 0) + 1
    of_days: dict[str, Any] = {"site": site, "fiscal_day__in": days}
    rows = (
        HourTotal.objects.filter(**of_days)
        .annotate(weekday=ExtractIsoWeekDay("fiscal_day"))
        .values_list("weekday", "hour")
        .annotate(Sum("count"), Sum("volume"), Sum("amount"))
        .order_by()
    )
    sums = {
        (weekday, hour % HOURS_A_DAY): Measure(count=count, volume=volume, amount=amount)
        for weekday, hour, count, volume, amount in rows
    }
    volumes = dict(
        DayTotal.objects.filter(**of_days, kind__in=TURNOVER_KINDS)
        .values_list("product")
        .annotate(Sum("volume"))
        .order_by()
    )
    for (day, hour, product), moved in moved_sales(site_id=site.pk, fiscal_days=days).items():
        key = (day.isoweekday(), hour % HOURS_A_DAY)
        sums[key] = sums.get(key, _NOTHING) + moved
        volumes[product] = volumes.get(product, Decimal(0)) + moved.volume
    whole = sum(volumes.values(), Decimal(0))
    return UsualHours(
        day_count=len(days),
        day_counts={
            weekday: count for weekday, count in day_counts.items() if count >= USUAL_DAYS_MIN
        },
        averages=_averages(day_counts, sums),
        shares={product: volume / whole for product, volume in volumes.items() if volume > 0},
    )


def _averages(
    day_counts: dict[int, int], sums: dict[tuple[int, int], Measure]
) -> dict[tuple[int, int], Measure]:
    averages = {}
    for hour in range(HOURS_A_DAY):
        whole = sum((sums.get((weekday, hour), _NOTHING) for weekday in day_counts), _NOTHING)
        of_all_days = _part(whole, Decimal(1) / sum(day_counts.values()))
        for weekday in range(1, DAYS_A_WEEK + 1):
            count = day_counts.get(weekday, 0)
            averages[weekday, hour] = (
                _part(sums.get((weekday, hour), _NOTHING), Decimal(1) / count)
                if count >= USUAL_DAYS_MIN
                else of_all_days
            )
    return averages


def _part(measure: Measure, part: Decimal) -> Measure:
    return Measure(
        count=round(measure.count * part),
        volume=measure.volume * part,
        amount=measure.amount * part,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HourPair:
    """An hour of the day as it was and as it usually is. `is_now`: it is not over yet."""

    hour: int
    today: Measure = _NOTHING
    usual: Measure = _NOTHING
    is_now: bool = False
    is_ahead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DayByHour:
    """A fiscal day hour by hour, in the order in which it runs, beside the usual one.

    `today` and `usual` add up what lies behind, the hour that runs in part. `usual_days` says of
    how many days of the same weekday the usual one is the average; with none it is that of
    `other_days`, and nothing if there are none either.
    """

    day: FiscalDay | None = None
    hours: list[HourPair] = field(default_factory=list)
    today: Measure = _NOTHING
    usual: Measure = _NOTHING
    usual_days: int = 0
    other_days: int = 0

    @property
    def is_comparable(self) -> bool:
        """Whether there is anything usual to compare with."""
        return bool(self.usual_days or self.other_days)

    @property
    def difference_percent(self) -> Decimal | None:
        """How many per cent more litres than usual by now, None without anything usual."""
        if self.usual.volume <= 0:
            return None
        return 100 * (self.today.volume - self.usual.volume) / self.usual.volume


def day_by_hour(
    site: Site,
    day: FiscalDay | None,
    *,
    usual: UsualHours | None = None,
    now: datetime.datetime | None = None,
) -> DayByHour:
    """Return the day by hour; 24 empty hours without one. Two queries beside those of the usual."""
    if day is None:
        return DayByHour(hours=[HourPair(hour=hour) for hour in range(HOURS_A_DAY)])
    now = now or timezone.now()
    usual = usual or usual_hours(site, before=day.fiscal_day)
    weekday = day.fiscal_day.isoweekday()
    held = {
        row.hour % HOURS_A_DAY: Measure(count=row.count, volume=row.volume, amount=row.amount)
        for row in HourTotal.objects.filter(site=site, fiscal_day=day.fiscal_day)
    }
    moves = moved_sales(site_id=site.pk, fiscal_days=[day.fiscal_day])
    for (_day, hour, _product), moved in moves.items():
        held[hour % HOURS_A_DAY] = held.get(hour % HOURS_A_DAY, _NOTHING) + moved
    first = cut_over_hour(site, day)
    passed = _passed_hours(site, day, now)
    hours = []
    for index in range(HOURS_A_DAY):
        hour = (first + index) % HOURS_A_DAY
        hours.append(
            HourPair(
                hour=hour,
                today=held.get(hour, _NOTHING),
                usual=usual.at(weekday, hour),
                is_now=index <= passed < index + 1,
                is_ahead=index > passed,
            )
        )
    same_days = usual.day_counts.get(weekday, 0)
    return DayByHour(
        day=day,
        hours=hours,
        today=sum(held.values(), _NOTHING),
        usual=_until(hours, passed),
        usual_days=same_days,
        other_days=0 if same_days else usual.day_count,
    )


def cut_over(site: Site, day: FiscalDay) -> datetime.timedelta:
    """Return with which hour a fiscal day begins, counted from the midnight of its name.

    Negative where it begins in the evening before; 0 where that is unknown, or what is said is
    further away than a day.
    """
    if day.opened_at is None:
        return _NO_TIME
    local = day.opened_at.astimezone(site.zone).replace(minute=0, second=0, microsecond=0)
    begins = local.replace(tzinfo=None) - datetime.datetime.combine(day.fiscal_day, datetime.time())
    return begins if -_DAY < begins < _DAY else _NO_TIME


def cut_over_hour(site: Site, day: FiscalDay) -> int:
    """Return the hour of the site's clock with which its fiscal day begins; 0 if unknown."""
    return cut_over(site, day) // _HOUR % HOURS_A_DAY


def _passed_hours(site: Site, day: FiscalDay, now: datetime.datetime) -> Decimal:
    """Return how much of the day lies behind, in hours of the site's clock."""
    if day.closed_at is not None:
        return Decimal(HOURS_A_DAY)
    local = now.astimezone(site.zone).replace(tzinfo=None)
    midnight = datetime.datetime.combine(day.fiscal_day, datetime.time())
    passed = local - midnight - cut_over(site, day)
    hours = Decimal(passed // _SECOND) / 3_600
    return min(max(hours, Decimal(0)), Decimal(HOURS_A_DAY))


def _until(hours: Sequence[HourPair], passed: Decimal) -> Measure:
    """Add up the usual hours that lie behind, the last of them in part."""
    behind = _NOTHING
    for index, pair in enumerate(hours):
        behind += _part(pair.usual, min(max(passed - index, Decimal(0)), Decimal(1)))
    return behind


@dataclass(frozen=True, slots=True, kw_only=True)
class StockForecast:
    """How long the stock of one product lasts, at today's pace where today is known.

    `tanks` share it: tanks of one product are taken together, for they are usually manifolded and
    the pumps draw from all. `lasts_until` is None when the stock lasts beyond FORECAST_MAX;
    `low_at` when the low marks are unknown, not reached before that, or reached already.
    """

    tanks: tuple[int, ...]
    at: datetime.datetime
    lasts_until: datetime.datetime | None
    low_at: datetime.datetime | None

    @property
    def is_shared(self) -> bool:
        """Whether several tanks hold the product."""
        return len(self.tanks) > 1

    @property
    def is_short(self) -> bool:
        """Whether a delivery is wanted now."""
        return self.lasts_until is not None and self.lasts_until - self.at < SHORT_STOCK

    @property
    def hours_left(self) -> int | None:
        """Whole hours that the stock lasts, None beyond FORECAST_MAX."""
        return None if self.lasts_until is None else (self.lasts_until - self.at) // _HOUR


def stock_forecasts(
    site: Site,
    tanks: Iterable[TankView],
    *,
    day: FiscalDay | None,
    usual: UsualHours | None = None,
    now: datetime.datetime | None = None,
) -> dict[int, StockForecast]:
    """Return the forecast of each tank by number; none where its level or the pace is unknown.

    Two queries beside those of the usual.
    """
    if day is None:
        return {}
    pace = _Pace(
        site, day, usual or usual_hours(site, before=day.fiscal_day), now or timezone.now()
    )
    groups: dict[str, list[TankView]] = {}
    for tank in tanks:
        if tank.volume is not None and tank.product:
            groups.setdefault(tank.product, []).append(tank)
    forecasts = (_forecast(pace, product, group) for product, group in groups.items())
    return {
        number: forecast
        for forecast in forecasts
        if forecast is not None
        for number in forecast.tanks
    }


class _Pace:
    """Litres an hour of each product at any time ahead: the usual, at the pace of today."""

    def __init__(
        self, site: Site, day: FiscalDay, usual: UsualHours, now: datetime.datetime
    ) -> None:
        self.now = now
        self._zone = site.zone
        self._cut_over = cut_over(site, day)
        self._usual = usual
        self._weekday = day.fiscal_day.isoweekday()
        self._passed = _passed_hours(site, day, now)
        sold = (
            DayTotal.objects.filter(site=site, fiscal_day=day.fiscal_day, kind__in=TURNOVER_KINDS)
            .values_list("product")
            .annotate(Sum("volume"))
            .order_by()
        )
        self._sold: dict[str, Decimal] = dict(sold)
        moves = moved_sales(site_id=site.pk, fiscal_days=[day.fiscal_day])
        for (_day, _hour, product), moved in moves.items():
            self._sold[product] = self._sold.get(product, Decimal(0)) + moved.volume
        first = cut_over_hour(site, day)
        order = [(first + index) % HOURS_A_DAY for index in range(HOURS_A_DAY)]
        pairs = [HourPair(hour=hour, usual=usual.at(self._weekday, hour)) for hour in order]
        self._usual_day = sum((pair.usual.volume for pair in pairs), Decimal(0))
        self._usual_by_now = _until(pairs, self._passed).volume

    def rate(self, product: str) -> Callable[[datetime.datetime], Decimal] | None:
        """Return the litres an hour at a time, None where nothing can be said."""
        sold = self._sold.get(product, Decimal(0))
        share = self._usual.shares.get(product, Decimal(0))
        if share <= 0:
            if sold <= 0 or self._passed < TODAY_ALONE_HOURS:
                return None
            flat = sold / self._passed
            return lambda _at: flat
        weight = USUAL_WEIGHT * self._usual_day * share
        expected = self._usual_by_now * share + weight
        factor = (sold + weight) / expected if expected > 0 else Decimal(1)
        factor = share * min(max(factor, PACE_MIN), PACE_MAX)

        def at(moment: datetime.datetime) -> Decimal:
            local = moment.astimezone(self._zone)
            weekday = (local - self._cut_over).isoweekday()
            return self._usual.at(weekday, local.hour).volume * factor

        return at

    def exhausted_at(self, litres: Decimal, product: str) -> datetime.datetime | None:
        """Return when so many litres are sold, None if not before FORECAST_MAX."""
        rate = self.rate(product)
        if rate is None:
            return None
        moment = self.now
        while moment < self.now + FORECAST_MAX:
            hour_end = moment.replace(minute=0, second=0, microsecond=0) + _HOUR
            part = Decimal((hour_end - moment) // _SECOND) / 3_600
            sold = rate(moment) * part
            if sold >= litres and sold > 0:
                return moment + float(litres / sold) * (hour_end - moment)
            litres -= sold
            moment = hour_end
        return None


def _forecast(pace: _Pace, product: str, tanks: Sequence[TankView]) -> StockForecast | None:
    if pace.rate(product) is None:
        return None
    held = sum((tank.volume or Decimal(0) for tank in tanks), Decimal(0))
    above_low = held - sum((tank.low_mark or Decimal(0) for tank in tanks), Decimal(0))
    has_marks = all(tank.low_mark is not None for tank in tanks)
    return StockForecast(
        tanks=tuple(tank.number for tank in tanks),
        at=pace.now,
        lasts_until=pace.exhausted_at(held, product),
        low_at=pace.exhausted_at(above_low, product) if has_marks and above_low > 0 else None,
    )
