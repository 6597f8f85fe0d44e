"""Figures as people read them: plain text in the reader's number format, no markup.

Whatever is unknown (None) reads as a dash, so that a table keeps its shape.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from ledger.models import Kind, Payment
from ledger.selectors.days import MissingRange

UNKNOWN = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"

#: Symbols that stand before the amount, and those that stand after it.
SYMBOLS_BEFORE = {"GBP": "£", "EUR": "€", "USD": "$"}
SYMBOLS_AFTER = {"CZK": "Kč", "PLN": "zł"}


#: A decimal with more digits than this is shown as it is written.
_DIGITS_MAX = 24

#: From which number on, what it is divided by, and how it then reads.
_COMPACT = (
    (10**9, 10**9, pgettext_lazy("compact number", "%(figure)sB")),
    (10**6, 10**6, pgettext_lazy("compact number", "%(figure)sM")),
    (10**4, 10**3, pgettext_lazy("compact number", "%(figure)sk")),
)

Number = Decimal | float


class Quantity(NamedTuple):
    """A figure and its unit, to be set apart."""

    figure: str
    unit: str


def number(value: Number | None, places: int = 0) -> str:
    """Return a number with thousands separated, rounded half up to decimal places."""
    if value is None:
        return UNKNOWN
    text = number_format(_rounded(value, places), places, force_grouping=True)
    return text.replace("-", _MINUS, 1)


def signed(value: Number | None, places: int = 0) -> str:
    """Return a difference with its sign, no sign for nothing."""
    if value is None:
        return UNKNOWN
    plus = "+" if _rounded(value, places) > 0 else ""
    return plus + number(value, places)


def money(amount: Decimal | None, currency: str, *, places: int = 2, sign: bool = False) -> str:
    """Return an amount in a currency, with its symbol where people know it by one."""
    if amount is None:
        return UNKNOWN
    figure = number(abs(amount), places)
    mark = _MINUS if amount < 0 else "+" if sign and amount > 0 else ""
    if currency in SYMBOLS_BEFORE:
        # Translators: where £, € and $ stand (with a no-break space, if any).
        pattern = pgettext("money", "%(symbol)s%(figure)s")
        return mark + pattern % {"symbol": SYMBOLS_BEFORE[currency], "figure": figure}
    return f"{mark}{figure}{_NARROW_SPACE}{SYMBOLS_AFTER.get(currency, currency)}"


class CurrencyMark(NamedTuple):
    """What stands before and after an amount in a currency; one of the two is empty."""

    before: str
    after: str


def currency_mark(currency: str) -> CurrencyMark:
    """Return where a currency's symbol stands in the reader's language; nowhere without one."""
    if currency not in SYMBOLS_BEFORE:
        return CurrencyMark("", SYMBOLS_AFTER.get(currency, currency))
    symbol = SYMBOLS_BEFORE[currency]
    pattern = pgettext("money", "%(symbol)s%(figure)s")
    is_before = pattern.index("%(symbol)s") < pattern.index("%(figure)s")
    return CurrencyMark(symbol, "") if is_before else CurrencyMark("", symbol)


def compact(value: Number | None) -> str:
    """Return a large number in few characters: 950, 12.3k, 4.6M."""
    if value is None:
        return UNKNOWN
    exact = Decimal(str(value))
    for least, size, pattern in _COMPACT:
        if abs(exact) >= least:
            return str(pattern) % {"figure": number(exact / size, 1)}
    return number(exact)


def rate(value: float | None) -> str:
    """Return a number of events a second: one decimal place while it is small."""
    if value is None:
        return UNKNOWN
    return number(value, 1) if 0 < value < 10 else number(value)


def duration(milliseconds: float | None) -> Quantity:
    """Return a span of time in the unit that suits it, ms to days."""
    if milliseconds is None or not math.isfinite(milliseconds):
        return Quantity(UNKNOWN, "")
    if milliseconds < 1_000:
        return Quantity(number(milliseconds), _("ms"))
    seconds = milliseconds / 1_000
    if seconds < 60:
        return Quantity(number(seconds, 1), _("s"))
    if seconds < 3_600:
        return Quantity(number(seconds / 60, 1), _("min"))
    if seconds < 86_400:
        return Quantity(number(seconds / 3_600, 1), _("h"))
    return Quantity(number(seconds / 86_400), _("d"))


def near_time(at: datetime.datetime, *, now: datetime.datetime | None = None) -> str:
    """Return about when something happens in the days around: today 14:00, Thursday 14:00.

    To the nearest hour, in the active time zone. A weekday's name is plain within six days.
    """
    local = timezone.localtime(at + datetime.timedelta(minutes=30)).replace(minute=0, second=0)
    days = (local.date() - timezone.localtime(now).date()).days
    clock = date_format(local, "TIME_FORMAT")
    if days == 0:
        return _("today %(time)s") % {"time": clock}
    if days == 1:
        return _("tomorrow %(time)s") % {"time": clock}
    return _("%(weekday)s %(time)s") % {"weekday": date_format(local, "l"), "time": clock}


def ranges(parts: Iterable[MissingRange]) -> str:
    """Return runs of numbers in words: 17, 18 and 40 to 52. Two in a row are named both."""
    words: list[str] = []
    for part in parts:
        if part.last - part.first <= 1:
            words += [str(value) for value in range(part.first, part.last + 1)]
        else:
            words.append(_("%(first)s to %(last)s") % {"first": part.first, "last": part.last})
    return get_text_list(words, _("and"))


def numbers(values: Iterable[int]) -> str:
    """Return a few numbers in words: 1, 2 and 4."""
    return get_text_list([str(value) for value in values], _("and"))


def payload_text(raw: bytes | memoryview | None) -> str:
    """Return bytes as text that can be shown: what is not UTF-8 or printable becomes a mark."""
    text = bytes(raw or b"").decode("utf-8", errors="replace")
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def stated(value: Any) -> str:
    """Return a value that somebody stated, exactly: a decimal with all of its places."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, models.Choices):
        return str(value.label)
    if isinstance(value, Decimal):
        _sign, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or len(digits) + abs(exponent) > _DIGITS_MAX:
            return str(value)
        return number(value, max(0, -exponent))
    if isinstance(value, datetime.datetime):
        return date_format(timezone.localtime(value), "DATETIME_ZONE_FORMAT")
    if isinstance(value, datetime.date):
        return date_format(value, "DATE_FORMAT")
    if isinstance(value, (list, tuple)):
        return ", ".join(stated(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {stated(each)}" for name, each in value.items())
    return payload_text(str(value).encode("utf-8", "replace"))


def _rounded(value: Number, places: int) -> Decimal:
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    # Nothing has no sign.
    return rounded if rounded else abs(rounded)


def entry_value(name: str, value: Any, currency: str) -> str:
    """Return a business value of an entry with its unit, as people read it; a dash for none.

    Times are by the clock of the active time zone.
    """
    if value is None or value == "":
        return _("unknown") if name == "volume_15c" else UNKNOWN
    if name == "kind":
        return str(Kind(value).label)
    if name == "payment":
        return str(Payment(value).label)
    if name == "amount":
        return money(value, currency)
    if name == "unit_price":
        return money(value, currency, places=4)
    if name in {"volume", "volume_15c", "totalizer"}:
        return f"{number(value, 3)}\N{NO-BREAK SPACE}L"
    if name == "tax_rate":
        return f"{number(value, 2)}\N{NO-BREAK SPACE}%"
    if name == "occurred_at":
        return date_format(timezone.localtime(value), "DATETIME_ZONE_FORMAT")
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return str(value)
