"""Plausible fiscal days: one rule, said to Python, to querysets and to SQL."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.utils import timezone

from ledger.models import FiscalDay, Site
from ledger.plausible import (
    DAYS_AHEAD_MAX,
    DAYS_BEFORE_REGISTRATION,
    plausible,
    plausible_span,
    with_plausible,
)
from ledger.sql import statement
from tests.factories import make_site

FIRST = datetime.date(2026, 1, 1)
#: An evening in London, a morning in Auckland, an afternoon on Niue.
NOW = datetime.datetime(2026, 11, 22, 22, 30, tzinfo=datetime.UTC)
TODAY = {"Europe/London": 22, "Pacific/Auckland": 23, "Pacific/Niue": 22, "Pacific/Kiritimati": 23}


def _day(site: Site, day: datetime.date | str, **values: object) -> FiscalDay:
    date = day if isinstance(day, datetime.date) else datetime.date.fromisoformat(day)
    return FiscalDay.objects.create(site=site, fiscal_day=date, **values)


@pytest.mark.django_db
class TestPlausible:
    @pytest.mark.parametrize("zone", TODAY)
    def test_it_is_one_rule_for_python_querysets_and_sql(self, zone: str) -> None:
        site = make_site(timezone=zone, first_fiscal_day=FIRST)
        last = datetime.date(2026, 11, TODAY[zone] + DAYS_AHEAD_MAX)
        one = datetime.timedelta(days=1)
        days = [datetime.date.min, FIRST - one, FIRST, last, last + one, datetime.date.max]
        for day in days:
            _day(site, day)
        span = plausible_span(site, NOW)
        assert span == (FIRST, last)
        assert [day for day in days if span.holds(day)] == [FIRST, last]
        found = plausible(FiscalDay.objects.filter(site=site), NOW).order_by("fiscal_day")
        assert [day.fiscal_day for day in found] == [FIRST, last]
        with connection.cursor() as cursor:
            cursor.execute(
                with_plausible(
                    "SELECT fiscal_day FROM fiscal_day JOIN site ON site.id = site_id "
                    "WHERE fiscal_day BETWEEN site.first_fiscal_day AND {last_plausible_day} "
                    "ORDER BY fiscal_day"
                ),
                {"now": NOW},
            )
            assert [day for (day,) in cursor.fetchall()] == [FIRST, last]


@pytest.mark.django_db
class TestFirstFiscalDay:
    def test_a_new_site_may_send_what_it_holds_of_the_time_before(self) -> None:
        site = Site.objects.create(code="NEW", name="New")
        site.refresh_from_db()
        age = timezone.now().date() - site.first_fiscal_day
        assert age.days in (DAYS_BEFORE_REGISTRATION, DAYS_BEFORE_REGISTRATION + 1)

    def test_so_does_one_that_is_registered_past_django(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO site (code, name, brand, address, city, postcode, country, timezone, "
                "currency, is_closed, stale_after_s, cutoff, created_at) VALUES "
                "('RAW', 'Raw', '', '', '', '', '', 'UTC', 'EUR', false, 300, '07:00', now())"
            )
        age = timezone.now().date() - Site.objects.get(code="RAW").first_fiscal_day
        assert age.days in (DAYS_BEFORE_REGISTRATION, DAYS_BEFORE_REGISTRATION + 1)


@pytest.mark.django_db
class TestFirstFiscalDaysOfALedger:
    """What the migration concludes from a ledger that is there already."""

    def _first_day(self, site: Site) -> datetime.date:
        registered = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
        Site.objects.filter(pk=site.pk).update(created_at=registered)
        with connection.cursor() as cursor:
            cursor.execute(statement("first_fiscal_days"))
        return Site.objects.get(pk=site.pk).first_fiscal_day

    def test_without_days_it_is_400_days_before_it_was_registered(self) -> None:
        assert self._first_day(make_site()) == datetime.date(2025, 9, 27)

    def test_a_broken_clock_says_nothing_about_it(self) -> None:
        site = make_site()
        for day in ("0001-01-01", "1970-01-01", "2000-01-01", "2099-06-01", "9999-12-31"):
            _day(site, day, entry_count=5)
        _day(site, "2026-11-21", entry_count=400)
        assert self._first_day(site) == datetime.date(2025, 9, 27)

    def test_a_history_that_was_replayed_begins_with_its_first_day(self) -> None:
        site = make_site()
        for day in ("2012-08-23", "2012-08-24", "2012-08-25"):
            _day(site, day, entry_count=90)
        _day(site, "2000-01-01", entry_count=1)
        assert self._first_day(site) == datetime.date(2012, 8, 23)

    def test_a_sealed_day_is_credible_however_little_it_holds(self) -> None:
        site = make_site()
        _day(site, "2026-11-21", entry_count=400)
        at = datetime.datetime(2020, 5, 2, tzinfo=datetime.UTC)
        _day(site, "2020-05-01", entry_count=1, sealed_at=at)
        assert self._first_day(site) == datetime.date(2020, 5, 1)
