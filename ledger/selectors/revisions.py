"""Entries as pages show them: as they count, and revision by revision."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.hours import hour_of
from ledger.models import Correction, Entry, EntryFlag, FiscalDay
from ledger.selectors.corrections import (
    Change,
    EffectiveEntry,
    changed,
    changes,
    corrections_of_day,
    effective,
    values_of,
)

Key = tuple[int, datetime.date, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A correction with what it changes of the entry as it counted before; None counts nothing."""

    correction: Correction
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def changes(self) -> list[Change]:
        """The values that differ, in the order of a form."""
        return changed(changes(self.before, self.after))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """A line in a list of entries: `entry` states what counts now, for a void one what did."""

    entry: Entry
    is_void: bool = False
    is_corrected: bool = False
    #: Whether a correction waits for a second person.
    is_waiting: bool = False

    @property
    def is_manual(self) -> bool:
        """Whether it was entered by hand."""
        return bool(self.entry.flags & EntryFlag.MANUAL)

    @property
    def is_far(self) -> bool:
        """Whether its time is of a day that a clock alone does not let one guess."""
        return bool(self.entry.flags & EntryFlag.FAR_FROM_FISCAL_DAY)

    @property
    def other_flags(self) -> list[EntryFlag]:
        """What looks wrong about it as it was sent."""
        return [flag for flag in self.entry.flag_list if flag != EntryFlag.MANUAL]


def revisions(now: EffectiveEntry) -> list[Revision]:
    """Return the revisions of an entry, newest first. No query."""
    before = values_of(now.entry) if now.entry else None
    if now.corrections and now.corrections[0].action == Correction.Action.ADD:
        # The row is what the first revision put there.
        before = None
    found = []
    for correction in now.corrections:
        after = None if correction.action == Correction.Action.VOID else values_of(correction)
        found.append(Revision(correction=correction, before=before, after=after))
        if correction.status == Correction.Status.APPROVED:
            before = after
    return found[::-1]


def as_of(now: EffectiveEntry, revision: int) -> EffectiveEntry:
    """Return an entry as somebody saw it whose latest revision was this one. No query."""
    seen = [correction for correction in now.corrections if correction.revision <= revision]
    return effective(now.entry, seen)


def last_values(now: EffectiveEntry) -> dict[str, Any] | None:
    """Return what an entry states: as it counts, or for a void one as it did; None for no entry."""
    if now.values is not None:
        return now.values
    approved = [one for one in now.corrections if one.status == Correction.Status.APPROVED]
    if approved:
        return values_of(approved[-1])
    return values_of(now.entry) if now.entry else None


def proposal_revisions(waiting: Sequence[Correction]) -> list[Revision]:
    """Return corrections of any days with what each changes, in the given order. Two queries."""
    if not waiting:
        return []
    keys: set[Key] = {_key(correction) for correction in waiting}
    entries = {
        (entry.site_id, entry.fiscal_day, entry.sequence): entry
        for entry in Entry.objects.filter(pk__in=list(keys))
    }
    others: dict[Key, list[Correction]] = {}
    found = Correction.objects.filter(
        site__in={site_id for site_id, _day, _sequence in keys},
        fiscal_day__in={fiscal_day for _site, fiscal_day, _sequence in keys},
        sequence__in={sequence for _site, _day, sequence in keys},
    )
    for correction in found.order_by("revision"):
        others.setdefault(_key(correction), []).append(correction)
    by_revision = {
        (key, revision.correction.revision): revision
        for key in keys
        for revision in revisions(effective(entries.get(key), others.get(key, [])))
    }
    return [
        Revision(
            correction=correction,
            before=by_revision[_key(correction), correction.revision].before,
            after=by_revision[_key(correction), correction.revision].after,
        )
        for correction in waiting
    ]


def entry_rows(day: FiscalDay, entries: Sequence[Entry]) -> list[EntryRow]:
    """Return entries of a day as they count. One query, none for no entries."""
    if not entries:
        return []
    sequences = [entry.sequence for entry in entries]
    corrections = corrections_of_day(day, sequences=sequences)
    return [
        entry_row(effective(entry, corrections.get(entry.sequence, [])), entry) for entry in entries
    ]


def entry_row(now: EffectiveEntry, entry: Entry) -> EntryRow:
    """Return one line of a list. No query."""
    is_waiting = now.proposal is not None
    is_added = bool(now.corrections) and now.corrections[0].action == Correction.Action.ADD
    if now.revision <= int(is_added):
        return EntryRow(entry=entry, is_waiting=is_waiting)
    return EntryRow(
        entry=counted_entry(now, entry),
        is_void=now.is_void,
        is_corrected=not now.is_void,
        is_waiting=is_waiting,
    )


def counted_entry(now: EffectiveEntry, entry: Entry) -> Entry:
    """Return a copy of an entry, never to be stored, that states what counts now or did last."""
    copy = Entry(
        site_id=entry.site_id,
        fiscal_day=entry.fiscal_day,
        sequence=entry.sequence,
        received_at=entry.received_at,
        flags=entry.flags,
    )
    for name, value in (last_values(now) or {}).items():
        setattr(copy, name, value)
    return copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The entries of a day that somebody wants to correct together.

    `found` are those that can be, `left_void` and `left_waiting` how many match but are void, or
    have a correction that waits for a second person.
    """

    found: list[EffectiveEntry] = field(default_factory=list)
    left_void: int = 0
    left_waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionFilter:
    """Which entries to select, by what they state now; the hours are of the site's clock.

    Flagged are those that looked wrong as they were sent.
    """

    flagged: bool = False
    product: str = ""
    kind: int | None = None
    fuelling_point: int | None = None
    hour_first: int = 0
    hour_last: int = 23

    def matches(self, entry: Entry, values: Mapping[str, Any], day: FiscalDay) -> bool:
        """Say whether an entry that states these values now is meant."""
        hour = hour_of(values["occurred_at"], day.site.timezone)
        return (
            (not self.flagged or bool(entry.flags))
            and (not self.product or values["product"] == self.product)
            and (self.kind is None or values["kind"] == self.kind)
            and (self.fuelling_point is None or values["fuelling_point"] == self.fuelling_point)
            and self.hour_first <= hour <= self.hour_last
        )


def selected_entries(day: FiscalDay, only: SelectionFilter) -> Selection:
    """Return a day's entries that match as they count now, by sequence. Two queries."""
    corrections = corrections_of_day(day)
    entries = Entry.objects.filter(site=day.site_id, fiscal_day=day.fiscal_day).order_by("pk")
    return _selection(day, only, entries, corrections)


def _selection(
    day: FiscalDay,
    only: SelectionFilter,
    entries: Iterable[Entry],
    corrections: Mapping[int, list[Correction]],
) -> Selection:
    found, void, waiting = [], 0, 0
    for entry in entries:
        now = effective(entry, corrections.get(entry.sequence, []))
        stated = last_values(now)
        if stated is None or not only.matches(entry, stated, day):
            continue
        if now.proposal is not None:
            waiting += 1
        elif now.values is None:
            void += 1
        else:
            found.append(now)
    return Selection(found=found, left_void=void, left_waiting=waiting)


def _key(correction: Correction) -> Key:
    return correction.site_id, correction.fiscal_day, correction.sequence
