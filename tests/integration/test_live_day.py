"""The page of a fiscal day is streamed, to those who may see the site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from console.live.render import topic_fragments
from console.live.topics import DayTopic
from console.models import Role
from console.views.day import DAY_FRAGMENTS
from ledger.models import FiscalDay
from tests.factories import make_day, make_entry, make_site, make_user
from tests.live import Server, notify, session_of

pytestmark = pytest.mark.usefixtures("committed_db")

DAY = "2026-11-22"
STREAM = f"/live/sites/HILL/days/{DAY}/"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture
def day(committed_db: None) -> FiscalDay:
    return make_day(make_site("HILL"), fiscal_day=DAY, last_sequence=4)


def test_who_gets_it(server: Server, day: FiscalDay) -> None:
    own = session_of(make_user(Role.MANAGER, day.site))
    other = session_of(make_user(Role.MANAGER, make_site("DALE")))
    for path, session, status in (
        (STREAM, own, 200),
        (STREAM, other, 404),
        (STREAM, "", 403),
        ("/live/sites/HILL/days/2026-01-01/", own, 404),
        ("/live/sites/HILL/days/yesterday/", own, 404),
    ):
        with server.get(path, session=session) as stream:
            assert (path, stream.status) == (path, status)


def test_it_brings_all_of_the_day_and_what_changes_of_it(server: Server, day: FiscalDay) -> None:
    with server.get(STREAM, session=session_of(make_user())) as stream:
        pieces = stream.events(len(DAY_FRAGMENTS))
        assert set(pieces) == set(DAY_FRAGMENTS)
        assert "entry missing: 4" in " ".join(pieces["day_state"].split())
        assert 'id="entry-4"' not in pieces["day_entries"]
        assert "has not closed the day" in pieces["day_settling"]
        make_entry(day.site, fiscal_day=DAY, sequence=4)
        FiscalDay.objects.update(entry_count=4, closed_at=timezone.now())
        notify(day.site)
        changed = stream.events(4)
        assert "missing" not in changed["day_state"]
        assert 'id="entry-4"' in changed["day_entries"]
        assert "Closed" in changed["day_head"]
        assert "Closed by the site" in changed["day_settling"]


def test_what_a_person_may_do_is_streamed_to_them_alone(server: Server, day: FiscalDay) -> None:
    for role, may in ((Role.STAFF, True), (Role.AUDITOR, False)):
        with server.get(STREAM, session=session_of(make_user(role, day.site))) as stream:
            pieces = stream.events(len(DAY_FRAGMENTS))
            assert ("Correct several at once" in pieces["day_entries"]) is may
            assert ("Close by hand" in pieces["day_settling"]) is may


def test_a_list_that_stands_still_says_so(client: Client, day: FiscalDay) -> None:
    client.force_login(make_user())
    page = f"/sites/HILL/days/{DAY}/"
    for query, is_live in (("", True), ("?product=E10", False), ("?before=3", False)):
        for headers in ({}, {"HX-Request": "true"}):
            text = client.get(f"{page}{query}", headers=headers).text
            assert ('data-fragment="day_entries"' in text) is is_live
            assert ("does not stream" in text) is not is_live
    text = client.get(page).text
    assert all(f'data-fragment="{name}"' in text for name in DAY_FRAGMENTS)


def test_a_day_that_is_gone_cannot_be_rendered(day: FiscalDay) -> None:
    today = timezone.now().date()
    topic = DayTopic(site_id=day.site_id, fiscal_day=today, person_id=1, language="en")
    with pytest.raises(FiscalDay.DoesNotExist):
        topic_fragments(topic)
