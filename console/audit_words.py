"""What an audit event says, in the words of who reads it.

Events are stored as codes and bare values, so that they mean the same in every language and for
programs. Here they become what people call them. What nobody knows here is shown as it is stored.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.options import Options
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console import formatting
from console.models import Role, User
from ledger.models import (
    AuditEvent,
    Correction,
    EntryValues,
    Explanation,
    FuellingPoint,
    Nozzle,
    Product,
    ProductFamily,
    Quarantine,
    Site,
    Tank,
)

#: What is not a field of what was changed.
_NAMES: Mapping[str, str | Promise] = {
    "body": gettext_lazy("digest of the day"),
    "difference": gettext_lazy("difference"),
    "entries": gettext_lazy("entries"),
    "key": gettext_lazy("of which"),
    "last_sequence": gettext_lazy("last entry"),
    "messages": gettext_lazy("messages"),
    "needs_approval": gettext_lazy("needs a second person"),
    "note": gettext_lazy("note"),
    "posted_to": gettext_lazy("posted to"),
    "public_key": gettext_lazy("public key"),
    "ranges": gettext_lazy("ranges"),
    "reason": gettext_lazy("reason"),
    "seal": gettext_lazy("seal"),
    "signed_with": gettext_lazy("signed with the key"),
    "sites": gettext_lazy("sites"),
    "started": gettext_lazy("started"),
    "subject": gettext_lazy("what differs"),
    "z_number": gettext_lazy("Z number"),
}
_MODELS: tuple[type[models.Model], ...] = (
    EntryValues, Site, Product, Tank, FuellingPoint, Nozzle, User,
)  # fmt: skip


def _fields(model: type[models.Model]) -> Sequence[models.Field[Any, Any]]:
    meta: Options[models.Model] = model._meta  # noqa: SLF001
    return meta.concrete_fields


_FIELD_NAMES: Mapping[str, str | Promise] = {
    field.name: field.verbose_name for model in reversed(_MODELS) for field in _fields(model)
}
_DECIMALS = frozenset(
    field.name
    for model in _MODELS
    for field in _fields(model)
    if isinstance(field, models.DecimalField)
)
_ENTRY_FIELDS = {field.name: field for field in _fields(EntryValues)}
#: The reasons that each kind of event gives; other events say theirs in a person's words.
_REASONS: Mapping[str, type[models.TextChoices]] = {
    "correction": Correction.Reason,
    "day.explained": Explanation.Reason,
    "quarantine": Quarantine.Reason,
}
_CODES: Mapping[str, type[models.TextChoices]] = {
    "family": ProductFamily,
    "role": Role,
    "subject": Explanation.Subject,
}
_DATES = frozenset({"posted_to"})
#: By action, since a site is also asked for what came since a day.
_TIMES = frozenset({("alarm.acknowledged", "started"), ("ingest.session_lost", "since")})


def name_words(name: str) -> str:
    """Return what a field of an event's detail is called; an unknown one as its words."""
    known = _NAMES.get(name) or _FIELD_NAMES.get(name)
    return str(known) if known else name.replace("_", " ").replace("-", " ")


def value_words(event: AuditEvent, name: str, value: Any) -> str:
    """Return a value of an event's detail as people read it, times by the active time zone."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name_words(each)}: {value_words(event, each, of_it)}"
            for each, of_it in value.items()
        )
    if event.action.startswith("correction.") and name in _ENTRY_FIELDS:
        return _entry_value(event, name, value)
    codes = _codes(event, name)
    if codes is not None:
        told = value if isinstance(value, list) else [value]
        return ", ".join(_label(codes, each) for each in told)
    if name in _DECIMALS:
        return formatting.stated(_read(Decimal, value))
    if name in _DATES:
        return formatting.stated(_read(datetime.date.fromisoformat, value))
    if (event.action, name) in _TIMES:
        return formatting.stated(_read(datetime.datetime.fromisoformat, value))
    return formatting.stated(value)


def subject_words(event: AuditEvent) -> str:
    """Return what an event was about: stored in English, shown in the reader's language."""
    for pattern, words in _SUBJECTS:
        if found := re.fullmatch(pattern, event.subject):
            return words(found)
    return event.subject


def _codes(event: AuditEvent, name: str) -> type[models.TextChoices] | None:
    if name != "reason":
        return _CODES.get(name)
    return _REASONS.get(event.action) or _REASONS.get(event.action.partition(".")[0])


def _label(codes: type[models.TextChoices], value: Any) -> str:
    return str(codes(value).label) if value in codes.values else formatting.stated(value)


def _read(read: Callable[[str], Any], value: Any) -> Any:
    """Read text, or leave it as it is: what is shown must never fail on what was stored."""
    try:
        return read(value)
    except (ArithmeticError, TypeError, ValueError):
        return value


def _entry_value(event: AuditEvent, name: str, value: Any) -> str:
    currency = event.site.currency if event.site else ""
    try:
        return formatting.entry_value(name, _ENTRY_FIELDS[name].to_python(value), currency)
    except (ValidationError, ValueError):
        return formatting.stated(value)


def _message(found: re.Match[str]) -> str:
    return _("message %(number)s") % {"number": found[1]}


def _messages(found: re.Match[str]) -> str:
    count = int(found[1])
    return ngettext("%(count)s message", "%(count)s messages", count) % {"count": count}


def _entries(found: re.Match[str]) -> str:
    count = int(found[1])
    return ngettext("%(count)s entry", "%(count)s entries", count) % {"count": count}


def _revision(found: re.Match[str]) -> str:
    action = Correction.Action(found[1]).label if found[1] in Correction.Action.values else found[1]
    return _("%(action)s, revision %(number)s") % {
        "action": action, "number": found[2],
    }  # fmt: skip


_SUBJECTS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"message (\d{1,19})", _message),
    (r"(\d{1,9}) messages", _messages),
    (r"(\d{1,9}) entries", _entries),
    (r"(\w+), revision (\d{1,5})", _revision),
)
