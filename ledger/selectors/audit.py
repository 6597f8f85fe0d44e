"""The audit trail: who did what and when, narrowed down, page by page."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ledger.models import AuditEvent

EVENTS_PER_PAGE = 50
#: Rows that an export reads at once: what it holds in memory, however long the trail is.
EXPORTED_AT_ONCE = 1_000

#: What each action is called, all that are recorded; one of an older console is shown as its code.
ACTION_NAMES: Mapping[str, str | Promise] = {
    "alarm.acknowledged": _("Alarm acknowledged"),
    "correction.approved": _("Correction approved"),
    "correction.proposed": _("Correction proposed"),
    "correction.rejected": _("Correction rejected"),
    "correction.took_effect": _("Correction took effect, no approval needed"),
    "correction.withdrawn": _("Correction withdrawn"),
    "day.closed": _("Fiscal day closed by hand"),
    "day.declared": _("Fiscal day declared by its site after all"),
    "day.explained": _("Difference explained"),
    "day.seal_proposed": _("Seal proposed"),
    "day.seal_withdrawn": _("Proposal to seal withdrawn"),
    "day.sealed": _("Fiscal day sealed"),
    "demo.seeded": _("Demo data made"),
    "ingest.session_lost": _("Session lost at the broker, sites asked to send again"),
    "key.made": _("Key made that signs seals"),
    "ledger.adopted": _("Table adopted into the ledger"),
    "person.changed": _("Person changed"),
    "person.created": _("Person added"),
    "person.password_set": _("Password set"),
    "quarantine.accepted": _("Quarantined message accepted"),
    "quarantine.day_accepted": _("Fiscal day of a quarantined message accepted"),
    "quarantine.dismissed": _("Quarantined message dismissed"),
    "quarantine.mended": _("Quarantined message mended"),
    "quarantine.refused": _("Quarantined message refused"),
    "quarantine.released": _("Quarantined message replayed"),
    "resend.requested": _("Resend requested"),
    "site.changed": _("Site changed"),
    "site.fuelling_points_changed": _("Fuelling points changed"),
    "site.nozzles_changed": _("Nozzles changed"),
    "site.products_changed": _("Products changed"),
    "site.registered": _("Site registered"),
    "site.tanks_changed": _("Tanks changed"),
    "sites.imported": _("Sites imported"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events are meant. Empty values mean any; both ends of a period belong to it.

    `first` and `last` are days of UTC on which it was done; `fiscal_day` and `sequence` say what
    it was done to. `action` is a code, or what codes begin with before their dot. `text` is looked
    for in the subject, the name and the detail.
    """

    person: str = ""
    action: str = ""
    site: str = ""
    fiscal_day: datetime.date | None = None
    sequence: int | None = None
    first: datetime.date | None = None
    last: datetime.date | None = None
    text: str = ""

    def of(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Narrow events down."""
        exact = {
            "site__code": self.site,
            "fiscal_day": self.fiscal_day,
            "sequence": self.sequence,
        }
        events = events.filter(**{name: value for name, value in exact.items() if value})
        if self.action:
            events = events.filter(Q(action=self.action) | Q(action__startswith=f"{self.action}."))
        if self.person:
            events = events.filter(
                Q(actor_name__icontains=self.person) | Q(actor__username=self.person)
            )
        if self.first:
            events = events.filter(at__gte=_midnight(self.first))
        # The last day of all ends where time does.
        if self.last and self.last < datetime.date.max:
            events = events.filter(at__lt=_midnight(self.last + datetime.timedelta(days=1)))
        if self.text:
            events = events.alias(told=Cast("detail", TextField())).filter(
                Q(subject__icontains=self.text)
                | Q(actor_name__icontains=self.text)
                | Q(told__icontains=self.text)
            )
        return events


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


class ChangedField(NamedTuple):
    """One field of what was changed; None on the side where it was not there.

    `row` says of which one, where several rows of a kind were changed together.
    """

    name: str
    before: Any
    after: Any
    row: str = ""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An event as a page shows it."""

    event: AuditEvent

    @property
    def name(self) -> str | Promise:
        """What was done, in words.

        An older console recorded as approved what needed nobody's approval.
        """
        needed_nobody = getattr(self.event, "needed_nobody", False)
        action = "correction.took_effect" if needed_nobody else self.event.action
        return ACTION_NAMES.get(action, action)

    @property
    def changes(self) -> list[ChangedField]:
        """What was changed, field by field; of rows that stayed only what differs in them."""
        before, after = (
            told if isinstance(told := self.event.detail.get(side), dict) else {}
            for side in ("before", "after")
        )
        changes = []
        for name in {**before, **after}:
            old, new = before.get(name), after.get(name)
            if isinstance(old, dict) and isinstance(new, dict):
                changes += [
                    ChangedField(part, old.get(part), new.get(part), row=name)
                    for part in {**old, **new}
                    if old.get(part) != new.get(part)
                ]
            else:
                changes.append(ChangedField(name, old, new))
        return changes

    @property
    def is_whole(self) -> bool:
        """Whether it was all added or all taken away: only one side says anything."""
        changes = self.changes
        return bool(changes) and (
            all(change.before is None for change in changes)
            or all(change.after is None for change in changes)
        )

    @property
    def told(self) -> list[tuple[str, Any]]:
        """What else the event says."""
        detail = self.event.detail
        return [
            (name, value)
            for name, value in detail.items()
            if value not in (None, "", [], {})
            and not (name in ("before", "after") and isinstance(value, dict))
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """A page of events, newest first; `before` is the next page's or None."""

    lines: list[AuditLine] = field(default_factory=list)
    before: int | None = None


def audit_page(
    events: QuerySet[AuditEvent], *, before: int | None = None, limit: int = EVENTS_PER_PAGE
) -> AuditPage:
    """Return a page of events. One query."""
    if before is not None:
        events = events.filter(id__lt=before)
    proposed = AuditEvent.objects.filter(
        action="correction.proposed",
        site=OuterRef("site"),
        fiscal_day=OuterRef("fiscal_day"),
        sequence=OuterRef("sequence"),
        subject=OuterRef("subject"),
        actor=OuterRef("actor"),
        detail__needs_approval=False,
    )
    needed_nobody = Case(
        When(Q(action="correction.approved"), then=Exists(proposed)), default=Value(value=False)
    )
    events = events.annotate(needed_nobody=needed_nobody)
    found = list(events.select_related("site").order_by("-id")[: limit + 1])
    return AuditPage(
        lines=[AuditLine(event) for event in found[:limit]],
        before=found[limit - 1].pk if len(found) > limit else None,
    )


def audit_in_parts(
    events: QuerySet[AuditEvent], *, at_once: int = EXPORTED_AT_ONCE
) -> Iterator[list[AuditEvent]]:
    """Yield all events, oldest first, a bounded number at a time; a query each.

    What is recorded while it runs may or may not be among them, unless the caller's transaction
    sees one moment.
    """
    last_id = 0
    while part := list(
        events.filter(id__gt=last_id).select_related("site").order_by("id")[:at_once]
    ):
        yield part
        last_id = part[-1].pk
