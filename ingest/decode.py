"""From a payload's bytes to the contract's types, or to the exact reason why not.

Two kinds of fault: *malformed* is not JSON, or JSON of another shape than the contract's (a field
missing, a wrong type, a time without an offset); *invalid* has the right shape and a value the
contract refuses (too many decimals, out of range, NaN, an unknown word, an invisible character).

Read as meant: a byte-order mark is skipped, a leap second is the last instant of its minute, and
texts are taken in NFC without outer blanks (`ledger.plain`).
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
from ingest.decimals import DecimalTexts, are_surely_plain
from ledger.plain import PlainTextError, plain_text, without_leap_second

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
    contract.PriceInForce: {"unit_price": UNIT_PRICE},
}
_DECIMAL_TEXTS = DecimalTexts(MEASURES)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Errors of a decoder that has met something that it cannot read.
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Length(NamedTuple):
    """How many characters a text may have."""

    shortest: int
    longest: int


def _lengths(kind: type[msgspec.Struct]) -> dict[str, Length]:
    """Return the lengths of a struct's texts, and of those in lists of texts, by name."""
    found = {}
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        types = list(getattr(field.type, "types", (field.type,)))
        types += [each.item_type for each in types if isinstance(each, msgspec.inspect.ListType)]
        for each in types:
            if isinstance(each, msgspec.inspect.StrType):
                assert each.max_length is not None, "a limit on everything"
                found[field.name] = Length(each.min_length or 0, each.max_length)
    return found


#: The texts of each type that a site sends, by name.
TEXTS: dict[type[msgspec.Struct], dict[str, Length]] = {kind: _lengths(kind) for kind in MEASURES}
TEXTS |= {kind: _lengths(kind) for kind in (contract.Alarm, contract.Status, contract.Prices)}

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


def fit_text(text: str, name: str, limits: Length) -> str:
    """Return a text in NFC without outer blanks. Fault if it holds what nobody can see."""
    try:
        fitted = plain_text(text)
    except PlainTextError as error:
        what = "a NUL character" if error.code == "U+0000" else f"the character {error.code}"
        raise Fault(INVALID, f"{name}: holds {what}") from None
    if len(fitted) > limits.longest:
        raise Fault(INVALID, f"Expected `str` of length <= {limits.longest} - at `$.{name}`")
    if len(fitted) < limits.shortest:
        raise Fault(INVALID, f"Expected `str` of length >= {limits.shortest} - at `$.{name}`")
    return fitted


def fit_texts(value: msgspec.Struct, prefix: str = "") -> None:
    """Fit every text of a struct that is present."""
    for name, limits in TEXTS[type(value)].items():
        text = getattr(value, name)
        if isinstance(text, str):
            setattr(value, name, fit_text(text, prefix + name, limits))
        elif text:
            setattr(value, name, [fit_text(item, prefix + name, limits) for item in text])


@lru_cache(maxsize=10_000)
def _product(text: str) -> str:
    """Fit an entry's product; a fleet has a few dozen of them."""
    return fit_text(text, "product", TEXTS[contract.LedgerEntry]["product"])


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
    entry.product = _product(entry.product)
    if entry.offline is None:
        entry.offline = False


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
    day.totalizers = totalizers = day.totalizers or []
    day.dips = dips = day.dips or []
    for reading in totalizers:
        fit_fields(reading, "totalizers.")
        fit_texts(reading, "totalizers.")
    for dip in dips:
        fit_fields(dip, "dips.")
        fit_texts(dip, "dips.")
    _refuse_repeats(
        (f"nozzle {r.nozzle} of fuelling point {r.fuelling_point}" for r in totalizers),
        "totalizers",
    )
    _refuse_repeats((f"tank {dip.tank}" for dip in dips), "dips")
    day.totalizers = sorted(totalizers, key=lambda r: (r.fuelling_point, r.nozzle))
    day.dips = sorted(dips, key=lambda dip: dip.tank)
    if isinstance(day, contract.DayClosed):
        totals = day.totals or []
        for total in totals:
            fit_fields(total, "totals.")
            fit_texts(total, "totals.")
        _refuse_repeats((f"product {total.product}" for total in totals), "totals")
        day.totals = sorted(totals, key=lambda total: total.product)


def check_delivery(delivery: contract.Delivery) -> None:
    """Fit a delivery's numbers and texts and its time."""
    delivery.at = fit_time(delivery.at, "at")
    fit_fields(delivery)
    fit_texts(delivery)
    delivery.volume_15c = delivery.volume_15c or None


def check_told(told: contract.Alarm | contract.Status) -> None:
    """Fit a message's texts and its time."""
    told.at = fit_time(told.at, "at")
    fit_texts(told)


def check_pump(pump: contract.Pump) -> None:
    """Fit a pump's running numbers and its time."""
    pump.at = fit_time(pump.at, "at")
    fit_fields(pump)
    if pump.product is not None:
        pump.product = _product(pump.product)


def check_tank(gauge: contract.TankGauge) -> None:
    """Fit a gauge's readings and texts and its time."""
    gauge.at = fit_time(gauge.at, "at")
    gauge.alarms = gauge.alarms or []
    fit_fields(gauge)
    fit_texts(gauge)


def check_prices(prices: contract.Prices) -> None:
    """Fit prices in force, their products and their times."""
    prices.at = fit_time(prices.at, "at")
    fit_texts(prices)
    for price in prices.prices:
        fit_fields(price, "prices.")
        fit_texts(price, "prices.")
        if price.since is not None:
            price.since = fit_time(price.since, "prices.since")
    _refuse_repeats((f"product {price.product}" for price in prices.prices), "prices")


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
        if surrogate := _lone_surrogate(payload):
            return Fault(INVALID, f"holds half of a surrogate pair, {surrogate}")
        return Fault(MALFORMED, f"not JSON: {text}")
    if text.startswith("Object missing") or "timezone" in text or _WRONG_TYPE.match(text):
        return Fault(MALFORMED, text)
    return Fault(INVALID, text)


_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


def _lone_surrogate(payload: bytes) -> str:
    """Return the first half of a surrogate pair that stands alone, in JSON without other faults.

    Empty where there is none.
    """
    found = [match for match in _ESCAPES.finditer(payload) if match[1]]
    if not found:
        return ""
    try:
        _decode_any(_ESCAPES.sub(lambda match: b"?" if match[1] else match[0], payload))
    except _DECODE_ERRORS:
        return ""
    return (b"\\" + found[0][1]).decode(errors="replace")


_decode_any = msgspec.json.Decoder(msgspec.Raw).decode

#: A leap second in a field that is a time. All times of the contract have one of these names.
_LEAP_SECOND = re.compile(
    rb'("(?:occurred_at|at|since)"[ \t\r\n]*:[ \t\r\n]*")'
    rb'([0-9Tt :-]{16}:60[0-9.]*[Zz0-9:+-]{1,6})(?=")'
)


def without_mark(payload: bytes) -> bytes:
    """Return a payload without a byte-order mark before it."""
    return payload.removeprefix(_BYTE_ORDER_MARK)


def _as_meant(payload: bytes) -> bytes:
    """Return a payload without a byte-order mark, and with leap seconds as RFC 3339 times."""
    return _LEAP_SECOND.sub(
        lambda found: found[1] + without_leap_second(found[2].decode()).encode(),
        without_mark(payload),
    )


def decoder(kind: Any, check: Callable[[T], object]) -> Callable[[bytes], T]:
    """Return a function from bytes to a checked struct. It raises Fault."""
    decode = msgspec.json.Decoder(kind).decode

    def decode_and_check(payload: bytes) -> T:
        try:
            value = decode(payload)
        except _DECODE_ERRORS as error:
            # Rare, so what is to be mended is looked for only after it was stumbled upon.
            meant = _as_meant(payload)
            if meant == payload:
                raise fault_of(error, payload) from None
            try:
                value = decode(meant)
            except _DECODE_ERRORS as other:
                raise fault_of(other, payload) from None
            payload = meant
        check(value)
        if not are_surely_plain(payload):
            _refuse_lenient(type(value), payload)
        return value

    return decode_and_check


def _refuse_lenient(kind: type[msgspec.Struct], payload: bytes) -> None:
    """Fault for a decimal that Python reads and the contract does not."""
    if found := _DECIMAL_TEXTS.lenient(kind, payload):
        name, text = found
        raise Fault(INVALID, f"{name}: {text!r} is no decimal of digits and one point")


decode_entry = decoder(contract.LedgerEntry, check_entry)
decode_day = decoder(contract.DayOpened | contract.DayClosed, check_day)
decode_delivery = decoder(contract.Delivery, check_delivery)
decode_alarm = decoder(contract.Alarm, check_told)
decode_status = decoder(contract.Status, check_told)
decode_pump = decoder(contract.Pump, check_pump)
decode_tank = decoder(contract.TankGauge, check_tank)
decode_prices = decoder(contract.Prices, check_prices)

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[contract.LedgerEntry]).decode


def is_array(payload: bytes) -> bool:
    """Tell whether a payload is an array, by its first character."""
    first = payload[:1]
    return first == b"[" or (first != b"{" and without_mark(payload).lstrip()[:1] == b"[")


def decode_entries(payload: bytes) -> list[contract.LedgerEntry | Fault]:
    """Return each item of an array of entries, or why it is refused.

    Fault if it is no array, or too long. Good arrays are decoded in one go; only where something
    is wrong each item is looked at by itself.
    """
    try:
        entries = _decode_entries(payload) if are_surely_plain(payload) else None
    except _DECODE_ERRORS:
        entries = None
    if entries is None:
        return [_entry_or_fault(item) for item in items_of(payload)]
    _refuse_length(len(entries))
    return [_checked_or_fault(entry) for entry in entries]


@lru_cache(maxsize=2)
def items_of(payload: bytes) -> tuple[bytes, ...]:
    """Return the bytes of each item of an array. Fault if it is none, or too long.

    Remembered, because it is asked for each item that is refused, one after the other.
    """
    try:
        items = _decode_items(without_mark(payload))
    except _DECODE_ERRORS as error:
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
