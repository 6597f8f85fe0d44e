"""Deciding what becomes of quarantined messages: the one writer of `QuarantineDecision`.

Every decision names who, when and why, moves the message's outcome, and stands in the audit trail,
all in one transaction. What is released is taken up by an ingest worker, which is rung for here;
nothing of a message is stored in the ledger by the console itself, except where a person accepts
one that no worker can take: that becomes a correction.

Two people who decide at once: each message is locked, and the second finds it decided.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import F, Max, Min, QuerySet, Value
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext as _

from ledger.models import Correction, Quarantine, QuarantineDecision, Site
from ledger.plausible import DAYS_BEFORE_REGISTRATION, FIRST_DAY_MIN
from ledger.selectors.corrections import effective_entry
from ledger.selectors.stated import stated_entry
from ledger.services.announce import changes_announce, releases_announce
from ledger.services.audit import audit_record
from ledger.services.corrections import Draft, corrections_write
from ledger.services.sites import first_days_move, sites_write
from ledger.services.transactions import durable
from ledger.specs import SiteSpec
from ledger.topics import topic_prefix

Action = QuarantineDecision.Action
Outcome = Quarantine.Outcome
Reason = Quarantine.Reason

#: Messages that one act may take; who has more to decide acts again.
DECIDED_MAX = 1_000
#: What the event contract takes, and so what a mended message may be.
PAYLOAD_BYTES_MAX = 1024 * 1024
#: Each accepted one is a correction of its own, which takes longer.
ACCEPTED_MAX = 200
#: Message numbers that one audit event names.
AUDITED_IDS_MAX = 1_000

#: A worker would refuse these again, whatever is changed about their payload.
NEVER_REPLAYED = (Reason.UNKNOWN_TOPIC, Reason.OVERSIZE)
#: What speaks of something that the ledger has already, or has closed for good.
CONTESTED = (Reason.CONFLICTING_DUPLICATE, Reason.DAY_SEALED)

_OUTCOMES = {
    Action.REPLAY: Outcome.RELEASED,
    Action.MEND: Outcome.RELEASED,
    Action.ADMIT: Outcome.RELEASED,
    Action.ACCEPT: Outcome.ACCEPTED,
    Action.REFUSE: Outcome.REFUSED,
    Action.DISMISS: Outcome.DISMISSED,
}
_AUDITED = {
    Action.REPLAY: "quarantine.released",
    Action.MEND: "quarantine.mended",
    Action.ADMIT: "quarantine.day_accepted",
    Action.ACCEPT: "quarantine.accepted",
    Action.REFUSE: "quarantine.refused",
    Action.DISMISS: "quarantine.dismissed",
}


class QuarantineDecisionError(ValueError):
    """A decision that cannot be taken. The message says why, for who wanted to take it."""


def undecided(messages: QuerySet[Quarantine], action: str) -> QuerySet[Quarantine]:
    """Return those of the messages that an action can be taken on.

    A dismissed one can still be released; nothing else is decided twice.
    """
    if action == Action.ADMIT:
        # Only into the past: what is ahead of its time would take the numbers of a day to come.
        messages = messages.filter(
            reason=Reason.IMPLAUSIBLE_DAY,
            fiscal_day__gte=FIRST_DAY_MIN,
            fiscal_day__lt=F("site__first_fiscal_day"),
        )
    if action in (Action.REPLAY, Action.MEND, Action.ADMIT):
        return messages.filter(
            outcome__in=[Outcome.WAITING, Outcome.DISMISSED], raw_size__lte=Length("raw")
        ).exclude(reason__in=NEVER_REPLAYED)
    if action in (Action.ACCEPT, Action.REFUSE):
        messages = messages.filter(reason__in=CONTESTED)
    return messages.filter(outcome=Outcome.WAITING)


def quarantine_replay(
    *, messages: QuerySet[Quarantine], decided_by: AbstractBaseUser, note: str = ""
) -> int:
    """Release messages as they came, at most DECIDED_MAX. Returns how many were.

    Messages that cannot be released, or were decided meanwhile, are left as they are.
    """
    with durable():
        found = _decide(messages, Action.REPLAY, decided_by=decided_by, note=note)
    return len(found)


def quarantine_mend(
    *, message: Quarantine, payload: bytes, decided_by: AbstractBaseUser, note: str = ""
) -> bool:
    """Release a message with other bytes in place of its own, which are kept.

    Returns whether it was still undecided. QuarantineDecisionError when the bytes are none that
    the contract would look at.
    """
    if not payload or len(payload) > PAYLOAD_BYTES_MAX:
        raise QuarantineDecisionError(
            _("%(size)d bytes are no message: it has 1 to %(most)d.")
            % {"size": len(payload), "most": PAYLOAD_BYTES_MAX}
        )
    with durable():
        found = _decide(
            Quarantine.objects.filter(pk=message.pk),
            Action.MEND,
            decided_by=decided_by,
            note=note,
            payload=payload,
        )
    return bool(found)


def quarantine_admit(
    *, messages: QuerySet[Quarantine], decided_by: AbstractBaseUser, note: str
) -> int:
    """Accept the past fiscal days of messages and release them, at most DECIDED_MAX.

    Returns how many were. Their sites begin with the earliest of these days, so that a worker
    takes them; that stands in the audit trail of each site, too.
    """
    with durable():
        found = _decide(messages, Action.ADMIT, decided_by=decided_by, note=_said(note))
        first_days: dict[int, datetime.date] = {}
        for message in found:
            assert message.site_id is not None
            assert message.fiscal_day is not None
            known = first_days.get(message.site_id, message.fiscal_day)
            first_days[message.site_id] = min(known, message.fiscal_day)
        for site in first_days_move(first_days=first_days):
            audit_record(
                action="site.changed",
                actor=decided_by,
                site=site,
                subject=str(site),
                detail={
                    "before": {"first_fiscal_day": site.first_fiscal_day},
                    "after": {"first_fiscal_day": first_days[site.pk]},
                    "note": note,
                },
            )
    return len(found)


def actions_open(message: Quarantine) -> set[str]:
    """Return what can be decided about a message. One query."""
    one = Quarantine.objects.filter(pk=message.pk).order_by()
    asked = [undecided(one, action).values_list(Value(action.value)) for action in Action]
    return {action for (action,) in asked[0].union(*asked[1:], all=True)}


def quarantine_dismiss(
    *, messages: QuerySet[Quarantine], decided_by: AbstractBaseUser, note: str
) -> int:
    """Decide that nothing is to be done about messages, at most DECIDED_MAX, and say why."""
    with durable():
        found = _decide(messages, Action.DISMISS, decided_by=decided_by, note=_said(note))
    return len(found)


def quarantine_refuse(
    *, messages: QuerySet[Quarantine], decided_by: AbstractBaseUser, note: str
) -> int:
    """Decide that the ledger is right and the newcomers are not, at most DECIDED_MAX."""
    with durable():
        found = _decide(messages, Action.REFUSE, decided_by=decided_by, note=_said(note))
    return len(found)


def quarantine_accept(
    *, message: Quarantine, decided_by: AbstractBaseUser, note: str
) -> Correction:
    """Take what a newcomer states for right: it becomes a correction, with this note.

    Where the ledger holds an entry under its key that one is corrected, with reason CONFLICT; else
    (its day is sealed) the entry is added. The correction waits for a second person where any
    other would. Invariant: the message is accepted exactly when the correction is written. Raises
    as `correction_propose`; QuarantineDecisionError when the message was decided already, or
    states no entry.
    """
    stated = stated_entry(message.raw)
    if (
        message.site is None
        or stated is None
        or stated.fiscal_day is None
        or stated.sequence is None
        or any(stated.values[name] is None for name in ("kind", "occurred_at", "product", "amount"))
    ):
        raise QuarantineDecisionError(_("The message states no ledger entry."))
    with durable():
        now = effective_entry(
            site_id=message.site.pk, fiscal_day=stated.fiscal_day, sequence=stated.sequence
        )
        is_held = now.entry is not None or bool(now.revision)
        # First, because it locks the fiscal day: workers lock that before a quarantined message.
        [correction] = corrections_write(
            drafts=[
                Draft(
                    site=message.site,
                    fiscal_day=stated.fiscal_day,
                    sequence=stated.sequence,
                    action=Correction.Action.CORRECT if is_held else Correction.Action.ADD,
                    reason=Correction.Reason.CONFLICT if is_held else Correction.Reason.OTHER,
                    note=_said(note),
                    values=stated.values,
                    based_on=now.latest_revision,
                )
            ],
            author=decided_by,
        )
        found = _decide(
            Quarantine.objects.filter(pk=message.pk),
            Action.ACCEPT,
            decided_by=decided_by,
            note=note,
            revision=correction.revision,
        )
        if not found:
            raise QuarantineDecisionError(_("It was decided already."))
    return correction


def site_register_and_release(
    *, spec: SiteSpec, decided_by: AbstractBaseUser, note: str = ""
) -> tuple[Site, int]:
    """Register a site and release what it sent before it was known, at most DECIDED_MAX messages.

    Returns the site and how many messages were released. SiteRegistrationError when it cannot be
    registered so; QuarantineDecisionError when a site has this code by now. A worker knows the
    site before it looks at the messages: both are announced by the same commit.
    """
    with durable():
        if Site.objects.filter(code=spec.code).exists():
            raise QuarantineDecisionError(
                _("A site is registered under the code %(code)s by now.") % {"code": spec.code}
            )
        site = sites_write(specs=[spec])[0].site
        audit_record(
            action="site.registered",
            actor=decided_by,
            site=site,
            subject=f"{site.code} {site.name}",
            detail={
                "after": {"code": site.code, "name": site.name, "timezone": site.timezone,
                          "currency": site.currency},
                "note": note,
            },
        )  # fmt: skip
        messages = Quarantine.objects.filter(
            reason=Reason.UNKNOWN_SITE, topic__startswith=topic_prefix(site.code)
        )
        messages.update(site=site)
        _begin_when_heard(site, messages)
        found = _decide(
            messages.filter(outcome=Outcome.WAITING),
            Action.REPLAY,
            decided_by=decided_by,
            note=note,
        )
    return site, len(found)


def _begin_when_heard(site: Site, messages: QuerySet[Quarantine]) -> None:
    """Let a site begin as if it had been registered when its first message came."""
    heard_at = messages.aggregate(at=Min("first_received_at"))["at"]
    if heard_at is not None:
        day = heard_at.date() - datetime.timedelta(days=DAYS_BEFORE_REGISTRATION)
        first_days_move(first_days={site.pk: day})


def _said(note: str) -> str:
    if not note.strip():
        raise QuarantineDecisionError(_("Say why, for who reads this later."))
    return note


def _decide(
    messages: QuerySet[Quarantine],
    action: Action,
    *,
    decided_by: AbstractBaseUser,
    note: str,
    payload: bytes | None = None,
    revision: int | None = None,
) -> Sequence[Quarantine]:
    """Take a decision on each message that it can still be taken on, in the caller's transaction.

    Raises as `durable`.
    """
    found = list(
        undecided(messages, action)
        .order_by("id")
        .defer("raw", "digest")
        .select_for_update(no_key=True, of=("self",))[:DECIDED_MAX]
    )
    if not found:
        return found
    ids = [message.pk for message in found]
    numbers = dict(
        QuarantineDecision.objects.filter(quarantine_id__in=ids)
        .order_by()
        .values_list("quarantine_id")
        .annotate(last=Max("number"))
    )
    now = timezone.now()
    QuarantineDecision.objects.bulk_create(
        QuarantineDecision(
            quarantine_id=message_id,
            number=numbers.get(message_id, 0) + 1,
            action=action,
            decided_by_id=decided_by.pk,
            decided_at=now,
            note=note,
            payload=payload,
            revision=revision,
        )
        for message_id in ids
    )
    Quarantine.objects.filter(pk__in=ids).update(outcome=_OUTCOMES[action])
    _audit(found, action, decided_by, note)
    changes_announce(site_ids={each.site_id for each in found if each.site_id is not None})
    if _OUTCOMES[action] == Outcome.RELEASED:
        releases_announce()
    return found


def _audit(
    messages: Sequence[Quarantine], action: Action, decided_by: AbstractBaseUser, note: str
) -> None:
    """Record one event for each site: what concerns a site is seen by who looks after it."""
    by_site: dict[int | None, list[Quarantine]] = defaultdict(list)
    for message in messages:
        by_site[message.site_id].append(message)
    for site_id, of_site in by_site.items():
        only = of_site[0] if len(of_site) == 1 else None
        audit_record(
            action=_AUDITED[action],
            actor=decided_by,
            site=site_id,
            fiscal_day=only.fiscal_day if only else None,
            sequence=only.sequence if only else None,
            subject=f"message {only.pk}" if only else f"{len(of_site)} messages",
            detail={
                "messages": [message.pk for message in of_site[:AUDITED_IDS_MAX]],
                "reason": sorted({message.reason for message in of_site}),
                "note": note,
            },
        )
