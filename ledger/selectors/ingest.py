"""How the ingest is doing: its pulse over the last hour, and what waits in quarantine."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BinaryField, F, Func, Max, QuerySet, Sum, Value
from django.db.models.functions import TruncMinute
from django.utils import timezone

from ledger.models import Pulse, Quarantine

#: The figures of now are taken over this many seconds, so that they do not flicker.
NOW_SECONDS = 10
#: Without a pulse for this long, no worker runs.
PULSE_SILENT_SECONDS = 15
MINUTES_SHOWN = 60
#: A count of waiting messages stops here; the page then says "more than".
WAITING_COUNT_MAX = 10_000
QUARANTINE_PER_PAGE = 25
#: A page shows this much of a quarantined message; the row keeps all of it.
RAW_SHOWN_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseMinute:
    """One minute of all workers: events and quarantined are sums, times the worst second."""

    at: datetime.datetime
    received: int = 0
    quarantined: int = 0
    latency_ms_p99: float | None = None
    lag_ms_p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestPulse:
    """The ingest now (over NOW_SECONDS) and in the last hour, oldest minute first."""

    received_per_s: float = 0.0
    stored_per_s: float = 0.0
    latency_ms_p99: float | None = None
    lag_ms_p99: float | None = None
    quarantined_last_hour: int = 0
    last_at: datetime.datetime | None = None
    is_silent: bool = True
    minutes: list[PulseMinute] = field(default_factory=list)

    @property
    def received_line(self) -> list[int]:
        """Events received, minute by minute."""
        return [minute.received for minute in self.minutes]

    @property
    def quarantined_line(self) -> list[int]:
        """Messages quarantined, minute by minute."""
        return [minute.quarantined for minute in self.minutes]

    @property
    def latency_line(self) -> list[float | None]:
        """The worst latency, minute by minute, None where nothing was committed."""
        return [minute.latency_ms_p99 for minute in self.minutes]

    @property
    def lag_line(self) -> list[float | None]:
        """The worst lag, minute by minute, None where nothing was committed."""
        return [minute.lag_ms_p99 for minute in self.minutes]


def ingest_pulse(*, now: datetime.datetime | None = None) -> IngestPulse:
    """Return the pulse of all workers together. Three queries."""
    now = now or timezone.now()
    last = Pulse.objects.order_by("-at").values_list("at", flat=True).first()
    recent = Pulse.objects.filter(at__gt=now - datetime.timedelta(seconds=NOW_SECONDS), at__lte=now)
    sums = recent.aggregate(
        received=Sum("received"),
        stored=Sum("stored"),
        latency=Max("latency_ms_p99"),
        lag=Max("lag_ms_p99"),
    )
    minutes = _minutes(now)
    return IngestPulse(
        received_per_s=(sums["received"] or 0) / NOW_SECONDS,
        stored_per_s=(sums["stored"] or 0) / NOW_SECONDS,
        latency_ms_p99=sums["latency"],
        lag_ms_p99=sums["lag"],
        quarantined_last_hour=sum(minute.quarantined for minute in minutes),
        last_at=last,
        is_silent=last is None or last < now - datetime.timedelta(seconds=PULSE_SILENT_SECONDS),
        minutes=minutes,
    )


def _minutes(now: datetime.datetime) -> list[PulseMinute]:
    """Return the last MINUTES_SHOWN minutes; a minute without a pulse has zeros and no times."""
    newest = now.replace(second=0, microsecond=0)
    starts = [newest - datetime.timedelta(minutes=ago) for ago in range(MINUTES_SHOWN - 1, -1, -1)]
    rows = {
        row["minute"]: row
        for row in Pulse.objects.filter(at__gte=starts[0], at__lte=now)
        .values(minute=TruncMinute("at", tzinfo=datetime.UTC))
        .annotate(
            received_sum=Sum("received"),
            quarantined_sum=Sum("quarantined"),
            latency=Max("latency_ms_p99"),
            lag=Max("lag_ms_p99"),
        )
        .order_by()
    }
    return [
        PulseMinute(
            at=start,
            received=rows[start]["received_sum"],
            quarantined=rows[start]["quarantined_sum"],
            latency_ms_p99=rows[start]["latency"],
            lag_ms_p99=rows[start]["lag"],
        )
        if start in rows
        else PulseMinute(at=start)
        for start in starts
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMessages:
    """How many quarantined messages wait, counted to WAITING_COUNT_MAX, and since when."""

    count: int = 0
    is_more: bool = False
    since: datetime.datetime | None = None


def quarantine_waiting(messages: QuerySet[Quarantine]) -> WaitingMessages:
    """Count what waits among these messages. One query."""
    waiting = messages.filter(outcome=Quarantine.Outcome.WAITING).order_by()
    counted = waiting.values_list("first_received_at", flat=True)[: WAITING_COUNT_MAX + 1]
    received = list(counted)
    return WaitingMessages(
        count=min(len(received), WAITING_COUNT_MAX),
        is_more=len(received) > WAITING_COUNT_MAX,
        since=min(received, default=None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinePage:
    """A page of quarantined messages, newest first; `before` is the next page's or None."""

    messages: list[Quarantine] = field(default_factory=list)
    before: int | None = None


def quarantine_page(
    messages: QuerySet[Quarantine],
    *,
    reason: str = "",
    before: int | None = None,
    limit: int = QUARANTINE_PER_PAGE,
) -> QuarantinePage:
    """Return a page of messages, each with `raw_head`, its first RAW_SHOWN_BYTES_MAX bytes."""
    if reason:
        messages = messages.filter(reason=reason)
    if before is not None:
        messages = messages.filter(id__lt=before)
    head = Func(
        F("raw"),
        Value(1),
        Value(RAW_SHOWN_BYTES_MAX),
        function="substring",
        output_field=BinaryField(),
    )
    found: list[Any] = list(
        messages.select_related("site")
        .defer("raw", "digest")
        .annotate(raw_head=head)
        .order_by("-id")[: limit + 1]
    )
    return QuarantinePage(
        messages=found[:limit], before=found[limit - 1].id if len(found) > limit else None
    )
