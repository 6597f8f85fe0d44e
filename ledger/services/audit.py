"""Writing the audit trail."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from ledger.models import AuditEvent, Site

SUBJECT_LENGTH_MAX = 200
ACTOR_NAME_LENGTH_MAX = 150


def audit_record(
    *,
    action: str,
    actor: AbstractBaseUser | str,
    site: Site | int | None = None,
    fiscal_day: datetime.date | None = None,
    sequence: int | None = None,
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Record a change in the caller's transaction, so that neither is there without the other.

    Takes what `audit_event` takes; raises as `audit_record_all`.
    """
    event = audit_event(
        action=action,
        actor=actor,
        site=site,
        fiscal_day=fiscal_day,
        sequence=sequence,
        subject=subject,
        detail=detail,
    )
    audit_record_all([event])
    return event


def audit_event(
    *,
    action: str,
    actor: AbstractBaseUser | str,
    site: Site | int | None = None,
    fiscal_day: datetime.date | None = None,
    sequence: int | None = None,
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Return an event for `audit_record_all`.

    `actor` is the person, or the name of the program that did it; `site` may be its id. `detail`
    takes what JSON takes, and dates, times and decimals.
    """
    person = None if isinstance(actor, str) else actor
    return AuditEvent(
        action=action,
        actor_id=person.pk if person else None,
        actor_name=str(actor)[:ACTOR_NAME_LENGTH_MAX],
        site_id=site.pk if isinstance(site, Site) else site,
        fiscal_day=fiscal_day,
        sequence=sequence,
        subject=subject[:SUBJECT_LENGTH_MAX],
        detail=dict(detail or {}),
    )


def audit_record_all(events: Iterable[AuditEvent]) -> None:
    """Record changes in their order, by one statement, in the transaction that does them.

    TransactionManagementError outside of one, since a change that is recorded on its own may not
    have happened.
    """
    events = list(events)
    if not transaction.get_connection().in_atomic_block:
        names = ", ".join(sorted({event.action for event in events}))
        raise transaction.TransactionManagementError(
            f"{names} is recorded outside of the transaction that does it"
        )
    AuditEvent.objects.bulk_create(events)


def changed_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs, as an audit event's `before` and `after`; both are by field name."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "before": {name: before.get(name) for name in names},
        "after": {name: after.get(name) for name in names},
    }
