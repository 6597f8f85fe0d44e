"""Asking a site for missing entries: what is recorded, who may, and how the pages answer."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from console.models import Role, User
from ledger.models import Command, FiscalDay, Site
from ledger.selectors.days import MissingRange
from ledger.selectors.resends import (
    ANSWER_MAX,
    NEWS_MAX,
    SENDING_MAX,
    DayResend,
    ResendStatus,
    day_resend,
    incomplete_days,
)
from ledger.services import resends
from ledger.services.announce import changes_announce
from ledger.services.resends import resend_request
from tests.factories import make_day, make_entry, make_site, make_user

DAY = "2026-11-22"
RESEND = f"/sites/S1/days/{DAY}/resend/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def day(db: None) -> FiscalDay:
    """A day of six entries that lacks 3, 4 and 6."""
    site = make_site("S1")
    day = make_day(site, fiscal_day=DAY, entries=2, entry_count=3, last_sequence=6)
    make_entry(site, fiscal_day=DAY, sequence=5)
    return day


def heal(day: FiscalDay, *sequences: int) -> FiscalDay:
    """Let missing entries come, as the worker would."""
    for sequence in sequences:
        make_entry(day.site, fiscal_day=DAY, sequence=sequence)
    FiscalDay.objects.filter(pk=day.pk).update(entry_count=day.entry_count + len(sequences))
    return FiscalDay.objects.get(pk=day.pk)


def client_of(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def test_it_records_who_asked_for_what_and_when(day: FiscalDay) -> None:
    person = make_user()
    before = timezone.now()
    assert resend_request(day=day, requested_by=person) == 3
    command = Command.objects.get()
    assert command.ranges == [[3, 4], [6, 6]]
    assert (command.asked_count, command.kind) == (3, "resend")
    assert command.requested_by == person
    assert before <= command.requested_at <= timezone.now()
    assert (command.sent_at, command.sent_by) == (None, "")


def test_it_rings_for_workers_and_pages_as_it_commits(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site("S1")
    day = make_day(site, fiscal_day=DAY, entries=1, last_sequence=2)
    heard: list[tuple[str, str]] = []
    with connection.cursor() as cursor:
        for channel in ("commands", "ledger_changes"):
            cursor.execute(f"LISTEN {channel}")
    raw = connection.connection
    person = make_user()
    raw.add_notify_handler(lambda note: heard.append((note.channel, note.payload)))

    def announce(*, site_ids: list[int]) -> None:
        """Ring, which is the last step of the transaction, and look that nobody hears it yet."""
        changes_announce(site_ids=site_ids)
        connection.cursor().execute("SELECT 1")
        assert heard == []

    monkeypatch.setattr(resends, "changes_announce", announce)
    resend_request(day=day, requested_by=person)
    connection.cursor().execute("SELECT 1")
    assert sorted(heard) == [("commands", ""), ("ledger_changes", f'{{"sites": [{site.id}]}}')]


def test_while_one_is_under_way_no_other_is_made(day: FiscalDay) -> None:
    assert resend_request(day=day, requested_by=make_user()) == 3
    assert resend_request(day=day, requested_by=make_user()) == 0
    Command.objects.update(sent_at=timezone.now())
    assert resend_request(day=day, requested_by=make_user()) == 0
    # One more gap, and asking makes sense again.
    FiscalDay.objects.filter(pk=day.pk).update(last_sequence=9)
    assert resend_request(day=day, requested_by=make_user()) == 6
    assert Command.objects.count() == 2


def test_two_who_press_at_once_make_one_request(committed_db: None) -> None:
    site = make_site("S1")
    day = make_day(site, fiscal_day=DAY, entries=1, last_sequence=2)
    people = [make_user(), make_user()]
    asked: list[int] = []
    together = threading.Barrier(2)

    def press(person: User) -> None:
        try:
            together.wait(10)
            asked.append(resend_request(day=day, requested_by=person))
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == [0, 1]
    assert Command.objects.count() == 1


def test_nothing_missing_or_a_sealed_day_is_not_asked_for(day: FiscalDay) -> None:
    FiscalDay.objects.filter(pk=day.pk).update(sealed_at=timezone.now())
    assert resend_request(day=day, requested_by=make_user()) == 0
    whole = make_day(day.site, fiscal_day="2026-11-21")
    assert resend_request(day=whole, requested_by=make_user()) == 0
    assert not Command.objects.exists()


def test_what_is_too_long_for_one_message_is_several_up_to_a_limit(
    day: FiscalDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resends, "RANGES_PER_COMMAND_MAX", 2)
    monkeypatch.setattr(resends, "COMMANDS_PER_REQUEST_MAX", 2)
    site = day.site
    # Missing: 3-4, 6, 8, 10, 12 and 14: six runs, of which two messages name four.
    for sequence in (7, 9, 11, 13, 15):
        make_entry(site, fiscal_day=DAY, sequence=sequence)
    FiscalDay.objects.filter(pk=day.pk).update(last_sequence=15, entry_count=8)
    assert resend_request(day=day, requested_by=make_user()) == 5
    parts = Command.objects.order_by("id")
    assert [part.ranges for part in parts] == [[[3, 4], [6, 6]], [[8, 8], [10, 10]]]
    assert len({part.requested_at for part in parts}) == 1
    state = day_resend(FiscalDay.objects.get(pk=day.pk))
    assert state.request is not None
    assert state.request.asked_count == 5
    # What the request had no room for can be asked for beside it.
    assert state.is_offered


def test_the_life_of_a_request(day: FiscalDay) -> None:
    assert day_resend(day) == DayResend(request=None, is_offered=True)
    resend_request(day=day, requested_by=make_user(first_name="Maja", last_name="Lindqvist"))
    at = Command.objects.get().requested_at

    def state(day: FiscalDay, now: datetime.datetime) -> tuple[Any, ...]:
        found = day_resend(day, now=now)
        asked = found.request
        assert asked is not None
        return asked.status, asked.missing_count, asked.is_late, found.is_offered

    second = datetime.timedelta(seconds=1)
    waiting, sent = ResendStatus.WAITING, ResendStatus.SENT
    assert state(day, at + second) == (waiting, 3, False, False)
    assert state(day, at + SENDING_MAX + second) == (waiting, 3, True, False)
    Command.objects.update(sent_at=at + second)
    assert state(day, at + 2 * second) == (sent, 3, False, False)
    day = heal(day, 3)
    assert state(day, at + 3 * second) == (sent, 2, False, False)
    late = at + ANSWER_MAX + 2 * second
    assert state(day, late) == (ResendStatus.UNANSWERED, 2, False, True)
    day = heal(day, 4, 6)
    assert state(day, late) == (ResendStatus.ARRIVED, 0, False, False)
    request = day_resend(day, now=late).request
    assert request is not None
    assert request.requested_by == "Maja Lindqvist"


def test_earlier_days_that_lack_entries_are_named_newest_first(day: FiscalDay) -> None:
    site, today = day.site, datetime.date(2026, 11, 24)
    make_day(site, fiscal_day="2026-11-23", entries=1)
    make_day(site, fiscal_day="2026-11-21", entries=1, last_sequence=2, sealed_at=timezone.now())
    make_day(site, fiscal_day="2026-11-20", entries=1, last_sequence=2)
    make_day(make_site("S2"), fiscal_day="2026-11-20", entries=1, last_sequence=2)
    found = incomplete_days(site, before=today)
    assert [str(one.day.fiscal_day) for one in found] == ["2026-11-22", "2026-11-20"]
    assert found[0].missing == [MissingRange(3, 4), MissingRange(6, 6)]
    assert not found[0].is_missing_list_cut
    assert incomplete_days(Site(id=999), before=today) == []
    # One that has just been healed is news for a while.
    resend_request(day=day, requested_by=make_user())
    heal(day, 3, 4, 6)
    found = incomplete_days(site, before=today)
    assert [one.missing for one in found] == [[], [MissingRange(2, 2)]]
    later = timezone.now() + NEWS_MAX
    assert len(incomplete_days(site, before=today, now=later)) == 1


@pytest.mark.parametrize("role", [Role.STAFF, Role.APPROVER, Role.ADMINISTRATOR])
def test_who_looks_after_all_sites_may_ask(day: FiscalDay, role: Role) -> None:
    assert client_of(make_user(role)).post(RESEND).status_code == 302
    assert Command.objects.count() == 1


def test_a_manager_may_ask_for_an_own_site_alone(day: FiscalDay) -> None:
    own = client_of(make_user(Role.MANAGER, day.site))
    other = client_of(make_user(Role.MANAGER, make_site("S2")))
    assert other.post(RESEND).status_code == 404
    assert not Command.objects.exists()
    assert own.post(RESEND).status_code == 302
    assert Command.objects.count() == 1


def test_an_auditor_reads_and_does_not_ask(day: FiscalDay) -> None:
    client = client_of(make_user(Role.AUDITOR))
    assert client.post(RESEND).status_code == 403
    assert not Command.objects.exists()
    for page in ("/sites/S1/", f"/sites/S1/days/{DAY}/"):
        assert 'id="operate"' not in client.get(page).text


def test_it_takes_a_token_and_a_post(day: FiscalDay) -> None:
    user = make_user()
    assert client_of(user).get(RESEND).status_code == 405
    assert client_of(user, enforce_csrf_checks=True).post(RESEND).status_code == 403
    assert Client().post(RESEND).status_code == 401
    assert client_of(user).post("/sites/S1/days/2026-01-01/resend/").status_code == 404
    assert not Command.objects.exists()


def test_without_a_script_one_is_back_on_the_page_one_came_from(day: FiscalDay) -> None:
    client = client_of(make_user())
    page = f"/sites/S1/days/{DAY}/"
    text = client.get(page).text
    assert "3 entries missing: 3, 4 and 6" in " ".join(text.split())
    assert f'formaction="{RESEND}"' in text
    assert 'form="operate"' in text
    assert client.post(RESEND, {"page": "day"})["Location"] == page
    assert client.post(RESEND, {"page": "site"})["Location"] == "/sites/S1/#site_day"
    text = " ".join(client.get(page).text.split())
    assert "3 entries requested by" in text
    assert "On its way to the broker" in text
    assert f'formaction="{RESEND}"' not in text


def test_htmx_gets_the_piece_and_where_it_belongs(day: FiscalDay) -> None:
    client = client_of(make_user())
    answer = client.post(RESEND, {"page": "day"}, headers=HTMX)
    assert answer.text.startswith('<div class="page" id="day_state">')
    assert "3 entries requested by" in " ".join(answer.text.split())
    assert answer["HX-Retarget"] == '[data-fragment="day_state"]'
    assert answer["HX-Reswap"] == "morph"
    answer = client.post(RESEND, {"page": "site"}, headers=HTMX)
    assert 'id="site_day"' in answer.text
    assert answer["HX-Retarget"] == '[data-fragment="site_day"]'


def test_the_pages_say_how_far_it_has_come(day: FiscalDay) -> None:
    client = client_of(make_user())
    page = f"/sites/S1/days/{DAY}/"
    client.post(RESEND)

    def text() -> str:
        return " ".join(client.get(page).text.split())

    Command.objects.update(requested_at=timezone.now() - 2 * SENDING_MAX)
    assert "no ingest worker has a connection to the broker" in text()
    Command.objects.update(sent_at=timezone.now())
    assert "Waiting for the site's answer" in text()
    day = heal(day, 3)
    assert "1 of 3 have arrived" in text()
    Command.objects.update(sent_at=timezone.now() - 2 * ANSWER_MAX)
    assert "Only 1 of 3 have arrived" in text()
    assert "Request again" in text()
    heal(day, 4, 6)
    assert "All have arrived" in text()
    assert "Request again" not in text()


def test_a_day_s_piece_is_polled_by_those_who_may_see_the_site(day: FiscalDay) -> None:
    page = f"/sites/S1/days/{DAY}/"
    polled = f"{page}fragments/?pieces=day_state"
    client = client_of(make_user(Role.MANAGER, day.site))
    [first] = client.get(polled).json()["pieces"]
    assert first["html"] in client.get(page).text
    assert client.get(polled, headers={"If-None-Match": first["etag"]}).status_code == 204
    assert client.get(polled.replace("day_state", "nothing")).status_code == 404
    assert client.get(polled.replace(DAY, "2026-01-01")).status_code == 404
    assert client_of(make_user(Role.MANAGER)).get(polled).status_code == 404
