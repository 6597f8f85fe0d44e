"""Sealing fiscal days: proposed by one person, sealed by another, each day chained to the last.

The document is made by the same statement that verifies it later (`ledger.canonical`), in the
transaction that seals, with the day's row locked: nothing can change between reading and sealing.
The seal is signed together with the head of the audit trail (`ledger.signing`, `ledger.trail`),
and the event that records it is linked into the trail before anybody sees it. A day is sealed once:
what the trail says was sealed is not sealed again, whatever the day's row says, and nothing is
sealed while the copy outside of the database tells of more than the trail.
"""

from __future__ import annotations

import logging
from pathlib import Path

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ledger import canonical, signing
from ledger.models import (
    AuditEvent,
    AuditLink,
    Command,
    Correction,
    DaySeal,
    Delivery,
    Explanation,
    FiscalDay,
)
from ledger.plausible import plausible_span
from ledger.seal_series import SeriesError, has_series, series_head
from ledger.selectors.reconciliation import Difference, reconciliation
from ledger.selectors.sealing import chain_head, first_unsealed
from ledger.services.announce import changes_announce, commands_announce
from ledger.services.audit import audit_record
from ledger.services.days import DayError, day_locked
from ledger.services.trail import trail_link
from ledger.services.transactions import durable
from ledger.trail import Head

logger = logging.getLogger(__name__)

#: The event that records a seal.
SEALED = "day.sealed"


def difference_explain(
    *,
    day: FiscalDay,
    subject: str,
    key: str,
    difference: str,
    reason: Explanation.Reason,
    note: str,
    author: AbstractBaseUser,
) -> Explanation:
    """Say why a difference is as it is.

    `difference` is the one that the person saw (`Difference.stated`); DayError when it is another
    one by now, or none, when "other" is not explained in a note, or the day is still open.
    """
    if reason == Explanation.Reason.OTHER and not note.strip():
        raise DayError(_("Say in a note what the reason is."))
    with durable():
        locked = _unsealed(day)
        if locked.closed_at is None:
            raise DayError(_("The day is not closed yet, so its differences still change."))
        found = _difference(locked, subject, key)
        if found is None:
            raise DayError(_("There is no such difference any more."))
        if found.stated != difference:
            raise DayError(_("The difference is another one by now. Look at it again."))
        number = Explanation.objects.filter(site=day.site_id, fiscal_day=day.fiscal_day).count()
        explanation = Explanation.objects.create(
            site_id=day.site_id,
            fiscal_day=day.fiscal_day,
            number=number + 1,
            subject=subject,
            key=key,
            difference=difference,
            reason=reason,
            note=note.strip(),
            author_id=author.pk,
            at=timezone.now(),
        )
        _record(
            "day.explained",
            locked,
            author,
            {
                "subject": subject,
                "key": key,
                "difference": difference,
                "reason": reason,
                "note": note.strip(),
            },
        )
        changes_announce(site_ids=[day.site_id])
    return explanation


def seal_obstacles(day: FiscalDay) -> list[str]:
    """Return what keeps a day from being sealed, in sentences; nothing when it is ready."""
    found = []
    if day.sealed_at is not None:
        return [_("The day is sealed.")]
    if AuditEvent.objects.filter(
        site=day.site_id, fiscal_day=day.fiscal_day, action=SEALED
    ).exists():
        found.append(
            _(
                "The audit trail holds a seal of this day, so it is not sealed again. Somebody took"
                " that seal out of the database: the command verify_ledger names what is missing."
            )
        )
    if _is_cut_off():
        found.append(
            _(
                "The copy of the seals outside of the database tells of more than the ledger holds,"
                " so nothing is sealed: the command verify_ledger names what is missing."
            )
        )
    if day.closed_at is None:
        found.append(_("The day is not closed."))
    if not plausible_span(day.site, timezone.now()).holds(day.fiscal_day):
        found.append(_("The site cannot have this fiscal day, so it is not sealed."))
    if first := first_unsealed(day.site_id, before=day.fiscal_day):
        found.append(
            _("Days are sealed in their order: %(day)s is not sealed yet.")
            % {"day": date_format(first.fiscal_day, "DATE_FORMAT")}
        )
    waiting = Correction.objects.filter(
        site=day.site_id, fiscal_day=day.fiscal_day, status=Correction.Status.PROPOSED
    ).count()
    if waiting:
        found.append(_("Corrections wait to be decided: %(count)d.") % {"count": waiting})
    unexplained = reconciliation(day).unexplained
    if unexplained:
        count = len(unexplained)
        found.append(_("Differences wait to be explained: %(count)d.") % {"count": count})
    return found


def seal_propose(*, day: FiscalDay, proposed_by: AbstractBaseUser) -> FiscalDay:
    """Ask a second person to seal the day. DayError when it is not ready."""
    with durable():
        locked = _ready(day)
        locked.seal_proposed_by_id = proposed_by.pk
        locked.seal_proposed_at = timezone.now()
        locked.save(update_fields=["seal_proposed_by", "seal_proposed_at"])
        _record("day.seal_proposed", locked, proposed_by, {"body": _body(locked).digest.hex()})
        changes_announce(site_ids=[locked.site_id])
    return locked


def seal_withdraw(*, day: FiscalDay, withdrawn_by: AbstractBaseUser, note: str = "") -> FiscalDay:
    """Take a proposal off the table, one's own or another's. DayError when there is none."""
    with durable():
        locked = _unsealed(day)
        if locked.seal_proposed_by_id is None:
            raise DayError(_("Nobody proposes to seal this day."))
        locked.seal_proposed_by_id = locked.seal_proposed_at = None
        locked.save(update_fields=["seal_proposed_by", "seal_proposed_at"])
        _record("day.seal_withdrawn", locked, withdrawn_by, {"note": note})
        changes_announce(site_ids=[locked.site_id])
    return locked


def day_seal(*, day: FiscalDay, sealed_by: AbstractBaseUser, seen: str = "") -> FiscalDay:
    """Seal a day that somebody else proposed, and send the seal to the site. Returns it sealed.

    `seen` is the `body_digest` of the page that the person decided on; a day that is another one
    by now is not sealed unseen. DayError for that, for one's own proposal, when nobody proposes
    it, when the day is not ready, and when the key that signs cannot be read.
    """
    with durable():
        locked = _ready(day)
        if locked.seal_proposed_by_id is None:
            raise DayError(_("Nobody proposes to seal this day."))
        if locked.seal_proposed_by_id == sealed_by.pk:
            raise DayError(_("Somebody else has to seal what you proposed."))
        body = _body(locked)
        if seen and body.digest.hex() != seen:
            raise DayError(_("The day changed meanwhile. Look at it again before you seal it."))
        key_id = _chain(locked, body, sealed_by)
        Command.objects.create(
            site_id=locked.site_id,
            kind=Command.Kind.SEAL,
            fiscal_day=locked.fiscal_day,
            ranges=[],
            asked_count=0,
            requested_by_id=sealed_by.pk,
            requested_at=timezone.now(),
        )
        _record(
            SEALED,
            locked,
            sealed_by,
            {"z_number": locked.z_number, "seal": locked.seal_hex, "signed_with": key_id},
        )
        trail_link()
        commands_announce()
        changes_announce(site_ids=[locked.site_id])
    return locked


def body_digest(day: FiscalDay) -> str:
    """Return what tells whether a day is still as somebody saw it."""
    return _body(day).digest.hex()


def _is_cut_off() -> bool:
    """Say whether the copy that is kept on this machine knows a link that the trail does not have.

    One that cannot be read here says nothing.
    """
    path = Path(settings.SEAL_SERIES) if settings.SEAL_SERIES else None
    if path is None or not has_series(path):
        return False
    try:
        head = series_head(path)
    except SeriesError as error:
        logger.warning("sealing goes on without the copy of the seals: %s", error)
        return False
    known = AuditLink.objects.filter(number=head.number).values_list("digest", flat=True).first()
    return head.number > 0 and (known is None or bytes(known) != head.digest)


# --- the steps, each in the transaction of its caller ---------------------------------------------


def _unsealed(day: FiscalDay) -> FiscalDay:
    locked = day_locked(day)
    if locked.sealed_at is not None:
        raise DayError(_("The day is sealed."))
    return locked


def _ready(day: FiscalDay) -> FiscalDay:
    locked = day_locked(day)
    if obstacles := seal_obstacles(locked):
        raise DayError(" ".join(obstacles))
    return locked


def _body(day: FiscalDay) -> canonical.Body:
    with connection.cursor() as cursor:
        (body,) = canonical.bodies(
            cursor, site_id=day.site_id, first=day.fiscal_day, last=day.fiscal_day
        )
    return body


def _chain(day: FiscalDay, body: canonical.Body, sealed_by: AbstractBaseUser) -> str:
    """Write the seal into the locked day, behind the site's last one. Returns the key's name."""
    chain = chain_head(day.site_id)
    day.z_number = chain.z_number + 1
    day.previous_seal = chain.seal
    day.perpetual_total = chain.perpetual_total + body.turnover
    day.sealed_at, day.sealed_by_id = timezone.now(), sealed_by.pk
    document = canonical.document_of(
        body,
        z_number=day.z_number,
        previous_seal=day.previous_seal or canonical.NO_SEAL,
        perpetual_total=day.perpetual_total,
        signatures=canonical.signatures_of(day),
    )
    with connection.cursor() as cursor:
        marks = canonical.entry_marks(cursor, site_id=day.site_id, fiscal_day=day.fiscal_day)
    _take_deliveries(day, body)
    day.seal = canonical.seal_of(document)
    head = trail_link()
    signed = _signed(day, head)
    DaySeal.objects.create(
        site_id=day.site_id,
        fiscal_day=day.fiscal_day,
        document=document,
        entry_marks=marks,
        trail_number=head.number,
        trail_digest=head.digest,
        key_id=signed.key_id,
        signature=signed.signature,
    )
    day.save(
        update_fields=[
            *("z_number", "previous_seal", "perpetual_total"),
            *("seal", "sealed_at", "sealed_by"),
        ]
    )
    return signed.key_id


def _signed(day: FiscalDay, head: Head) -> signing.Signed:
    assert day.z_number is not None
    assert day.seal is not None
    statement = signing.Statement(
        site_code=day.site.code,
        z_number=day.z_number,
        fiscal_day=day.fiscal_day,
        seal=bytes(day.seal),
        trail_number=head.number,
        trail_digest=head.digest,
    )
    try:
        return signing.seal_sign(statement)
    except signing.SigningError as error:
        raise DayError(
            _("The seal cannot be signed, so the day is not sealed: %(why)s.") % {"why": error}
        ) from error


def _take_deliveries(day: FiscalDay, body: canonical.Body) -> None:
    """Write the day into the deliveries that its body counts, and into no other.

    Deliveries do not wait for the day's lock. One that is committed while this seals is in neither
    and so came too late, whatever the clocks say.
    """
    counted = body.deliveries
    if not counted:
        return
    unsealed = Delivery.objects.filter(site=day.site_id, fiscal_day=None)
    keys = [(day.site_id, tank, at) for tank, at in counted]
    taken = unsealed.filter(pk__in=keys).update(fiscal_day=day.fiscal_day)
    assert taken == len(keys), "a delivery is never changed, and no other day is being sealed"


def _difference(day: FiscalDay, subject: str, key: str) -> Difference | None:
    found = reconciliation(day).differences
    return next((one for one in found if (one.subject, one.key) == (subject, key)), None)


def _record(
    action: str, day: FiscalDay, actor: AbstractBaseUser, detail: dict[str, object]
) -> None:
    audit_record(
        action=action,
        actor=actor,
        site=day.site_id,
        fiscal_day=day.fiscal_day,
        detail=detail,
    )
