"""What needs somebody's attention, most urgent first."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextChoices
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
from ledger.selectors.ingest import (
    IngestPulse,
    WaitingMessages,
    WorkerHealth,
    WorkerState,
    quarantine_waiting,
)
from ledger.selectors.sites import DAYS_AHEAD_MAX, SiteState, site_search

#: The list names this many things; a page says when there are more.
ATTENTION_ITEMS_MAX = 50
#: Fiscal days older than this are looked after on their own pages.
ATTENTION_DAYS = 35
#: A worker that does not report for longer than this was perhaps given up, and is no news.
WORKER_SILENT_MAX = datetime.timedelta(days=1)
#: A broker that is away for less than this is no news.
BROKER_AWAY_MIN = datetime.timedelta(seconds=10)
#: A fiscal day that is open for longer than this should have been closed.
DAY_OPEN_MAX = datetime.timedelta(hours=30)


class Severity(IntEnum):
    """How urgent: critical means that sales or records are at risk now."""

    CRITICAL = 1
    ATTENTION = 2


class Topic(TextChoices):
    """What it is about."""

    INGEST = "ingest", _("Ingest")
    OFFLINE = "offline", _("Offline")
    STALE = "stale", _("Data too old")
    MISSING = "missing", _("Missing entries")
    ALARM = "alarm", _("Alarm")
    TANK = "tank", _("Low tank")
    FUELLING_POINT = "fuelling_point", _("Fuelling point")
    OPEN_DAY = "open_day", _("Day not closed")
    QUARANTINE = "quarantine", _("Quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionItem:
    """One line: `topic` says what, `rows` are what it speaks of (records of one site, a worker)."""

    topic: Topic
    severity: Severity
    since: datetime.datetime | None
    site: Site | None = None
    rows: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionList:
    """The most urgent things, and whether there are more than ATTENTION_ITEMS_MAX."""

    items: list[AttentionItem] = field(default_factory=list)
    is_cut: bool = False

    @property
    def critical_count(self) -> int:
        """How many of the listed things are critical."""
        return sum(item.severity == Severity.CRITICAL for item in self.items)


def attention_list(
    sites: QuerySet[Site],
    *,
    pulse: IngestPulse | None = None,
    names_workers: bool = False,
    quarantine: QuerySet[Quarantine] | None = None,
    now: datetime.datetime | None = None,
) -> AttentionList:
    """Return what needs attention at these sites, ranked. A constant number of queries.

    With `names_workers` each worker in trouble is named, not only that all of them are gone.
    """
    now = now or timezone.now()
    trading = sites.filter(is_closed=False)
    items = [
        *_ingest(pulse, now, names_workers=names_workers),
        *_unheard(trading, now),
        *_missing(trading, now),
        *_alarms(trading),
        *_tanks(trading),
        *_fuelling_points(trading),
        *_open_days(trading, now),
        *_quarantine(quarantine),
    ]
    order = list(Topic)
    far = now + datetime.timedelta(days=1)
    items.sort(key=lambda item: (item.severity, order.index(item.topic), item.since or far))
    return AttentionList(items=items[:ATTENTION_ITEMS_MAX], is_cut=len(items) > ATTENTION_ITEMS_MAX)


def _ingest(
    pulse: IngestPulse | None, now: datetime.datetime, *, names_workers: bool
) -> list[AttentionItem]:
    """All workers gone is one thing; else each that is in trouble."""
    if pulse is None:
        return []
    if pulse.is_silent:
        return [AttentionItem(topic=Topic.INGEST, severity=Severity.CRITICAL, since=pulse.last_at)]
    if not names_workers:
        return []
    return [
        AttentionItem(
            topic=Topic.INGEST,
            severity=Severity.CRITICAL,
            since=health.since,
            rows=[health],
        )
        for health in pulse.workers
        if health.is_in_trouble and _is_news(health, now)
    ]


def _is_news(health: WorkerHealth, now: datetime.datetime) -> bool:
    if health.since is None:
        return True
    lasts = now - health.since
    if health.state == WorkerState.SILENT:
        return lasts <= WORKER_SILENT_MAX
    return health.state != WorkerState.DISCONNECTED or lasts >= BROKER_AWAY_MIN


def _unheard(sites: QuerySet[Site], now: datetime.datetime) -> list[AttentionItem]:
    """Sites that are offline or whose data is too old. Never heard from is no news."""
    unheard = site_search(sites, states=[SiteState.OFFLINE, SiteState.STALE], now=now)
    items = []
    for site in unheard.order_by("status__last_heard_at")[: ATTENTION_ITEMS_MAX + 1]:
        is_offline = site.status.online is False
        items.append(
            AttentionItem(
                topic=Topic.OFFLINE if is_offline else Topic.STALE,
                severity=Severity.CRITICAL if is_offline else Severity.ATTENTION,
                since=(is_offline and site.status.since) or site.status.last_heard_at,
                site=site,
            )
        )
    return items


def _recent_days(sites: QuerySet[Site], now: datetime.datetime) -> QuerySet[FiscalDay]:
    today = now.date()
    return FiscalDay.objects.filter(
        site__in=sites,
        fiscal_day__gt=today - datetime.timedelta(days=ATTENTION_DAYS),
        fiscal_day__lte=today + datetime.timedelta(days=DAYS_AHEAD_MAX),
    ).select_related("site")


def _missing(sites: QuerySet[Site], now: datetime.datetime) -> list[AttentionItem]:
    expected = Greatest(Coalesce(F("last_sequence"), 0), F("highest_sequence"))
    days = _recent_days(sites, now).alias(expected=expected).filter(expected__gt=F("entry_count"))
    return [
        AttentionItem(
            topic=Topic.MISSING,
            severity=Severity.ATTENTION if day.closed_at is None else Severity.CRITICAL,
            since=day.closed_at or day.last_received_at,
            site=day.site,
            rows=[day],
        )
        for day in days.order_by("-fiscal_day", "site_id")[: ATTENTION_ITEMS_MAX + 1]
    ]


def _open_days(sites: QuerySet[Site], now: datetime.datetime) -> list[AttentionItem]:
    """Days that a newer day followed without a close, or that are open for too long."""
    newer = FiscalDay.objects.filter(site=OuterRef("site"), fiscal_day__gt=OuterRef("fiscal_day"))
    days = _recent_days(sites, now).filter(
        Q(Exists(newer)) | Q(opened_at__lt=now - DAY_OPEN_MAX), closed_at=None
    )
    return [
        AttentionItem(
            topic=Topic.OPEN_DAY,
            severity=Severity.ATTENTION,
            since=day.opened_at,
            site=day.site,
            rows=[day],
        )
        for day in days.order_by("fiscal_day", "site_id")[: ATTENTION_ITEMS_MAX + 1]
    ]


def _alarms(sites: QuerySet[Site]) -> list[AttentionItem]:
    # What somebody has taken note of stays on the site's page alone.
    key = {name: OuterRef(name) for name in ("site", "device", "number", "code", "at")}
    alarms = Alarm.objects.filter(
        ~Exists(AlarmAcknowledgement.objects.filter(**key)),
        site__in=sites,
        state=AlarmEvent.State.STARTED,
    )

    def is_critical(alarm: Alarm) -> bool:
        return alarm.severity.lower() in {"critical", "error", "fatal"}

    return _by_site(
        alarms,
        topic=Topic.ALARM,
        severity=lambda rows: (
            Severity.CRITICAL if any(map(is_critical, rows)) else Severity.ATTENTION
        ),
        since=lambda row: row.at,
    )


def _tanks(sites: QuerySet[Site]) -> list[AttentionItem]:
    """Tanks whose newest reading lies below the low mark."""
    low = TankState.objects.filter(
        site__in=sites, site__tanks__number=F("tank"), volume__lte=F("site__tanks__low_mark")
    )
    return _by_site(
        low,
        topic=Topic.TANK,
        severity=lambda _rows: Severity.ATTENTION,
        since=lambda row: row.at,
    )


def _fuelling_points(sites: QuerySet[Site]) -> list[AttentionItem]:
    dead = PumpState.objects.filter(
        site__in=sites, state__in=[PumpState.State.INOPERATIVE, PumpState.State.OFFLINE]
    )
    return _by_site(
        dead,
        topic=Topic.FUELLING_POINT,
        severity=lambda _rows: Severity.ATTENTION,
        since=lambda row: row.since,
    )


def _by_site(
    rows: QuerySet[Any],
    *,
    topic: Topic,
    severity: Callable[[list[Any]], Severity],
    since: Callable[[Any], datetime.datetime],
) -> list[AttentionItem]:
    """Make one item of all rows of a site. The rows of ATTENTION_ITEMS_MAX sites are read."""
    sites = rows.order_by("site_id").values_list("site_id", flat=True).distinct()
    ids = list(sites[: ATTENTION_ITEMS_MAX + 1])
    found = rows.filter(site__in=ids).select_related("site").order_by("pk") if ids else []
    return [
        AttentionItem(
            topic=topic,
            severity=severity(group),
            since=min(map(since, group)),
            site=group[0].site,
            rows=group,
        )
        for group in (list(part) for _, part in groupby(found, key=lambda row: row.site_id))
    ]


def _quarantine(messages: QuerySet[Quarantine] | None) -> list[AttentionItem]:
    waiting = WaitingMessages() if messages is None else quarantine_waiting(messages)
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
