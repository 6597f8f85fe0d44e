"""What a quarantined message states, beside what the ledger holds under its key.

The bytes are read leniently: whatever can be told of a message that was refused is told. Numbers
are read from their text, never through a binary float.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from ledger.models import (
    AlarmEvent,
    DeclaredTotal,
    Delivery,
    Dip,
    Entry,
    EntryValues,
    FiscalDay,
    Kind,
    Payment,
    Quarantine,
    Site,
    Totalizer,
)
from ledger.plain import PlainTextError, plain_decimal, plain_text, without_leap_second
from ledger.topics import Lane, topic_parts

#: What is read of a message beyond this would not be a message of one event.
READ_BYTES_MAX = 1024 * 1024
#: Decimals beyond would be written out with more digits than anybody reads.
EXPONENT_MAX = 40
SEQUENCE_MAX = 2_147_483_647
#: Lines of a comparison; a day states a few of each product, tank and nozzle.
COMPARED_MAX = 200

_KINDS = {kind.name.lower(): kind for kind in Kind}
_PAYMENTS = {payment.name.lower(): payment for payment in Payment}
_HALF = re.compile("[\ud800-\udfff]")


def stated_object(raw: bytes | memoryview) -> dict[str, Any] | None:
    """Return a JSON object as a dictionary with decimals; None if the bytes are none."""
    if len(raw) > READ_BYTES_MAX:
        return None
    try:
        value = _with_whole_characters(json.loads(bytes(raw), parse_float=Decimal))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _with_whole_characters(value: Any) -> Any:
    """Return JSON with a mark in place of each half of a character: no page could be sent else."""
    if isinstance(value, str):
        return _HALF.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_with_whole_characters(each) for each in value]
    if isinstance(value, dict):
        return {
            _with_whole_characters(name): _with_whole_characters(each)
            for name, each in value.items()
        }
    return value


def stated_decimal(value: Any) -> Decimal | None:
    """Return what the contract reads as a decimal: a number, or a string of digits."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    number = plain_decimal(value) if isinstance(value, str) else Decimal(value)
    if number is None:
        return None
    is_sane = number.is_finite() and abs(number.adjusted()) <= EXPONENT_MAX
    return number if is_sane or number == 0 else None


def stated_time(value: Any) -> datetime.datetime | None:
    """Return a time with an offset, in UTC; a leap second is the last instant of its minute."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.datetime.fromisoformat(without_leap_second(value))
        return None if at.tzinfo is None else at.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None


def stated_date(value: Any) -> datetime.date | None:
    """Return a date."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _sequence(value: Any) -> int | None:
    number = _number(value)
    return number if number is not None and 1 <= number <= SEQUENCE_MAX else None


def stated_text(value: Any) -> str | None:
    """Return a text as the contract compares it; None where it holds what nobody can see."""
    if not isinstance(value, str):
        return None
    try:
        return plain_text(value)
    except PlainTextError:
        return None


#: How each of an entry's values is read, in the order in which people read an entry.
_ENTRY_READERS: Mapping[str, Callable[[Any], Any]] = {
    "kind": lambda value: _KINDS.get(value) if isinstance(value, str) else None,
    "occurred_at": stated_time,
    "product": stated_text,
    "amount": stated_decimal,
    "volume": stated_decimal,
    "volume_15c": lambda value: stated_decimal(value) or None,
    "unit_price": stated_decimal,
    "tax_rate": stated_decimal,
    "fuelling_point": _number,
    "nozzle": _number,
    "tank": _number,
    "payment": lambda value: _PAYMENTS.get(value) if isinstance(value, str) else None,
    "device_transaction": _number,
    "totalizer": stated_decimal,
    "offline": bool,
}
ENTRY_FIELDS = tuple(_ENTRY_READERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedEntry:
    """A ledger entry as a message states it: its key, and the values of `EntryValues` by name.

    A value that is absent or cannot be read is None.
    """

    fiscal_day: datetime.date | None
    sequence: int | None
    values: Mapping[str, Any]


def stated_entry(raw: bytes | memoryview) -> StatedEntry | None:
    """Read a ledger entry; None if the bytes are no JSON object."""
    told = stated_object(raw)
    if told is None:
        return None
    return StatedEntry(
        fiscal_day=stated_date(told.get("fiscal_day")),
        sequence=_sequence(told.get("sequence")),
        values={name: read(told.get(name)) for name, read in _ENTRY_READERS.items()},
    )


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """One value as the newcomer states it and as the ledger holds it; None where absent."""

    label: str | Promise
    newcomer: Any
    held: Any

    @property
    def differs(self) -> bool:
        """Whether they are two different values: an absent volume is one of 0."""
        if isinstance(self.newcomer, Decimal) or isinstance(self.held, Decimal):
            return (self.newcomer or 0) != (self.held or 0)
        return bool(self.newcomer != self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A message beside the ledger; `entry` and `day` are what that holds under the key, if any."""

    lines: list[ComparedValue] = field(default_factory=list)
    entry: Entry | None = None
    day: FiscalDay | None = None
    is_held: bool = False

    @property
    def differing_count(self) -> int:
        """How many of the values differ."""
        return sum(line.differs for line in self.lines)


def message_comparison(message: Quarantine) -> Comparison | None:
    """Return what the ledger holds under the message's key beside what it states.

    None where the message has no site or no key that was understood. At most five queries.
    """
    told = stated_object(message.raw)
    if message.site is None or told is None:
        return None
    lane = topic_parts(message.topic).lane
    if lane == Lane.LEDGER:
        return _compare_entry(message.site, message)
    if message.reason != Quarantine.Reason.CONFLICTING_DUPLICATE:
        return None  # what was refused for its values has no key that could be asked for
    if lane == Lane.DAY:
        return _compare_day(message.site, told)
    at, tank = stated_time(told.get("at")), _number(told.get("tank"))
    if at is None:
        return None
    if lane == Lane.DELIVERIES and tank is not None:
        return _compare_row(
            Delivery.objects.filter(site=message.site, tank=tank, at=at).first(),
            told,
            {"product": stated_text, "volume": stated_decimal, "volume_15c": stated_decimal}
            | {"document": lambda value: stated_text(value) or ""},
        )
    if lane == Lane.ALARMS:
        key = {name: told.get(name) for name in ("number", "state")} | {
            name: stated_text(told.get(name)) for name in ("device", "code")
        }
        return _compare_row(
            AlarmEvent.objects.filter(site=message.site, at=at, **key).first(),
            told,
            dict.fromkeys(("severity", "text"), lambda value: stated_text(value) or ""),
        )
    return None


def _compare_entry(site: Site, message: Quarantine) -> Comparison | None:
    stated = stated_entry(message.raw)
    if stated is None or stated.fiscal_day is None or stated.sequence is None:
        return None
    day = FiscalDay.objects.filter(pk=(site.pk, stated.fiscal_day)).first()
    entry = Entry.objects.filter(pk=(site.pk, stated.fiscal_day, stated.sequence)).first()
    return Comparison(
        lines=[
            ComparedValue(
                EntryValues._meta.get_field(name).verbose_name,  # type: ignore[union-attr]  # noqa: SLF001 Django's documented API
                stated.values[name],
                _held(entry, name),
            )
            for name in ENTRY_FIELDS
        ],
        entry=entry,
        day=day,
        is_held=entry is not None,
    )


def _held(entry: Entry | None, name: str) -> Any:
    value = getattr(entry, name) if entry is not None else None
    if value is not None and name == "kind":
        return Kind(value)
    return Payment(value) if value is not None and name == "payment" else value


def _compare_row(
    row: Any, told: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]
) -> Comparison:
    return Comparison(
        lines=[
            ComparedValue(
                row._meta.get_field(name).verbose_name if row else name,  # noqa: SLF001 as above
                read(told.get(name)),
                getattr(row, name) if row else None,
            )
            for name, read in readers.items()
        ],
        is_held=row is not None,
    )


def _compare_day(site: Site, told: Mapping[str, Any]) -> Comparison | None:
    fiscal_day = stated_date(told.get("fiscal_day"))
    if fiscal_day is None:
        return None
    day = FiscalDay.objects.filter(pk=(site.pk, fiscal_day)).first()
    is_opening = told.get("event") == "opened"
    lines = [
        ComparedValue(
            _("at"),
            stated_time(told.get("at")),
            day and (day.opened_at if is_opening else day.closed_at),
        )
    ]
    if not is_opening:
        lines.append(
            ComparedValue(
                _("last sequence"), _number(told.get("last_sequence")), day and day.last_sequence
            )
        )
        held_totals = DeclaredTotal.objects.filter(site=site, fiscal_day=fiscal_day)
        lines += _compare_lists(
            told.get("totals"),
            {(total.product,): total for total in held_totals},
            ("product",),
            {"count": "count", "volume": "volume", "amount": "amount"},
        )
    phase = "opening" if is_opening else "closing"
    lines += _compare_lists(
        told.get("totalizers"),
        {
            (meter.fuelling_point, meter.nozzle): meter
            for meter in Totalizer.objects.filter(site=site, fiscal_day=fiscal_day)
        },
        ("fuelling_point", "nozzle"),
        {"volume": phase},
    )
    lines += _compare_lists(
        told.get("dips"),
        {(dip.tank,): dip for dip in Dip.objects.filter(site=site, fiscal_day=fiscal_day)},
        ("tank",),
        {name: f"{phase}_{name}" for name in ("volume", "water", "temperature")},
    )
    return Comparison(lines=lines[:COMPARED_MAX], day=day, is_held=day is not None)


def _named(value: Any) -> str:
    """Return what names a row of a list, as the ledger has it."""
    return (stated_text(value) if isinstance(value, str) else None) or str(value)


def _compare_lists(
    told: Any, held: Mapping[tuple[Any, ...], Any], key: tuple[str, ...], columns: Mapping[str, str]
) -> list[ComparedValue]:
    """Compare rows that are known by a key; `columns` says where the ledger has each value."""
    rows = told if isinstance(told, list) else []
    stated = {
        tuple(_named(row.get(name)) for name in key): row for row in rows if isinstance(row, dict)
    }
    known = {tuple(str(part) for part in place): row for place, row in held.items()}
    return [
        ComparedValue(
            f"{' / '.join(place)}: {name}",
            stated_decimal(stated.get(place, {}).get(name)),
            getattr(known.get(place), column, None),
        )
        for place in sorted({*stated, *known})
        for name, column in columns.items()
    ]
