"""Writing the audit trail."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
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

    `actor` is the person, or the name of the program that did it; `site` may be its id. `detail`
    takes what JSON takes, and dates, times and decimals. TransactionManagementError outside of a
    transaction, since a change that is recorded on its own may not have happened.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            f"{action} is recorded outside of the transaction that does it"
        )
    person = None if isinstance(actor, str) else actor
    return AuditEvent.objects.create(
        action=action,
        actor_id=person.pk if person else None,
        actor_name=str(actor)[:ACTOR_NAME_LENGTH_MAX],
        site_id=site.pk if isinstance(site, Site) else site,
        fiscal_day=fiscal_day,
        sequence=sequence,
        subject=subject[:SUBJECT_LENGTH_MAX],
        detail=dict(detail or {}),
    )


def changed_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs, as an audit event's `before` and `after`; both are by field name."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "before": {name: before.get(name) for name in names},
        "after": {name: after.get(name) for name in names},
    }
