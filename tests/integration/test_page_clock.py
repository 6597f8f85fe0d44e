"""The one clock of each page: of its site, else the reader's, which without a script is UTC.

Everything that happened here did so 7 minutes and 11 seconds past an hour by UTC. In Kathmandu, a
quarter of an hour off the hours of others, that is 52 minutes past: so each clock on a page tells
by which zone it goes, wherever it stands.
"""

from __future__ import annotations

import datetime
import re
from html import unescape

import pytest
from django.apps import apps
from django.db import connection, models
from django.test import Client
from django.utils import timezone

from console.clock import page_zone
from console.views.day import DAY_FRAGMENTS
from console.views.network import NETWORK_FRAGMENTS
from console.views.site import SITE_FRAGMENTS
from ledger.models import (
    Alarm,
    AuditEvent,
    Command,
    Delivery,
    Entry,
    NozzleState,
    PumpState,
    Quarantine,
    TankState,
)
from tests.factories import (
    make_correction,
    make_day,
    make_forecourt,
    make_pulse,
    make_quarantined,
    make_status,
    make_user,
)

pytestmark = pytest.mark.django_db

ZONE = "Asia/Kathmandu"
UTC_MINUTE, SITE_MINUTE = "07", "52"
#: A clock in a text or in a field, and what stands after it where that is a zone.
CLOCK = re.compile(r"\b(?:[01]\d|2[0-3]):([0-5]\d)(?::\d\d)?\b(?:\s+(\+\d{4}|UTC)\b)?")
#: Attributes that tell a machine, or say their zone.
MACHINE = re.compile(r'\b(?:datetime|title|content|href|name="seen" value)="[^"]*"')
HOUR = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
NOW = HOUR + datetime.timedelta(minutes=7, seconds=11)
DAY = (NOW - datetime.timedelta(days=1)).date().isoformat()

OF_THE_SITE = (
    "/sites/K1/",
    "/sites/K1/days/",
    f"/sites/K1/days/{DAY}/",
    f"/sites/K1/days/{DAY}/1/",
    f"/sites/K1/days/{DAY}/1/correct/",
    f"/sites/K1/days/{DAY}/1/void/",
    f"/sites/K1/days/{DAY}/3/add/",
    f"/sites/K1/days/{DAY}/correct/",
    f"/sites/K1/days/{DAY}/reconciliation/",
    f"/sites/K1/days/{DAY}/seal/",
    f"/sites/K1/days/{DAY}/report/",
    "/sites/K1/setup/",
    "/sites/K1/setup/products/",
    "/quarantine/{message}/",
    "/quarantine/{message}/mend/",
    *(f"/sites/K1/fragments/?pieces={name}" for name in SITE_FRAGMENTS),
    *(f"/sites/K1/days/{DAY}/fragments/?pieces={name}" for name in DAY_FRAGMENTS),
)
OVER_SITES = (
    "/",
    "/days/",
    "/approvals/",
    "/quarantine/",
    "/quarantine/decide/",
    "/quarantine/{stranger}/",
    "/audit/",
    "/audit/?site=K1",
    "/ledger/",
    "/reports/",
    f"/reports/period/?first={DAY}&last={DAY}",
    "/sites/",
    "/people/",
    *(f"/fragments/?pieces={name}" for name in NETWORK_FRAGMENTS),
)


def make_happenings() -> None:
    """A site in Kathmandu where everything happened that a page tells the time of."""
    person = make_user()
    site = make_forecourt("K1", timezone=ZONE, name="Thamel")
    make_status(site)
    at = {"at": NOW, "received_at": NOW}
    make_day(
        site,
        fiscal_day=DAY,
        entries=2,
        highest_sequence=3,
        last_sequence=3,
        opened_at=NOW,
        closed_at=NOW,
        last_entry_at=NOW,
        seal_proposed_at=NOW,
        seal_proposed_by=make_user(),
    )
    make_day(site, fiscal_day=NOW.date().isoformat(), entries=2, opened_at=NOW, last_entry_at=NOW)
    make_correction(Entry.objects.get(pk=(site.pk, DAY, 2)), needs_approval=True, author=person)
    make_correction(Entry.objects.get(pk=(site.pk, DAY, 1)), author=person)
    TankState.objects.create(site=site, tank=1, product="E10", volume=1, **at)
    PumpState.objects.create(site=site, fuelling_point=1, state="idle", since=NOW, **at)
    NozzleState.objects.create(
        site=site, fuelling_point=1, nozzle=1, fiscal_day=DAY, sequence=1, occurred_at=NOW,
        product="E10", volume=1, amount=1,
    )  # fmt: skip
    Alarm.objects.create(site=site, device="tank", number=1, code="x", state="started", **at)
    Delivery.objects.create(site=site, tank=1, product="E10", volume=1, **at)
    Command.objects.create(
        site=site, kind="resend", fiscal_day=DAY, ranges=[[3, 3]], asked_count=1,
        requested_by=person, requested_at=NOW, sent_at=NOW,
    )  # fmt: skip
    AuditEvent.objects.create(
        actor=person, actor_name="x", action="day.declared", site=site, fiscal_day=DAY,
        detail={"after": {"closed_at": NOW.isoformat(), "last_sequence": 3}, "before": {}},
    )  # fmt: skip
    make_quarantined(site=site, last_received_at=NOW, first_received_at=NOW)
    make_quarantined(last_received_at=NOW, first_received_at=NOW)
    make_pulse("east", NOW - datetime.timedelta(hours=1), received=1, batches=1)


def set_all_clocks() -> None:
    """Let every time of the ledger be as many minutes past its hour."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no guard asks
        for model in apps.get_app_config("ledger").get_models():
            columns = [
                field.column
                for field in model._meta.concrete_fields
                if isinstance(field, models.DateTimeField)
            ]
            if columns and model._meta.managed:
                sets = ", ".join(
                    f"{name} = date_trunc('hour', {name}) + interval '7 min 11 s'"
                    for name in columns
                )
                cursor.execute(f"UPDATE {model._meta.db_table} SET {sets}")
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.fixture
def approver(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    make_happenings()
    set_all_clocks()
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    client.force_login(make_user("administrator"))
    return client


def get(client: Client, path: str) -> str:
    ids = {
        "message": Quarantine.objects.get(site__isnull=False).id,
        "stranger": Quarantine.objects.get(site=None).id,
    }
    response = client.get(path.format(**ids))
    assert response.status_code == 200, path
    return response.text


def clocks(html: str) -> set[tuple[str, str]]:
    """The clocks in the text and the fields of a page: (minute, zone or nothing)."""
    words = re.sub(
        r"<[^>]*>",
        lambda tag: " " + " ".join(re.findall(r'value="[^"]*"', tag[0])),
        MACHINE.sub("", html),
    )
    return set(CLOCK.findall(unescape(words)))


def test_each_page_of_a_site_is_in_the_site_s_zone(approver: Client) -> None:
    seen = set()
    for path in OF_THE_SITE:
        html = get(approver, path)
        if "<html" in html:
            assert re.findall(r'data-zone="([^"]*)"', html) == [ZONE], path
            assert f"<span data-zone-words>{ZONE}</span>" in html, path
        shown = clocks(html)
        assert UTC_MINUTE not in {minute for minute, _zone in shown}, path
        assert {zone for minute, zone in shown if minute == SITE_MINUTE} <= {"", "+0545"}, path
        seen |= shown
    assert (SITE_MINUTE, "") in seen


def test_each_page_over_sites_is_in_utc_until_a_script_knows_the_reader_s(
    approver: Client,
) -> None:
    seen = set()
    for path in OVER_SITES:
        html = get(approver, path)
        if "<html" in html:
            assert re.findall(r'data-zone="([^"]*)"', html) == [""], path
            assert "<span data-zone-words>UTC</span>" in html, path
        shown = clocks(html)
        # Only a value that is somebody's at a site is by the site's clock, and says so.
        assert {zone for minute, zone in shown if minute == SITE_MINUTE} <= {"+0545", "UTC"}, path
        seen |= shown
    assert (UTC_MINUTE, "") in seen


def test_a_time_over_sites_is_one_that_the_script_turns(approver: Client) -> None:
    """What stands as plain text would stay in UTC while the page says the reader's zone."""
    for path in OVER_SITES:
        html = get(approver, path)
        turned = re.sub(r"<time\b[^>]*\bdata-age[^>]*>.*?</time>", "", html, flags=re.S)
        turned = re.sub(r'<p[^>]*id="live-mark".*?</p>', "", turned, flags=re.S)
        assert {zone for minute, zone in clocks(turned) if minute == UTC_MINUTE} <= {"UTC"}, path


def test_one_page_s_clock_is_not_the_next_one_s(approver: Client) -> None:
    get(approver, "/sites/K1/")
    assert page_zone() == ""
    assert timezone.get_current_timezone_name() == "UTC"
    assert get(approver, "/days/").count('data-zone=""') == 1
