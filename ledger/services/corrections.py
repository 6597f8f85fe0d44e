"""Correcting entries: the one writer of `correction` and `correction_posting`.

Nothing here changes an entry. A correction is a new revision, and what it moves is posted in the
transaction that approves it. Each call is one short transaction of a number of statements that does
not grow with that of the entries: the ingest of all sites waits behind a day that is locked.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from ledger.hours import hour_of
from ledger.models import (
    AuditEvent,
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
    EntryKey,
    Values,
    effective_entries,
    entries_named,
    values_of,
)
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_event, audit_record_all, changed_values
from ledger.services.transactions import DayKey, days_locked, durable
from ledger.sql import statement
from ledger.tax import tax_of

#: How many entries one bulk correction takes.
BULK_MAX = 500

Status, Action = Correction.Status, Correction.Action

_MANUAL_ENTRIES = statement("manual_entries")
_ADD_TOTALS = with_plausible(statement("add_totals"), now="received_at")


_DECIDED_AS = {
    Status.APPROVED: "correction.approved",
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


@dataclass(frozen=True, kw_only=True)
class Approvals:
    """What became of proposals that one person approved together, in the order of their keys."""

    approved: list[Correction] = field(default_factory=list)
    #: Each with why it could not be.
    refused: list[tuple[Correction, CorrectionError]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Step:
    """A correction that is being written or approved, and what the entry states around it."""

    day: FiscalDay
    correction: Correction
    before: Values | None
    after: Values | None

    @property
    def is_entry(self) -> bool:
        """Whether it becomes an entry of its day, in place of postings."""
        return self.correction.action == Action.ADD and self.day.sealed_at is None


def correction_propose(
    *, draft: Draft, author: AbstractBaseUser, wants_approval: bool = False
) -> Correction:
    """Write a correction, which takes effect at once unless it needs a second person.

    It does when the day is closed or sealed, when it moves more than the site's limit, and when
    `wants_approval` (the author may only propose). CorrectionError when it cannot be;
    ChangedMeanwhileError when the entry is no longer as the author saw it; OperationalError as
    `durable` has it.
    """
    with durable():
        [correction] = corrections_write(
            drafts=[draft], author=author, wants_approval=wants_approval
        )
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
    with durable():
        return corrections_write(drafts=drafts, author=author, wants_approval=wants_approval)


def corrections_write(
    *, drafts: Sequence[Draft], author: AbstractBaseUser, wants_approval: bool = False
) -> list[Correction]:
    """Do what `corrections_propose` does, in the transaction of the caller, as its first lock."""
    # What needs no lock comes before it.
    after = [_after(draft) for draft in drafts]
    site_id, fiscal_day = drafts[0].site.pk, drafts[0].fiscal_day
    day = _locked(site_id, fiscal_day)
    found = effective_entries(_key(site_id, fiscal_day, draft.sequence) for draft in drafts)
    standing = [found[_key(site_id, fiscal_day, draft.sequence)] for draft in drafts]
    needs_approval = wants_approval or approval_is_needed(
        day=day, pairs=[(now.values, then) for now, then in zip(standing, after, strict=True)]
    )
    steps = [
        _proposed(day, draft, now, then, author, needs_approval=needs_approval)
        for draft, now, then in zip(drafts, standing, after, strict=True)
    ]
    corrections = [step.correction for step in steps]
    if needs_approval:
        Correction.objects.bulk_create(corrections)
        audit_record_all(_proposal_event(step, author) for step in steps)
    else:
        # Nobody else has to decide, so they are written as decided.
        decision = _decision(Status.APPROVED, author, "", _locked_posting_day(day))
        for correction in corrections:
            _set(correction, decision)
        Correction.objects.bulk_create(corrections)
        _take_effect(steps)
        audit_record_all(
            event
            for step in steps
            for event in (
                _proposal_event(step, author), _decision_event(step.correction, author)
            )
        )  # fmt: skip
    changes_announce(site_ids=[site_id])
    return corrections


def correction_approve(
    *, correction: Correction, decided_by: AbstractBaseUser, note: str = ""
) -> Correction:
    """Let a proposal take effect. CorrectionError for one's own, or one that cannot be any more."""
    done = corrections_approve(corrections=[correction], decided_by=decided_by, note=note)
    for _refused, error in done.refused:
        raise error
    return done.approved[0]


def corrections_approve(
    *, corrections: Collection[Correction], decided_by: AbstractBaseUser, note: str = ""
) -> Approvals:
    """Let proposals of any days take effect, in one transaction: all that can be, or none.

    What cannot be is returned with the reason and holds up no other. Raises as `durable` only.
    """
    done = Approvals()
    with durable():
        days, posted_to = _locked_to_take_effect({_day_key(one) for one in corrections})
        keys = {_entry_key(one) for one in corrections}
        standing = effective_entries(keys)
        steps = []
        for asked in sorted(corrections, key=lambda one: (*_entry_key(one), one.revision)):
            day, now = days[_day_key(asked)], standing[_entry_key(asked)]
            try:
                step = _to_approve(day, asked, now, decided_by)
                target = posted_to[_day_key(asked)]
                if isinstance(target, CorrectionError):
                    raise target
            except CorrectionError as error:
                done.refused.append((asked, error))
            else:
                _set(step.correction, _decision(Status.APPROVED, decided_by, note, target))
                steps.append(step)
                done.approved.append(step.correction)
        if steps:
            _store_approved(steps)
            _take_effect(steps)
            audit_record_all(_decision_event(step.correction, decided_by) for step in steps)
            changes_announce(site_ids={step.day.site_id for step in steps})
    return done


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
    day = days_locked([(site_id, fiscal_day)]).get((site_id, fiscal_day))
    if day is None:
        raise CorrectionError(_("The site has no such fiscal day."))
    return day


def _locked_posting_day(day: FiscalDay) -> datetime.date:
    """Return the day to post to, locked: one that is sealed while this waits is passed over."""
    while (posted_to := posting_day(day)) != day.fiscal_day:
        if _locked(day.site_id, posted_to).sealed_at is None:
            break
    return posted_to


def _locked_to_take_effect(
    keys: set[DayKey],
) -> tuple[dict[DayKey, FiscalDay], dict[DayKey, datetime.date | CorrectionError]]:
    """Lock days and those that they post to, all at once; return them, and each one's target."""
    before = FiscalDay.objects.filter(pk__in=list(keys), sealed_at__isnull=False)
    targets_before = [(day.site_id, _target(day)) for day in before]
    wanted = {
        (site_id, target) for site_id, target in targets_before if isinstance(target, datetime.date)
    }
    days = days_locked(keys | wanted)
    targets: dict[DayKey, datetime.date | CorrectionError] = {}
    for key in keys:
        target = _target(days[key])
        while isinstance(target, datetime.date) and (key[0], target) not in days:
            # The one of before was sealed while this waited, or a newer one was opened.
            days |= days_locked([(key[0], target)])
            target = _target(days[key])
        targets[key] = target
    return days, targets


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


def _proposed(
    day: FiscalDay,
    draft: Draft,
    now: EffectiveEntry,
    after: Values | None,
    author: AbstractBaseUser,
    *,
    needs_approval: bool,
) -> _Step:
    """Make the next revision of an entry, not stored yet; CorrectionError when it cannot be."""
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
    if after == now.values:
        raise CorrectionError(
            _("Nothing is changed about entry %(sequence)d.") % {"sequence": draft.sequence}
        )
    stated = after if after is not None else now.values
    assert stated is not None
    correction = Correction(
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
    return _Step(day, correction, now.values, after)


def _to_approve(
    day: FiscalDay, asked: Correction, now: EffectiveEntry, decided_by: AbstractBaseUser
) -> _Step:
    """Return a proposal anew; CorrectionError when it was decided meanwhile or cannot be."""
    waiting = next(one for one in now.corrections if one.revision == asked.revision)
    waiting.site = day.site
    _check_waits(waiting)
    if waiting.author_id == decided_by.pk:
        raise CorrectionError(_("Somebody else has to approve what you proposed."))
    _check_possible(day, waiting.action, waiting.sequence, now)
    after = None if waiting.action == Action.VOID else values_of(waiting)
    return _Step(day, waiting, now.values, after)


def _check_waits(correction: Correction) -> None:
    if correction.status != Status.PROPOSED:
        raise CorrectionError(
            _("This correction was decided meanwhile: %(status)s by %(person)s.")
            % {"status": correction.get_status_display(), "person": correction.decided_by}
        )


def _take_effect(steps: Sequence[_Step]) -> None:
    """Write what approved corrections move: postings, and the entries that they add."""
    added: dict[DayKey, list[_Step]] = defaultdict(list)
    for step in steps:
        if step.is_entry:
            added[_day_key(step.correction)].append(step)
    for of_day in added.values():
        _write_entries(of_day)
    CorrectionPosting.objects.bulk_create(
        posting for step in steps if not step.is_entry for posting in _postings(step)
    )


def _close(
    correction: Correction, status: Correction.Status, decided_by: AbstractBaseUser, note: str
) -> Correction:
    with durable():
        _locked(correction.site_id, correction.fiscal_day)
        waiting = Correction.objects.select_related("site", "decided_by").get(pk=correction.pk)
        _check_waits(waiting)
        decision = _decision(status, decided_by, note, None)
        _set(waiting, decision)
        proposed = Correction.objects.filter(pk=waiting.pk, status=Status.PROPOSED)
        changed = proposed.update(**decision)
        assert changed == 1, "the day's lock keeps others from deciding"
        audit_record_all([_decision_event(waiting, decided_by)])
        changes_announce(site_ids=[waiting.site_id])
    return waiting


def _store_approved(steps: Sequence[_Step]) -> None:
    """Store decisions as they were set: one statement, and one for each day that is sealed."""
    groups: dict[DayKey | None, list[Correction]] = defaultdict(list)
    for step in steps:
        is_own = step.correction.posted_to == step.correction.fiscal_day
        groups[None if is_own else _day_key(step.correction)].append(step.correction)
    for key, corrections in groups.items():
        one = corrections[0]
        proposed = Correction.objects.filter(
            entries_named(map(_entry_key, corrections)), status=Status.PROPOSED
        )
        changed = proposed.update(
            status=one.status,
            decided_by=one.decided_by,
            decided_at=one.decided_at,
            decision_note=one.decision_note,
            posted_to=F("fiscal_day") if key is None else one.posted_to,
        )
        assert changed == len(corrections), "the days' locks keep others from deciding"


def _decision(
    status: Correction.Status,
    decided_by: AbstractBaseUser,
    note: str,
    posted_to: datetime.date | None,
) -> dict[str, Any]:
    return {
        "status": status,
        "decided_by": decided_by,
        "decided_at": timezone.now(),
        "decision_note": note,
        "posted_to": posted_to,
    }


def _set(correction: Correction, decision: Mapping[str, Any]) -> None:
    for name, value in decision.items():
        setattr(correction, name, value)


def _postings(step: _Step) -> Iterable[CorrectionPosting]:
    correction = step.correction
    assert correction.posted_to is not None
    sides = ((CorrectionPosting.Side.OUT, step.before), (CorrectionPosting.Side.IN, step.after))
    for side, values in sides:
        if values is not None:
            yield CorrectionPosting(
                site_id=correction.site_id,
                fiscal_day=correction.fiscal_day,
                sequence=correction.sequence,
                revision=correction.revision,
                side=side,
                posted_to=correction.posted_to,
                hour=hour_of(values["occurred_at"], step.day.site.timezone),
                count=side,
                volume=side * (values["volume"] or Decimal(0)),
                amount=side * values["amount"],
                tax=side * tax_of(values["amount"], values["tax_rate"]),
                **{name: values[name] for name in PLACES},
            )


def _write_entries(steps: Sequence[_Step]) -> None:
    """Write entries of a day and all that they add, as the ingest worker does for a batch."""
    day = steps[0].day
    received = {"received_at": timezone.now()}
    shared = {"site_id": day.site_id, "fiscal_day": day.fiscal_day, "flags": int(EntryFlag.MANUAL)}
    entries = [
        {**shared, **received, **(step.after or {}), "sequence": step.correction.sequence}
        for step in steps
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT entry_partition_ensure(%s)", [day.fiscal_day])
        cursor.execute(_MANUAL_ENTRIES, {"entries": json.dumps(entries, default=str)})
        cursor.execute(_ADD_TOTALS, {**_added(day, entries), **received})


def _added(day: FiscalDay, entries: Sequence[Values]) -> dict[str, str]:
    """Return what entries add to the totals of their day, as add_totals.sql takes it."""
    key = (day.site_id, day.fiscal_day)
    sums: dict[str, dict[tuple[Any, ...], list[Any]]] = {
        "totals": {}, "payments": {}, "hours": {},
    }  # fmt: skip

    def add(name: str, place: tuple[Any, ...], *measures: Any) -> None:
        known = sums[name].get(place, [0] * len(measures))
        sums[name][place] = [a + b for a, b in zip(known, measures, strict=True)]

    for values in entries:
        amount, rate, kind = values["amount"], values["tax_rate"], int(values["kind"])
        measures = (1, values["volume"] or 0, amount)
        goods = (values["product"], kind, NO_TAX_RATE if rate is None else rate)
        add("totals", (*key, *goods), *measures, tax_of(amount, rate))
        add("payments", (*key, values["payment"] or NO_PAYMENT, kind), *measures)
        if kind in TURNOVER_KINDS:
            add("hours", (*key, hour_of(values["occurred_at"], day.site.timezone)), *measures)
    rows: dict[str, list[Any]] = {
        name: [[*place, *measures] for place, measures in sorted(found.items())]
        for name, found in sums.items()
    }
    rows["days"] = [
        [
            *key,
            len(entries),
            max(values["sequence"] for values in entries),
            max(values["occurred_at"] for values in entries),
        ]
    ]
    # The newest sale of a nozzle stays what its controller said.
    rows["nozzles"] = []
    return {name: json.dumps(those, default=str) for name, those in rows.items()}


def _target(day: FiscalDay) -> datetime.date | CorrectionError:
    try:
        return posting_day(day)
    except CorrectionError as error:
        return error


def _key(site_id: int, fiscal_day: datetime.date, sequence: int) -> EntryKey:
    return site_id, fiscal_day, sequence


def _day_key(correction: Correction) -> DayKey:
    return correction.site_id, correction.fiscal_day


def _entry_key(correction: Correction) -> EntryKey:
    return _key(*_day_key(correction), correction.sequence)


def _proposal_event(step: _Step, author: AbstractBaseUser) -> AuditEvent:
    correction = step.correction
    detail = {
        "reason": correction.reason,
        "note": correction.note,
        **changed_values(step.before or {}, step.after or {}),
        "needs_approval": correction.needs_approval,
    }
    return _event(correction, "correction.proposed", author, detail)


def _decision_event(correction: Correction, actor: AbstractBaseUser) -> AuditEvent:
    detail: dict[str, Any] = {"note": correction.decision_note}
    action = _DECIDED_AS[Status(correction.status)]
    if correction.status == Status.APPROVED:
        detail["posted_to"] = correction.posted_to
        # Nobody approves their own: what needs no second person takes effect by itself.
        action = action if correction.needs_approval else "correction.took_effect"
    return _event(correction, action, actor, detail)


def _event(
    correction: Correction, action: str, actor: AbstractBaseUser, detail: dict[str, Any]
) -> AuditEvent:
    return audit_event(
        action=action,
        actor=actor,
        site=correction.site_id,
        fiscal_day=correction.fiscal_day,
        sequence=correction.sequence,
        subject=f"{correction.action}, revision {correction.revision}",
        detail=detail,
    )
