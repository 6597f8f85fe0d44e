"""What others stored while somebody filled in a form, as the audit trail has it.

A form carries, beside the version of the values that it shows, the number of the latest event then
(`SEEN`). Whoever stores second is told who was first, when, and what they changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from console.forms.fields import value_words
from console.forms.setup import SetupRows
from ledger.models import AuditEvent

#: The field that carries the number of the latest event that the page knew of.
SEEN = "seen"
#: So many changes are told of, the newest; who was away for more looks into the audit trail.
MEANWHILE_MAX = 5
_ID_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanwhileField:
    """One value that somebody changed: its label, and before and after in words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMeanwhile:
    """One change by somebody else: who and when it was, and which values."""

    event: AuditEvent
    fields: list[MeanwhileField] = field(default_factory=list)


def last_seen(events: QuerySet[AuditEvent]) -> int:
    """Return the number of the latest of the events, 0 for none. To be asked before the values."""
    return events.order_by("-id").values_list("id", flat=True).first() or 0


def events_since(events: QuerySet[AuditEvent], seen: str) -> list[AuditEvent]:
    """Return the events after the one that the page knew of, newest first."""
    number = int(seen) if seen.isdecimal() and int(seen) <= _ID_MAX else 0
    return list(events.filter(id__gt=number).order_by("-id")[:MEANWHILE_MAX])


def changed_names(events: Sequence[AuditEvent]) -> set[str]:
    """Return the names of what the events changed."""
    return {name for event in events for side in _sides(event) for name in side}


def form_meanwhile(
    events: Sequence[AuditEvent], form: forms.BaseForm, current: Mapping[str, Any]
) -> list[StoredMeanwhile]:
    """Say what the events changed of a form's values, and mark these fields with the stored ones.

    Without an event (a program may have stored it) each field that differs is marked.
    """
    names = changed_names(events)
    form.current = {  # type: ignore[attr-defined]
        name: value for name, value in current.items() if not names or name in names
    }
    return [
        StoredMeanwhile(event=event, fields=list(_fields(form, *_sides(event)))) for event in events
    ]


def rows_meanwhile(
    events: Sequence[AuditEvent], rows: Collection[SetupRows]
) -> list[StoredMeanwhile]:
    """Say what the events changed of rows, row by row."""
    by_name = {each.prefix: each for each in rows}
    found = []
    for event in events:
        formset = by_name.get(event.action.removeprefix("site.").removesuffix("_changed"))
        if formset is not None:
            fields = list(_row_fields(formset, *_sides(event)))
            found.append(StoredMeanwhile(event=event, fields=fields))
    return found


def _sides(event: AuditEvent) -> tuple[dict[str, Any], dict[str, Any]]:
    before, after = event.detail.get("before"), event.detail.get("after")
    return before if isinstance(before, dict) else {}, after if isinstance(after, dict) else {}


def _fields(
    form: forms.BaseForm, before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> Iterator[MeanwhileField]:
    for name, each in form.fields.items():
        if name in {**before, **after} and before.get(name) != after.get(name):
            yield MeanwhileField(
                label=f"{prefix}{each.label}",
                before=value_words(each, before.get(name)),
                after=value_words(each, after.get(name)),
            )


def _row_fields(
    formset: SetupRows, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[MeanwhileField]:
    there, gone = _("there"), _("not there")
    for key in {**before, **after}:
        name = f"{formset.row_name} {key}"
        was, now = before.get(key), after.get(key)
        if was and now:
            yield from _fields(formset.empty_form, was, now, prefix=f"{name}, ")
        else:
            yield MeanwhileField(
                label=name, before=there if was else gone, after=there if now else gone
            )
