"""Times without an offset of sites that nobody had registered yet."""

from __future__ import annotations

import pytest

from ingest.adoption.local_times import localised

ROW = b'{"adopted":"old/1","fiscal_day":"2026-01-01","occurred_at":"%s","amount":1.50}'


@pytest.mark.parametrize(
    ("local", "offset"),
    [
        ("2026-01-01T06:00:00", "+01:00"),
        ("2026-07-01T06:00:00.25", "+02:00"),
        # Shown twice: the second one, as PostgreSQL reads it.
        ("2026-10-25T02:30:00", "+01:00"),
    ],
)
def test_a_row_s_time_is_read_by_the_site_s_clock(local: str, offset: str) -> None:
    found = localised(ROW % local.encode(), "Europe/Berlin").decode()
    assert f'"occurred_at":"{local[:19]}' in found
    assert f'{offset}","amount":1.50' in found


@pytest.mark.parametrize(
    "payload",
    [
        ROW % b"2026-01-01T06:00:00Z",
        ROW % b"2026-01-01T06:00:00+00:00",
        b'{"occurred_at":"2026-01-01T06:00:00","adopted":"old/1"}',
        b'{"adopted":"a","product":"\\",\\"occurred_at\\":\\"2026-01-01T06:00:00\\""}',
        # Anybody may send the like; who releases it must not end the worker by it.
        ROW % b"2026-11-31T06:00:00",
        ROW % b"2026-02-29T25:61:61",
        ROW % b"0000-01-01T00:00:00",
        b"\xff",
        b"",
    ],
)
def test_any_other_message_stays_as_it_is(payload: bytes) -> None:
    assert localised(payload, "Europe/Berlin") == payload
