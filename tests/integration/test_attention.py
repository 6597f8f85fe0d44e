"""What needs attention: cut-offs by each site's clock, ranks, and many sites as one line."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ledger.models import Alarm, FiscalDay, PumpState, Quarantine, Site, TankState
from ledger.selectors.attention import (
    Attention,
    AttentionItem,
    Severity,
    Topic,
    attention,
    attention_list,
)
from tests.factories import (
    make_forecourt,
    make_quarantined,
    make_site,
    make_status,
)

pytestmark = pytest.mark.django_db
SEVEN = datetime.time(7)
DAY = datetime.date(2026, 11, 23)


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def found(now: datetime.datetime | None = None, **options: Any) -> Attention:
    return attention(Site.objects.all(), now=now, **options)


def late(now: str) -> list[tuple[int, datetime.datetime | None]]:
    return [
        (trouble.site_id, trouble.since)
        for trouble in found(at(now)).troubles
        if trouble.topic == Topic.OPEN_DAY
    ]


def open_day(site: Site, fiscal_day: datetime.date = DAY, **values: Any) -> FiscalDay:
    return FiscalDay.objects.create(
        site=site,
        fiscal_day=fiscal_day,
        **{"opened_at": datetime.datetime.combine(fiscal_day, SEVEN, datetime.UTC)} | values,
    )


@pytest.mark.parametrize(
    ("timezone", "before", "after"),
    [
        ("Europe/London", "2026-11-24T06:59:59+00:00", "2026-11-24T07:00:00+00:00"),
        ("Europe/Helsinki", "2026-11-24T04:59:59+00:00", "2026-11-24T05:00:00+00:00"),
        ("Pacific/Auckland", "2026-11-23T17:59:59+00:00", "2026-11-23T18:00:00+00:00"),
        ("America/Los_Angeles", "2026-11-24T14:59:59+00:00", "2026-11-24T15:00:00+00:00"),
    ],
)
def test_a_day_is_late_from_its_cutoff_by_the_site_s_own_clock(
    timezone: str, before: str, after: str
) -> None:
    site = make_site(timezone=timezone)
    open_day(site)
    assert late(before) == []
    assert late(after) == [(site.id, at(after))]


def test_each_site_has_its_own_cutoff() -> None:
    early, evening = make_site(cutoff=datetime.time(1)), make_site(cutoff=datetime.time(18, 30))
    open_day(early)
    open_day(evening)
    assert late("2026-11-24T12:00:00+00:00") == [(early.id, at("2026-11-24T01:00:00+00:00"))]
    assert {site_id for site_id, _ in late("2026-11-24T18:30:00+00:00")} == {early.id, evening.id}


def test_a_closed_day_and_today_are_not_late() -> None:
    site = make_site()
    open_day(site, closed_at=at("2026-11-23T23:59:00+00:00"))
    open_day(site, DAY + datetime.timedelta(days=1))
    assert late("2026-11-24T23:00:00+00:00") == []


def test_a_day_that_a_newer_one_followed_is_late_before_its_cutoff() -> None:
    site = make_site()
    day = open_day(site)
    open_day(site, DAY + datetime.timedelta(days=1))
    assert late("2026-11-24T01:00:00+00:00") == [(site.id, day.opened_at)]


def test_a_site_closed_for_trade_needs_nothing() -> None:
    open_day(make_site(is_closed=True))
    assert late("2026-11-25T12:00:00+00:00") == []


def make_trouble() -> tuple[datetime.datetime, dict[Topic, Site]]:
    """One site for each kind of trouble."""
    now = datetime.datetime.now(datetime.UTC)
    sites = {topic: make_forecourt() for topic in Topic if topic != Topic.INGEST}
    make_status(sites[Topic.OFFLINE], online=False)
    make_status(sites[Topic.STALE], seconds_ago=3_600)
    open_day(sites[Topic.MISSING], now.date(), highest_sequence=5, entry_count=3)
    Alarm.objects.create(
        site=sites[Topic.ALARM], device="tank", number=1, code="high", state="started", at=now
    )
    TankState.objects.create(
        site=sites[Topic.TANK], tank=1, at=now, received_at=now, product="E10", volume=3_000
    )
    PumpState.objects.create(
        site=sites[Topic.FUELLING_POINT],
        fuelling_point=2,
        state="inoperative",
        since=now,
        at=now,
        received_at=now,
    )
    open_day(sites[Topic.OPEN_DAY], now.date() - datetime.timedelta(days=3))
    make_quarantined(site=sites[Topic.QUARANTINE])
    return now, sites


def test_sites_are_ranked_by_what_is_amiss() -> None:
    now, sites = make_trouble()
    well = make_site()
    amiss = found(now, quarantine=Quarantine.objects.all())
    assert list(amiss.of_site) == [site.id for site in sites.values()]
    assert well.id not in amiss.of_site
    assert amiss.site_counts == dict.fromkeys(sites, 1)
    for topic, site in sites.items():
        assert amiss.site_ids(topic) == {site.id}


def test_critical_comes_first_and_then_what_lasts_longest() -> None:
    now = datetime.datetime.now(datetime.UTC)
    new, old, closed = make_site(), make_site(), make_site()
    for site, minutes in ((new, 1), (old, 50)):
        at = now - datetime.timedelta(minutes=minutes)
        open_day(site, now.date(), highest_sequence=2, entry_count=1, last_received_at=at)
    open_day(closed, now.date(), highest_sequence=2, entry_count=1, closed_at=now)
    assert list(found(now).of_site) == [closed.id, old.id, new.id]


def test_without_sites_all_is_there_and_nothing() -> None:
    amiss = found()
    assert (amiss.troubles, amiss.of_site, amiss.waiting.count) == ([], {}, 0)
    assert set(amiss.site_counts.values()) == {0}
    listed = attention_list(amiss, groups_sites=True)
    assert (listed.items, listed.total, listed.critical_count) == ([], 0, 0)


def lines(amiss: Attention, **options: bool) -> list[AttentionItem]:
    return attention_list(amiss, **options).items


def test_the_same_at_many_sites_is_one_line() -> None:
    now = datetime.datetime.now(datetime.UTC)
    for _ in range(6):
        make_status(make_site(), online=False)
    make_status(make_site(), seconds_ago=3_600)
    amiss = found(now)
    offline, stale = lines(amiss, groups_sites=True)
    assert (offline.topic, offline.severity) == (Topic.OFFLINE, Severity.CRITICAL)
    assert (offline.site_count, offline.site) == (6, None)
    assert (stale.site_count, stale.topic) == (0, Topic.STALE)
    assert len(lines(amiss)) == 7
    listed = attention_list(amiss, groups_sites=True)
    assert (listed.total, listed.critical_count) == (7, 6)


def test_a_line_has_the_records_that_it_speaks_of() -> None:
    now, _ = make_trouble()
    by_topic = {item.topic: item for item in lines(found(now, quarantine=Quarantine.objects.all()))}
    assert by_topic[Topic.MISSING].rows[0].missing_count == 2
    assert by_topic[Topic.TANK].rows[0].volume == 3_000
    assert by_topic[Topic.FUELLING_POINT].rows[0].fuelling_point == 2
    assert by_topic[Topic.ALARM].rows[0].code == "high"
    assert by_topic[Topic.QUARANTINE].rows[0].count == 1
    assert by_topic[Topic.OFFLINE].rows == []


def test_the_number_of_queries_is_that_of_one_site(django_assert_num_queries: Any) -> None:
    now, _ = make_trouble()
    with django_assert_num_queries(8):
        amiss = found(now, quarantine=Quarantine.objects.all())
    with django_assert_num_queries(6):
        attention_list(amiss)
    for _ in range(3):
        make_trouble()
    with django_assert_num_queries(8):
        amiss = found(now, quarantine=Quarantine.objects.all())
    with django_assert_num_queries(6):
        attention_list(amiss)


def test_a_tank_and_an_alarm_are_as_old_as_what_they_tell_of() -> None:
    """Not as its newest reading, and not as young as a clock that is ahead would have it."""
    now = datetime.datetime.now(datetime.UTC)
    since, in_2031 = now - datetime.timedelta(hours=3), at("2031-01-01T00:00:00+00:00")
    low, alarmed = make_forecourt(), make_forecourt()
    TankState.objects.create(
        site=low, tank=1, at=now, received_at=now, product="E10", volume=3_000, low_since=since
    )
    TankState.objects.create(
        site=low, tank=2, at=in_2031, received_at=now, product="B7", volume=3_000
    )
    Alarm.objects.create(
        site=alarmed, device="tank", number=1, code="high", state="started",
        at=in_2031, received_at=since,
    )  # fmt: skip
    found_since = {trouble.topic: trouble.since for trouble in found(now).troubles}
    assert found_since == {Topic.TANK: since, Topic.ALARM: since}


def test_what_a_sealed_day_lacks_asks_for_nobody() -> None:
    now = at("2026-11-23T12:00:00+00:00")
    day = open_day(
        make_site(), DAY, entry_count=3, highest_sequence=5, closed_at=now, last_sequence=5
    )
    assert [each.topic for each in found(now).troubles] == [Topic.MISSING]
    FiscalDay.objects.filter(pk=day.pk).update(sealed_at=now)
    assert found(now).troubles == []
