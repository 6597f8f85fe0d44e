"""Figures as people read them."""

from __future__ import annotations

import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from console import formatting
from ledger.selectors.days import MissingRange


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (Decimal("1234.5"), "GBP", "£1,234.50"),
        (Decimal("-4.2"), "GBP", "\N{MINUS SIGN}£4.20"),
        (Decimal("425576.16"), "CZK", "425,576.16\N{NARROW NO-BREAK SPACE}Kč"),
        (Decimal("9.99"), "PLN", "9.99\N{NARROW NO-BREAK SPACE}zł"),
        (Decimal("9.99"), "EUR", "€9.99"),
        (Decimal("9.99"), "SEK", "9.99\N{NARROW NO-BREAK SPACE}SEK"),
        (Decimal(0), "USD", "$0.00"),
        (None, "GBP", formatting.UNKNOWN),
    ],
)
def test_money(amount: Decimal | None, currency: str, text: str) -> None:
    assert formatting.money(amount, currency) == text


def test_money_with_a_sign() -> None:
    assert formatting.money(Decimal("12.3"), "GBP", sign=True) == "+£12.30"
    assert formatting.money(Decimal(0), "GBP", sign=True) == "£0.00"


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (1234567, 0, "1,234,567"),
        (Decimal("0.0005"), 3, "0.001"),
        (Decimal("-0.0001"), 2, "0.00"),
        (Decimal("-1.5"), 1, "\N{MINUS SIGN}1.5"),
        (Decimal("999999999999999.999"), 3, "999,999,999,999,999.999"),
        (None, 2, formatting.UNKNOWN),
    ],
)
def test_number(value: Decimal | None, places: int, text: str) -> None:
    assert formatting.number(value, places) == text


def test_signed_gives_nothing_no_sign() -> None:
    assert formatting.signed(Decimal("0.001"), 3) == "+0.001"
    assert formatting.signed(Decimal("0.0001"), 3) == "0.000"
    assert formatting.signed(Decimal("-2"), 0) == "\N{MINUS SIGN}2"
    assert formatting.signed(None) == formatting.UNKNOWN


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (950, "950"),
        (12_345, "12.3k"),
        (4_600_000, "4.6M"),
        (7e9, "7.0B"),
        (None, formatting.UNKNOWN),
    ],
)
def test_compact(value: float | None, text: str) -> None:
    assert formatting.compact(value) == text


def test_compact_in_german() -> None:
    with translation.override("de"):
        assert formatting.compact(12_345) == "12,3\N{NO-BREAK SPACE}Tsd."
        assert formatting.compact(4_600_000) == "4,6\N{NO-BREAK SPACE}Mio."


@pytest.mark.parametrize(
    ("milliseconds", "quantity"),
    [
        (34.4, ("34", "ms")),
        (1_250, ("1.3", "s")),
        (90_000, ("1.5", "min")),
        (5_400_000, ("1.5", "h")),
        (172_800_000, ("2", "d")),
        (None, (formatting.UNKNOWN, "")),
        (float("nan"), (formatting.UNKNOWN, "")),
    ],
)
def test_duration(milliseconds: float | None, quantity: tuple[str, str]) -> None:
    assert formatting.duration(milliseconds) == quantity


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        ([MissingRange(17, 17)], "17"),
        ([MissingRange(17, 18), MissingRange(40, 40)], "17, 18 and 40"),
        ([MissingRange(1, 300)], "1 to 300"),
    ],
)
def test_ranges(parts: list[MissingRange], text: str) -> None:
    assert formatting.ranges(parts) == text


def test_numbers() -> None:
    assert formatting.numbers((1, 3, 4)) == "1, 3 and 4"
    assert formatting.numbers([]) == ""


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.4, "today 22:00"),
        (0.6, "today 23:00"),
        (1.6, "tomorrow 00:00"),
        (25, "tomorrow 23:00"),
        (26, "Thursday 00:00"),
        (130, "Monday 08:00"),
    ],
)
def test_near_time(hours: float, text: str) -> None:
    now = datetime.datetime(2026, 11, 24, 22, 0, tzinfo=ZoneInfo("Europe/London"))
    with timezone.override("Europe/London"):
        assert formatting.near_time(now + datetime.timedelta(hours=hours), now=now) == text


def test_payload_text_shows_any_bytes() -> None:
    assert formatting.payload_text(b'{"a": 1}\n') == '{"a": 1}\n'
    assert formatting.payload_text(b"\xff\x00\x1b[2J") == "\ufffd\ufffd\ufffd[2J"
    assert formatting.payload_text(None) == ""
