"""How the ingest is doing: its workers, its pulse now and over the last hour, its quarantine."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.db.models import (
    Avg,
    Count,
    Max,
    QuerySet,
    Sum,
    TextChoices,
)
from django.db.models.functions import TruncMinute
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models import IngestWorker, Pulse, Quarantine

#: The figures of now are taken over this many seconds, so that they do not flicker.
NOW_SECONDS = 10
#: Without a pulse for this long, a worker does not run.
PULSE_SILENT_SECONDS = 15
#: Whoever stands by says so more often than this.
STANDBY_SILENT_SECONDS = 10
MINUTES_SHOWN = 60
SECONDS_A_MINUTE = 60
#: A session that the broker lost is news for this long.
SESSION_NEWS_MAX = datetime.timedelta(days=1)
#: More workers than these are counted, not listed.
WORKERS_SHOWN_MAX = 50
#: The hour is read once for all who watch it; the newest states of it are kept, not more.
HOURS_CACHED_MAX = 4
#: A count of waiting messages stops here; the page then says "more than".
WAITING_COUNT_MAX = 10_000
#: A page shows this much of a quarantined message; the row keeps all of it.
RAW_SHOWN_BYTES_MAX = 4096

_COUNTS = ("received", "stored", "duplicates", "quarantined", "late", "live", "live_written")
#: Of these a span has the mean of its seconds, of the other times the worst second.
_TYPICAL = ("latency_ms_p50", "lag_ms_p50", "late_lag_ms_p50")
_WORST = ("latency_ms_p95", "latency_ms_p99", "latency_ms_max", "lag_ms_p99", "late_lag_ms_p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseSpan:
    """All workers over a span that begins at `at` and lasts `seconds`.

    `reports` is how many pulses it had: 0 means that nothing is known, not that nothing came.
    `commits` is how many of them tell of a commit. Counts are sums, `backlog` is the most that one
    worker held. The medians (p50) are the mean of the seconds with a
    commit, the other times the worst second; None where nothing was committed. Lag is that of live
    entries; `late` counts the others, and theirs is `late_lag`.
    """

    at: datetime.datetime | None = None
    seconds: int = SECONDS_A_MINUTE
    reports: int = 0
    commits: int = 0
    received: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    late: int = 0
    live: int = 0
    live_written: int = 0
    backlog: int = 0
    latency_ms_p50: float | None = None
    latency_ms_p95: float | None = None
    latency_ms_p99: float | None = None
    latency_ms_max: float | None = None
    lag_ms_p50: float | None = None
    lag_ms_p99: float | None = None
    late_lag_ms_p50: float | None = None
    late_lag_ms_p99: float | None = None

    @property
    def received_per_s(self) -> float:
        """Messages received a second, on average."""
        return self.received / self.seconds

    @property
    def stored_per_s(self) -> float:
        """Entries and events stored a second, on average."""
        return self.stored / self.seconds

    @property
    def live_per_s(self) -> float:
        """Live messages a second, on average."""
        return self.live / self.seconds

    @property
    def duplicates_per_s(self) -> float:
        """Duplicates a second, on average."""
        return self.duplicates / self.seconds


class WorkerState(TextChoices):
    """What a worker does."""

    WORKING = "working", _("Working")
    QUIET = "quiet", _("Nothing to do")
    STANDING_STILL = "standing_still", _("Standing still")
    DISCONNECTED = "disconnected", _("Without the broker")
    SILENT = "silent", _("Does not report")
    STOPPED = "stopped", _("Stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHealth:
    """A worker, what it does, `since` when (None: not known), and what it did lately."""

    worker: IngestWorker
    state: WorkerState
    since: datetime.datetime | None
    received_per_s: float = 0.0
    stored_per_s: float = 0.0
    has_standby: bool = False
    #: Whether the broker lost the worker's session not long ago.
    lost_session: bool = False

    @property
    def is_in_trouble(self) -> bool:
        """Whether somebody should look after it."""
        return self.state in {
            WorkerState.STANDING_STILL,
            WorkerState.DISCONNECTED,
            WorkerState.SILENT,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestPulse:
    """The ingest now (over NOW_SECONDS), in the last hour, and by the minute, oldest first.

    `minutes` are whole ones; `hour` counts the present one, too. Each `last_..._at` is when there
    was any last, None if never. `latest` has the newest times that are known: those of now, else
    those of the last second with a commit.
    """

    now: PulseSpan = field(default_factory=PulseSpan)
    hour: PulseSpan = field(default_factory=PulseSpan)
    latest: PulseSpan = field(default_factory=PulseSpan)
    minutes: list[PulseSpan] = field(default_factory=list)
    #: Messages that the workers hold now, all together.
    held: int = 0
    workers: list[WorkerHealth] = field(default_factory=list)
    last_at: datetime.datetime | None = None
    is_silent: bool = True
    last_received_at: datetime.datetime | None = None
    last_committed_at: datetime.datetime | None = None
    last_stored_at: datetime.datetime | None = None
    last_duplicate_at: datetime.datetime | None = None
    last_quarantined_at: datetime.datetime | None = None

    @property
    def received_line(self) -> list[int | None]:
        """Events received, minute by minute; None where no worker reported."""
        return [minute.received if minute.reports else None for minute in self.minutes]

    @property
    def quarantined_line(self) -> list[int | None]:
        """Messages quarantined, minute by minute; None where no worker reported."""
        return [minute.quarantined if minute.reports else None for minute in self.minutes]

    @property
    def latency_line(self) -> list[float | None]:
        """The worst latency, minute by minute, None where nothing was committed."""
        return [minute.latency_ms_p99 for minute in self.minutes]

    @property
    def lag_line(self) -> list[float | None]:
        """The worst lag of live entries, minute by minute, None where nothing was committed."""
        return [minute.lag_ms_p99 for minute in self.minutes]


def ingest_pulse(*, now: datetime.datetime | None = None) -> IngestPulse:
    """Return how the workers are, together and one by one.

    Two queries, one more when the hour is not at hand, and one while nothing is committed.
    """
    now = now or timezone.now()
    workers = list(IngestWorker.objects.order_by("name")[:WORKERS_SHOWN_MAX])
    recent = _recent(now)
    present = _joined(recent.values(), seconds=NOW_SECONDS)
    newest_minute = now.replace(second=0, microsecond=0)
    reports = tuple((worker.name, worker.reported_at) for worker in workers)
    *minutes, this_minute = _minutes(newest_minute, reports)
    last_at = max((worker.reported_at for worker in workers), default=None)
    last_committed_at = _latest(worker.last_committed_at for worker in workers)
    return IngestPulse(
        now=present,
        hour=_joined([*minutes, this_minute], seconds=MINUTES_SHOWN * SECONDS_A_MINUTE),
        latest=_last_known(present, last_committed_at),
        minutes=minutes,
        held=sum(worker.backlog for worker in workers if not _is_silent(worker.reported_at, now)),
        workers=[_health(worker, recent.get(worker.name), now) for worker in workers],
        last_at=last_at,
        is_silent=last_at is None or _is_silent(last_at, now),
        last_received_at=_latest(worker.last_received_at for worker in workers),
        last_committed_at=last_committed_at,
        last_stored_at=_latest(worker.last_stored_at for worker in workers),
        last_duplicate_at=_latest(worker.last_duplicate_at for worker in workers),
        last_quarantined_at=_latest(worker.last_quarantined_at for worker in workers),
    )


def _recent(now: datetime.datetime) -> dict[str, PulseSpan]:
    """Return the last NOW_SECONDS of each worker that reported. One query."""
    began = now - datetime.timedelta(seconds=NOW_SECONDS)
    rows = _summed(Pulse.objects.filter(at__gt=began, at__lte=now).values("worker"))
    return {row["worker"]: _span(row, seconds=NOW_SECONDS) for row in rows}


# The hour is the same for everybody, and dear with many workers. Nothing in it changes without a
# worker's report, so what was read is good for all who ask before the next one.
@lru_cache(maxsize=HOURS_CACHED_MAX)
def _minutes(
    newest: datetime.datetime, reports: tuple[tuple[str, datetime.datetime], ...]
) -> tuple[PulseSpan, ...]:
    """Return the last MINUTES_SHOWN whole minutes and the one that has begun. One query.

    `reports` are the workers' names and when each reported last.
    """
    starts = [newest - datetime.timedelta(minutes=ago) for ago in range(MINUTES_SHOWN, -1, -1)]
    if not any(reported_at >= starts[0] for _name, reported_at in reports):
        return tuple(PulseSpan(at=start) for start in starts)
    groups = Pulse.objects.filter(
        at__gte=starts[0], at__lt=newest + datetime.timedelta(minutes=1)
    ).values(minute=TruncMinute("at", tzinfo=datetime.UTC))
    spans = {row["minute"]: _span(row, at=row["minute"]) for row in _summed(groups)}
    return tuple(spans.get(start, PulseSpan(at=start)) for start in starts)


def _summed(groups: QuerySet[Pulse, Any]) -> QuerySet[Pulse, dict[str, Any]]:
    """Add each group of pulses up, as `PulseSpan` says. No name is that of a column."""
    return groups.annotate(
        reports=Count("*"),
        commits=Count("latency_ms_p50"),
        backlog_=Max("backlog"),
        **{f"{name}_": Sum(name) for name in _COUNTS},
        **{f"{name}_": Avg(name) for name in _TYPICAL},
        **{f"{name}_": Max(name) for name in _WORST},
    ).order_by()


def _span(
    row: dict[str, Any],
    *,
    at: datetime.datetime | None = None,
    seconds: int = SECONDS_A_MINUTE,
) -> PulseSpan:
    """Make a span of a row of `_summed`."""
    summed = {name: row[f"{name}_"] for name in (*_COUNTS, *_TYPICAL, *_WORST, "backlog")}
    return PulseSpan(
        at=at, seconds=seconds, reports=row["reports"], commits=row["commits"], **summed
    )


def _joined(spans: Iterable[PulseSpan], *, seconds: int) -> PulseSpan:
    """Return spans of different workers or times as one; `at` is that of the first."""
    spans = list(spans)
    commits = sum(span.commits for span in spans)

    def known(name: str) -> list[tuple[float, int]]:
        values = ((getattr(span, name), span.commits) for span in spans)
        return [(value, weight) for value, weight in values if value is not None]

    typical: dict[str, Any] = {
        name: (
            sum(value * weight for value, weight in known(name))
            / sum(weight for _value, weight in known(name))
            if known(name)
            else None
        )
        for name in _TYPICAL
    }
    worst: dict[str, Any] = {
        name: max((value for value, _weight in known(name)), default=None) for name in _WORST
    }
    return PulseSpan(
        at=spans[0].at if spans else None,
        seconds=seconds,
        reports=sum(span.reports for span in spans),
        commits=commits,
        backlog=max((span.backlog for span in spans), default=0),
        **{name: sum(getattr(span, name) for span in spans) for name in _COUNTS},
        **typical,
        **worst,
    )


def _last_known(present: PulseSpan, last_committed_at: datetime.datetime | None) -> PulseSpan:
    """Return the present, or the second of the last commit if nothing was committed since."""
    if present.commits or last_committed_at is None:
        return present
    rows = list(_summed(Pulse.objects.filter(at=last_committed_at).values("at")))
    return _span(rows[0], at=last_committed_at, seconds=1) if rows else present


def _health(worker: IngestWorker, recent: PulseSpan | None, now: datetime.datetime) -> WorkerHealth:
    """Judge a worker by its last report; `recent` is its last NOW_SECONDS."""
    recent = recent or PulseSpan(seconds=NOW_SECONDS)
    state, since = _worker_state(worker, recent, now)
    standby_at = worker.standby_at
    return WorkerHealth(
        worker=worker,
        state=state,
        since=since,
        received_per_s=recent.received_per_s,
        stored_per_s=recent.stored_per_s,
        has_standby=standby_at is not None
        and standby_at > now - datetime.timedelta(seconds=STANDBY_SILENT_SECONDS),
        lost_session=worker.session_lost_at is not None
        and worker.session_lost_at > now - SESSION_NEWS_MAX,
    )


def _worker_state(
    worker: IngestWorker, recent: PulseSpan, now: datetime.datetime
) -> tuple[WorkerState, datetime.datetime | None]:
    if worker.state == IngestWorker.State.STOPPED:
        return WorkerState.STOPPED, worker.reported_at
    if _is_silent(worker.reported_at, now):
        return WorkerState.SILENT, worker.reported_at
    if worker.state == IngestWorker.State.DISCONNECTED:
        return WorkerState.DISCONNECTED, worker.state_since
    if worker.state == IngestWorker.State.STANDING_STILL:
        return WorkerState.STANDING_STILL, worker.last_committed_at or worker.started_at
    if recent.received or recent.commits:
        return WorkerState.WORKING, worker.started_at
    return WorkerState.QUIET, worker.last_received_at


def _is_silent(reported_at: datetime.datetime, now: datetime.datetime) -> bool:
    return reported_at < now - datetime.timedelta(seconds=PULSE_SILENT_SECONDS)


def _latest(times: Iterable[datetime.datetime | None]) -> datetime.datetime | None:
    return max((at for at in times if at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMessages:
    """How many quarantined messages wait, counted to WAITING_COUNT_MAX, and since when."""

    count: int = 0
    is_more: bool = False
    since: datetime.datetime | None = None


def quarantine_waiting(messages: QuerySet[Quarantine]) -> WaitingMessages:
    """Count what waits among these messages. One query."""
    return waiting_by_site(messages)[0]


def waiting_by_site(
    messages: QuerySet[Quarantine],
) -> tuple[WaitingMessages, dict[int, datetime.datetime]]:
    """Count what waits among these messages, and say since when at each site. One query."""
    waiting = messages.filter(outcome=Quarantine.Outcome.WAITING).order_by()
    rows = list(waiting.values_list("site_id", "first_received_at")[: WAITING_COUNT_MAX + 1])
    since: dict[int, datetime.datetime] = {}
    for site_id, at in rows:
        if site_id is not None:
            since[site_id] = min(at, since.get(site_id, at))
    total = WaitingMessages(
        count=min(len(rows), WAITING_COUNT_MAX),
        is_more=len(rows) > WAITING_COUNT_MAX,
        since=min((at for _site_id, at in rows), default=None),
    )
    return total, since
