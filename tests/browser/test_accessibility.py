"""Every page, form and error passes axe, in light and dark, on a phone and on a wide screen.

And none scrolls sideways, from 320 to 2560 pixels, in English and in German. A page is loaded once
for all of that.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import urljoin

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from console.models import Role
from ledger.models import (
    Alarm,
    AlarmAcknowledgement,
    Command,
    Dip,
    Entry,
    EntryFlag,
    FiscalDay,
    PumpState,
    Site,
    SiteStatus,
    TankState,
    Totalizer,
)
from ledger.services.sealing import seal_propose
from tests.browser.axe import barriers, fits
from tests.browser.conftest import sign_in
from tests.factories import (
    PASSWORD,
    make_correction,
    make_day,
    make_entry,
    make_forecourt,
    make_pulse,
    make_quarantined,
    make_user,
    make_worker,
)
from tests.integration.test_quarantine_page import make_conflict
from tests.sealing import closed, sealed

DAY = "2026-11-21"
DAY_PAGE = f"/sites/S1/days/{DAY}/"
PERIOD = "first=2026-11-01&last=2026-11-30"


def send_empty(page: Page) -> None:
    """Send the page's form without what it needs, and wait for it to say so."""
    page.evaluate("document.querySelectorAll('form').forEach(form => form.noValidate = true)")
    if (needed := page.locator("form.form input[required]")).count():
        needed.first.fill("")
    page.locator("form.form .button--primary").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()


def send_wrong(label: str) -> Callable[[Page], None]:
    """Send the page's form with a word where a number belongs."""

    def send(page: Page) -> None:
        page.get_by_label(label).first.fill("much")
        page.locator("form.form .button--primary").click()
        expect(page.locator("[data-error-summary]")).to_be_focused()

    return send


def preview(label: str, value: str) -> Callable[[Page], None]:
    """Fill in a form so that it shows what would change."""

    def fill(page: Page) -> None:
        page.get_by_label(label).fill(value)
        page.get_by_label("Reason").select_option("wrong_price")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.locator("#preview")).to_be_visible()

    return fill


def send_from_elsewhere(page: Page) -> None:
    """Send a form as another site's page would."""
    address = urljoin(page.url, "/language/")
    page.goto("about:blank")
    page.set_content(f"<form method='post' action='{address}'></form>")
    page.evaluate("document.querySelector('form').submit()")
    expect(page.get_by_role("heading", level=1)).to_contain_text("too long")


def send_signed_out(page: Page) -> None:
    """Send a form after the session ended."""
    page.context.clear_cookies()
    page.evaluate("document.querySelector('form.language').submit()")
    expect(page.get_by_label("Username")).to_be_visible()


class Visit(NamedTuple):
    """A page, and what somebody does there before it is looked at."""

    path: str
    act: Callable[[Page], None] | None = None


def visits(*paths: str) -> list[Visit]:
    return [Visit(path) for path in paths]


LIVE = visits(
    "/",
    "/?q=nowhere",
    "/sites/S1/",
    "/sites/EMPTY/",
    "/sites/S1/days/",
    DAY_PAGE,
    f"{DAY_PAGE}60/",
    "/ledger/",
    "/ledger/?first=2026-11-22&last=2026-11-01",
)
CORRECTING = [
    *visits(f"{DAY_PAGE}1/", f"{DAY_PAGE}2/", f"{DAY_PAGE}3/void/"),
    Visit(f"{DAY_PAGE}1/correct/"),
    Visit(f"{DAY_PAGE}1/correct/", send_empty),
    Visit(f"{DAY_PAGE}1/correct/", preview("Amount", "30.00")),
    Visit(f"{DAY_PAGE}66/add/", send_empty),
    Visit(f"{DAY_PAGE}correct/"),
    Visit(f"{DAY_PAGE}correct/", preview("New price", "1")),
    Visit("/approvals/"),
]
SETTLING = [
    *visits("/days/", f"{DAY_PAGE}reconciliation/", "/sites/SEALED/days/2026-11-20/"),
    *visits(f"{DAY_PAGE}reconciliation/missing/", "/sites/SEALED/days/2026-11-21/seal/"),
    *visits("/sites/SEALED/days/2026-11-21/", "/sites/SEALED/days/2026-11-20/reconciliation/"),
    Visit("/sites/SEALED/days/2026-11-22/close/"),
    Visit("/sites/SEALED/days/2026-11-22/close/", send_empty),
]
QUARANTINE = [
    *visits("/quarantine/", "/quarantine/decide/", "/audit/"),
    *visits("{conflict}", "{faulty}", "{strange}", "{strange}register/", "{faulty}mend/"),
    Visit("{conflict}mend/", send_empty),
]
REPORTS = visits(
    "/reports/",
    f"/reports/period/?{PERIOD}",
    f"/reports/period/?{PERIOD}&sites=NOBODY",
    f"{DAY_PAGE}report/",
    "/sites/SEALED/days/2026-11-20/report/",
    f"/reports/stock/?{PERIOD}&site=S1",
)
SETUP = [
    *visits("/sites/", "/sites/S1/setup/", "/people/", "{person}", "{person}password/"),
    Visit("/new-site/", send_empty),
    Visit("/people/new/", send_empty),
    Visit("/sites/S1/setup/products/", send_wrong("Price")),
    Visit("/sites/S1/setup/tanks/", send_wrong("Capacity")),
    *visits("/sites/S1/setup/points/"),
]
AREAS = {
    "live": LIVE,
    "correcting": CORRECTING,
    "settling": SETTLING,
    "quarantine": QUARANTINE,
    "reports": REPORTS,
    "setup": SETUP,
}


def make_everything() -> dict[str, str]:
    """A site where all that pages can show is to be seen; returns addresses by name."""
    now = timezone.now()
    make_forecourt("EMPTY")
    site = make_forecourt("S1", name="Harbour Road", city="Grimsby", fuelling_points=10)
    SiteStatus.objects.create(site=site, online=False, at=now, since=now, last_heard_at=now)
    for number, state in enumerate(PumpState.State, 1):
        PumpState.objects.create(
            site=site,
            fuelling_point=number,
            state=state,
            since=now,
            at=now,
            received_at=now,
            product="E10",
            volume=Decimal("12.31"),
            amount=Decimal("18.21"),
        )
    TankState.objects.create(
        site=site, tank=1, at=now, received_at=now, product="E10", volume=900, water=200
    )
    alarm = {"site": site, "device": "tank", "code": "low_product", "at": now}
    for number in (1, 2):
        Alarm.objects.create(**alarm, number=number, state="started", severity="critical")
    person = make_user()
    AlarmAcknowledgement.objects.create(
        **alarm, number=2, acknowledged_by=person, acknowledged_at=now
    )
    make_day(site, fiscal_day=DAY, entries=60, highest_sequence=70, closed_at=now, last_sequence=70)
    make_entry(site, fiscal_day=DAY, sequence=65, flags=EntryFlag.TOTALIZER_JUMP, offline=True)
    today = now.date().isoformat()
    opened_at = now - datetime.timedelta(hours=2)
    make_day(site, fiscal_day=today, opened_at=opened_at, last_sequence=70)
    # One request that nobody answered, and one that waits.
    for day, sent_at in ((DAY, now - datetime.timedelta(hours=1)), (today, None)):
        Command.objects.create(
            site=site,
            kind=Command.Kind.RESEND,
            fiscal_day=day,
            ranges=[[70, 70]],
            asked_count=1,
            requested_by=person,
            requested_at=now - datetime.timedelta(hours=2),
            sent_at=sent_at,
        )
    Dip.objects.create(site=site, fiscal_day=DAY, tank=1, product="E10", opening_volume=1)
    Totalizer.objects.create(
        site=site, fiscal_day=DAY, fuelling_point=1, nozzle=1, product="E10", opening=1
    )
    make_quarantined(site=site)
    for ago in range(1, 600, 7):
        make_pulse(
            "east",
            now - datetime.timedelta(seconds=ago),
            received=ago,
            quarantined=ago % 3,
            batches=1,
            latency_ms_p50=4.0,
            latency_ms_max=float(ago),
        )
    make_worker("west", reported_at=now - datetime.timedelta(minutes=20))
    make_worker("north", reported_at=now, state="standing_still", backlog=9)
    first, second = Entry.objects.filter(site=site, fiscal_day=DAY, sequence__in=(1, 2))
    make_correction(first, amount=Decimal(40))
    make_correction(second, needs_approval=True, amount=Decimal(40))
    conflict = make_conflict(site)
    faulty = make_quarantined(
        site=site, raw=b'{"a": 1, \xff\x00}' * 20, detail="not UTF-8: byte 0xff at position 9"
    )
    strange = make_quarantined(reason="unknown_site", topic="forecourt/v1/NEW-1/ledger")
    make_sealed_days()
    messages = {"conflict": conflict, "faulty": faulty, "strange": strange}
    addresses = {name: f"/quarantine/{each.pk}/" for name, each in messages.items()}
    return addresses | {"person": f"/people/{person.pk}/"}


def make_sealed_days() -> None:
    """A site with a day that is sealed, one that waits for its seal, and one that is open."""
    site: Site = make_forecourt("SEALED", name="Old Quay")
    days: list[FiscalDay] = [
        make_day(site, fiscal_day=f"2026-11-{number}", opened_at=timezone.now())
        for number in (20, 21, 22)
    ]
    sealed(days[0])
    proposer = make_user()
    seal_propose(day=closed(days[1], proposer), proposed_by=proposer)


@pytest.mark.parametrize("area", AREAS)
def test_pages_have_no_violations_and_fit(page: Page, area: str) -> None:
    addresses = make_everything()
    page.emulate_media(reduced_motion="reduce")
    sign_in(page, make_user(Role.ADMINISTRATOR))
    found = []
    for visit in AREAS[area]:
        page.goto(visit.path.format(**addresses))
        if visit.act is not None:
            visit.act(page)
        else:
            expect(page.locator("h1").first).to_be_visible()
        found += barriers(page)
    assert not found, "\n".join(found)


def test_doors_and_errors_have_no_violations_and_fit(page: Page) -> None:
    page.goto("/sign-in/")
    found = barriers(page)
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += barriers(page)
    sign_in(page, make_user())
    for path, status in (("/sites/NOT-THERE/", 404), ("/people/", 403), ("/broken/", 500)):
        response = page.goto(path)
        assert response is not None
        assert response.status == status
        found += barriers(page)
    for send in (send_from_elsewhere, send_signed_out):
        page.goto("/ledger/")
        send(page)
        found += barriers(page)
    assert not found, "\n".join(found)


def test_german_pages_fit(page: Page) -> None:
    addresses = make_everything()
    page.emulate_media(reduced_motion="reduce")
    page.context.set_extra_http_headers({"Accept-Language": "de"})
    user = make_user(Role.ADMINISTRATOR, language="de")
    page.goto("/sign-in/")
    page.get_by_label("Benutzername").fill(user.username)
    page.get_by_label("Passwort").fill(PASSWORD)
    page.get_by_role("button", name="Anmelden").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    found = []
    for visit in (visit for area in AREAS.values() for visit in area if visit.act is None):
        page.goto(visit.path.format(**addresses))
        expect(page.locator("html")).to_have_attribute("lang", "de")
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        found += fits(page)
    assert not found, "\n".join(found)
