"""The wire format of Server-Sent Events."""

from __future__ import annotations

from console.live import sse


def test_each_line_has_a_field_of_its_own() -> None:
    assert sse.event("pumps", "<b>\n1\r\n2\r3</b>") == (
        b"event: pumps\ndata: <b>\ndata: 1\ndata: 2\ndata: 3</b>\n\n"
    )


def test_what_only_python_calls_a_line_end_stays_in_its_line() -> None:
    assert sse.event("pumps", "1\u2028\x0b2").count(b"data: ") == 1


def test_empty_data_is_still_an_event() -> None:
    assert sse.event("pumps", "") == b"event: pumps\ndata: \n\n"


def test_retry_is_in_milliseconds() -> None:
    assert sse.retry(1500) == b"retry: 1500\n\n"
