"""Fuelling points that look dead: no sale for much longer than usual, while others sell.

Nobody reports them; they are found from the data. The measure is how many sales a point would
have made by now: of the sales that the others made since its last one, its usual share at these
hours of the day, taken from the past week. Sales come by chance, so a healthy point of which
seven were expected makes none about once in a thousand times.

The site's page asks it of its own points at each rendering (`silent_points`). Of the whole network
a worker asks it all the while, by the same rule (`JUDGE_SILENCES`), and keeps the answers, so that
the ranking of thousands of sites reads them (`silences_known`) with one query.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from ledger.hours import clock_offsets, hour_of, midnight
from ledger.models import Entry, FiscalDay, Kind, NozzleState, PointSilence, PumpState, Site
from ledger.plausible import plausible, plausible_span, with_plausible
from ledger.sql import statement

#: No point is called dead before it sold nothing for this long...
SILENT_MIN = datetime.timedelta(minutes=30)
#: ...nor before this many sales of it were to be expected...
EXPECTED_SALES_MIN = 7
#: ...from at least so many that it made at these hours before.
USUAL_SALES_MIN = 8
#: What is usual is what these last fiscal days say.
USUAL_DAYS = 7
#: A point that takes more than this times its equal share of the sales is not counted on: until
#: then it is not looked at closely, which costs a query.
SHARE_MAX = 2
#: The sales of others are counted back to here at most; more than enough to say it.
COUNTED_MAX = datetime.timedelta(hours=36)

#: Of a point in another state silence is no news: that state says why already.
STATES_TO_SELL = (PumpState.State.IDLE, PumpState.State.CALLING, PumpState.State.AUTHORISED)
#: What was concluded about a point is looked at again after this long, whatever was sold.
JUDGEMENT_KEPT = datetime.timedelta(hours=1)
#: So many points are looked at closely at a time.
JUDGED_MAX = 50
#: More entries than any point will ever be silent for.
_NEVER = 2**62

_SQL = Path(__file__).parent.parent / "sql"
_POINT_HOURS_SQL = statement("point_hours", "site_hour")
#: Judges the points of all sites and keeps what it finds; writes a row for each that it looked at.
JUDGE_SILENCES = with_plausible((_SQL / "judge_silences.sql").read_text(encoding="utf-8"))


def judge_parameters(now: datetime.datetime) -> dict[str, Any]:
    """Return what `JUDGE_SILENCES` wants to know."""
    return {
        "now": now,
        "states_to_sell": [state.value for state in STATES_TO_SELL],
        "silent_min": SILENT_MIN,
        "expected_min": EXPECTED_SALES_MIN,
        "usual_min": USUAL_SALES_MIN,
        "usual_days": USUAL_DAYS,
        "share_max": SHARE_MAX,
        "counted_max": COUNTED_MAX,
        "kept": JUDGEMENT_KEPT,
        "points_max": JUDGED_MAX,
        "never": _NEVER,
        "sale": Kind.SALE.value,
    }


def silences_known(sites: QuerySet[Site]) -> QuerySet[PointSilence]:
    """Return the points that looked dead when they were last looked at, and sold nothing since."""
    point = {"site": OuterRef("site"), "fuelling_point": OuterRef("fuelling_point")}
    sold_since = Q(fiscal_day__gt=OuterRef("fiscal_day")) | Q(
        fiscal_day=OuterRef("fiscal_day"), sequence__gt=OuterRef("sequence")
    )
    sold = plausible(NozzleState.objects.filter(sold_since, **point), timezone.now())
    return PointSilence.objects.filter(
        ~Exists(sold),
        ~Exists(PumpState.objects.filter(**point).exclude(state__in=STATES_TO_SELL)),
        site__in=sites,
        usual_every_s__isnull=False,
    ).order_by()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A point that sold nothing since `last_sale_at`.

    Meanwhile the others made `sales_elsewhere`; at these hours of the day the point usually sells
    once in `usual_every`.
    """

    fuelling_point: int
    last_sale_at: datetime.datetime
    sales_elsewhere: int
    usual_every: datetime.timedelta

    @property
    def usual_every_minutes(self) -> int:
        """The same in whole minutes, one at least."""
        return max(1, round(self.usual_every / datetime.timedelta(minutes=1)))


def silent_points(
    site: Site, *, last_sales: Mapping[int, NozzleState], now: datetime.datetime
) -> dict[int, Silence]:
    """Return which of the points look dead, by number.

    `last_sales` holds each point's newest sale. One query; while a point may be dead one more,
    and one for each such point.
    """
    quiet = {
        number: sale for number, sale in last_sales.items() if now - sale.occurred_at >= SILENT_MIN
    }
    suspects = _suspects(site, quiet, point_count=len(last_sales), now=now)
    if not suspects:
        return {}
    usual = _usual_hours(site, min(suspects.values(), key=lambda sale: sale.fiscal_day), now)
    found = (_silence(site, sale, usual, now) for sale in suspects.values())
    return {silence.fuelling_point: silence for silence in found if silence is not None}


def _suspects(
    site: Site, quiet: Mapping[int, NozzleState], *, point_count: int, now: datetime.datetime
) -> dict[int, NozzleState]:
    """Return the points after whose last sale so many entries came that they may be dead.

    The numbering of entries says how many: no entry has to be counted for it.
    """
    if not quiet:
        return {}
    first_day = min(sale.fiscal_day for sale in quiet.values())
    span = plausible_span(site, now)
    days = FiscalDay.objects.filter(site=site, fiscal_day__range=(first_day, span.last))
    days = days.order_by("-fiscal_day")
    highest = dict(days.values_list("fiscal_day", "highest_sequence")[: USUAL_DAYS + 1])
    enough = EXPECTED_SALES_MIN * point_count / SHARE_MAX
    return {
        number: sale for number, sale in quiet.items() if _entries_after(sale, highest) >= enough
    }


def _entries_after(sale: NozzleState, highest: Mapping[datetime.date, int]) -> int:
    later = sum(count for day, count in highest.items() if day > sale.fiscal_day)
    return later + max(0, highest.get(sale.fiscal_day, 0) - sale.sequence)


def _usual_hours(
    site: Site, oldest: NozzleState, now: datetime.datetime
) -> dict[int, dict[int, int]]:
    """Return the sales of each point by hour of the day, before the days in question."""
    last_day = min(oldest.fiscal_day, now.astimezone(site.zone).date()) - datetime.timedelta(days=1)
    first_day = last_day - datetime.timedelta(days=USUAL_DAYS - 1)
    with connection.cursor() as cursor:
        cursor.execute(
            _POINT_HOURS_SQL,
            {
                "site_id": site.id,
                **clock_offsets(site.timezone, first=midnight(first_day), last=midnight(last_day)),
                "first_day": first_day,
                "last_day": last_day,
                "sale": Kind.SALE.value,
            },
        )
        hours: dict[int, dict[int, int]] = {}
        for point, hour, count in cursor.fetchall():
            hours.setdefault(point, {})[hour] = count
    return hours


def _silence(
    site: Site, sale: NozzleState, usual: dict[int, dict[int, int]], now: datetime.datetime
) -> Silence | None:
    """Return how silent the point is, None if that is nothing unusual."""
    point = sale.fuelling_point
    asked = _hours_between(sale.occurred_at, now, site)
    own = _sum(usual.get(point, {}), asked)
    others = sum(_sum(hours, asked) for number, hours in usual.items() if number != point)
    if own < USUAL_SALES_MIN or not others:
        return None
    sales_elsewhere = _sales_elsewhere(site, sale, now).count()
    expected = sales_elsewhere * own / others
    if expected < EXPECTED_SALES_MIN:
        return None
    return Silence(
        fuelling_point=point,
        last_sale_at=sale.occurred_at,
        sales_elsewhere=sales_elsewhere,
        usual_every=(now - sale.occurred_at) / expected,
    )


def _sales_elsewhere(site: Site, sale: NozzleState, now: datetime.datetime) -> QuerySet[Entry]:
    since = max(sale.occurred_at, now - COUNTED_MAX)
    # A day before, because a fiscal day may run over midnight.
    first_day = since.astimezone(site.zone).date() - datetime.timedelta(days=1)
    return Entry.objects.filter(
        site=site,
        fiscal_day__range=(first_day, plausible_span(site, now).last),
        occurred_at__gt=since,
        fuelling_point__isnull=False,
        kind=Kind.SALE,
    ).exclude(fuelling_point=sale.fuelling_point)


def _hours_between(since: datetime.datetime, now: datetime.datetime, site: Site) -> set[int]:
    """Return the hours of the site's clock that lie between, all of them after a day."""
    hours = min(int((now - since) / datetime.timedelta(hours=1)) + 1, 24)
    return {hour_of(now - datetime.timedelta(hours=back), site.timezone) for back in range(hours)}


def _sum(hours: Mapping[int, int], asked: Iterable[int]) -> int:
    return sum(hours.get(hour, 0) for hour in asked)
