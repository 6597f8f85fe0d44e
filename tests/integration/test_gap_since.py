"""Since when a day is known to lack entries: kept by the database, whoever writes the day."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from ledger.models import FiscalDay, Site
from ledger.selectors.attention import Topic, attention, attention_list
from ledger.services.days import day_close
from tests.factories import make_entry, make_site, make_user

pytestmark = pytest.mark.django_db


class Day:
    """A fiscal day to which entries come, each a minute after the one before."""

    def __init__(self, site: Site, *, minutes_ago: int = 60) -> None:
        self.began_at = timezone.now() - datetime.timedelta(minutes=minutes_ago)
        date = timezone.now().date()
        self.row = FiscalDay.objects.create(site=site, fiscal_day=date, opened_at=self.began_at)
        self._receipts = 0

    def receive(self, *sequences: int) -> datetime.datetime:
        """Store entries as one batch. Returns when they were received."""
        received_at = self.began_at + datetime.timedelta(minutes=self._receipts)
        self._receipts += 1
        for sequence in sequences:
            make_entry(
                self.row.site,
                fiscal_day=self.row.fiscal_day.isoformat(),
                sequence=sequence,
                received_at=received_at,
            )
        row = self.row
        FiscalDay.objects.filter(pk=row.pk).update(
            entry_count=row.entry_count + len(sequences),
            highest_sequence=max(row.highest_sequence, *sequences),
            last_received_at=received_at,
        )
        row.refresh_from_db()
        return received_at


@pytest.fixture
def day() -> Day:
    return Day(make_site())


def test_a_whole_day_lacks_nothing(day: Day) -> None:
    day.receive(1)
    day.receive(2, 3)
    assert day.row.gap_since is None


def test_a_gap_is_known_since_the_first_entry_above_it(day: Day) -> None:
    day.receive(1)
    since = day.receive(3)
    for sequence in (4, 5, 6):
        day.receive(sequence)
        assert day.row.gap_since == since


def test_a_gap_that_is_filled_is_none(day: Day) -> None:
    day.receive(1, 3)
    day.receive(2)
    assert day.row.gap_since is None
    assert day.receive(5) == day.row.gap_since


def test_of_two_gaps_the_one_that_is_left_says_since_when(day: Day) -> None:
    first = day.receive(2)
    second = day.receive(4, 5)
    assert day.row.gap_since == first
    day.receive(1)
    assert day.row.gap_since == second
    day.receive(3)
    assert day.row.gap_since is None


def test_the_later_gap_is_filled_first(day: Day) -> None:
    first = day.receive(2)
    day.receive(4)
    day.receive(3)
    assert day.row.gap_since == first


def test_what_the_closing_says_is_missing_is_known_since_the_closing(day: Day) -> None:
    day.receive(1, 2)
    before = timezone.now()
    day_close(day=day.row, closed_by=make_user(), reason="no site any more", last_sequence=5)
    day.row.refresh_from_db()
    since = day.row.gap_since
    assert since is not None
    assert since >= before
    for sequence in (4, 3):
        day.receive(sequence)
        assert day.row.gap_since == since


def test_a_list_keeps_its_order_and_its_ages_while_nothing_new_happens() -> None:
    """Sites go on selling: the entries that come tell nothing new of those that are missing."""
    days = [Day(make_site(), minutes_ago=60 + number) for number in range(4)]
    for day in days:
        day.receive(1)
        day.receive(3)

    def listed() -> list[tuple[int, datetime.datetime | None]]:
        found = attention(Site.objects.all())
        assert list(found.of_site) == [day.row.site_id for day in reversed(days)]
        items = attention_list(found).items
        return [
            (item.site.id, item.since)
            for item in items
            if item.site is not None and item.topic == Topic.MISSING
        ]

    before = listed()
    assert len(before) == 4
    for sequence in range(4, 8):
        for day in (days[sequence % 4], days[0], days[3]):
            day.receive(day.row.highest_sequence + 1)
        assert listed() == before


def test_what_began_at_once_keeps_its_order_too() -> None:
    """No time tells the lines apart: the sites do."""
    at = timezone.now()
    sites = [make_site() for _ in range(12)]
    for site in reversed(sites):
        FiscalDay.objects.create(
            site=site, fiscal_day=at.date(), highest_sequence=2, entry_count=1, last_received_at=at
        )
    assert list(attention(Site.objects.all()).of_site) == [site.id for site in sites]
