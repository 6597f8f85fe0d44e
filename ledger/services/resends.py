"""Asking a site to send again what the ledger lacks.

Nothing here speaks MQTT: a request is rows of `command`, which an ingest worker publishes. They
commit together with the notification that wakes it, so that none is sent that was not recorded,
and none recorded that nobody hears of.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from ledger.models import Command, FiscalDay
from ledger.selectors.days import MissingRange, missing_ranges
from ledger.selectors.resends import day_resend
from ledger.services.announce import changes_announce, commands_announce
from ledger.services.audit import audit_record
from ledger.services.days import day_locked
from ledger.services.transactions import durable

#: What the contract lets one message hold.
RANGES_PER_COMMAND_MAX = 1_000
#: A day with more holes than these commands name is healed by asking again.
COMMANDS_PER_REQUEST_MAX = 10


def resend_request(*, day: FiscalDay, requested_by: AbstractBaseUser) -> int:
    """Ask the site for all that the day lacks. Returns for how many entries it was asked.

    Invariants: the request names who asked and when, and exactly what was missing as the day's row
    was locked. While a request is under way that covers what is missing, and when nothing is
    missing or the day is sealed, nothing is written and 0 is returned: two people who press the
    button at once make one request. Raises as `durable`.
    """
    with durable():
        locked = day_locked(day)
        if not day_resend(locked).is_offered:
            return 0
        missing = missing_ranges(locked, limit=RANGES_PER_COMMAND_MAX * COMMANDS_PER_REQUEST_MAX)
        commands = _commands(locked, missing, requested_by)
        Command.objects.bulk_create(commands)
        asked_count = sum(command.asked_count for command in commands)
        audit_record(
            action="resend.requested",
            actor=requested_by,
            site=locked.site_id,
            fiscal_day=locked.fiscal_day,
            subject=f"{asked_count} entries",
            detail={"entries": asked_count, "ranges": len(missing)},
        )
        commands_announce()
        changes_announce(site_ids=[locked.site_id])
    return asked_count


def _commands(
    day: FiscalDay, missing: Sequence[MissingRange], requested_by: AbstractBaseUser
) -> list[Command]:
    now = timezone.now()
    parts = [
        missing[start : start + RANGES_PER_COMMAND_MAX]
        for start in range(0, len(missing), RANGES_PER_COMMAND_MAX)
    ]
    return [
        Command(
            site_id=day.site_id,
            fiscal_day=day.fiscal_day,
            kind=Command.Kind.RESEND,
            ranges=[[run.first, run.last] for run in part],
            asked_count=sum(run.last - run.first + 1 for run in part),
            requested_by_id=requested_by.pk,
            requested_at=now,
        )
        for part in parts
    ]
