"""From a payload's bytes to the contract's types, or to the exact reason why not.

Two kinds of fault: *malformed* is not JSON, or JSON of another shape than the contract's (a field
missing, a wrong type, a time without an offset); *invalid* has the right shape and a value the
contract refuses (too many decimals, out of range, NaN, an unknown word).
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from ingest import contract

T = TypeVar("T", bound=msgspec.Struct)

MALFORMED = "malformed"
INVALID = "invalid"

_TRAPS = [decimal.Inexact, decimal.InvalidOperation]


class Measure(NamedTuple):
    """How exact a kind of number is: its last place and how many digits it may have."""

    quantum: Decimal
    context: decimal.Context
    places: int
    digits: int


def _measure(digits: int, places: int) -> Measure:
    return Measure(
        Decimal(1).scaleb(-places), decimal.Context(prec=digits, traps=_TRAPS), places, digits
    )


MONEY = _measure(12, 2)
VOLUME = _measure(12, 3)
UNIT_PRICE = _measure(9, 4)
TAX_RATE = _measure(5, 2)
METER = _measure(18, 3)
TOTAL_MONEY = _measure(18, 2)
TEMPERATURE = _measure(5, 1)

#: A time within these years is one on the clocks of every time zone; beyond, the calendars of
#: Python and PostgreSQL end.
YEAR_MIN = 2
YEAR_MAX = 9998

_TANK_VALUES = ("volume", "ullage", "capacity", "water")
#: How exact each decimal of the contract is, by its type and name.
MEASURES: dict[type[msgspec.Struct], dict[str, Measure]] = {
    contract.LedgerEntry: {
        "amount": MONEY,
        "volume": VOLUME,
        "volume_15c": VOLUME,
        "unit_price": UNIT_PRICE,
        "tax_rate": TAX_RATE,
        "totalizer": METER,
    },
    contract.TotalizerReading: {"volume": METER},
    contract.DipReading: {"volume": METER, "water": METER, "temperature": TEMPERATURE},
    contract.DeclaredTotal: {"volume": METER, "amount": TOTAL_MONEY},
    contract.Delivery: {"volume": METER, "volume_15c": METER},
    contract.Pump: {"volume": VOLUME, "amount": MONEY, "unit_price": UNIT_PRICE},
    contract.TankGauge: dict.fromkeys(_TANK_VALUES, METER) | {"temperature": TEMPERATURE},
}

_CENT, _MONEY_CONTEXT = MONEY.quantum, MONEY.context
_MILLILITRE, _VOLUME_CONTEXT = VOLUME.quantum, VOLUME.context
_UNIT_PRICE, _UNIT_PRICE_CONTEXT = UNIT_PRICE.quantum, UNIT_PRICE.context


class Fault(Exception):
    """A payload, or an item of one, that the contract refuses."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def fit(value: Decimal, measure: Measure, name: str) -> Decimal:
    """Return the value with exactly the measure's places. Fault if that would change it."""
    try:
        fitted = value.quantize(measure.quantum, context=measure.context)
    except decimal.Inexact:
        raise Fault(
            INVALID, f"{name}: {value} has more than {measure.places} decimal places"
        ) from None
    except decimal.InvalidOperation:
        if value.is_finite():
            raise Fault(
                INVALID,
                f"{name}: {value} is too large "
                f"(at most {measure.digits - measure.places} digits before the point)",
            ) from None
        raise Fault(INVALID, f"{name}: {value} is not a finite number") from None
    if not fitted.is_finite():
        raise Fault(INVALID, f"{name}: {value} is not a finite number")
    return fitted


def fit_fields(value: msgspec.Struct, prefix: str = "") -> None:
    """Fit every decimal of a struct that is present."""
    for name, measure in MEASURES[type(value)].items():
        number = getattr(value, name)
        if number is not None:
            setattr(value, name, fit(number, measure, prefix + name))


def fit_time(at: datetime.datetime, name: str) -> datetime.datetime:
    """Return the time in UTC, so that the same moment is always written the same way."""
    if not YEAR_MIN <= at.year <= YEAR_MAX:
        raise Fault(INVALID, f"{name}: the year {at.year} is not between {YEAR_MIN} and {YEAR_MAX}")
    return at if at.tzinfo is datetime.UTC else at.astimezone(datetime.UTC)


def refuse_nul(text: str | None, name: str) -> None:
    """Fault for a NUL character, which PostgreSQL cannot hold in text."""
    if text is not None and "\x00" in text:
        raise Fault(INVALID, f"{name}: holds a NUL character")


def check_entry(entry: contract.LedgerEntry) -> None:
    """Fit an entry's numbers and its time to the ledger's columns. Fault if one does not.

    Says of a good entry only that it is good, since nearly all are and this runs for each;
    `_explain_entry` looks again, number by number, when something is wrong.
    """
    amount, volume, unit_price = entry.amount, entry.volume, entry.unit_price
    try:
        entry.amount = amount.quantize(_CENT, None, _MONEY_CONTEXT)
        finite = amount == amount  # NaN alone passes quantize() and differs from itself
        if volume is not None:
            entry.volume = volume.quantize(_MILLILITRE, None, _VOLUME_CONTEXT)
            finite = finite and volume == volume
        if unit_price is not None:
            entry.unit_price = unit_price.quantize(_UNIT_PRICE, None, _UNIT_PRICE_CONTEXT)
            finite = finite and unit_price == unit_price
    except ArithmeticError:
        finite = False
    if not finite:
        _explain_entry(entry)
    entry.occurred_at = fit_time(entry.occurred_at, "occurred_at")
    if entry.tax_rate is not None:
        if entry.tax_rate.is_snan():
            fit(entry.tax_rate, TAX_RATE, "tax_rate")  # the cache cannot even look it up
        entry.tax_rate = _tax_rate(entry.tax_rate)
    if entry.totalizer is not None:
        entry.totalizer = fit(entry.totalizer, METER, "totalizer")
    if entry.volume_15c is not None:
        # Controllers write 0 where they do not know (the contract says so too).
        entry.volume_15c = fit(entry.volume_15c, VOLUME, "volume_15c") or None
    if "\x00" in entry.product:
        refuse_nul(entry.product, "product")


def _explain_entry(entry: contract.LedgerEntry) -> None:
    """Raise the Fault that `check_entry` came upon."""
    fit_fields(entry)
    raise AssertionError("a number that fits was refused")


@lru_cache(maxsize=1_000)
def _tax_rate(tax_rate: Decimal) -> Decimal:
    """Fit a tax rate; a fleet has a handful of them."""
    fitted = fit(tax_rate, TAX_RATE, "tax_rate")
    if not 0 <= fitted <= 100:
        raise Fault(INVALID, f"tax_rate: {tax_rate} is not between 0 and 100")
    return fitted


def _refuse_repeats(keys: Iterable[object], name: str) -> None:
    seen: set[object] = set()
    for key in keys:
        if key in seen:
            raise Fault(INVALID, f"{name}: {key} stands there twice")
        seen.add(key)


def check_day(day: contract.DayOpened | contract.DayClosed) -> None:
    """Fit a day's declarations, and put them in order, so that equal ones are equal."""
    day.at = fit_time(day.at, "at")
    for reading in day.totalizers:
        fit_fields(reading, "totalizers.")
        refuse_nul(reading.product, "totalizers.product")
    for dip in day.dips:
        fit_fields(dip, "dips.")
        refuse_nul(dip.product, "dips.product")
    _refuse_repeats(
        (f"nozzle {r.nozzle} of fuelling point {r.fuelling_point}" for r in day.totalizers),
        "totalizers",
    )
    _refuse_repeats((f"tank {dip.tank}" for dip in day.dips), "dips")
    day.totalizers = sorted(day.totalizers, key=lambda r: (r.fuelling_point, r.nozzle))
    day.dips = sorted(day.dips, key=lambda dip: dip.tank)
    if isinstance(day, contract.DayClosed):
        for total in day.totals:
            fit_fields(total, "totals.")
            refuse_nul(total.product, "totals.product")
        _refuse_repeats((f"product {total.product}" for total in day.totals), "totals")
        day.totals = sorted(day.totals, key=lambda total: total.product)


def check_delivery(delivery: contract.Delivery) -> None:
    """Fit a delivery's numbers and its time."""
    delivery.at = fit_time(delivery.at, "at")
    fit_fields(delivery)
    delivery.volume_15c = delivery.volume_15c or None
    refuse_nul(delivery.product, "product")
    refuse_nul(delivery.document, "document")


def check_alarm(alarm: contract.Alarm) -> None:
    """Check an alarm's words and its time."""
    alarm.at = fit_time(alarm.at, "at")
    for name in ("device", "code", "severity", "text"):
        refuse_nul(getattr(alarm, name), name)


def check_status(status: contract.Status) -> None:
    """Check a status's words and its time."""
    status.at = fit_time(status.at, "at")
    refuse_nul(status.controller, "controller")


def check_pump(pump: contract.Pump) -> None:
    """Fit a pump's running numbers and its time."""
    pump.at = fit_time(pump.at, "at")
    fit_fields(pump)
    refuse_nul(pump.product, "product")


def check_tank(gauge: contract.TankGauge) -> None:
    """Fit a gauge's readings and its time."""
    gauge.at = fit_time(gauge.at, "at")
    fit_fields(gauge)
    refuse_nul(gauge.product, "product")
    refuse_nul(gauge.status, "status")
    for alarm in gauge.alarms:
        refuse_nul(alarm, "alarms")


_WRONG_TYPE = re.compile(r"Expected `[^`]+`, got ")


def fault_of(error: Exception, payload: bytes) -> Fault:
    """Say in the contract's words why the decoder refused."""
    text = str(error)
    try:
        payload.decode()
    except UnicodeDecodeError as wrong:
        byte = payload[wrong.start]
        return Fault(MALFORMED, f"not UTF-8: byte 0x{byte:02x} at position {wrong.start}")
    if not isinstance(error, msgspec.ValidationError):
        return Fault(MALFORMED, f"not JSON: {text}")
    if text.startswith("Object missing") or "timezone" in text or _WRONG_TYPE.match(text):
        return Fault(MALFORMED, text)
    return Fault(INVALID, text)


def decoder(kind: Any, check: Callable[[T], object]) -> Callable[[bytes], T]:
    """Return a function from bytes to a checked struct. It raises Fault."""
    decode = msgspec.json.Decoder(kind).decode

    def decode_and_check(payload: bytes) -> T:
        try:
            value = decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise fault_of(error, payload) from None
        check(value)
        return value

    return decode_and_check


decode_entry = decoder(contract.LedgerEntry, check_entry)
decode_day = decoder(contract.DayOpened | contract.DayClosed, check_day)
decode_delivery = decoder(contract.Delivery, check_delivery)
decode_alarm = decoder(contract.Alarm, check_alarm)
decode_status = decoder(contract.Status, check_status)
decode_pump = decoder(contract.Pump, check_pump)
decode_tank = decoder(contract.TankGauge, check_tank)

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[contract.LedgerEntry]).decode


def is_array(payload: bytes) -> bool:
    """Tell whether a payload is an array, by its first character."""
    return payload[:1] == b"[" or payload.lstrip()[:1] == b"["


def decode_entries(payload: bytes) -> list[contract.LedgerEntry | Fault]:
    """Return each item of an array of entries, or why it is refused.

    Fault if it is no array, or too long. Good arrays are decoded in one go; only where something
    is wrong each item is looked at by itself.
    """
    try:
        entries = _decode_entries(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [_entry_or_fault(item) for item in items_of(payload)]
    _refuse_length(len(entries))
    return [_checked_or_fault(entry) for entry in entries]


@lru_cache(maxsize=2)
def items_of(payload: bytes) -> tuple[bytes, ...]:
    """Return the bytes of each item of an array. Fault if it is none, or too long.

    Remembered, because it is asked for each item that is refused, one after the other.
    """
    try:
        items = _decode_items(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise fault_of(error, payload) from None
    _refuse_length(len(items))
    return tuple(bytes(item) for item in items)


def _refuse_length(length: int) -> None:
    if length > contract.ARRAY_ITEMS_MAX:
        raise Fault(
            INVALID, f"an array of {length} items; at most {contract.ARRAY_ITEMS_MAX} are taken"
        )


def _entry_or_fault(item: bytes) -> contract.LedgerEntry | Fault:
    try:
        return decode_entry(item)
    except Fault as fault:
        return fault


def _checked_or_fault(entry: contract.LedgerEntry) -> contract.LedgerEntry | Fault:
    try:
        check_entry(entry)
    except Fault as fault:
        return fault
    return entry
