"""Corrections as they stand: effective values, revisions, what waits for a second person."""

from __future__ import annotations

import datetime
import functools
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Field, Q, QuerySet

from ledger.models import (
    Correction,
    Entry,
    EntryValues,
    FiscalDay,
)

#: The business values of an entry: what a correction restates, by name, in the order of a form.
_FIELDS = EntryValues._meta.get_fields()  # noqa: SLF001 Django's documented Meta API
VALUE_NAMES = tuple(one.name for one in _FIELDS)

Values = dict[str, Any]
#: (site, fiscal day, sequence)
EntryKey = tuple[int, datetime.date, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveEntry:
    """An entry as it counts now.

    `revision` is that of the correction which made it so, 0 for the entry itself; `latest_revision`
    counts those that were proposed or refused too. `values` of None means that it counts for
    nothing: voided, or neither sent nor added. `entry` is None where the site sent none.
    """

    entry: Entry | None
    values: Values | None
    revision: int
    latest_revision: int
    corrections: list[Correction] = field(default_factory=list)

    @property
    def proposal(self) -> Correction | None:
        """The proposal that waits for a second person, if one does."""
        return next(
            (one for one in self.corrections if one.status == Correction.Status.PROPOSED), None
        )

    @property
    def is_void(self) -> bool:
        """Whether it was there and was taken out."""
        return self.values is None and bool(self.entry or self.revision)


def values_of(row: EntryValues) -> Values:
    """Return the business values of an entry or a correction by name."""
    return {name: getattr(row, name) for name in VALUE_NAMES}


def effective_entry(*, site_id: int, fiscal_day: datetime.date, sequence: int) -> EffectiveEntry:
    """Return an entry as it counts now, with its revisions in their order. Two queries."""
    key = (site_id, fiscal_day, sequence)
    return effective_entries([key])[key]


def effective_entries(keys: Iterable[EntryKey]) -> dict[EntryKey, EffectiveEntry]:
    """Return entries of any days as they count now, by key, as `effective_entry`. Two queries."""
    wanted = set(keys)
    if not wanted:
        return {}
    named = entries_named(wanted)
    entries = {_key_of(entry): entry for entry in Entry.objects.filter(named)}
    corrections: dict[EntryKey, list[Correction]] = {}
    found = Correction.objects.filter(named).select_related("author", "decided_by")
    for correction in found.order_by("revision"):
        corrections.setdefault(_key_of(correction), []).append(correction)
    return {key: effective(entries.get(key), corrections.get(key, [])) for key in wanted}


def entries_named(keys: Iterable[EntryKey]) -> Q:
    """Return the condition that names entries, or their corrections: by day, as the keys go."""
    by_day: dict[tuple[int, datetime.date], list[int]] = {}
    for site_id, fiscal_day, sequence in sorted(set(keys)):
        by_day.setdefault((site_id, fiscal_day), []).append(sequence)
    return functools.reduce(
        operator.or_,
        (
            Q(site=site_id, fiscal_day=fiscal_day, sequence__in=sequences)
            for (site_id, fiscal_day), sequences in by_day.items()
        ),
    )


def effective(entry: Entry | None, corrections: Sequence[Correction]) -> EffectiveEntry:
    """Apply an entry's corrections, given in the order of their revisions."""
    values = values_of(entry) if entry else None
    revision = 0
    for correction in corrections:
        if correction.status == Correction.Status.APPROVED:
            is_void = correction.action == Correction.Action.VOID
            values = None if is_void else values_of(correction)
            revision = correction.revision
    return EffectiveEntry(
        entry=entry,
        values=values,
        revision=revision,
        latest_revision=corrections[-1].revision if corrections else 0,
        corrections=list(corrections),
    )


def corrections_of_day(
    day: FiscalDay, *, sequences: Collection[int] | None = None
) -> dict[int, list[Correction]]:
    """Return a day's corrections by the entry's sequence, each in order. One query."""
    found = Correction.objects.filter(site=day.site_id, fiscal_day=day.fiscal_day)
    if sequences is not None:
        found = found.filter(sequence__in=sequences)
    by_sequence: dict[int, list[Correction]] = {}
    for correction in found.order_by("sequence", "revision"):
        by_sequence.setdefault(correction.sequence, []).append(correction)
    return by_sequence


def approved_values(day: FiscalDay) -> dict[int, Values]:
    """Return what the corrected entries of a day state by their latest approved correction.

    By sequence; a void one states what it did. One query.
    """
    approved = Correction.objects.filter(
        site=day.site_id, fiscal_day=day.fiscal_day, status=Correction.Status.APPROVED
    )
    return {one.sequence: values_of(one) for one in approved.order_by("sequence", "revision")}


def proposals(
    *, site_ids: frozenset[int] | None, status: str = Correction.Status.PROPOSED
) -> QuerySet[Correction]:
    """Return the corrections that stand so at sites (None: all), the oldest first."""
    found = Correction.objects.filter(status=status).select_related("site", "author", "decided_by")
    if site_ids is not None:
        found = found.filter(site__in=site_ids)
    return found.order_by("proposed_at", "pk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One business value before and after; None where there was or is none."""

    name: str
    label: str
    before: Any
    after: Any

    @property
    def is_changed(self) -> bool:
        """Whether the two differ."""
        return bool(self.before != self.after)


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    """Return all business values side by side, in the order of the form."""
    labels = {one.name: one.verbose_name for one in _FIELDS if isinstance(one, Field)}
    return [
        Change(
            name=name,
            label=str(labels[name]),
            before=before.get(name) if before else None,
            after=after.get(name) if after else None,
        )
        for name in VALUE_NAMES
    ]


def changed(rows: Iterable[Change]) -> list[Change]:
    """Return those that differ."""
    return [row for row in rows if row.is_changed]


def _key_of(row: Entry | Correction) -> EntryKey:
    return row.site_id, row.fiscal_day, row.sequence
