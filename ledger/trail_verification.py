"""Verifying the audit trail: its chain, the seals that stand in it, and their signatures.

It is whole where each link covers its event and the link before, each event has a link, each seal
is in an event and each event's seal in its day, and each signature is that of its seal and of a
head that the trail once had.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import connection

from ledger import signing
from ledger.faults import Fault
from ledger.models import Site
from ledger.sql import statement
from ledger.trail import NO_LINK, Head, link_digest

#: Links that one statement reads; nothing else of them stays in memory.
LINKS_AT_ONCE = 10_000
#: A trail that somebody wrote anew is wrong from there to its end: no more events than these are
#: named.
EVENTS_NAMED_MAX = 20

_LINKS = statement("verify_links", "audit_line")
_WAITING = statement("verify_waiting")
_SEALS = statement("verify_seals_told")


@dataclass(slots=True)
class TrailVerdict:
    """The head as it is made of the events, what is wrong, and what is only worth knowing."""

    head: Head = field(default_factory=Head)
    signatures: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def trail_verify(
    *,
    sites: Collection[Site],
    first: datetime.date | None = None,
    last: datetime.date | None = None,
) -> TrailVerdict:
    """Verify the whole chain, and the seals of these sites' days from `first` to `last`."""
    verdict = TrailVerdict()
    _verify_links(verdict)
    _verify_waiting(verdict)
    _verify_seals(verdict, sites, first or datetime.date.min, last or datetime.date.max)
    return verdict


def _verify_links(verdict: TrailVerdict) -> None:
    number, before, wrong = 0, NO_LINK, 0
    while rows := _links(after=number):
        for stated, event_id, event_digest, digest, present, site, fiscal_day, action in rows:
            what = ""
            if stated != number + 1:
                what = _links_missing(number + 1, stated)
            elif present is None:
                what = f"event {event_id} of the audit trail is gone"
            elif bytes(present) != bytes(event_digest):
                what = f"event {event_id} ({action}) of the audit trail is not as it was recorded"
            elif link_digest(stated, before, bytes(event_digest)) != bytes(digest):
                what = f"link {stated} of the audit trail does not follow from the one before"
            if what and (wrong := wrong + 1) <= EVENTS_NAMED_MAX:
                verdict.faults.append(Fault(site=site or "", fiscal_day=fiscal_day, what=what))
            # One broken link is one fault, not one of every link after it.
            number, before = stated, bytes(digest)
    if wrong > EVENTS_NAMED_MAX:
        more = wrong - EVENTS_NAMED_MAX
        verdict.faults.append(Fault(what=f"more that is wrong with the audit trail: {more:,}"))
    verdict.head = Head(number, before)


def _links(*, after: int) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(_LINKS, {"after": after, "links": LINKS_AT_ONCE})
        return cursor.fetchall()


def _links_missing(first: int, behind: int) -> str:
    if behind - first == 1:
        return f"link {first} of the audit trail is missing"
    return f"links {first} to {behind - 1} of the audit trail are missing"


def _verify_waiting(verdict: TrailVerdict) -> None:
    told = {
        "gone": "event {} of the audit trail, which waited for its link, is gone",
        "linked": "event {} of the audit trail waits for a link, though it has one",
        "past": "event {} of the audit trail came past its chain",
    }
    waiting = wrong = 0
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        for event_id, site, fiscal_day, state in cursor:
            if state == "waits":
                waiting += 1
            elif (wrong := wrong + 1) <= EVENTS_NAMED_MAX:
                what = told[state].format(event_id)
                verdict.faults.append(Fault(site=site or "", fiscal_day=fiscal_day, what=what))
    if wrong > EVENTS_NAMED_MAX:
        more = wrong - EVENTS_NAMED_MAX
        verdict.faults.append(Fault(what=f"more events outside of the audit trail: {more:,}"))
    if waiting:
        verdict.notes.append(f"Events of the audit trail that wait for their link: {waiting:,}")


@dataclass(frozen=True, slots=True)
class _Told:
    """A day's seal, what the trail tells of it, and its signature; None for what is not there."""

    site: str
    fiscal_day: datetime.date
    z_number: int | None
    seal: bytes | None
    event_id: int | None
    event_number: int | None
    event_seal: str | None
    event_z_number: str | None
    event_key_id: str | None
    times: int | None
    trail_number: int | None
    trail_digest: bytes | None
    key_id: str | None
    signature: bytes | None
    head_digest: bytes | None
    has_to_be_signed: bool | None


def _verify_seals(
    verdict: TrailVerdict, sites: Collection[Site], first: datetime.date, last: datetime.date
) -> None:
    try:
        keys = signing.public_keys()
    except signing.SigningError as error:
        verdict.faults.append(Fault(what=f"no signature can be verified: {error}"))
        return
    unsigned = 0
    with connection.cursor() as cursor:
        cursor.execute(
            _SEALS, {"site_ids": [site.pk for site in sites], "first": first, "last": last}
        )
        for row in cursor:
            told = _Told(*row)
            what = _wrong_with_event(told)
            if not what and told.seal is not None:
                what = _wrong_with_signature(told, keys)
                verdict.signatures += told.signature is not None
                unsigned += told.signature is None
            if what:
                verdict.faults.append(Fault(site=told.site, fiscal_day=told.fiscal_day, what=what))
    if unsigned:
        verdict.notes.append(f"Seals older than the first that was signed: {unsigned:,}")


def _wrong_with_event(told: _Told) -> str:
    if told.event_id is None:
        return "its seal does not stand in the audit trail"
    event = f"event {told.event_id} of the audit trail"
    if (told.times or 0) > 1:
        return f"{event} is one of {told.times} that say that the day was sealed"
    if told.seal is None:
        return f"{event} holds a seal of this day, which is not sealed"
    if (told.event_z_number, told.event_seal) != (str(told.z_number), told.seal.hex()):
        return f"{event} holds another seal of this day"
    return ""


def _wrong_with_signature(told: _Told, keys: dict[str, bytes]) -> str:
    """Return what is wrong with the signature of a seal that the trail tells."""
    assert told.z_number is not None
    assert told.seal is not None
    if told.key_id != told.event_key_id and not (told.key_id is None and not told.event_key_id):
        return f"event {told.event_id} of the audit trail says that another key signed its seal"
    if told.signature is None or told.trail_number is None or told.trail_digest is None:
        return "its seal is not signed" if told.has_to_be_signed else ""
    if not told.key_id or told.key_id not in keys:
        return f"its seal is signed with the key {told.key_id}, whose public key is not there"
    claim = signing.Statement(
        site_code=told.site,
        z_number=told.z_number,
        fiscal_day=told.fiscal_day,
        seal=bytes(told.seal),
        trail_number=told.trail_number,
        trail_digest=bytes(told.trail_digest),
    )
    signed = signing.Signed(told.key_id, bytes(told.signature))
    if not signing.is_signed(claim, signed, keys):
        return "the signature is not that of its seal"
    head = NO_LINK if told.trail_number == 0 else told.head_digest
    if head is None or bytes(head) != bytes(told.trail_digest):
        return f"it was sealed when the audit trail had another link {told.trail_number}"
    if told.event_number is not None and told.event_number <= told.trail_number:
        return "its seal was recorded before the link that it was signed with"
    return ""
