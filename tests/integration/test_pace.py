"""How a site sells by the hour beside what is usual, and how long its stock lasts."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from ledger.models import DayTotal, FiscalDay, HourTotal, Kind, Site
from ledger.selectors.days import Measure
from ledger.selectors.forecourt import TankView
from ledger.selectors.pace import (
    FORECAST_MAX,
    UsualHours,
    cut_over,
    day_by_hour,
    stock_forecasts,
    usual_hours,
)
from tests.factories import make_forecourt, make_site, make_user

pytestmark = pytest.mark.django_db

LONDON = ZoneInfo("Europe/London")
#: A Tuesday.
TODAY = datetime.date(2026, 11, 24)
WEEK = datetime.timedelta(weeks=1)


def at(hour: int, minute: int = 0, day: datetime.date = TODAY) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(hour, minute), LONDON)


def make_hours(
    site: Site,
    day: datetime.date,
    hours: dict[int, int],
    *,
    products: dict[str, int] | None = None,
    **values: Any,
) -> FiscalDay:
    """Make a fiscal day that sold so many litres in each hour; a litre costs 2, an entry has 10."""
    times = {"opened_at": at(0, day=day), "closed_at": at(23, 59, day)}
    times = {"opened_at": at(0, day=day), "closed_at": at(23, 59, day)}
    row = FiscalDay.objects.create(site=site, fiscal_day=day, **times | values)
    for hour, litres in hours.items():
        HourTotal.objects.create(
            site=site,
            fiscal_day=day,
            hour=hour,
            count=litres // 10,
            volume=litres,
            amount=2 * litres,
        )
    for product, litres in (products or {"E10": sum(hours.values())}).items():
        DayTotal.objects.create(
            site=site,
            fiscal_day=day,
            product=product,
            kind=Kind.SALE,
            tax_rate=20,
            count=litres // 10,
            volume=litres,
            amount=2 * litres,
            tax=0,
        )
    return row


def make_tank(number: int = 1, volume: int | None = 1_000, **values: Any) -> TankView:
    litres = None if volume is None else Decimal(volume)
    return TankView(number=number, volume=litres, **{"product": "E10"} | values)


def test_nothing_has_the_shape_of_something() -> None:
    site = make_site()
    empty = day_by_hour(site, None)
    assert len(empty.hours) == 24
    assert (empty.today, empty.usual, empty.is_comparable) == (Measure(), Measure(), False)
    assert empty.difference_percent is None
    assert usual_hours(site, before=TODAY) == UsualHours()
    assert UsualHours().at(2, 12) == Measure()
    day = FiscalDay.objects.create(site=site, fiscal_day=TODAY)
    bare = day_by_hour(site, day, now=at(12))
    assert [pair.hour for pair in bare.hours] == list(range(24))
    assert (bare.today, bare.usual) == (Measure(), Measure())
    assert stock_forecasts(site, [make_tank()], day=None) == {}
    assert stock_forecasts(site, [], day=day) == {}
    assert stock_forecasts(site, [make_tank()], day=day, now=at(12)) == {}


def test_the_usual_is_the_average_of_the_last_eight_of_the_weekday() -> None:
    site = make_site()
    for weeks in range(1, 11):
        make_hours(site, TODAY - weeks * WEEK, {8: 100 * weeks})
    # Another weekday, a day that is not closed, and another site say nothing of Tuesdays.
    make_hours(site, TODAY - datetime.timedelta(days=1), {8: 9_000})
    make_hours(site, TODAY - 4 * WEEK + datetime.timedelta(days=1), {8: 9_000}, closed_at=None)
    make_hours(make_site(), TODAY - WEEK, {8: 9_000})
    day = make_hours(site, TODAY, {8: 450}, closed_at=None)
    found = day_by_hour(site, day, now=at(12))
    assert found.usual_days == 8
    assert found.hours[8].usual == Measure(count=45, volume=Decimal(450), amount=Decimal(900))
    assert found.usual.volume == found.today.volume == 450
    assert found.difference_percent == 0


def test_a_young_history_is_the_average_of_all_its_days() -> None:
    site = make_site()
    for days in (1, 2, 3, 4):
        make_hours(site, TODAY - datetime.timedelta(days=days), {8: 60 * days})
    found = day_by_hour(site, make_hours(site, TODAY, {8: 300}, closed_at=None), now=at(12))
    assert (found.usual_days, found.other_days) == (0, 4)
    assert found.usual.volume == 150
    assert found.difference_percent == 100


def test_of_fewer_than_four_days_nothing_is_usual() -> None:
    site = make_site()
    for weeks in (1, 2, 3):
        make_hours(site, TODAY - weeks * WEEK, {8: 100})
    day = make_hours(site, TODAY, {8: 300}, closed_at=None)
    found = day_by_hour(site, day, now=at(12))
    assert (found.usual_days, found.other_days, found.is_comparable) == (0, 0, False)
    assert found.difference_percent is None
    # With a day of another weekday there are four, but not four Tuesdays.
    make_hours(site, TODAY - datetime.timedelta(days=1), {8: 500})
    found = day_by_hour(site, day, now=at(12))
    assert (found.usual_days, found.other_days, found.usual.volume) == (0, 4, 200)
    make_hours(site, TODAY - 4 * WEEK, {8: 100})
    found = day_by_hour(site, day, now=at(12))
    assert (found.usual_days, found.other_days, found.usual.volume) == (4, 0, 100)


def evening_before(day: datetime.date = TODAY) -> datetime.datetime:
    """Ten in the evening of the day before."""
    return at(22, day=day - datetime.timedelta(days=1))


def test_a_day_that_opens_in_the_evening_runs_from_then() -> None:
    site = make_site()
    for weeks in range(1, 5):
        then = TODAY - weeks * WEEK
        make_hours(site, then, {22: 10, 23: 20, 0: 30, 12: 40}, opened_at=evening_before(then))
    opened_at = evening_before()
    day = make_hours(site, TODAY, {22: 10}, opened_at=opened_at, closed_at=None)
    assert cut_over(site, day) == datetime.timedelta(hours=-2)
    young = day_by_hour(site, day, now=opened_at + datetime.timedelta(minutes=90))
    assert [pair.hour for pair in young.hours] == [22, 23, *range(22)]
    assert [pair.hour for pair in young.hours if pair.is_now] == [23]
    assert (young.usual_days, young.usual.volume) == (4, 20)
    noon = day_by_hour(site, day, now=at(12, 30))
    assert [pair.hour for pair in noon.hours if pair.is_now] == [12]
    assert noon.usual.volume == 80


def test_its_forecast_goes_by_its_own_weekday() -> None:
    site = make_site()
    # A Tuesday sells 100 L an hour, any other day 1 L, each from ten in the evening before.
    for days in range(1, 29):
        then = TODAY - datetime.timedelta(days=days)
        litres = 100 if then.weekday() == TODAY.weekday() else 1
        hours = dict.fromkeys(range(24), litres)
        make_hours(site, then, hours, opened_at=evening_before(then))
    opened_at = evening_before()
    day = make_hours(site, TODAY, {}, opened_at=opened_at, closed_at=None)
    forecast = stock_forecasts(site, [make_tank(volume=500)], day=day, now=opened_at)[1]
    assert forecast.lasts_until == at(3)
    # It ends at ten in the evening, and Wednesday begins.
    forecast = stock_forecasts(site, [make_tank(volume=2402)], day=day, now=opened_at)[1]
    assert forecast.lasts_until == at(0, day=TODAY + datetime.timedelta(days=1))


@pytest.mark.parametrize("year", [2, 1970, 2099, 9998])
def test_an_opening_at_an_impossible_time_says_nothing(year: int) -> None:
    site = make_site(timezone="Pacific/Kiritimati")
    opened_at = datetime.datetime(year, 6, 1, 22, tzinfo=datetime.UTC)
    day = make_hours(site, TODAY, {8: 10}, opened_at=opened_at, closed_at=None)
    assert cut_over(site, day) == datetime.timedelta(0)
    assert day_by_hour(site, day, now=at(12)).hours[0].hour == 0


def test_the_running_hour_counts_in_part_and_what_is_ahead_not_at_all() -> None:
    site = make_site()
    for weeks in range(1, 5):
        make_hours(site, TODAY - weeks * WEEK, {8: 100, 9: 100, 20: 100})
    day = make_hours(site, TODAY, {8: 120}, closed_at=None)
    found = day_by_hour(site, day, now=at(9, 30))
    assert found.usual.volume == 150
    assert [pair.hour for pair in found.hours if pair.is_now] == [9]
    assert [pair.hour for pair in found.hours if pair.is_ahead] == list(range(10, 24))
    closed = day_by_hour(site, FiscalDay.objects.get(pk=(site.id, TODAY - WEEK)), now=at(9))
    assert not any(pair.is_now or pair.is_ahead for pair in closed.hours)


def test_the_hours_run_as_the_fiscal_day_does() -> None:
    site = make_site()
    day = make_hours(site, TODAY, {6: 10, 2: 20}, opened_at=at(6), closed_at=None)
    tomorrow = TODAY + datetime.timedelta(days=1)
    found = day_by_hour(site, day, now=at(2, 15, tomorrow))
    assert [pair.hour for pair in found.hours] == [*range(6, 24), *range(6)]
    assert found.hours[20].hour == 2
    assert found.hours[20].is_now
    assert found.today.volume == 30


def test_stock_lasts_by_the_hours_of_the_day_that_comes() -> None:
    site = make_site()
    # On Tuesdays 100 L at noon alone, on Wednesdays 50 L at six and eight.
    for weeks in range(1, 5):
        make_hours(site, TODAY - weeks * WEEK, {12: 100})
        make_hours(site, TODAY - weeks * WEEK + datetime.timedelta(days=1), {6: 50, 8: 50})
    day = make_hours(site, TODAY, {}, closed_at=None)
    tank = make_tank(volume=175, low_mark=Decimal(100))
    forecast = stock_forecasts(site, [tank], day=day, now=at(10))[1]
    tomorrow = TODAY + datetime.timedelta(days=1)
    assert forecast.low_at == at(12, 45)
    assert forecast.lasts_until == at(8, 30, tomorrow)
    assert forecast.hours_left == 22
    assert forecast.is_short
    # Other days have the average of both, so the six days until Monday at ten take 650 L.
    assert datetime.timedelta(days=6) == FORECAST_MAX
    plenty = stock_forecasts(site, [make_tank(volume=651)], day=day, now=at(10))[1]
    assert (plenty.lasts_until, plenty.hours_left, plenty.is_short) == (None, None, False)


def test_a_day_that_sells_twice_as_much_empties_twice_as_fast() -> None:
    site = make_site()
    every_hour = dict.fromkeys(range(24), 10)
    for days in range(1, 15):
        make_hours(site, TODAY - datetime.timedelta(days=days), every_hour)
    young = make_hours(site, TODAY, {}, closed_at=None)
    tank = make_tank(volume=100)
    # Nothing sold, but it is midnight: the usual pace.
    forecast = stock_forecasts(site, [tank], day=young, now=at(0))[1]
    assert forecast.lasts_until == at(10)
    # By noon twice the usual: (240 + 60) / (120 + 60) of it, for one day says not everything.
    DayTotal.objects.filter(fiscal_day=TODAY).update(volume=240)
    forecast = stock_forecasts(site, [tank], day=young, now=at(12))[1]
    assert forecast.lasts_until == at(18)


def test_tanks_of_a_product_share_its_pace_and_products_have_their_own() -> None:
    site = make_site()
    for days in range(1, 8):
        make_hours(
            site,
            TODAY - datetime.timedelta(days=days),
            dict.fromkeys(range(24), 40),
            products={"E10": 720, "B7": 240, "SHOP": 0},
        )
    day = make_hours(site, TODAY, {}, closed_at=None, products={"E10": 0})
    tanks = [
        make_tank(1, 90),
        make_tank(2, 90, product="B7"),
        make_tank(3, 30),
        make_tank(4, None),
        make_tank(5, 10, product="SHOP"),
        make_tank(6, 10, product=""),
    ]
    found = stock_forecasts(site, tanks, day=day, now=at(0))
    assert sorted(found) == [1, 2, 3]
    assert found[1] is found[3]
    assert (found[1].tanks, found[1].is_shared) == ((1, 3), True)
    assert found[1].lasts_until == at(4)  # 120 L at 30 L an hour
    assert found[2].lasts_until == at(9)  # 90 L at 10 L an hour


def test_without_a_history_today_is_believed_after_an_hour() -> None:
    site = make_site()
    day = make_hours(site, TODAY, {0: 50, 1: 50}, closed_at=None)
    assert stock_forecasts(site, [make_tank()], day=day, now=at(0, 30)) == {}
    forecast = stock_forecasts(site, [make_tank(volume=100)], day=day, now=at(2))[1]
    assert forecast.lasts_until == at(4)


def test_the_page_says_it_in_words(client: Client) -> None:
    site = make_forecourt("S1")
    client.force_login(make_user())
    text = " ".join(client.get("/sites/S1/").text.split())
    assert "The hours of the first fiscal day appear here" in text
    now = datetime.datetime.now(LONDON)
    today = now.date()
    for weeks in (1, 2, 3, 4):
        make_hours(site, today - weeks * WEEK, dict.fromkeys(range(24), 100))
    opened_at = datetime.datetime.combine(today, datetime.time(), LONDON)
    make_hours(site, today, {0: 10_000}, opened_at=opened_at, closed_at=None)
    site.tank_states.create(tank=1, at=now, received_at=now, product="E10", volume=500)
    text = " ".join(client.get("/sites/S1/").text.split())
    assert f"more than on a usual {today:%A}" in text
    assert f"Average of the last 4 {today:%A}s" in text
    assert "Lasts until about" in text
    assert "at this pace" in text
    assert "usually 100 L" in text
