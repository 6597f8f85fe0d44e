"""The hour on a site's clock, once for everybody who counts by it.

Python's database of time zones decides, for Python and for SQL alike. That of PostgreSQL is another
one, of another release and built otherwise: it differs in local mean times, in what lay between
wars, and where a zone has changed its rules of late. A statement that asks for the hour of a moment
therefore gets the offsets as parameters (`clock_offsets`) and puts site_hour.sql in.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)
_HOUR = datetime.timedelta(hours=1)
_QUARTER = datetime.timedelta(minutes=15)
_INSTANT = datetime.timedelta(microseconds=1)
#: Near the ends of the calendar a zone's offset is asked for this much further inside.
_MARGIN = datetime.timedelta(days=2)
_FIRST = datetime.datetime.min.replace(tzinfo=datetime.UTC) + _MARGIN
_LAST = datetime.datetime.max.replace(tzinfo=datetime.UTC) - _MARGIN
#: No zone has a change of its offset before this year; from the second one on each goes by a rule,
#: which repeats with the calendar after 400 years (site_hour.sql says the same year).
_FIRST_CHANGE, _BY_RULE, _REPEATS = (
    datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (1800, 2100, 2500)
)
#: How far apart changes of an offset are at least: those of history, and those by rule.
_CHANGES_APART, _RULES_APART = _DAY, datetime.timedelta(days=14)
#: Quarters of an hour that a process remembers: those of two years in a zone.
_QUARTERS_MAX = 65_536


def hour_of(at: datetime.datetime, timezone: str) -> int:
    """Return the hour, 0 to 23, that the clocks of a time zone show at a moment.

    A quarter of an hour nearly always lies within one hour, so that its answer is remembered.
    """
    hour = _hour_of_quarter((at - _EPOCH) // _QUARTER, timezone)
    return _hour(at, ZoneInfo(timezone)) if hour is None else hour


@lru_cache(maxsize=_QUARTERS_MAX)
def _hour_of_quarter(quarter: int, timezone: str) -> int | None:
    """Return the hour of a whole quarter, counted from 1970; None where clocks show two in it."""
    zone = ZoneInfo(timezone)
    begin = _EPOCH + quarter * _QUARTER
    hour = _hour(begin, zone)
    return hour if hour == _hour(begin + (_QUARTER - _INSTANT), zone) else None


def _hour(at: datetime.datetime, zone: ZoneInfo) -> int:
    return (at - _EPOCH + _offset(at, zone)) % _DAY // _HOUR


def _offset(at: datetime.datetime, zone: ZoneInfo) -> datetime.timedelta:
    offset = min(max(at, _FIRST), _LAST).astimezone(zone).utcoffset()
    assert offset is not None, "a zone knows its offset"
    return offset


def midnight(day: datetime.date) -> datetime.datetime:
    """Return where a day begins in UTC."""
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


@lru_cache(maxsize=1_024)
def clock_offsets(
    timezone: str,
    *,
    first: datetime.datetime = _FIRST_CHANGE,
    last: datetime.datetime = _REPEATS,
) -> dict[str, str]:
    """Return what site_hour.sql needs of a time zone: each offset and from when on it holds.

    Two arrays as PostgreSQL writes them. All of a zone takes some tenths of a second the first
    time; from `first` to `last` takes as many steps as there are days, and the offsets of these two
    stand for what lies before and after.
    """
    changes = list(offset_changes(ZoneInfo(timezone), first, last))
    starts = ["-infinity", *(f'"{at.isoformat(" ")}"' for at, _ in changes[1:])]
    offsets = [f"{offset.total_seconds():.0f}s" for _, offset in changes]
    return {
        "offset_starts": "{" + ",".join(starts) + "}",
        "offsets": "{" + ",".join(offsets) + "}",
    }


def offset_changes(
    zone: ZoneInfo, first: datetime.datetime, last: datetime.datetime
) -> Iterator[tuple[datetime.datetime, datetime.timedelta]]:
    """Yield from when on clocks are how far ahead of UTC: `first`, then each change up to `last`.

    Both are moments in UTC, the changes are of a second.
    """
    at, step, known = first, _CHANGES_APART, _offset(first, zone)
    yield at, known
    while at <= last:
        ahead = at + step
        if _offset(ahead, zone) != known:
            change = _change(at, ahead, zone)
            known = _offset(change, zone)
            yield change, known
        at, step = ahead, _CHANGES_APART if ahead < _BY_RULE else _RULES_APART


def _change(
    before: datetime.datetime, after: datetime.datetime, zone: ZoneInfo
) -> datetime.datetime:
    """Return the second at which the offset becomes another one between two moments."""
    known = _offset(before, zone)
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(before + datetime.timedelta(seconds=middle), zone) == known:
            low = middle
        else:
            high = middle
    return before + datetime.timedelta(seconds=high)
