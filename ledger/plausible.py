"""Fiscal days that a site can have, so that one broken clock does not spoil what lasts.

A fiscal day is plausible from the site's first fiscal day to DAYS_AHEAD_MAX days after today, by
the site's own clock. A message of any other day waits in quarantine. A ledger may hold others from
before that rule: they keep their place and their own pages, and whatever looks for a newest, an
earliest, a next or an open day passes them over.

The rule stands here once: for Python (`plausible_span`), for querysets (`plausible`) and for
hand-written SQL (`with_plausible`).
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast, Now
from django.utils import timezone

if TYPE_CHECKING:
    from ledger.models import Site

#: A controller may open its next days early; a fiscal day further ahead comes from a broken clock.
DAYS_AHEAD_MAX = 2
#: A site may send what it holds of the time before it was registered, unless it says otherwise.
DAYS_BEFORE_REGISTRATION = 400
#: Controllers without a battery begin at 1970, 1980 or 1990; no site's history does.
FIRST_DAY_MIN = datetime.date(1990, 1, 2)

#: Where a day begins first.
_EARLIEST_ZONE = ZoneInfo("Pacific/Kiritimati")

_Rows = TypeVar("_Rows", bound=models.Model)

#: The same as `last_plausible_day`, from the name of a time zone and a moment.
_LAST_DAY_SQL = f"(timezone({{arguments}})::date + {DAYS_AHEAD_MAX})"


class Span(NamedTuple):
    """The first and the last plausible fiscal day of a site."""

    first: datetime.date
    last: datetime.date

    def holds(self, fiscal_day: datetime.date) -> bool:
        """Whether a fiscal day is plausible."""
        return self.first <= fiscal_day <= self.last


def plausible_span(site: Site, now: datetime.datetime) -> Span:
    """Return the first and the last plausible fiscal day of a site at a moment."""
    return Span(site.first_fiscal_day, last_plausible_day(site.zone, now))


def last_plausible_day(zone: ZoneInfo, now: datetime.datetime) -> datetime.date:
    """Return the last plausible fiscal day by the clocks of a time zone."""
    return now.astimezone(zone).date() + datetime.timedelta(days=DAYS_AHEAD_MAX)


def plausible(
    rows: models.QuerySet[_Rows],
    now: datetime.datetime,
    *,
    column: str = "fiscal_day",
    site: str = "site__",
) -> models.QuerySet[_Rows]:
    """Return the rows whose fiscal day, in `column`, is a plausible one of their site.

    `site` is the way from a row to its site: "" for rows of sites themselves.
    """
    return rows.filter(is_plausible(now, column=column, site=site))


def is_plausible(now: datetime.datetime, *, column: str = "fiscal_day", site: str = "site__") -> Q:
    """Return the condition that `plausible` filters by."""
    return Q(
        **{
            f"{column}__gte": F(f"{site}first_fiscal_day"),
            f"{column}__lte": _LastDay(
                F(f"{site}timezone"), Cast(Value(now), models.DateTimeField())
            ),
        }
    )


class _LastDay(Func):
    """The last plausible fiscal day by the clocks of a time zone's name, at a moment."""

    template = _LAST_DAY_SQL.format(arguments="%(expressions)s")
    output_field = models.DateField()


def with_plausible(statement: str, *, now: str = "now") -> str:
    """Return a statement with `{last_plausible_day}` put in.

    The statement has the row of a site as `site`; `now` is the name of its parameter for a moment,
    empty for the transaction's own time.
    """
    moment = f"%({now})s::timestamptz" if now else "now()"
    last_day = _LAST_DAY_SQL.format(arguments=f"site.timezone, {moment}")
    return statement.replace("{last_plausible_day}", last_day)


def latest_day(now: datetime.datetime) -> datetime.date:
    """Return the last plausible day of any site: a bound that finds rows by, ahead of the rule."""
    return last_plausible_day(_EARLIEST_ZONE, now)


def first_day_default() -> datetime.date:
    """Return the first fiscal day of a site that is registered now and says nothing else."""
    today = timezone.now().date()
    return today - datetime.timedelta(days=DAYS_BEFORE_REGISTRATION)


#: The same for who registers a site past Django.
FIRST_DAY_DEFAULT = Cast(
    Now() - Value(datetime.timedelta(days=DAYS_BEFORE_REGISTRATION)), models.DateField()
)
