"""Entries that a site was asked to send again: who asked, and what became of it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from django.db import connection
from django.db.models import Count, Exists, F, Max, OuterRef, Q, Sum, TextChoices
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models import Command, FiscalDay, Site
from ledger.plausible import plausible
from ledger.selectors.days import MissingRange, missing_ranges

#: A site that has not sent everything this long after it was asked may be asked again.
ANSWER_MAX = datetime.timedelta(minutes=2)
#: A message that no worker has sent for this long is worth a word of why.
SENDING_MAX = datetime.timedelta(seconds=10)
#: A request that is answered is news for this long.
NEWS_MAX = datetime.timedelta(hours=1)

_ARRIVED_SQL = (
    Path(__file__).parent.parent.joinpath("sql", "resend_arrived.sql").read_text(encoding="utf-8")
)


class ResendStatus(TextChoices):
    """How far a request has come."""

    WAITING = "waiting", _("Waiting to be sent")
    SENT = "sent", _("Sent to the site")
    ARRIVED = "arrived", _("Arrived")
    UNANSWERED = "unanswered", _("Not answered")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRequest:
    """The newest request for a day's missing entries.

    `sent_at` is when the broker had all of it, None before. `is_late` says that no worker has
    sent it for longer than SENDING_MAX. `status` is UNANSWERED once ANSWER_MAX has passed since
    it was sent and entries that it asked for are still missing.
    """

    requested_by: str
    requested_at: datetime.datetime
    sent_at: datetime.datetime | None
    asked_count: int
    arrived_count: int
    status: ResendStatus
    is_late: bool
    is_news: bool

    @property
    def missing_count(self) -> int:
        """How many of the entries that were asked for are still missing."""
        return self.asked_count - self.arrived_count

    @property
    def is_open(self) -> bool:
        """Whether it is under way, so that asking for the same again would bring nothing."""
        return self.status in {ResendStatus.WAITING, ResendStatus.SENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResend:
    """What can be done about a day's missing entries: the newest request, and whether to offer one.

    It is offered when something is missing that no request under way has asked for. A sealed day
    takes no entry any more, so there it never is.
    """

    request: ResendRequest | None = None
    is_offered: bool = False


#: A site's page names this many earlier days that lack entries; the list of days shows them all.
INCOMPLETE_DAYS_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteDay:
    """A fiscal day with its first missing entries and what is done about them."""

    day: FiscalDay
    missing: list[MissingRange]
    resend: DayResend

    @property
    def is_missing_list_cut(self) -> bool:
        """Whether more is missing than `missing` lists."""
        return sum(part.last - part.first + 1 for part in self.missing) < self.day.missing_count


def incomplete_days(
    site: Site,
    *,
    before: datetime.date,
    now: datetime.datetime | None = None,
    limit: int = INCOMPLETE_DAYS_MAX,
) -> list[IncompleteDay]:
    """Return the newest fiscal days before one that lack entries and can still take them.

    One whose missing entries have just arrived is among them for NEWS_MAX.
    """
    now = now or timezone.now()
    expected = Greatest(Coalesce(F("last_sequence"), 0), F("highest_sequence"))
    asked = Command.objects.filter(
        site=site,
        fiscal_day=OuterRef("fiscal_day"),
        kind=Command.Kind.RESEND,
        requested_at__gt=now - NEWS_MAX,
    )
    days = (
        plausible(FiscalDay.objects.all(), now)
        .alias(expected=expected)
        .filter(
            Q(expected__gt=F("entry_count")) | Exists(asked),
            site=site,
            fiscal_day__lt=before,
            sealed_at=None,
        )
    )
    return [
        IncompleteDay(day=day, missing=missing_ranges(day), resend=day_resend(day, now=now))
        for day in days.order_by("-fiscal_day")[:limit]
    ]


def day_resend(day: FiscalDay, *, now: datetime.datetime | None = None) -> DayResend:
    """Return the newest request of a day. Two queries; three while entries are missing."""
    request = _newest_request(day, now or timezone.now())
    under_way = request.missing_count if request is not None and request.is_open else 0
    return DayResend(
        request=request,
        is_offered=day.sealed_at is None and day.missing_count > under_way,
    )


def _newest_request(day: FiscalDay, now: datetime.datetime) -> ResendRequest | None:
    commands = Command.objects.filter(
        site=day.site_id, fiscal_day=day.fiscal_day, kind=Command.Kind.RESEND
    )
    newest = (
        commands.select_related("requested_by").defer("ranges").order_by("-requested_at").first()
    )
    if newest is None:
        return None
    requested_at = newest.requested_at
    sums = commands.filter(requested_at=requested_at).aggregate(
        asked=Sum("asked_count"), rows=Count("id"), sent=Count("sent_at"), sent_at=Max("sent_at")
    )
    sent_at = sums["sent_at"] if sums["sent"] == sums["rows"] else None
    asked_count = int(sums["asked"])
    arrived_count = _arrived_count(day, requested_at) if day.missing_count > 0 else asked_count
    return ResendRequest(
        requested_by=str(newest.requested_by),
        requested_at=requested_at,
        sent_at=sent_at,
        asked_count=asked_count,
        arrived_count=arrived_count,
        status=_status(sent_at, now, is_complete=arrived_count >= asked_count),
        is_late=sent_at is None and requested_at + SENDING_MAX < now,
        is_news=requested_at + NEWS_MAX > now,
    )


def _status(
    sent_at: datetime.datetime | None, now: datetime.datetime, *, is_complete: bool
) -> ResendStatus:
    if is_complete:
        return ResendStatus.ARRIVED
    if sent_at is None:
        return ResendStatus.WAITING
    return ResendStatus.SENT if sent_at + ANSWER_MAX > now else ResendStatus.UNANSWERED


def _arrived_count(day: FiscalDay, requested_at: datetime.datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _ARRIVED_SQL,
            {
                "site_id": day.site_id,
                "fiscal_day": day.fiscal_day,
                "requested_at": requested_at,
            },
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0
