"""Fuelling points that look dead are found from the data, and healthy ones are left alone."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from ledger.models import Entry, FiscalDay, Kind, NozzleState, PumpState, Site
from ledger.selectors.attention import Topic, attention, attention_list
from ledger.selectors.forecourt import bays
from ledger.selectors.silence import (
    JUDGE_SILENCES,
    judge_parameters,
    silences_known,
    silent_points,
)
from tests.factories import make_forecourt, make_site, make_user

pytestmark = pytest.mark.django_db

NOW = datetime.datetime(2026, 11, 24, 15, 0, tzinfo=datetime.UTC)
POINTS = 4
MINUTE = datetime.timedelta(minutes=1)


class Forecourt:
    """A site whose points sell in turn, and the numbering of its days."""

    def __init__(self, site: Site, *, now: datetime.datetime = NOW) -> None:
        self.site = site
        self.now = now
        self.rows: list[Entry] = []
        self.sequences: dict[datetime.date, int] = {}
        self.last: dict[int, Entry] = {}

    def sell(self, point: int | None, at: datetime.datetime, **values: Any) -> None:
        day = at.date()
        self.sequences[day] = self.sequences.get(day, 0) + 1
        entry = Entry(
            site=self.site,
            fiscal_day=day,
            sequence=self.sequences[day],
            occurred_at=at,
            received_at=at,
            fuelling_point=point,
            **{"kind": Kind.SALE, "product": "E10", "amount": 10, "volume": 5} | values,
        )
        self.rows.append(entry)
        if point is not None:
            self.last[point] = entry

    def sell_in_turn(
        self, start: datetime.datetime, end: datetime.datetime, *, points: list[int], every: Any
    ) -> None:
        at, turn = start, 0
        while at < end:
            self.sell(points[turn % len(points)], at)
            turn += 1
            at += every

    def write(self) -> Forecourt:
        Entry.objects.bulk_create(self.rows)
        FiscalDay.objects.bulk_create(
            FiscalDay(site=self.site, fiscal_day=day, entry_count=count, highest_sequence=count)
            for day, count in self.sequences.items()
        )
        NozzleState.objects.bulk_create(
            NozzleState(
                site=self.site,
                fuelling_point=point,
                nozzle=1,
                fiscal_day=entry.fiscal_day,
                sequence=entry.sequence,
                occurred_at=entry.occurred_at,
                product=entry.product,
                volume=entry.volume,
                amount=entry.amount,
            )
            for point, entry in self.last.items()
        )
        return self

    def silent(self, **values: Any) -> dict[int, Any]:
        """What the site's page finds; what the worker finds for the network must be the same."""
        values = {"now": self.now} | values
        sales = {sale.fuelling_point: sale for sale in NozzleState.objects.filter(site=self.site)}
        found = silent_points(self.site, last_sales=sales, **values)
        judge(values["now"])
        known = {
            silence.fuelling_point: (
                silence.last_sale_at,
                silence.sales_elsewhere,
                silence.usual_every_s,
            )
            for silence in silences_known(Site.objects.filter(id=self.site.id))
        }
        assert known == {
            number: (
                silence.last_sale_at,
                silence.sales_elsewhere,
                round(silence.usual_every.total_seconds()),
            )
            for number, silence in found.items()
        }
        return found


def judge(now: datetime.datetime) -> int:
    """Let the worker's statement look, in the test's own transaction; returns at how many."""
    with connection.cursor() as cursor:
        cursor.execute(JUDGE_SILENCES, judge_parameters(now))
        return cursor.rowcount


def a_week(forecourt: Forecourt, points: list[int], *, hours: tuple[int, int] = (6, 22)) -> None:
    """The week before: all points in turn, a sale every five minutes of the day."""
    today = forecourt.now.replace(hour=0, minute=0)
    for days in range(7, 0, -1):
        day = today - datetime.timedelta(days=days)
        start, end = (day + datetime.timedelta(hours=hour) for hour in hours)
        forecourt.sell_in_turn(start, end, points=points, every=5 * MINUTE)


@pytest.fixture
def forecourt() -> Forecourt:
    return Forecourt(make_site("S1", timezone="UTC"))


def test_nothing_sold_is_nobody_silent(forecourt: Forecourt) -> None:
    assert forecourt.write().silent() == {}
    assert silent_points(Site(id=999), last_sales={}, now=NOW) == {}


def test_a_point_that_stopped_while_others_sell_is_found(forecourt: Forecourt) -> None:
    points = [1, 2, 3, 4]
    a_week(forecourt, points)
    eight, noon = NOW.replace(hour=8), NOW.replace(hour=12)
    forecourt.sell_in_turn(eight, noon, points=points, every=5 * MINUTE)
    forecourt.sell_in_turn(noon, NOW, points=[1, 2, 4], every=5 * MINUTE)
    found = forecourt.write().silent()
    assert list(found) == [3]
    silence = found[3]
    assert silence.last_sale_at == noon - 10 * MINUTE
    # One after it until noon, and 36 in the three hours since.
    assert silence.sales_elsewhere == 37
    # It made a quarter of the sales: one every twenty minutes, rather more often by now.
    assert 10 <= silence.usual_every_minutes <= 20


def test_a_short_silence_is_chance(forecourt: Forecourt) -> None:
    points = [1, 2, 3, 4]
    a_week(forecourt, points)
    forecourt.sell_in_turn(NOW.replace(hour=8), NOW - 60 * MINUTE, points=points, every=5 * MINUTE)
    forecourt.sell_in_turn(NOW - 60 * MINUTE, NOW, points=[1, 2, 4], every=5 * MINUTE)
    assert forecourt.write().silent() == {}


def test_a_point_that_never_sells_at_this_hour_may_be_silent(forecourt: Forecourt) -> None:
    a_week(forecourt, [1, 2, 3, 4], hours=(6, 10))
    a_week(forecourt, [1, 2, 4], hours=(10, 22))
    morning = NOW.replace(hour=9, minute=55)
    forecourt.sell_in_turn(NOW.replace(hour=6), morning, points=[1, 2, 3, 4], every=5 * MINUTE)
    # Hours later, and dozens of sales at the others: as every day.
    forecourt.sell_in_turn(morning, NOW, points=[1, 2, 4], every=5 * MINUTE)
    found = forecourt.write().silent()
    assert 3 not in found


def test_a_site_that_sells_nothing_has_no_dead_point(forecourt: Forecourt) -> None:
    a_week(forecourt, [1, 2, 3, 4])
    forecourt.sell_in_turn(
        NOW.replace(hour=6), NOW.replace(hour=9), points=[1, 2, 3, 4], every=5 * MINUTE
    )
    assert forecourt.write().silent() == {}


def test_a_point_that_has_been_dead_for_days_is_found(forecourt: Forecourt) -> None:
    a_week(forecourt, [1, 2, 3, 4])
    first = NOW + datetime.timedelta(days=1)
    for days in range(3):
        start = first.replace(hour=6) + datetime.timedelta(days=days)
        end = start + datetime.timedelta(hours=9)
        forecourt.sell_in_turn(start, end, points=[1, 2, 4], every=5 * MINUTE)
    now = NOW + datetime.timedelta(days=3)
    assert list(forecourt.write().silent(now=now)) == [3]


def test_shop_sales_do_not_make_a_point_look_dead(forecourt: Forecourt) -> None:
    a_week(forecourt, [1, 2, 3, 4])
    for point in (1, 2, 3, 4):
        forecourt.sell(point, NOW.replace(hour=11) + point * MINUTE)
    for minute in range(200):
        forecourt.sell(None, NOW.replace(hour=11, minute=30) + minute * MINUTE, product="SHOP")
    assert forecourt.write().silent() == {}


def test_the_usual_case_costs_one_query(
    forecourt: Forecourt, django_assert_num_queries: Any
) -> None:
    points = [1, 2, 3, 4]
    a_week(forecourt, points)
    forecourt.sell_in_turn(NOW.replace(hour=8), NOW, points=points, every=5 * MINUTE)
    forecourt.write()
    sales = {sale.fuelling_point: sale for sale in NozzleState.objects.all()}
    with django_assert_num_queries(0):
        silent_points(forecourt.site, last_sales=sales, now=NOW)
    with django_assert_num_queries(1):
        silent_points(forecourt.site, last_sales=sales, now=NOW + 40 * MINUTE)


def test_the_page_names_it_and_says_why(client: Client) -> None:
    now = timezone.now()
    forecourt = Forecourt(make_forecourt("S1", fuelling_points=4, timezone="UTC"), now=now)
    for days in range(8, 0, -1):
        start = now - datetime.timedelta(days=days)
        forecourt.sell_in_turn(
            start, start + datetime.timedelta(days=1), points=[1, 2, 3, 4], every=4 * MINUTE
        )
    dead_for = datetime.timedelta(hours=6)
    forecourt.rows = [
        row for row in forecourt.rows if row.fuelling_point != 3 or now - row.occurred_at > dead_for
    ]
    forecourt.last[3] = max(
        (row for row in forecourt.rows if row.fuelling_point == 3), key=lambda row: row.occurred_at
    )
    forecourt.write()
    client.force_login(make_user())
    text = " ".join(client.get("/sites/S1/").text.split())
    assert "Fuelling point 3 looks dead: no sale since" in text
    assert "At this time of day it usually sells every" in text
    assert "Fuelling point 2 looks dead" not in text
    # Its own state explains its silence better.
    PumpState.objects.create(
        site=forecourt.site,
        fuelling_point=3,
        state="inoperative",
        since=now,
        at=now,
        received_at=now,
    )
    assert "looks dead" not in client.get("/sites/S1/").text


def with_a_dead_point(forecourt: Forecourt) -> Forecourt:
    """Point 3 has sold nothing for six hours."""
    a_week(forecourt, [1, 2, 3, 4])
    noon = NOW.replace(hour=9)
    forecourt.sell_in_turn(NOW.replace(hour=6), noon, points=[1, 2, 3, 4], every=5 * MINUTE)
    forecourt.sell_in_turn(noon, NOW, points=[1, 2, 4], every=5 * MINUTE)
    return forecourt.write()


def test_the_network_ranks_it_until_it_sells_again(forecourt: Forecourt) -> None:
    with_a_dead_point(forecourt)
    assert judge(NOW) == 1

    def found() -> list[tuple[int, datetime.datetime | None]]:
        troubles = attention(Site.objects.all(), now=NOW).troubles
        return [(each.site_id, each.since) for each in troubles if each.topic == "fuelling_point"]

    last_sale_at = forecourt.last[3].occurred_at
    assert found() == [(forecourt.site.id, last_sale_at)]
    items = attention_list(attention(Site.objects.all(), now=NOW)).items
    item = next(item for item in items if item.topic == Topic.FUELLING_POINT)
    assert [(row.fuelling_point, row.state) for row in item.rows] == [(3, "silent")]
    sold = NozzleState.objects.filter(site=forecourt.site, fuelling_point=3)
    sold.update(sequence=forecourt.sequences[NOW.date()] + 1)
    assert found() == []


def test_a_point_that_says_why_is_named_once(forecourt: Forecourt) -> None:
    with_a_dead_point(forecourt)
    judge(NOW)
    at = NOW - 10 * MINUTE
    PumpState.objects.create(
        site=forecourt.site, fuelling_point=3, state="offline", since=at, at=at, received_at=at
    )
    items = attention_list(attention(Site.objects.all(), now=NOW)).items
    rows = next(item.rows for item in items if item.topic == Topic.FUELLING_POINT)
    assert [(row.fuelling_point, row.state) for row in rows] == [(3, "offline")]


def test_what_was_judged_is_not_looked_at_again_for_nothing(forecourt: Forecourt) -> None:
    """A week of entries is read once, and again when the answer may have changed."""
    with_a_dead_point(forecourt)
    assert judge(NOW) == 1
    assert judge(NOW + MINUTE) == 0
    assert judge(NOW + 61 * MINUTE) == 1


def test_a_point_that_may_be_dead_soon_is_looked_at_again_when_it_may(
    forecourt: Forecourt,
) -> None:
    points = [1, 2, 3, 4]
    a_week(forecourt, points)
    start = NOW - 75 * MINUTE
    forecourt.sell_in_turn(NOW.replace(hour=6), start, points=points, every=5 * MINUTE)
    forecourt.sell_in_turn(start, NOW, points=[1, 2, 4], every=5 * MINUTE)
    assert forecourt.write().silent() == {}
    # It makes one sale of four, so after 21 of the others seven of it were to be expected.
    last = forecourt.last[3]
    today = FiscalDay.objects.filter(site=forecourt.site, fiscal_day=last.fiscal_day)
    today.update(highest_sequence=last.sequence + 20)
    assert judge(NOW) == 0
    today.update(highest_sequence=last.sequence + 21)
    assert judge(NOW) == 1


def test_a_site_closed_for_trade_is_not_looked_at(forecourt: Forecourt) -> None:
    with_a_dead_point(forecourt)
    Site.objects.update(is_closed=True)
    assert judge(NOW) == 0


def test_points_without_a_fiscal_day_are_only_points() -> None:
    site = make_forecourt("S1", fuelling_points=2)
    points = [point for bay in bays(site) for point in bay.fuelling_points]
    assert [(point.silence, point.stand_alone_count) for point in points] == [(None, 0)] * 2
