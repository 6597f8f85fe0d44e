"""Which changes concern which pages, and what notifications say."""

from __future__ import annotations

import datetime
import logging

import pytest

from console.live.changes import change_of
from console.live.topics import ANYTHING, Change, DayTopic, NetworkTopic, SiteTopic

SITE = SiteTopic(site_id=7, language="en")
DAY = DayTopic(site_id=7, fiscal_day=datetime.date(2026, 11, 24), person_id=1, language="en")
ALL = NetworkTopic(site_ids=None, language="en")
SOME = NetworkTopic(site_ids=frozenset({7, 8}), language="en")
NONE = NetworkTopic(site_ids=frozenset(), language="en")


@pytest.mark.parametrize(
    ("payload", "change"),
    [
        ('{"sites": [1, 2]}', Change(sites=frozenset({1, 2}))),
        ('{"sites": [], "pulse": true}', Change(sites=frozenset(), pulse=True)),
        ('{"sites": [3], "pulse": true, "new": 1}', Change(sites=frozenset({3}), pulse=True)),
        ('{"pulse": true}', Change(sites=frozenset(), pulse=True)),
        ('{"sites": null}', Change(sites=None)),
    ],
)
def test_it_reads_a_notification(payload: str, change: Change) -> None:
    assert change_of(payload) == change


@pytest.mark.parametrize("payload", ["", "7", '{"sites": "all"}', "{"])
def test_an_unreadable_notification_means_anything(
    payload: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert change_of(payload) == ANYTHING
    assert "Unreadable notification" in caplog.text


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (Change(sites=frozenset({7})), {SITE, ALL, SOME}),
        (Change(sites=frozenset({9})), {ALL}),
        (Change(sites=frozenset(), pulse=True), {ALL, SOME, NONE}),
        (Change(sites=frozenset()), set()),
        (Change(sites=None), {SITE, ALL, SOME, NONE}),
        (ANYTHING, {SITE, ALL, SOME, NONE}),
    ],
)
def test_a_change_concerns_only_who_may_see_it(change: Change, changed: set[object]) -> None:
    assert DAY.is_changed_by(change) == SITE.is_changed_by(change)
    topics = (SITE, ALL, SOME, NONE)
    assert {topic for topic in topics if topic.is_changed_by(change)} == changed
