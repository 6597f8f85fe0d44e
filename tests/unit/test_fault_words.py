"""Why a message was refused, as a sentence: each reason that the worker can give."""

from __future__ import annotations

import pytest
from django.utils import translation

from console.fault_words import fault_words
from ingest import decode

FISCAL_DAY = '"fiscal_day": "2026-11-22"'
ENTRY = (
    f'{{{FISCAL_DAY}, "sequence": 1, "kind": "sale", "product": "E10",'
    ' "occurred_at": "2026-11-22T10:00:00+01:00", "amount": "1.00"}'
)


def refused(payload: str | bytes) -> str:
    """Return the reason that the worker's own decoder gives."""
    raw = payload if isinstance(payload, bytes) else payload.encode()
    with pytest.raises(decode.Fault) as caught:
        decode.decode_entry(raw)
    return str(caught.value.detail)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (ENTRY.replace(FISCAL_DAY, '"day": 1'), "The field fiscal_day is missing."),
        (ENTRY.replace('"sequence": 1', '"sequence": "x"'),
         "sequence: a whole number is expected, not text."),
        (ENTRY.replace('"sequence": 1', '"sequence": 0'), "sequence: less than 1."),
        (ENTRY.replace('"sequence": 1', '"sequence": 2147483648'),
         "sequence: more than 2147483647."),
        (ENTRY.replace("E10", "E" * 33), "product: longer than 32 characters."),
        (ENTRY.replace("+01:00", ""), "occurred_at: the time has no offset from UTC."),
        (ENTRY.replace("2026-11-22T10:00:00+01:00", "noon"),
         "occurred_at: not a time as RFC 3339 writes it."),
        (ENTRY.replace('"sale"', '"gift"'), "kind: “gift” is not known."),
        (ENTRY.replace("1.00", "1.001"), "amount: 1.001 has more than 2 decimal places."),
        (ENTRY.replace("1.00", "NaN"), "amount: NaN is not a number."),
        (ENTRY.replace("1.00", "9" * 30),
         f"amount: {'9' * 30} is too large; at most 10 digits stand before the point."),
        (ENTRY.replace("1.00", "1_0.00"), "amount: “1_0.00” is no number of digits and a point."),
        (ENTRY.replace("E10", "E\u200b10"),
         "product: it holds U+200B, which nobody can see."),
        (ENTRY.replace("E10", r"E\u000010"), "product: it holds U+0000, which nobody can see."),
        (ENTRY.replace("E10", r"E10\ud800"), r"It holds half of a character, \ud800."),
        (b"\xff", "It is not UTF-8: byte 0xff at position 0."),
    ],
)  # fmt: skip
def test_what_the_decoder_says(payload: str | bytes, words: str) -> None:
    assert fault_words(refused(payload)) == words


def test_what_is_no_json_keeps_where() -> None:
    assert fault_words(refused("{")).startswith("It is not JSON: ")


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("the fiscal day 2026-11-22 is sealed", "Der Geschäftstag 22. Nov. 2026 ist versiegelt."),
        ("the fiscal day 1970-01-01 is before the site's first, 2025-10-24",
         "Der Geschäftstag 1. Jan. 1970 liegt vor dem ersten der Station, dem 24. Okt. 2025."),
        ("the fiscal day 2099-06-01 is later than 2026-11-30",
         "Der Geschäftstag 1. Juni 2099 liegt zu weit voraus; möglich war bis 30. Nov. 2026."),
        ("no site is registered under the code 'GB-9'",
         "Unter der Kennung GB-9 ist keine Station registriert."),
        ("a payload of 1100002 bytes; at most 1048576 are taken",
         "Sie hat 1.100.002 Bytes; höchstens 1.048.576 werden angenommen."),
    ],
)  # fmt: skip
def test_it_is_said_in_the_reader_s_language(detail: str, words: str) -> None:
    with translation.override("de"):
        assert fault_words(detail) == words


@pytest.mark.parametrize("detail", ["", "something else", "the fiscal day 2026-99-99 was odd"])
def test_what_nobody_knows_stays_as_it_is(detail: str) -> None:
    assert fault_words(detail) == detail


def test_a_date_that_is_none_is_shown_as_it_is() -> None:
    assert fault_words("the fiscal day 2026-99-99 is sealed") == (
        "The fiscal day 2026-99-99 is sealed."
    )
