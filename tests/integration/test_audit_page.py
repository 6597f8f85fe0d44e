"""The audit page: who did what and when, and all of it as a file."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from console.models import Role, User
from console.views.audit import WRITERS
from ledger.models import Alarm, AuditEvent, Correction, Entry, FiscalDay, Site
from ledger.selectors.audit import EVENTS_PER_PAGE, EXPORTED_AT_ONCE, audit_in_parts
from ledger.selectors.corrections import VALUE_NAMES
from ledger.services.alarms import alarm_acknowledge
from ledger.services.audit import audit_record
from ledger.services.corrections import Draft, correction_propose
from ledger.services.resends import resend_request
from tests.factories import make_day, make_site, make_user

HTMX = {"HX-Request": "true"}


@pytest.fixture
def site(db: None) -> Site:
    return make_site("S1", name="Harbour")


@pytest.fixture
def person(db: None) -> User:
    return make_user(first_name="Maja", last_name="Lindqvist")


@pytest.fixture
def reader(client: Client, db: None) -> Client:
    client.force_login(make_user(Role.AUDITOR))
    return client


def flat(text: str) -> str:
    return " ".join(text.split())


def record(actor: Any = "a program", action: str = "site.changed", **values: Any) -> AuditEvent:
    with transaction.atomic():
        return audit_record(action=action, actor=actor, **values)


def test_of_rows_that_changed_only_what_differs_is_shown(reader: Client, site: Site) -> None:
    row = {"code": "E10", "name": "Super", "unit_price": "1.4790"}
    detail = {
        "before": {"E10": row, "LPG": None},
        "after": {"E10": {**row, "unit_price": "1.5990"}, "LPG": {"code": "LPG"}},
    }
    record(action="site.products_changed", site=site, detail=detail)
    text = flat(reader.get("/audit/").text)
    assert "Products changed" in text
    price = '<th scope="row"> E10: Price a litre </th>'
    old, new = '<del class="old">1.4790</del>', '<ins class="new">1.5990</ins>'
    assert f"{price} <td> {old} </td> <td> {new} </td>" in text
    assert "Super" not in text
    old, new = '<del class="old">\N{EN DASH}</del>', '<ins class="new">code: LPG</ins>'
    assert f'<th scope="row"> LPG </th> <td> {old} </td> <td> {new} </td>' in text


def test_a_change_is_shown_before_and_after(reader: Client, site: Site, person: User) -> None:
    detail = {"before": {"name": "Harbor"}, "after": {"name": "<b>Harbour"}, "note": "as signed"}
    record(person, site=site, detail=detail)
    text = flat(reader.get("/audit/").text)
    assert "Site changed" in text
    assert "Maja Lindqvist" in text
    assert '<del class="old">Harbor</del>' in text
    assert '<ins class="new">&lt;b&gt;Harbour</ins>' in text
    assert "as signed" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("person=maja", "first"),
        ("action=site.registered", "second"),
        ("site=S1", "first"),
        ("fiscal_day=2026-11-22&sequence=7", "second"),
        ("text=needle", "second"),
        ("text=FIRST", "first"),
        ("last=2000-01-01", None),
        ("first=2999-01-01", None),
    ],
)
def test_it_is_searched(
    reader: Client, site: Site, person: User, query: str, found: str | None
) -> None:
    record(person, site=site, subject="first")
    record(
        action="site.registered",
        site=make_site("S2"),
        subject="second",
        fiscal_day=datetime.date(2026, 11, 22),
        sequence=7,
        detail={"note": "a needle"},
    )
    text = reader.get(f"/audit/?{query}", headers=HTMX).text
    assert [each for each in ("first", "second") if f"· {each}" in flat(text)] == [
        each for each in (found,) if each
    ]
    assert flat(reader.get("/audit/?first=2026-13-01&action=x&before=y").text).count("· first")


def test_it_comes_in_pages(reader: Client, site: Site) -> None:
    events = [record(site=site) for _ in range(EVENTS_PER_PAGE + 1)]
    text = reader.get("/audit/").text
    assert f"event-{events[0].pk}" not in text
    assert f"before={events[1].pk}" in text
    assert f"event-{events[0].pk}" in reader.get(f"/audit/?before={events[1].pk}").text


def test_who_sees_what(client: Client, site: Site) -> None:
    own, other = record(site=site), record(site=make_site("S2"))
    nowhere = record()
    seen = {
        Role.AUDITOR: {own.pk, other.pk, nowhere.pk},
        Role.APPROVER: {own.pk, other.pk, nowhere.pk},
        Role.STAFF: {own.pk, other.pk, nowhere.pk},
        Role.ADMINISTRATOR: {own.pk, other.pk, nowhere.pk},
        Role.MANAGER: {own.pk},
        Role.FRONTEND: set(),
    }
    for role, expected in seen.items():
        client.force_login(make_user(role, site))
        text = client.get("/audit/").text
        assert {e.pk for e in (own, other, nowhere) if f"event-{e.pk}" in text} == expected


class TestExports:
    def test_they_are_read_part_by_part(self, site: Site) -> None:
        AuditEvent.objects.bulk_create(
            AuditEvent(actor_name="x", action="site.changed", site=site)
            for _ in range(2 * EXPORTED_AT_ONCE + 1)
        )
        with CaptureQueriesContext(connection) as queries:
            parts = list(audit_in_parts(AuditEvent.objects.all()))
        assert [len(part) for part in parts] == [EXPORTED_AT_ONCE, EXPORTED_AT_ONCE, 1]
        assert len(queries) == len(parts) + 1


class TestWhatPeopleDoIsRecorded:
    def test_a_resend_is(self, site: Site, person: User) -> None:
        day = make_day(site, fiscal_day="2026-11-20", entries=2, highest_sequence=4)
        assert resend_request(day=FiscalDay.objects.get(pk=day.pk), requested_by=person) == 2
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.fiscal_day) == (
            "resend.requested",
            person,
            datetime.date(2026, 11, 20),
        )
        assert resend_request(day=FiscalDay.objects.get(pk=day.pk), requested_by=person) == 0
        assert AuditEvent.objects.count() == 1

    def test_an_acknowledgement_is_once(self, site: Site, person: User) -> None:
        key = {"device": "tank", "number": 1, "code": "low", "at": timezone.now()}
        Alarm.objects.create(site=site, state="started", **key)
        for _ in range(2):
            alarm_acknowledge(site=site, acknowledged_by=person, **key)
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.site) == ("alarm.acknowledged", person, site)

    @pytest.mark.django_db
    def test_what_a_program_does_is(self, settings: Any) -> None:
        settings.DEBUG = True
        for _ in range(2):
            call_command("seed_demo", sites=2)
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.actor_name) == ("demo.seeded", None, "seed_demo")


def test_nobody_approves_what_needs_no_approval(reader: Client, site: Site, person: User) -> None:
    day = make_day(site)
    entry = Entry.objects.get(sequence=1)
    values = {name: getattr(entry, name) for name in VALUE_NAMES} | {"amount": Decimal(40)}
    correction_propose(
        draft=Draft(
            site=site,
            fiscal_day=day.fiscal_day,
            sequence=1,
            action=Correction.Action.CORRECT,
            reason=Correction.Reason.WRONG_VOLUME,
            values=values,
        ),
        author=person,
    )
    text = flat(reader.get("/audit/").text)
    assert "Correction took effect, no approval needed" in text
    assert "Correction approved" not in text.partition('class="trail"')[2]
    write, _ = WRITERS["csv"]
    exported = b"".join(write(audit_in_parts(AuditEvent.objects.all()))).decode()
    assert "correction.took_effect" in exported
    entry_page = flat(reader.get(f"/sites/S1/days/{day.fiscal_day}/1/").text)
    assert "Took effect, no approval needed" in entry_page


def test_what_an_older_console_called_approved_is_told_rightly(
    reader: Client, site: Site, person: User
) -> None:
    of = {"site": site, "fiscal_day": datetime.date(2026, 11, 22), "sequence": 1}
    for revision, needs_approval in ((1, False), (2, True)):
        subject = f"correct, revision {revision}"
        detail = {"needs_approval": needs_approval}
        record(person, "correction.proposed", subject=subject, detail=detail, **of)
        approver = make_user(username="second") if needs_approval else person
        record(approver, "correction.approved", subject=subject, **of)
    names = [str(line.name) for line in reader.get("/audit/").context["audit_page"].lines]
    assert names == [
        "Correction approved",
        "Correction proposed",
        "Correction took effect, no approval needed",
        "Correction proposed",
    ]
