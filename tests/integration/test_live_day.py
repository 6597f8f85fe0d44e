"""The page of a fiscal day is streamed, to those who may see the site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import timezone

from console.live.render import topic_fragments
from console.live.topics import DayTopic
from console.models import Role
from ledger.models import FiscalDay
from tests.factories import make_day, make_site, make_user
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


def test_it_brings_the_day_and_what_changes_of_it(server: Server, day: FiscalDay) -> None:
    with server.get(STREAM, session=session_of(make_user())) as stream:
        name, html = stream.event() or ("", "")
        assert name == "day_state"
        assert "entry missing: 4" in " ".join(html.split())
        FiscalDay.objects.update(entry_count=4, closed_at=timezone.now())
        notify(day.site)
        name, html = stream.event() or ("", "")
        assert name == "day_state"
        assert "missing" not in html


def test_a_day_that_is_gone_cannot_be_rendered(day: FiscalDay) -> None:
    topic = DayTopic(site_id=day.site_id, fiscal_day=timezone.now().date(), language="en")
    with pytest.raises(FiscalDay.DoesNotExist):
        topic_fragments(topic)
