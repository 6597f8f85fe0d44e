"""Sites as an overview sees them: their state, the age of their data, and their current day."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import (
    Case,
    CharField,
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextChoices,
    Value,
    When,
)
from django.db.models.lookups import LessThan
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models import Alarm, AlarmEvent, DayTotal, FiscalDay, HourTotal, Site
from ledger.models.entry import TURNOVER_KINDS
from ledger.plausible import plausible
from ledger.selectors.measures import Measure
from ledger.selectors.postings import moved_by_site_and_hour

HOURS_A_DAY = 24
#: How many sites the site switcher offers.
SITE_MATCHES_MAX = 12


class SiteState(TextChoices):
    """Whether the console hears from a site."""

    LIVE = "live", _("Live")
    STALE = "stale", _("Data too old")
    OFFLINE = "offline", _("Offline")
    SILENT = "silent", _("Never heard from")
    CLOSED = "closed", _("Closed for trade")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCounts:
    """How many sites are in each state."""

    total: int = 0
    live: int = 0
    stale: int = 0
    offline: int = 0
    silent: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """A site with the turnover of its current fiscal day, `day`, which is its newest one.

    `hours` is the turnover in litres for each hour of the site's clock, 0 to 23.
    """

    site: Site
    state: SiteState
    heard_at: datetime.datetime | None
    day: FiscalDay | None = None
    volume: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    hours: list[Decimal] = field(default_factory=lambda: [Decimal(0)] * HOURS_A_DAY)
    alarm_count: int = 0


def state_at(now: datetime.datetime) -> Case:
    """Return the expression for a site's state, a value of `SiteState`, at a time."""
    age_max = ExpressionWrapper(
        Value(datetime.timedelta(seconds=1)) * F("stale_after_s"), output_field=DurationField()
    )
    stale_at = ExpressionWrapper(F("status__last_heard_at") + age_max, output_field=DateTimeField())
    return Case(
        When(is_closed=True, then=Value(SiteState.CLOSED.value)),
        When(status__online=False, then=Value(SiteState.OFFLINE.value)),
        When(status__last_heard_at=None, then=Value(SiteState.SILENT.value)),
        When(LessThan(stale_at, now), then=Value(SiteState.STALE.value)),
        default=Value(SiteState.LIVE.value),
        output_field=CharField(),
    )


def site_state(site: Site, *, now: datetime.datetime | None = None) -> SiteState:
    """Return the state of one site; the same rule as `state_at`."""
    now = now or timezone.now()
    status = getattr(site, "status", None)
    if site.is_closed:
        return SiteState.CLOSED
    if status is not None and status.online is False:
        return SiteState.OFFLINE
    if status is None or status.last_heard_at is None:
        return SiteState.SILENT
    if status.last_heard_at + datetime.timedelta(seconds=site.stale_after_s) < now:
        return SiteState.STALE
    return SiteState.LIVE


def site_counts(sites: QuerySet[Site], *, now: datetime.datetime | None = None) -> SiteCounts:
    """Count sites by state. One query."""
    rows = (
        sites.order_by()
        .annotate(state=state_at(now or timezone.now()))
        .values("state")
        .annotate(count=Count("id"))
        .values_list("state", "count")
    )
    counts = dict(rows)
    return SiteCounts(total=sum(counts.values()), **counts)


def site_search(
    sites: QuerySet[Site],
    *,
    text: str = "",
    states: Sequence[str] = (),
    now: datetime.datetime | None = None,
) -> QuerySet[Site]:
    """Return the sites whose code, name or place contains every word, in one of the states.

    No states means any. The sites come with their status.
    """
    for word in text.split():
        sites = sites.filter(
            Q(code__icontains=word)
            | Q(name__icontains=word)
            | Q(brand__icontains=word)
            | Q(city__icontains=word)
            | Q(postcode__icontains=word)
        )
    sites = sites.select_related("status")
    if not states:
        return sites
    return sites.alias(state=state_at(now or timezone.now())).filter(state__in=states)


def site_matches(sites: QuerySet[Site], *, text: str) -> list[Site]:
    """Return up to SITE_MATCHES_MAX sites for the site switcher, the closest matches first."""
    closeness = Case(
        When(code__iexact=text, then=Value(0)),
        When(code__istartswith=text, then=Value(1)),
        When(name__istartswith=text, then=Value(2)),
        default=Value(3),
    )
    return list(site_search(sites, text=text).order_by(closeness, "code")[:SITE_MATCHES_MAX])


def current_days(
    sites: Sequence[Site], *, now: datetime.datetime | None = None
) -> dict[int, FiscalDay]:
    """Return each site's newest plausible fiscal day by site id. Two queries, by keys."""
    keys = _newest_days(Site.objects.filter(id__in=[site.id for site in sites]), now=now)
    return {day.site_id: day for day in FiscalDay.objects.filter(pk__in=keys)}


def _newest_days(
    sites: QuerySet[Site], *, now: datetime.datetime | None
) -> list[tuple[int, datetime.date]]:
    """Return the keys of the sites' newest plausible fiscal days. One query."""
    days = plausible(FiscalDay.objects.filter(site=OuterRef("id")), now or timezone.now())
    newest = days.order_by("-fiscal_day").values("fiscal_day")[:1]
    keys = sites.order_by().values_list("id", Subquery(newest))
    return [(site_id, fiscal_day) for site_id, fiscal_day in keys if fiscal_day is not None]


def site_rows(sites: Sequence[Site], *, now: datetime.datetime | None = None) -> list[SiteRow]:
    """Return the overview's rows of these sites, in their order. Six queries, however many.

    Litres, amount and hours are those of the entries and of the corrections posted to the day.
    """
    days = current_days(sites, now=now)
    of_days = _of_days((day.site_id, day.fiscal_day) for day in days.values())
    totals = {
        row["site_id"]: Measure(volume=row["volume"], amount=row["amount"])
        for row in DayTotal.objects.filter(of_days, kind__in=TURNOVER_KINDS)
        .values("site_id")
        .annotate(volume=Sum("volume"), amount=Sum("amount"))
    }
    hours: dict[int, list[Decimal]] = {}
    for site_id, hour, volume in HourTotal.objects.filter(of_days).values_list(
        "site_id", "hour", "volume"
    ):
        row = hours.setdefault(site_id, [Decimal(0)] * HOURS_A_DAY)
        row[hour % HOURS_A_DAY] = volume
    posted = _of_days(((day.site_id, day.fiscal_day) for day in days.values()), "posted_to")
    for (site_id, hour), moved in moved_by_site_and_hour(posted).items():
        totals[site_id] = totals.get(site_id, Measure()) + moved
        row = hours.setdefault(site_id, [Decimal(0)] * HOURS_A_DAY)
        row[hour % HOURS_A_DAY] += moved.volume
    alarms = dict(
        Alarm.objects.filter(site__in=[site.id for site in sites], state=AlarmEvent.State.STARTED)
        .values("site_id")
        .annotate(count=Count("*"))
        .values_list("site_id", "count")
    )
    return [
        SiteRow(
            site=site,
            state=site_state(site, now=now),
            heard_at=site.status.last_heard_at if hasattr(site, "status") else None,
            day=days.get(site.id),
            volume=totals.get(site.id, Measure()).volume,
            amount=totals.get(site.id, Measure()).amount,
            hours=hours.get(site.id, [Decimal(0)] * HOURS_A_DAY),
            alarm_count=alarms.get(site.id, 0),
        )
        for site in sites
    ]


def _of_days(keys: Iterable[tuple[int, datetime.date]], column: str = "fiscal_day") -> Q:
    """Match the rows of these days, found by the column and `site`, with an index on both."""
    site_ids: dict[datetime.date, list[int]] = {}
    for site_id, fiscal_day in keys:
        site_ids.setdefault(fiscal_day, []).append(site_id)
    match = Q(pk__in=[])
    for fiscal_day, ids in site_ids.items():
        match |= Q(**{column: fiscal_day}, site_id__in=ids)
    return match
