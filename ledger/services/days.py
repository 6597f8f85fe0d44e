"""Closing a fiscal day in place of a site that did not."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext as _

from ledger.models import FiscalDay
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_record
from ledger.services.transactions import days_locked, durable


class DayError(Exception):
    """What was asked of a fiscal day cannot be; its text says why, in the person's language."""


def day_locked(day: FiscalDay) -> FiscalDay:
    """Return a day's row anew, locked until the caller's transaction ends.

    In that transaction, as its first lock; `ledger.services.transactions` says why. Raises as
    `durable`.
    """
    key = (day.site_id, day.fiscal_day)
    return days_locked([key])[key]


def day_close(
    *, day: FiscalDay, closed_by: AbstractBaseUser, reason: str, last_sequence: int | None = None
) -> FiscalDay:
    """Close a day by hand. Returns it as it is now.

    `last_sequence` is what the site's own papers say was its last entry; without it the highest
    that was received counts. The reason also explains that the site declared nothing
    (`ledger.selectors.reconciliation`). The site may declare its closing later: that completes the
    day, as long as it is not sealed. DayError when it is closed, no reason is given, or more was
    received.
    """
    if not reason.strip():
        raise DayError(_("Say why the day is closed by hand."))
    with durable():
        locked = day_locked(day)
        if locked.closed_at is not None:
            raise DayError(_("The day is closed already."))
        last = locked.highest_sequence if last_sequence is None else last_sequence
        if last < locked.highest_sequence:
            raise DayError(
                _("Entry %(highest)d was received, so the last one cannot be %(last)d.")
                % {"highest": locked.highest_sequence, "last": last}
            )
        locked.closed_at = timezone.now()
        locked.closed_by_id = closed_by.pk
        locked.close_reason = reason.strip()
        locked.last_sequence = last
        locked.save(update_fields=["closed_at", "closed_by", "close_reason", "last_sequence"])
        audit_record(
            action="day.closed",
            actor=closed_by,
            site=locked.site_id,
            fiscal_day=locked.fiscal_day,
            detail={"reason": locked.close_reason, "last_sequence": last},
        )
        changes_announce(site_ids=[locked.site_id])
    return locked
