"""Correcting entries: the one writer of `correction` and `correction_posting`.

Nothing here changes an entry. A correction is a new revision, and what it moves is posted in the
transaction that approves it. Each call is one short transaction that locks the entry's fiscal day
first, and the day it posts to after it, which is the later one: the order of the key.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ledger.models import (
    Correction,
    CorrectionPosting,
    EntryFlag,
    FiscalDay,
    Site,
)
from ledger.models.day import NO_PAYMENT, NO_TAX_RATE
from ledger.models.entry import TURNOVER_KINDS, Kind, Payment
from ledger.movement import PLACES, Stated, moved_amount
from ledger.plausible import latest_day, plausible, plausible_span, with_plausible
from ledger.selectors.corrections import (
    VALUE_NAMES,
    EffectiveEntry,
    Values,
    effective_entry,
    values_of,
)
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_record, changed_values
from ledger.sql import statement
from ledger.tax import tax_of

LOCK_TIMEOUT_MS = 5_000
#: How many entries one bulk correction takes.
BULK_MAX = 500

Status, Action = Correction.Status, Correction.Action

_MANUAL_ENTRY = statement("manual_entry")
_ADD_TOTALS = with_plausible(statement("add_totals"), now="received_at")


_CLOSED_AS = {
    Status.REJECTED: "correction.rejected",
    Status.WITHDRAWN: "correction.withdrawn",
}


class CorrectionError(Exception):
    """A correction that cannot be; its text says why, in the person's language."""


class ChangedMeanwhileError(CorrectionError):
    """Somebody else corrected the entry since the form was shown; `now` is how it stands."""

    def __init__(self, message: str, now: EffectiveEntry) -> None:
        super().__init__(message)
        self.now = now


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A correction as somebody wants it.

    `values` are all business values by name (a `kind` and a `payment` that are known), and None
    for a void. `based_on` is the latest
    revision that the person saw, 0 for the entry itself.
    """

    site: Site
    fiscal_day: datetime.date
    sequence: int
    action: Correction.Action
    reason: Correction.Reason
    note: str = ""
    values: Mapping[str, Any] | None = None
    based_on: int = 0


def correction_propose(
    *, draft: Draft, author: AbstractBaseUser, wants_approval: bool = False
) -> Correction:
    """Write a correction, which takes effect at once unless it needs a second person.

    It does when the day is closed or sealed, when it moves more than the site's limit, and when
    `wants_approval` (the author may only propose). CorrectionError when it cannot be;
    ChangedMeanwhileError when the entry is no longer as the author saw it; psycopg's
    LockNotAvailable (an OperationalError) after LOCK_TIMEOUT_MS.
    """
    with transaction.atomic():
        day = _locked(draft.site.pk, draft.fiscal_day)
        [correction] = _propose_all(day, [draft], author, wants_approval=wants_approval)
        changes_announce(site_ids=[day.site_id])
    return correction


def corrections_propose(
    *, drafts: Iterable[Draft], author: AbstractBaseUser, wants_approval: bool = False
) -> list[Correction]:
    """Write corrections of one fiscal day, all of them or none. Raises as `correction_propose`.

    They are one act: what they move together is compared with the site's limit.
    """
    drafts = sorted(drafts, key=lambda draft: draft.sequence)
    if not drafts:
        raise CorrectionError(_("There is nothing to correct."))
    if len(drafts) > BULK_MAX:
        raise CorrectionError(
            _("%(count)d entries are too many at once; %(most)d can be corrected together.")
            % {"count": len(drafts), "most": BULK_MAX}
        )
    if len({(draft.site.pk, draft.fiscal_day) for draft in drafts}) > 1:
        raise ValueError("drafts of several fiscal days")
    if len({draft.sequence for draft in drafts}) < len(drafts):
        raise ValueError("two drafts of one entry")
    with transaction.atomic():
        day = _locked(drafts[0].site.pk, drafts[0].fiscal_day)
        corrections = _propose_all(day, drafts, author, wants_approval=wants_approval)
        changes_announce(site_ids=[day.site_id])
    return corrections


def correction_approve(
    *, correction: Correction, decided_by: AbstractBaseUser, note: str = ""
) -> Correction:
    """Let a proposal take effect. CorrectionError for one's own, or one that cannot be any more."""
    with transaction.atomic():
        day = _locked(correction.site_id, correction.fiscal_day)
        waiting = _waiting(correction)
        if waiting.author_id == decided_by.pk:
            raise CorrectionError(_("Somebody else has to approve what you proposed."))
        now = _effective(day, waiting.sequence)
        _check_possible(day, waiting.action, waiting.sequence, now)
        _take_effect(day, waiting, now, decided_by, note)
        changes_announce(site_ids=[day.site_id])
    return waiting


def correction_reject(
    *, correction: Correction, decided_by: AbstractBaseUser, note: str
) -> Correction:
    """Refuse a proposal and say why; it stays on record."""
    return _close(correction, Status.REJECTED, decided_by, note)


def correction_withdraw(
    *, correction: Correction, decided_by: AbstractBaseUser, note: str = ""
) -> Correction:
    """Take one's own proposal back; it stays on record."""
    if correction.author_id != decided_by.pk:
        raise CorrectionError(_("Only who proposed a correction can withdraw it."))
    return _close(correction, Status.WITHDRAWN, decided_by, note)


def approval_is_needed(*, day: FiscalDay, pairs: Iterable[tuple[Stated, Stated]]) -> bool:
    """Say whether changes take a second person: by the day's status, or by what they move.

    `pairs` are what entries state before and after; `ledger.movement` says how much that moves.
    """
    if day.status != FiscalDay.Status.OPEN:
        return True
    limit = day.site.correction_limit
    return limit is not None and sum(moved_amount(*pair) for pair in pairs) > limit


def posting_day(day: FiscalDay) -> datetime.date:
    """Return the fiscal day that a correction of this day is posted to now.

    The day itself until it is sealed, then the site's newest plausible day that is not.
    CorrectionError when there is none.
    """
    if day.sealed_at is None:
        return day.fiscal_day
    now = timezone.now()
    days = plausible(FiscalDay.objects.filter(site=day.site_id, sealed_at=None), now)
    if day.fiscal_day <= latest_day(now):
        days = days.filter(fiscal_day__gt=day.fiscal_day)
    newest = days.order_by("-fiscal_day").first()
    if newest is None:
        raise CorrectionError(
            _("The day is sealed, and the site has no open day yet that could take a correction.")
        )
    return newest.fiscal_day


# --- the steps, each in the transaction of its caller ---------------------------------------------


def _locked(site_id: int, fiscal_day: datetime.date) -> FiscalDay:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_TIMEOUT_MS)])
    days = FiscalDay.objects.select_for_update(no_key=True, of=("self",)).select_related("site")
    day = days.filter(pk=(site_id, fiscal_day)).first()
    if day is None:
        raise CorrectionError(_("The site has no such fiscal day."))
    return day


def _effective(day: FiscalDay, sequence: int) -> EffectiveEntry:
    return effective_entry(site_id=day.site_id, fiscal_day=day.fiscal_day, sequence=sequence)


def _propose_all(
    day: FiscalDay, drafts: list[Draft], author: AbstractBaseUser, *, wants_approval: bool
) -> list[Correction]:
    standing = [_effective(day, draft.sequence) for draft in drafts]
    needs_approval = wants_approval or approval_is_needed(
        day=day,
        pairs=[(now.values, _after(draft)) for draft, now in zip(drafts, standing, strict=True)],
    )
    return [
        _propose(day, draft, now, author, needs_approval=needs_approval)
        for draft, now in zip(drafts, standing, strict=True)
    ]


def _propose(
    day: FiscalDay,
    draft: Draft,
    now: EffectiveEntry,
    author: AbstractBaseUser,
    *,
    needs_approval: bool,
) -> Correction:
    if now.latest_revision != draft.based_on:
        raise ChangedMeanwhileError(
            _("Entry %(sequence)d was corrected by somebody else meanwhile.")
            % {"sequence": draft.sequence},
            now,
        )
    if now.proposal is not None:
        raise CorrectionError(
            _("A correction of entry %(sequence)d waits to be approved; decide on that one first.")
            % {"sequence": draft.sequence}
        )
    _check_possible(day, draft.action, draft.sequence, now)
    after = _after(draft)
    if after == now.values:
        raise CorrectionError(
            _("Nothing is changed about entry %(sequence)d.") % {"sequence": draft.sequence}
        )
    stated = after if after is not None else now.values
    assert stated is not None
    correction = Correction.objects.create(
        **stated,
        site_id=day.site_id,
        fiscal_day=day.fiscal_day,
        sequence=draft.sequence,
        revision=now.latest_revision + 1,
        action=draft.action,
        reason=draft.reason,
        note=draft.note,
        author_id=author.pk,
        proposed_at=timezone.now(),
        needs_approval=needs_approval,
        status=Status.PROPOSED,
    )
    detail = {
        "reason": draft.reason,
        "note": draft.note,
        **changed_values(now.values or {}, after or {}),
    }
    _record(correction, "correction.proposed", author, detail | {"needs_approval": needs_approval})
    if not needs_approval:
        _take_effect(day, correction, now, author, "")
    return correction


def _after(draft: Draft) -> Values | None:
    if draft.action == Action.VOID:
        return None
    assert draft.values is not None, "only a void states no values"
    # A code that nobody knows would stand in the ledger for ever: ValueError.
    Kind(draft.values["kind"])
    if (payment := draft.values.get("payment")) is not None:
        Payment(payment)
    return {name: draft.values.get(name) for name in VALUE_NAMES}


def _check_possible(day: FiscalDay, action: str, sequence: int, now: EffectiveEntry) -> None:
    """Refuse what has nothing to work on, or would take a number that is taken."""
    number = {"sequence": sequence}
    if action == Action.ADD:
        if not plausible_span(day.site, timezone.now()).holds(day.fiscal_day):
            raise CorrectionError(
                _("The site cannot have this fiscal day, so nothing is added to it.")
            )
        if now.entry is not None or now.revision:
            raise CorrectionError(
                _("Entry %(sequence)d is there by now; compare it and correct it instead.") % number
            )
        if not 1 <= sequence <= day.expected_count:
            raise CorrectionError(
                _("The day has no number %(sequence)d: its last one is %(last)d.")
                % (number | {"last": day.expected_count})
            )
    elif now.entry is None and not now.revision:
        raise CorrectionError(_("The ledger has no entry %(sequence)d.") % number)
    elif action == Action.VOID and now.values is None:
        raise CorrectionError(_("Entry %(sequence)d is void already.") % number)


def _take_effect(
    day: FiscalDay,
    correction: Correction,
    now: EffectiveEntry,
    decided_by: AbstractBaseUser,
    note: str,
) -> None:
    posted_to = _locked_posting_day(day)
    after = None if correction.action == Action.VOID else values_of(correction)
    if correction.action == Action.ADD and day.sealed_at is None:
        assert after is not None
        _write_entry(day, correction.sequence, after)
    else:
        _post(day.site, correction, now.values, after, posted_to)
    _decide(correction, Status.APPROVED, decided_by, note, posted_to)
    # Nobody approves their own: what needs no second person takes effect by itself.
    action = "correction.approved" if correction.needs_approval else "correction.took_effect"
    _record(correction, action, decided_by, {"note": note, "posted_to": posted_to})


def _locked_posting_day(day: FiscalDay) -> datetime.date:
    """Return the day to post to, locked: one that is sealed while this waits is passed over."""
    while (posted_to := posting_day(day)) != day.fiscal_day:
        if _locked(day.site_id, posted_to).sealed_at is None:
            break
    return posted_to


def _close(
    correction: Correction, status: Correction.Status, decided_by: AbstractBaseUser, note: str
) -> Correction:
    with transaction.atomic():
        _locked(correction.site_id, correction.fiscal_day)
        waiting = _waiting(correction)
        _decide(waiting, status, decided_by, note, None)
        _record(waiting, _CLOSED_AS[status], decided_by, {"note": note})
        changes_announce(site_ids=[waiting.site_id])
    return waiting


def _waiting(correction: Correction) -> Correction:
    """Return a proposal anew; CorrectionError when somebody decided on it meanwhile."""
    found = Correction.objects.select_related("site", "decided_by").get(pk=correction.pk)
    if found.status != Status.PROPOSED:
        raise CorrectionError(
            _("This correction was decided meanwhile: %(status)s by %(person)s.")
            % {"status": found.get_status_display(), "person": found.decided_by}
        )
    return found


def _decide(
    correction: Correction,
    status: Correction.Status,
    decided_by: AbstractBaseUser,
    note: str,
    posted_to: datetime.date | None,
) -> None:
    decision = {
        "status": status,
        "decided_by": decided_by,
        "decided_at": timezone.now(),
        "decision_note": note,
        "posted_to": posted_to,
    }
    changed = Correction.objects.filter(pk=correction.pk, status=Status.PROPOSED).update(**decision)
    assert changed == 1, "the day's lock keeps others from deciding"
    for name, value in decision.items():
        setattr(correction, name, value)


def _post(
    site: Site,
    correction: Correction,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    posted_to: datetime.date,
) -> None:
    sides = ((CorrectionPosting.Side.OUT, before), (CorrectionPosting.Side.IN, after))
    CorrectionPosting.objects.bulk_create(
        CorrectionPosting(
            site_id=correction.site_id,
            fiscal_day=correction.fiscal_day,
            sequence=correction.sequence,
            revision=correction.revision,
            side=side,
            posted_to=posted_to,
            hour=_hour(site, values),
            count=side,
            volume=side * (values["volume"] or Decimal(0)),
            amount=side * values["amount"],
            tax=side * tax_of(values["amount"], values["tax_rate"]),
            **{name: values[name] for name in PLACES},
        )
        for side, values in sides
        if values is not None
    )


def _write_entry(day: FiscalDay, sequence: int, values: Values) -> None:
    """Write an entry and all that it adds, as the ingest worker does for a batch."""
    key = {"site_id": day.site_id, "fiscal_day": day.fiscal_day, "sequence": sequence}
    received = {"received_at": timezone.now()}
    with connection.cursor() as cursor:
        cursor.execute("SELECT entry_partition_ensure(%s)", [day.fiscal_day])
        cursor.execute(_MANUAL_ENTRY, values | key | received | {"flags": int(EntryFlag.MANUAL)})
        cursor.execute(_ADD_TOTALS, {**_added(day, sequence, values), **received})


def _added(day: FiscalDay, sequence: int, values: Values) -> dict[str, str]:
    """Return what an entry adds to the totals of its day, as add_totals.sql takes it."""
    key = (day.site_id, day.fiscal_day)
    amount, rate, kind = values["amount"], values["tax_rate"], int(values["kind"])
    sums = (1, values["volume"] or 0, amount)
    goods = (values["product"], kind, NO_TAX_RATE if rate is None else rate)
    rows: dict[str, list[tuple[Any, ...]]] = {
        "days": [(*key, 1, sequence, values["occurred_at"])],
        "totals": [(*key, *goods, *sums, tax_of(amount, rate))],
        "payments": [(*key, values["payment"] or NO_PAYMENT, kind, *sums)],
        "hours": [(*key, _hour(day.site, values), *sums)] if kind in TURNOVER_KINDS else [],
        # The newest sale of a nozzle stays what its controller said.
        "nozzles": [],
    }
    return {name: json.dumps(those, default=str) for name, those in rows.items()}


def _hour(site: Site, values: Mapping[str, Any]) -> int:
    occurred_at: datetime.datetime = values["occurred_at"]
    return occurred_at.astimezone(site.zone).hour


def _record(
    correction: Correction, action: str, actor: AbstractBaseUser, detail: dict[str, Any]
) -> None:
    audit_record(
        action=action,
        actor=actor,
        site=correction.site_id,
        fiscal_day=correction.fiscal_day,
        sequence=correction.sequence,
        subject=f"{correction.action}, revision {correction.revision}",
        detail=detail,
    )
