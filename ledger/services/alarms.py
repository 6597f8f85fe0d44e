"""Taking note of an alarm."""

from __future__ import annotations

import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from ledger.models import Alarm, AlarmAcknowledgement, AlarmEvent, Site
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_record
from ledger.services.transactions import durable


def alarm_acknowledge(
    *,
    site: Site,
    device: str,
    number: int,
    code: str,
    at: datetime.datetime,
    acknowledged_by: AbstractBaseUser,
) -> bool:
    """Record who took note of the alarm that started at this time, and when.

    Invariants: the first who took note stays on record; an alarm that is over, or has started
    anew meanwhile, is left as it is, because nobody has seen that one yet. Returns whether
    anything was recorded.
    """
    key = {"site": site, "device": device, "number": number, "code": code, "at": at}
    with durable():
        if not Alarm.objects.filter(**key, state=AlarmEvent.State.STARTED).exists():
            return False
        _, is_new = AlarmAcknowledgement.objects.get_or_create(
            **key,
            defaults={
                "acknowledged_by_id": acknowledged_by.pk,
                "acknowledged_at": timezone.now(),
            },
        )
        if is_new:
            audit_record(
                action="alarm.acknowledged",
                actor=acknowledged_by,
                site=site,
                subject=f"{device} {number}: {code}",
                detail={"started": at},
            )
            changes_announce(site_ids=[site.pk])
    return is_new
