"""What waits in quarantine: narrowed down, page by page, and counted."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import (
    BinaryField,
    F,
    Func,
    IntegerField,
    Min,
    Q,
    QuerySet,
    TextChoices,
    Value,
)
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models import Correction, FiscalDay, Quarantine, QuarantineDecision, Site
from ledger.selectors.stated import stated_entry
from ledger.topics import ROOT, topic_prefix

QUARANTINE_PER_PAGE = 25
#: A page counts to here; beyond it says "and more".
COUNTED_MAX = 10_000
#: How many replays of one message a page names.
REPLAYS_NAMED_MAX = 20
#: Stands for the messages that no registered site sent.
NO_SITE = "none"


class Age(TextChoices):
    """When a message came last, seen from now."""

    HOUR = "hour", _("In the last hour")
    DAY = "day", _("In the last 24 hours")
    WEEK = "week", _("In the last 7 days")
    OLDER_DAY = "older_day", _("Longer ago than 24 hours")
    OLDER_WEEK = "older_week", _("Longer ago than 7 days")


_AGES = {
    Age.HOUR: ("gte", datetime.timedelta(hours=1)),
    Age.DAY: ("gte", datetime.timedelta(days=1)),
    Age.WEEK: ("gte", datetime.timedelta(days=7)),
    Age.OLDER_DAY: ("lt", datetime.timedelta(days=1)),
    Age.OLDER_WEEK: ("lt", datetime.timedelta(days=7)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineFilter:
    """Which messages are meant. Empty values mean any.

    `site` is a site's code (registered or not), or NO_SITE. `text` is looked for in the exact
    reason, the topic, and byte for byte in what came. `last_id` leaves out what came later.
    """

    reason: str = ""
    site: str = ""
    lane: str = ""
    outcome: str = Quarantine.Outcome.WAITING
    age: str = ""
    text: str = ""
    last_id: int | None = None

    def of(self, messages: QuerySet[Quarantine]) -> QuerySet[Quarantine]:
        """Narrow messages down."""
        for name in ("reason", "outcome"):
            if value := getattr(self, name):
                messages = messages.filter(**{name: value})
        if self.site == NO_SITE:
            messages = messages.filter(site=None)
        elif self.site:
            of_code = Q(site=None, topic__startswith=topic_prefix(self.site))
            messages = messages.filter(of_code | Q(site__code=self.site))
        if self.lane:
            messages = messages.filter(topic__regex=rf"^{ROOT}/[^/]+/{self.lane}(/|$)")
        if self.age:
            how, ago = _AGES[Age(self.age)]
            messages = messages.filter(**{f"last_received_at__{how}": timezone.now() - ago})
        if self.text:
            messages = messages.alias(place=_Position(self.text)).filter(
                Q(detail__icontains=self.text) | Q(topic__icontains=self.text) | Q(place__gt=0)
            )
        if self.last_id is not None:
            messages = messages.filter(id__lte=self.last_id)
        return messages


class _Position(Func):
    """Where a text begins in the bytes that came, 0 if nowhere."""

    function = "position"
    template = "%(function)s(%(expressions)s)"
    arg_joiner = " IN "

    def __init__(self, text: str) -> None:
        super().__init__(
            Value(text.encode(), output_field=BinaryField()),
            F("raw"),
            output_field=IntegerField(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinePage:
    """A page of messages, newest first; `before` is the next page's or None.

    They come without their bytes, which can be a megabyte each.
    """

    messages: list[Quarantine] = field(default_factory=list)
    before: int | None = None


def quarantine_page(
    messages: QuerySet[Quarantine],
    *,
    before: int | None = None,
    limit: int = QUARANTINE_PER_PAGE,
) -> QuarantinePage:
    """Return a page of messages. One query."""
    if before is not None:
        messages = messages.filter(id__lt=before)
    found = list(
        messages.select_related("site").defer("raw", "digest").order_by("-id")[: limit + 1]
    )
    return QuarantinePage(
        messages=found[:limit], before=found[limit - 1].id if len(found) > limit else None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineCounts:
    """How many messages there are, counted to COUNTED_MAX, by reason, and since when they wait."""

    count: int = 0
    is_more: bool = False
    last_id: int = 0
    since: datetime.datetime | None = None
    by_reason: list[tuple[str, int]] = field(default_factory=list)

    @property
    def tally(self) -> list[tuple[str, str, int]]:
        """Each reason that there is, its name, and how many messages; the most first."""
        return [(code, str(Quarantine.Reason(code).label), count) for code, count in self.by_reason]


def quarantine_counts(messages: QuerySet[Quarantine]) -> QuarantineCounts:
    """Count messages. One query."""
    rows: list[tuple[int, str, datetime.datetime]] = list(
        messages.order_by("id").values_list("id", "reason", "first_received_at")[: COUNTED_MAX + 1]
    )
    counted = rows[:COUNTED_MAX]
    reasons = Counter(reason for _id, reason, _at in counted)
    return QuarantineCounts(
        count=len(counted),
        is_more=len(rows) > COUNTED_MAX,
        last_id=counted[-1][0] if counted else 0,
        since=min((at for _id, _reason, at in counted), default=None),
        by_reason=reasons.most_common(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDayMove:
    """A site that begins with `day` once the days of its messages are accepted."""

    site: Site
    day: datetime.date


def first_day_moves(messages: QuerySet[Quarantine], *, limit: int) -> list[FirstDayMove]:
    """Return the sites that begin earlier once these messages' days are accepted. Two queries."""
    days = dict(
        messages.order_by()
        .values_list("site_id")
        .annotate(day=Min("fiscal_day"))
        .order_by("site__code")[:limit]
    )
    sites = Site.objects.in_bulk(days)
    return [FirstDayMove(site=sites[site_id], day=day) for site_id, day in days.items()]


def message_has_day(message: Quarantine) -> bool:
    """Say whether the ledger knows the fiscal day that a message names. One query at most."""
    if message.site_id is None or message.fiscal_day is None:
        return False
    return FiscalDay.objects.filter(pk=(message.site_id, message.fiscal_day)).exists()


def message_decisions(message: Quarantine) -> list[QuarantineDecision]:
    """Return what was decided about a message, the first first. One query."""
    return list(
        QuarantineDecision.objects.filter(quarantine=message)
        .select_related("decided_by")
        .order_by("number")
    )


def message_replays(message: Quarantine) -> list[Quarantine]:
    """Return what a replay of the message put into quarantine again. One query."""
    replays: QuerySet[Quarantine, Any] = Quarantine.objects.filter(replay_of=message)
    return list(replays.defer("raw", "digest").order_by("id")[:REPLAYS_NAMED_MAX])


def message_correction(
    message: Quarantine, decisions: Sequence[QuarantineDecision]
) -> Correction | None:
    """Return the correction that an accepted message became. At most one query."""
    revision = next((each.revision for each in reversed(decisions) if each.revision), None)
    stated = stated_entry(message.raw) if revision else None
    if revision is None or stated is None or not (stated.fiscal_day and stated.sequence):
        return None
    return Correction.objects.filter(
        site=message.site_id,
        fiscal_day=stated.fiscal_day,
        sequence=stated.sequence,
        revision=revision,
    ).first()
