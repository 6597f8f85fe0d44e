"""What needs somebody's attention, most urgent first.

Two steps, so that thousands of sites cost little: `attention` finds all that is amiss as small
tuples, for ranking, counting and filtering; `attention_list` reads the records behind the few
lines that a page shows.
"""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    TextChoices,
)
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models import (
    Alarm,
    AlarmAcknowledgement,
    AlarmEvent,
    FiscalDay,
    PumpState,
    Quarantine,
    Site,
    TankState,
)
from ledger.models.live import CREDIBLE_AT
from ledger.models.site import cutoff_of
from ledger.plausible import is_plausible, latest_day, plausible
from ledger.selectors.ingest import (
    IngestPulse,
    WaitingMessages,
    WorkerHealth,
    WorkerState,
    waiting_by_site,
)
from ledger.selectors.silence import silences_known
from ledger.selectors.sites import SiteState, site_search

#: A list names this many things; the page says how many there are.
ATTENTION_ITEMS_MAX = 50
#: Of more sites than this with the same trouble, one line says how many.
SITES_NAMED_MAX = 5
#: Fiscal days older than this are looked after on their own pages.
ATTENTION_DAYS = 35
#: A worker that does not report for longer than this was perhaps given up, and is no news.
WORKER_SILENT_MAX = datetime.timedelta(days=1)
#: A broker that is away for less than this is no news.
BROKER_AWAY_MIN = datetime.timedelta(seconds=10)


class Severity(IntEnum):
    """How urgent: critical means that sales or records are at risk now."""

    CRITICAL = 1
    ATTENTION = 2


class Topic(TextChoices):
    """What it is about, in the order of urgency."""

    INGEST = "ingest", _("Ingest")
    OFFLINE = "offline", _("Offline")
    STALE = "stale", _("Data too old")
    MISSING = "missing", _("Missing entries")
    ALARM = "alarm", _("Alarm")
    TANK = "tank", _("Low tank")
    FUELLING_POINT = "fuelling_point", _("Fuelling point")
    OPEN_DAY = "open_day", _("Day not closed")
    QUARANTINE = "quarantine", _("Quarantine")


_RANKS = {topic: rank for rank, topic in enumerate(Topic)}
_FAR = datetime.datetime.max.replace(tzinfo=datetime.UTC)


class Trouble(NamedTuple):
    """Something amiss at a site. `fiscal_day` is the day's that it is about, if it is about one."""

    site_id: int
    topic: Topic
    severity: Severity
    since: datetime.datetime | None
    fiscal_day: datetime.date | None = None

    @property
    def rank(self) -> tuple[int, int, datetime.datetime, int, datetime.date]:
        """The order of urgency: severity, topic, and what lasts longest first.

        Site and day settle the rest: a list in which people press keeps its order.
        """
        return (
            self.severity,
            _RANKS[self.topic],
            self.since or _FAR,
            self.site_id,
            self.fiscal_day or datetime.date.min,
        )


@dataclass(frozen=True, kw_only=True)
class Attention:
    """All that is amiss: at sites (ranked), with the ingest, and in quarantine."""

    troubles: list[Trouble] = field(default_factory=list)
    ingest: list[AttentionItem] = field(default_factory=list)
    waiting: WaitingMessages = field(default_factory=WaitingMessages)

    @cached_property
    def of_site(self) -> dict[int, list[Trouble]]:
        """What is amiss at each site, ranked; the sites themselves are in the same order."""
        found: dict[int, list[Trouble]] = defaultdict(list)
        for trouble in self.troubles:
            found[trouble.site_id].append(trouble)
        return dict(found)

    @cached_property
    def site_counts(self) -> dict[Topic, int]:
        """How many sites have trouble of each kind, in the order of topics, none left out."""
        pairs = {(trouble.topic, trouble.site_id) for trouble in self.troubles}
        counts = Counter(topic for topic, _site_id in pairs)
        return {topic: counts[topic] for topic in Topic if topic != Topic.INGEST}

    def site_ids(self, topic: Topic) -> set[int]:
        """Return the sites with trouble of one kind."""
        return {trouble.site_id for trouble in self.troubles if trouble.topic == topic}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionItem:
    """One line: `topic` says what, `rows` are what it speaks of (records of one site, a worker).

    Of many sites with the same trouble a line has no site and no rows, but `site_count`.
    """

    topic: Topic
    severity: Severity
    since: datetime.datetime | None
    site: Site | None = None
    site_count: int = 0
    rows: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadPoint:
    """A fuelling point where nobody fuels. `state` is what it says itself (`PumpState.State`).

    Or it is "silent": it says nothing of the kind, but has sold nothing since, while others did.
    """

    site_id: int
    fuelling_point: int
    state: str
    since: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionList:
    """The most urgent lines, and how many things there are in all, and critical ones of them."""

    items: list[AttentionItem] = field(default_factory=list)
    total: int = 0
    critical_count: int = 0
    #: How many sites have trouble of each kind.
    site_counts: dict[Topic, int] = field(default_factory=dict)


def attention(
    sites: QuerySet[Site],
    *,
    pulse: IngestPulse | None = None,
    names_workers: bool = False,
    quarantine: QuerySet[Quarantine] | None = None,
    now: datetime.datetime | None = None,
) -> Attention:
    """Return all that is amiss at these sites. A constant number of queries, no more than eight.

    With `names_workers` each worker in trouble is named, not only that all of them are gone.
    """
    now = now or timezone.now()
    trading = sites.filter(is_closed=False)
    waiting, quarantined = (
        (WaitingMessages(), {}) if quarantine is None else waiting_by_site(quarantine)
    )
    troubles = [
        *_unheard(trading, now),
        *_days(trading, now),
        *_alarms(trading),
        *_tanks(trading),
        *_fuelling_points(trading),
        *(
            Trouble(site_id, Topic.QUARANTINE, Severity.ATTENTION, since)
            for site_id, since in quarantined.items()
        ),
    ]
    troubles.sort(key=lambda trouble: trouble.rank)
    return Attention(
        troubles=troubles,
        ingest=_ingest(pulse, now, names_workers=names_workers),
        waiting=waiting,
    )


def attention_list(found: Attention, *, groups_sites: bool = False) -> AttentionList:
    """Return the lines that say what is amiss. A constant number of queries, no more than six.

    With `groups_sites` the same trouble at more than SITES_NAMED_MAX sites is one line.
    """
    # Of the quarantine one line says all.
    troubles = [each for each in found.troubles if each.topic != Topic.QUARANTINE]
    items = list(found.ingest)
    named: list[Trouble] = []
    for _rank, group in groupby(troubles, key=lambda each: each.rank[:2]):
        alike = list(group)
        site_count = len({each.site_id for each in alike})
        if groups_sites and site_count > SITES_NAMED_MAX:
            first = alike[0]
            items.append(
                AttentionItem(
                    topic=first.topic,
                    severity=first.severity,
                    since=first.since,
                    site_count=site_count,
                )
            )
        else:
            named += alike
    items += _read(named[:ATTENTION_ITEMS_MAX])
    items += _quarantine(found.waiting)
    # Stable: lines of the same rank stay in the order of their troubles.
    items.sort(key=lambda item: (item.severity, _RANKS[item.topic], item.since or _FAR))
    severities = [*(each.severity for each in troubles), *(item.severity for item in found.ingest)]
    severities += [item.severity for item in items if item.topic == Topic.QUARANTINE]
    return AttentionList(
        items=items[:ATTENTION_ITEMS_MAX],
        total=len(severities),
        critical_count=severities.count(Severity.CRITICAL),
        site_counts=found.site_counts,
    )


# --- What is amiss -------------------------------------------------------------------------------


def _ingest(
    pulse: IngestPulse | None, now: datetime.datetime, *, names_workers: bool
) -> list[AttentionItem]:
    """All workers gone is one thing; else each that is in trouble, or lost its session."""
    if pulse is None:
        return []
    if pulse.is_silent:
        return [AttentionItem(topic=Topic.INGEST, severity=Severity.CRITICAL, since=pulse.last_at)]
    if not names_workers:
        return []
    return [
        AttentionItem(
            topic=Topic.INGEST, severity=Severity.CRITICAL, since=health.since, rows=[health]
        )
        for health in pulse.workers
        if health.is_in_trouble and _is_news(health, now)
    ] + [
        AttentionItem(
            topic=Topic.INGEST,
            severity=Severity.ATTENTION,
            since=health.worker.session_lost_since,
            rows=[health],
        )
        for health in pulse.workers
        if health.lost_session
    ]


def _is_news(health: WorkerHealth, now: datetime.datetime) -> bool:
    if health.since is None:
        return True
    lasts = now - health.since
    if health.state == WorkerState.SILENT:
        return lasts <= WORKER_SILENT_MAX
    return health.state != WorkerState.DISCONNECTED or lasts >= BROKER_AWAY_MIN


def _unheard(sites: QuerySet[Site], now: datetime.datetime) -> Iterable[Trouble]:
    """Sites that are offline or whose data is too old. Never heard from is no news."""
    unheard = site_search(sites, states=[SiteState.OFFLINE, SiteState.STALE], now=now)
    rows = unheard.order_by().values_list(
        "id", "status__online", "status__since", "status__last_heard_at"
    )
    for site_id, online, since, heard_at in rows:
        if online is False:
            yield Trouble(site_id, Topic.OFFLINE, Severity.CRITICAL, since or heard_at)
        else:
            yield Trouble(site_id, Topic.STALE, Severity.ATTENTION, heard_at)


def _days(sites: QuerySet[Site], now: datetime.datetime) -> Iterable[Trouble]:
    """Days with missing entries, and days that are open and should not be.

    Those that a newer day followed, and those whose cut-off has passed, by the site's own clock.
    One query for the sites' time zones, one for the days.
    """
    today = now.date()
    newer = plausible(
        FiscalDay.objects.filter(site=OuterRef("site"), fiscal_day__gt=OuterRef("fiscal_day")), now
    )
    is_late = Q(closed_at=None) & (Q(Exists(newer)) | _past_cutoff(sites, now))
    expected = Greatest(Coalesce(F("last_sequence"), 0), F("highest_sequence"))
    days = (
        FiscalDay.objects.filter(
            is_plausible(now),
            site__in=sites,
            fiscal_day__gt=today - datetime.timedelta(days=ATTENTION_DAYS),
            fiscal_day__lte=latest_day(now),
        )
        .alias(expected=expected)
        .annotate(
            # A gap that nobody noted is older than the note.
            known_incomplete_at=Coalesce("gap_since", "closed_at", "last_received_at"),
            is_late=ExpressionWrapper(is_late, output_field=BooleanField()),
            has_gap=ExpressionWrapper(
                # What a sealed day lacks was explained, and two people stand for it.
                Q(expected__gt=F("entry_count"), sealed_at=None),
                output_field=BooleanField(),
            ),
        )
        .filter(Q(has_gap=True) | Q(is_late=True))
        .values_list(
            "site_id",
            "fiscal_day",
            "opened_at",
            "closed_at",
            "known_incomplete_at",
            "has_gap",
            "is_late",
            "site__timezone",
            "site__cutoff",
        )
    )
    for site_id, day, opened_at, closed_at, gap_since, has_gap, is_late_now, zone, cutoff in days:
        if has_gap:
            severity = Severity.ATTENTION if closed_at is None else Severity.CRITICAL
            yield Trouble(site_id, Topic.MISSING, severity, gap_since, day)
        if is_late_now:
            late_at = cutoff_of(day, cutoff=cutoff, zone=ZoneInfo(zone))
            since = late_at if late_at <= now else opened_at
            yield Trouble(site_id, Topic.OPEN_DAY, Severity.ATTENTION, since, day)


def _past_cutoff(sites: QuerySet[Site], now: datetime.datetime) -> Q:
    """Match the fiscal days whose cut-off has passed: each zone has a clock of its own."""
    zones: dict[datetime.datetime, list[str]] = defaultdict(list)
    for name in sites.order_by().values_list("timezone", flat=True).distinct():
        zones[now.astimezone(ZoneInfo(name)).replace(tzinfo=None)].append(name)
    match = Q(pk__in=[])
    for local, names in zones.items():
        yesterday = local.date() - datetime.timedelta(days=1)
        match |= Q(site__timezone__in=names) & (
            Q(fiscal_day__lt=yesterday)
            | Q(fiscal_day=yesterday, site__cutoff__lte=local.time().replace(microsecond=0))
        )
    return match


def _alarms(sites: QuerySet[Site]) -> Iterable[Trouble]:
    rows = (
        open_alarms(sites)
        .order_by()
        .annotate(since=CREDIBLE_AT)
        .values_list("site_id", "severity", "since")
    )
    found: dict[int, tuple[Severity, datetime.datetime]] = {}
    for site_id, words, at in rows:
        severity = Severity.CRITICAL if words.lower() in _CRITICAL_ALARMS else Severity.ATTENTION
        known = found.get(site_id, (severity, at))
        found[site_id] = (min(severity, known[0]), min(at, known[1]))
    return [Trouble(site_id, Topic.ALARM, *rest) for site_id, rest in found.items()]


_CRITICAL_ALARMS = {"critical", "error", "fatal"}


def open_alarms(sites: QuerySet[Site]) -> QuerySet[Alarm]:
    """Return the alarms that somebody should look at.

    What somebody has taken note of stays on the site's page alone.
    """
    key = {name: OuterRef(name) for name in ("site", "device", "number", "code", "at")}
    return Alarm.objects.filter(
        ~Exists(AlarmAcknowledgement.objects.filter(**key)),
        site__in=sites,
        state=AlarmEvent.State.STARTED,
    )


def _tanks(sites: QuerySet[Site]) -> Iterable[Trouble]:
    low = low_tanks(sites).annotate(began_at=Coalesce("low_since", CREDIBLE_AT))
    return _earliest(low.values_list("site_id", "began_at"), Topic.TANK)


def low_tanks(sites: QuerySet[Site]) -> QuerySet[TankState]:
    """Return the tanks whose newest reading lies below the low mark."""
    return TankState.objects.filter(
        site__in=sites, site__tanks__number=F("tank"), volume__lte=F("site__tanks__low_mark")
    ).order_by()


def _fuelling_points(sites: QuerySet[Site]) -> Iterable[Trouble]:
    """Points that say that nobody can fuel there, and those that nobody fuels at. Two queries."""
    since = [
        *broken_points(sites).values_list("site_id", "since"),
        *silences_known(sites).values_list("site_id", "last_sale_at"),
    ]
    return _earliest(since, Topic.FUELLING_POINT)


def broken_points(sites: QuerySet[Site]) -> QuerySet[PumpState]:
    """Return the fuelling points that say themselves that nobody can fuel there."""
    return PumpState.objects.filter(
        site__in=sites, state__in=[PumpState.State.INOPERATIVE, PumpState.State.OFFLINE]
    ).order_by()


def dead_points(sites: QuerySet[Site]) -> list[DeadPoint]:
    """Return the points where nobody fuels, by number, whoever says so. Two queries."""
    broken = [
        DeadPoint(
            site_id=state.site_id,
            fuelling_point=state.fuelling_point,
            state=state.state,
            since=state.since,
        )
        for state in broken_points(sites)
    ]
    silent = [
        DeadPoint(
            site_id=silence.site_id,
            fuelling_point=silence.fuelling_point,
            state="silent",
            since=silence.last_sale_at,
        )
        for silence in silences_known(sites)
    ]
    return sorted(broken + silent, key=lambda point: point.fuelling_point)


def _earliest(rows: Iterable[tuple[int, datetime.datetime]], topic: Topic) -> Iterable[Trouble]:
    """Return one trouble for each site, since the earliest time."""
    found: dict[int, datetime.datetime] = {}
    for site_id, at in rows:
        found[site_id] = min(at, found.get(site_id, at))
    return [Trouble(site_id, topic, Severity.ATTENTION, at) for site_id, at in found.items()]


# --- The lines that a page shows -----------------------------------------------------------------


def _read(troubles: list[Trouble]) -> Iterable[AttentionItem]:
    """Read the records that the lines name, all lines of a kind together."""
    ids: dict[Topic, set[int]] = defaultdict(set)
    for trouble in troubles:
        ids[trouble.topic].add(trouble.site_id)
    sites = Site.objects.in_bulk({trouble.site_id for trouble in troubles})
    keys = [(each.site_id, each.fiscal_day) for each in troubles if each.fiscal_day is not None]
    days = {day.pk: day for day in FiscalDay.objects.filter(pk__in=keys)} if keys else {}
    rows = {
        topic: _by_site(records(Site.objects.filter(id__in=ids[topic])))
        for topic, records in _RECORDS.items()
        if ids[topic]
    }
    for trouble in troubles:
        site = sites[trouble.site_id]
        day = days.get((trouble.site_id, trouble.fiscal_day))
        if day is not None:
            day.site = site
        of_site = [day] if day is not None else rows.get(trouble.topic, {}).get(site.id, [])
        if not of_site and trouble.topic in _HAVE_RECORDS:
            # It ended after it was found: there is nothing left to say.
            continue
        yield AttentionItem(
            topic=trouble.topic,
            severity=trouble.severity,
            since=trouble.since,
            site=site,
            rows=of_site,
        )


_RECORDS: dict[Topic, Any] = {
    Topic.ALARM: lambda sites: open_alarms(sites).order_by("pk"),
    Topic.TANK: lambda sites: low_tanks(sites).order_by("pk"),
    Topic.FUELLING_POINT: dead_points,
}
#: Lines of these topics speak of records of the site, the others of the site itself.
_HAVE_RECORDS = frozenset({*_RECORDS, Topic.MISSING, Topic.OPEN_DAY})


def _by_site(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.site_id].append(row)
    return found


def _quarantine(waiting: WaitingMessages) -> list[AttentionItem]:
    if not waiting.count:
        return []
    return [
        AttentionItem(
            topic=Topic.QUARANTINE,
            severity=Severity.ATTENTION,
            since=waiting.since,
            rows=[waiting],
        )
    ]
