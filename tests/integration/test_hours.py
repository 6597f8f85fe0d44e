"""The hour on a site's clock: for Python and for SQL the same, in every zone and at any time."""

from __future__ import annotations

import datetime
import random
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.db import connection

from ledger.hours import clock_offsets, hour_of
from ledger.sql import statement

#: One with a local mean time of odd seconds, one that kept an odd offset until 1972, one each with
#: quarters and halves of an hour, one that leaves its clocks alone, and one that goes by Ramadan.
ZONES = [
    *("Europe/London", "Africa/Monrovia", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"),
    *("Africa/Casablanca", "America/Vancouver", "Europe/Amsterdam", "Pacific/Apia"),
]
YEAR_S = 365 * 86_400
_HOURS = statement("site_hour").strip()


def moments(zone: ZoneInfo) -> list[datetime.datetime]:
    """Times of all ages, and the second before and after each change since 1840."""
    chance = random.Random(zone.key)
    years = [*range(1840, 2110), 2, 300, 1500, 1800, 2499, 2500, 2900, 5000, 9998]
    begin = [datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in years]
    found = [
        at + datetime.timedelta(seconds=chance.randrange(YEAR_S)) for at in begin for _ in "12"
    ]
    starts = clock_offsets(zone.key)["offset_starts"].strip("{}").replace('"', "").split(",")[1:]
    for start in map(datetime.datetime.fromisoformat, starts):
        found += [start - datetime.timedelta(microseconds=1), start]
    return found


def hours_in_sql(timezone: str, times: list[datetime.datetime]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_HOURS} FROM unnest(%(times)s::timestamptz[])"
            " WITH ORDINALITY AS asked (occurred_at, place) ORDER BY place",
            {"times": times, **clock_offsets(timezone)},
        )
        return [hour for (hour,) in cursor.fetchall()]


@pytest.mark.django_db
@pytest.mark.parametrize("timezone", ZONES)
def test_python_and_sql_read_the_same_clock(timezone: str) -> None:
    zone = ZoneInfo(timezone)
    times = moments(zone)
    expected = [at.astimezone(zone).hour for at in times]
    assert [hour_of(at, timezone) for at in times] == expected
    assert hours_in_sql(timezone, times) == expected


def test_every_zone_has_the_hours_that_it_says() -> None:
    chance = random.Random(4711)
    for timezone in sorted(available_timezones()):
        zone = ZoneInfo(timezone)
        for _ in range(40):
            at = datetime.datetime(1840, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(
                seconds=chance.randrange(300 * YEAR_S)
            )
            assert hour_of(at, timezone) == at.astimezone(zone).hour, (timezone, at)


@pytest.mark.parametrize(
    ("at", "timezone", "hour"),
    [
        ("0001-01-01T00:00:00+00:00", "America/Los_Angeles", 16),
        ("9999-12-31T23:59:59.999999+00:00", "Pacific/Kiritimati", 13),
        ("1840-06-01T09:01:14.999999+00:00", "Europe/London", 8),
        ("1840-06-01T09:01:15+00:00", "Europe/London", 9),
    ],
)
def test_the_ends_of_the_calendar_and_odd_seconds_have_an_hour(
    at: str, timezone: str, hour: int
) -> None:
    assert hour_of(datetime.datetime.fromisoformat(at), timezone) == hour
