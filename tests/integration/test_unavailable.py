"""What the database does not do: each post and each page says so, and keeps what was typed."""

from __future__ import annotations

import contextlib
import datetime
import html
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from console import typed
from console.forms.base import SHOW_AGAIN
from console.models import Role, User
from console.unavailable import Failure, failure_of
from ledger.models import Alarm, AuditEvent, Correction, FiscalDay, QuarantineDecision
from ledger.selectors.forecourt import alarms
from ledger.services import transactions
from tests.conftest import empty_tables
from tests.factories import (
    PASSWORD,
    make_correction,
    make_day,
    make_entry,
    make_forecourt,
    make_quarantined,
    make_user,
)
from tests.integration.test_setup_pages import typed as values_of_page

DAY = "/sites/HILL/days/2026-11-22/"
CLOSED = "/sites/HILL/days/2026-11-20/"
PROPOSED = "/sites/HILL/days/2026-11-18/"
HTMX = {"HX-Request": "true"}
NOTE = "as the <till> said"


@dataclass
class Act:
    """A post that would store something."""

    path: str
    data: dict[str, Any]
    role: Role = Role.ADMINISTRATOR
    #: The first post only shows what changes, and gives back the digest of it.
    asks_first: bool = False
    #: What the page shows is sent with it.
    is_on_top: bool = False


@dataclass
class Scene:
    """A committed ledger in which everything can be done, and who does it."""

    people: dict[Role, User]
    acts: dict[str, Act] = field(default_factory=dict)

    def client(self, act: Act) -> Client:
        client = Client()
        client.force_login(self.people[act.role])
        return client


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    """One ledger for all tests here: none of what they do is ever done."""
    with django_db_blocker.unblock():
        yield _made_scene()
        empty_tables()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a lock."""
    monkeypatch.setattr(transactions, "LOCK_TIMEOUT_MS", 30)


def _made_scene() -> Scene:
    site = make_forecourt("HILL", timezone="Europe/Berlin")
    roles = (Role.ADMINISTRATOR, Role.STAFF, Role.APPROVER)
    scene = Scene({role: make_user(role, username=f"a-{role}") for role in roles})
    staff = scene.people[Role.STAFF]
    at = timezone.now()
    make_day(site, highest_sequence=7, entry_count=3)
    make_day(site, fiscal_day="2026-11-20", closed_at=at, last_sequence=5)
    # Balanced, so that it can be proposed; and proposed already.
    make_day(
        site, fiscal_day="2026-11-18", closed_at=at, last_sequence=3,
        seal_proposed_by=staff, seal_proposed_at=at,
    )  # fmt: skip
    for sequence in (5, 6):
        make_correction(make_entry(site, sequence=sequence), author=staff, needs_approval=True)
    alarm = Alarm.objects.create(
        site=site, device="tank", number=1, code="leak", severity="Critical",
        state="started", at=at,
    )  # fmt: skip
    [view] = alarms(site)
    assert view.alarm == alarm
    conflict = make_quarantined(
        site=site, reason="conflicting_duplicate",
        raw=b'{"fiscal_day": "2026-11-22", "sequence": 2, "kind": "sale", '
        b'"occurred_at": "2026-11-22T12:00:00Z", "product": "E10", "amount": "9.99"}',
    )  # fmt: skip
    strange = make_quarantined(reason="unknown_site", topic="forecourt/v1/NEW-1/ledger")
    kim = make_user(Role.STAFF, username="kim")
    reason = {"reason": "other", "note": NOTE}
    note = {"note": NOTE}
    staff_act = {"role": Role.STAFF}
    site_fields = {
        "name": "Kiel", "timezone": "Europe/Berlin", "currency": "EUR", "stale_after_s": "300",
        "cutoff": "07:00", "wet_stock_daily_permille": "5", "wet_stock_daily_litres": "20",
        "wet_stock_monthly_permille": "2.5", "wet_stock_monthly_litres": "100",
    }  # fmt: skip
    person = {"username": "quokka", "first_name": "Q", "last_name": "K", "role": "staff"}
    entry = {
        "kind": "1", "occurred_at": "2026-11-22T13:00", "product": "E10", "amount": "12.30",
        "volume": "8.317", "unit_price": "1.4790", "tax_rate": "20", "based_on": "0", **reason,
    }  # fmt: skip
    chosen = {"chosen": ["HILL/2026-11-22/5/1", "HILL/2026-11-22/6/1"]}
    scene.acts = {
        "correct": Act(f"{DAY}1/correct/", entry, asks_first=True, **staff_act),
        "void": Act(f"{DAY}1/void/", reason, asks_first=True, **staff_act),
        "add": Act(f"{DAY}4/add/", entry, asks_first=True, **staff_act),
        "correct_many": Act(f"{DAY}correct/", {"payment": "1", **reason}, asks_first=True),
        "decide": Act(f"{DAY}5/decide/1/", {"decision": "reject", **note}, Role.APPROVER),
        "approvals": Act("/approvals/", chosen, Role.APPROVER),
        "close_day": Act(f"{DAY}close/", {"reason": NOTE, "last_sequence": "7"}),
        "explain_difference": Act(
            f"{CLOSED}reconciliation/missing/", {"stated": "2 of 5", **reason}, **staff_act
        ),
        "propose_seal": Act(f"{CLOSED}seal/propose/", {}, **staff_act),
        "withdraw_seal": Act(f"{PROPOSED}seal/withdraw/", {}, **staff_act),
        "seal_day": Act(f"{PROPOSED}seal/", {"seen": ""}, Role.APPROVER),
        "request_resend": Act(f"{CLOSED}resend/", {"page": "day"}, **staff_act),
        "acknowledge_alarm": Act("/sites/HILL/alarms/acknowledge/", {"alarm": view.key}),
        "quarantine_decide": Act(
            "/quarantine/decide/",
            {"action": "dismiss", "last_id": str(strange.pk), **note}, **staff_act,
        ),
        "quarantine_mend": Act(
            f"/quarantine/{conflict.pk}/mend/?as=text",
            {"text": '{"quokka": 1}', "step": "send", **note},         ),
        "quarantine_message_decide": Act(
            f"/quarantine/{conflict.pk}/decide/", {"action": "accept", **note}, **staff_act
        ),
        "quarantine_register": Act(f"/quarantine/{strange.pk}/register/", {**site_fields, **note}),
        "site_new": Act(
            "/new-site/", {"code": "DE-KIEL", "first_fiscal_day": "2026-01-01", **site_fields}
        ),
        "site_setup": Act(
            "/sites/HILL/setup/", {**site_fields, "currency": "GBP"}, is_on_top=True
        ),
        "site_equipment": Act(
            "/sites/HILL/setup/products/", {"products-0-unit_price": "1.9990"}, is_on_top=True
        ),
        "person_new": Act(
            "/people/new/",
            {**person, "password": "long-enough-1", "password_again": "long-enough-1"},
        ),
        "person": Act(f"/people/{kim.pk}/", person, is_on_top=True),
        "person_password": Act(
            f"/people/{kim.pk}/password/",
            {"password": "long-enough-1", "password_again": "long-enough-1"},
        ),
        "language": Act("/language/", {"language": "de"}),
        "sign_in": Act("/sign-in/", {"username": "kim", "password": PASSWORD}),
        "sign_out": Act("/sign-out/", {}),
    }  # fmt: skip
    return scene


NAMES = sorted(
    typed.SHOWN_AGAIN
    | {
        "acknowledge_alarm", "approvals", "language", "person_password", "propose_seal",
        "request_resend", "seal_day", "sign_in", "sign_out", "withdraw_seal",
    }
)  # fmt: skip


def ready(scene: Scene, name: str) -> tuple[Client, Act]:
    """Return somebody who has the page before them, and what they send."""
    act = scene.acts[name]
    client = Client() if name == "sign_in" else scene.client(act)
    data: dict[str, Any] = act.data
    if act.is_on_top:
        data = values_of_page(client, act.path) | data
    if act.asks_first:
        shown = client.post(act.path, data)
        assert shown.status_code == 200, shown.text
        form = shown.context["form"]
        more = {each: form[each].value() for each in ("shown", "based_on") if each in form.fields}
        data = data | {key: value for key, value in more.items() if value} | {"confirm": "1"}
    return client, Act(act.path, data)


@contextlib.contextmanager
def everything_locked() -> Iterator[psycopg.Connection[Any]]:
    """Another session writes into each table at the moment, whose rows can still be read.

    First it holds the rows of all days, as the worker does, or an office that seals.
    """
    with psycopg.connect(**parameters()) as other:
        other.execute("SELECT FROM fiscal_day ORDER BY site_id, fiscal_day FOR NO KEY UPDATE")
        other.execute("SELECT FROM site FOR UPDATE")
        other.execute("SELECT FROM quarantine FOR UPDATE")
        other.execute(
            f"LOCK alarm_acknowledgement, {User._meta.db_table}, site, tank, django_session"
            " IN EXCLUSIVE MODE"
        )
        yield other
        other.rollback()


@contextlib.contextmanager
def no_database() -> Iterator[None]:
    """Nothing listens where the database is: connections are refused as while it is stopped."""
    connection.close()
    known = connection.settings_dict["HOST"]
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["HOST"] = known


def parameters() -> dict[str, Any]:
    known = connection.settings_dict
    return {"host": known["HOST"], "dbname": known["NAME"], "user": known["USER"]}


def stored() -> tuple[int, ...]:
    """What any of the acts would have changed."""
    days = FiscalDay.objects.filter(closed_at=None).count()
    corrections = Correction.objects.filter(status="proposed").count()
    return (
        AuditEvent.objects.count(), QuarantineDecision.objects.count(), Correction.objects.count(),
        corrections, days,
    )  # fmt: skip


def fields_of(page: HttpResponse) -> list[tuple[str, str]]:
    """What the page's form would send, but for its token."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    return [(name, html.unescape(value)) for name, value in found if name != "csrfmiddlewaretoken"]


def assert_kept(answer: HttpResponse, act: Act) -> None:
    """The page lets one try again, with what was typed."""
    assert "Try again" in answer.text
    assert "Traceback" not in answer.text
    kept = fields_of(answer)
    for name, value in act.data.items():
        for each in value if isinstance(value, list) else [value]:
            assert ((name, str(each)) in kept) == ("password" not in name), name
    if kept:
        assert f'action="{html.escape(act.path)}"' in answer.text


def test_each_post_of_the_console_is_one_of_these(scene: Scene) -> None:
    assert set(scene.acts) == set(NAMES)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", NAMES)
def test_a_lock_that_is_not_had_in_time(scene: Scene, name: str) -> None:
    client, act = ready(scene, name)
    before = stored()
    with everything_locked():
        answer = client.post(act.path, act.data)
        assert answer.status_code == 503, answer.text
        assert answer["X-Failure"] == "locked"
        assert answer["Retry-After"]
        assert "Somebody else is writing here" in answer.text
        assert_kept(answer, act)
        fragment = client.post(act.path, act.data, headers=HTMX)
        assert (fragment.status_code, fragment["X-Failure"]) == (503, "locked")
        assert fragment.content == b""
    assert stored() == before


@pytest.mark.parametrize("name", NAMES)
def test_a_post_without_a_database(scene: Scene, name: str) -> None:
    client, act = ready(scene, name)
    before = stored()
    with no_database():
        answer = client.post(act.path, act.data, headers={"Origin": "http://testserver"})
        assert (answer.status_code, answer["X-Failure"]) == (503, "away")
        assert answer["Retry-After"]
        assert "The database does not answer" in answer.text
        assert_kept(answer, act)
        fragment = client.post(act.path, act.data, headers=HTMX)
        assert (fragment.status_code, fragment["X-Failure"]) == (503, "away")
    assert stored() == before


def _paths() -> list[str]:
    given = {
        "code": "HILL", "fiscal_day": datetime.date(2026, 11, 22), "sequence": "1", "revision": "1",
        "person_id": "1", "message_id": "1", "slug": "missing", "part": "tanks", "kind": "csv",
        "state": "x",
    }  # fmt: skip
    found = []
    for each in get_resolver().url_patterns:
        assert isinstance(each, URLPattern)
        names = each.pattern.converters
        arguments = {name: given.get(name, "site_status") for name in names}
        found.append(reverse(each.name or "", kwargs=arguments))
    return sorted(set(found))


def test_every_page_without_a_database(scene: Scene) -> None:
    client = scene.client(scene.acts["site_new"])
    with no_database():
        for path in _paths():
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert answer["X-Failure"] == "away", path
            assert answer["Retry-After"], path
            assert "The database does not answer" in answer.text
            assert f'href="{path}">Try again' in answer.text
            assert "no-store" in answer["Cache-Control"]


def test_who_is_not_signed_in_can_still_see_the_door(scene: Scene) -> None:
    with no_database():
        assert Client().get("/sign-in/").status_code == 200
        assert Client().get("/")["Location"].startswith("/sign-in/")
        assert Client().get("/nowhere/").status_code == 404
        assert Client().get("/health/").text == "database unavailable"


def test_in_german_too(scene: Scene) -> None:
    client = scene.client(scene.acts["site_new"])
    with no_database():
        answer = client.get("/", headers={"Accept-Language": "de"})
    assert 'lang="de"' in answer.text


def test_another_sites_page_gets_nothing_put_into_ours(scene: Scene) -> None:
    client = scene.client(scene.acts["site_new"])
    with no_database():
        for headers in ({}, {"Origin": "https://evil.example"}):
            answer = client.post("/new-site/", {"name": "evil"}, headers=headers)
            assert answer.status_code == 503
            assert "evil" not in answer.text


@pytest.mark.usefixtures("impatient")
def test_what_was_typed_can_be_looked_at_and_sent_again(scene: Scene) -> None:
    client, act = ready(scene, "close_day")
    with everything_locked():
        answer = client.post(act.path, act.data)
    kept = dict(fields_of(answer))
    form = client.post(act.path, kept | {SHOW_AGAIN: "1"})
    assert form.status_code == 200
    assert html.escape(NOTE) in form.text
    assert "error-summary" not in form.text


def test_a_connection_that_is_cut_while_it_waits(scene: Scene) -> None:
    client, act = ready(scene, "close_day")
    answers: list[HttpResponse] = []

    def send() -> None:
        answers.append(client.post(act.path, act.data))
        connection.close()

    with everything_locked() as other:
        waiting = threading.Thread(target=send)
        waiting.start()
        _cut_who_waits_for(other)
        waiting.join(20)
    [answer] = answers
    assert (answer.status_code, answer["X-Failure"]) == (503, "away")
    assert_kept(answer, act)


def _cut_who_waits_for(other: psycopg.Connection[Any]) -> None:
    for _ in range(500):
        found = other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        ).fetchall()
        if found:
            return
        other.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.02)")
    pytest.fail("nobody waits")


def test_what_was_taken_at_the_same_moment(scene: Scene) -> None:
    client, act = ready(scene, "person_new")
    before = stored()
    answers: list[HttpResponse] = []

    def send() -> None:
        answers.append(client.post(act.path, act.data))
        connection.close()

    with psycopg.connect(**parameters()) as other:
        table = User._meta.db_table
        taken = act.data["username"]
        other.execute(f"UPDATE {table} SET username = %s WHERE username = 'kim'", [taken])
        waiting = threading.Thread(target=send)
        waiting.start()
        _await_who_waits_for(other)
        other.commit()
        waiting.join(20)
        other.execute(f"UPDATE {table} SET username = 'kim' WHERE username = %s", [taken])
    [answer] = answers
    assert (answer.status_code, answer["X-Failure"]) == (409, "changed")
    assert "Retry-After" not in answer
    assert "at the same moment" in answer.text
    assert_kept(answer, act)
    assert stored() == before


def test_nobody_says_that_nothing_was_stored_where_something_was(
    scene: Scene, rf: RequestFactory
) -> None:
    error = IntegrityError()
    error.__cause__ = psycopg.errors.UniqueViolation()
    transactions.commits_forget()
    assert failure_of(error, rf.post("/")) is Failure.CHANGED
    with transactions.durable():
        pass
    assert failure_of(error, rf.post("/")) is Failure.UNKNOWN


def _await_who_waits_for(other: psycopg.Connection[Any]) -> None:
    for _ in range(500):
        found = other.execute(
            "SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        ).fetchall()
        if found:
            return
        other.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.02)")
    pytest.fail("nobody waits")
