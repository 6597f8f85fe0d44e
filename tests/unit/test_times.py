"""Times in attributes are times as HTML takes them."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings

from console.templatetags.times import machine_time

UTC = datetime.UTC


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime.datetime(2026, 11, 22, 12, tzinfo=UTC), "2026-11-22T12:00:00+00:00"),
        (
            datetime.datetime(2026, 11, 22, 12, 0, 0, 123999, tzinfo=UTC),
            "2026-11-22T12:00:00.123+00:00",
        ),
        (
            datetime.datetime(2026, 11, 22, 12, tzinfo=ZoneInfo("Pacific/Auckland")),
            "2026-11-21T23:00:00+00:00",
        ),
        # Berlin's clocks were 53 min 28 s ahead then.
        (
            datetime.datetime(1880, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
            "1879-12-31T23:06:32+00:00",
        ),
        (datetime.datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999+00:00"),
        (datetime.datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00+00:00"),
        (None, ""),
    ],
)
def test_a_time_is_as_html_takes_it(at: datetime.datetime | None, text: str) -> None:
    assert machine_time(at) == text


def test_no_template_prints_a_time_for_programs_otherwise() -> None:
    by_hand = re.compile(r"""\|date:["']c["']""")
    found = [
        path.name
        for path in Path(settings.BASE_DIR, "templates").rglob("*.html")
        if by_hand.search(path.read_text())
    ]
    assert found == []
