"""Explaining what differs in a fiscal day: the one writer of `explanation`."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from ledger.models import Explanation, FiscalDay
from ledger.selectors.reconciliation import reconciliation
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_record
from ledger.services.days import DayError, day_locked


class DifferenceChangedError(DayError):
    """The difference is another one, or gone, since the form was shown."""


def difference_explain(
    *,
    day: FiscalDay,
    slug: str,
    stated: str,
    reason: Explanation.Reason,
    note: str,
    author: AbstractBaseUser,
) -> Explanation:
    """Write why a difference of a closed day is as it is.

    `slug` names the difference and `stated` is what the person saw of it. Invariants: the day's
    row is locked, so what is explained is what there is; an explanation is added and never
    changed, a later one of the same difference takes the place of the earlier. DayError when the
    day is not closed or is sealed, or nothing is said; DifferenceChangedError when the difference
    is not what the person saw.
    """
    if reason == Explanation.Reason.OTHER and not note.strip():
        raise DayError(_("Say in the note what explains it."))
    with transaction.atomic():
        locked = day_locked(day)
        if locked.sealed_at is not None:
            raise DayError(_("The day is sealed; its differences stay as they are."))
        if locked.closed_at is None:
            raise DayError(_("The day is not closed yet, so its differences still change."))
        found = reconciliation(locked).find(slug)
        if found is None or found.stated != stated:
            raise DifferenceChangedError(
                _("This difference changed meanwhile. Look at it as it is now, then explain it.")
            )
        of_day = Explanation.objects.filter(site=locked.site_id, fiscal_day=locked.fiscal_day)
        newest: int = of_day.aggregate(newest=Max("number"))["newest"] or 0
        explanation = Explanation.objects.create(
            site_id=locked.site_id,
            fiscal_day=locked.fiscal_day,
            number=newest + 1,
            subject=found.subject,
            key=found.key,
            difference=found.stated,
            reason=reason,
            note=note.strip(),
            author_id=author.pk,
            at=timezone.now(),
        )
        audit_record(
            action="difference.explained",
            actor=author,
            site=locked.site_id,
            fiscal_day=locked.fiscal_day,
            subject=f"{found.subject.label} {found.key}".strip(),
            detail={"difference": found.stated, "reason": reason, "note": explanation.note},
        )
        changes_announce(site_ids=[locked.site_id])
    return explanation
