"""Every page passes axe, in light and dark, on a phone and on a wide screen."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
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
    PumpState,
    Quarantine,
    Site,
    SiteStatus,
    TankState,
    Totalizer,
)
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

DAY = "2026-11-21"
PAGES = [
    "/",
    "/?q=nowhere",
    "/sites/S1/",
    "/sites/EMPTY/",
    "/sites/S1/days/",
    f"/sites/S1/days/{DAY}/",
    f"/sites/S1/days/{DAY}/60/",
    f"/sites/S1/days/{DAY}/reconciliation/",
    f"/sites/S1/days/{DAY}/reconciliation/missing/",
    f"/sites/S1/days/{DAY}/close/",
    "/days/",
    "/ledger/",
    "/ledger/?first=2026-11-22&last=2026-11-01",
    "/quarantine/",
    "/sites/NOT-THERE/",
]
#: Pages of forms; {message} is a quarantined message, {person} somebody who signs in.
FORMS = [
    f"/sites/S1/days/{DAY}/1/correct/",
    f"/sites/S1/days/{DAY}/1/void/",
    f"/sites/S1/days/{DAY}/61/add/",
    f"/sites/S1/days/{DAY}/correct/",
    "/approvals/",
    "/quarantine/decide/",
    "/quarantine/{message}/",
    "/quarantine/{message}/mend/",
    "/sites/",
    "/new-site/",
    "/sites/S1/setup/",
    "/sites/S1/setup/products/",
    "/sites/S1/setup/tanks/",
    "/sites/S1/setup/points/",
    "/people/{person}/",
    "/audit/",
]
#: Of these, those that are sent as they are, to see them with errors.
FILLED_IN = [f"/sites/S1/days/{DAY}/1/correct/", f"/sites/S1/days/{DAY}/correct/"]
VIEWPORTS = {"phone": (360, 780), "wide": (1600, 1000)}


def make_everything() -> None:
    """A site where all that pages can show is to be seen."""
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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", VIEWPORTS)
def test_pages_have_no_violations(
    page: Page, theme: Literal["light", "dark"], viewport: str
) -> None:
    make_everything()
    width, height = VIEWPORTS[viewport]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    reports = {}
    page.goto("/sign-in/")
    reports["/sign-in/"] = Axe().run(page)
    sign_in(page, make_user())
    for path in PAGES:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        reports[path] = Axe().run(page)
        assert not is_wider_than_the_screen(page), f"{path} scrolls sideways"
    found = {path: report for path, report in reports.items() if report.violations_count}
    assert not found, "\n".join(
        f"{path}\n{report.generate_report()}" for path, report in found.items()
    )


def test_german_pages_fit_a_phone_and_have_no_violations(page: Page) -> None:
    """Each page once: German is longest, and its forms are filled in on phones, too."""
    make_everything()
    conflict = make_quarantined(
        site=Site.objects.get(code="S1"),
        raw=b'{"fiscal_day": "2026-11-21", "sequence": 7, "kind": "sale", "amount": "NaN"}',
        reason=Quarantine.Reason.INVALID,
    )
    make_correction(Entry.objects.get(fiscal_day=DAY, sequence=2), needs_approval=True)
    page.set_viewport_size({"width": 360, "height": 780})
    page.emulate_media(reduced_motion="reduce")
    page.context.set_extra_http_headers({"Accept-Language": "de"})
    user = make_user(Role.ADMINISTRATOR, language="de")
    page.goto("/sign-in/")
    page.get_by_label("Benutzername").fill(user.username)
    page.get_by_label("Passwort").fill(PASSWORD)
    page.get_by_role("button", name="Anmelden").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    wide, reports = [], {}
    for address in (*PAGES, *FORMS):
        path = address.format(message=conflict.pk, person=user.pk)
        page.set_viewport_size({"width": 360, "height": 780})
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == "de"
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        if path in FILLED_IN:
            page.get_by_role("button", name="Zeigen, was sich ändert").click()
            expect(page.locator("[data-error-summary]")).to_be_focused()
        reports[path] = Axe().run(page)
        for width in (360, 320):
            page.set_viewport_size({"width": width, "height": 780})
            if is_wider_than_the_screen(page):
                wide.append((path, width))
    assert wide == []
    found = {path: report for path, report in reports.items() if report.violations_count}
    assert not found, "\n".join(
        f"{path}\n{report.generate_report()}" for path, report in found.items()
    )


def test_pages_fit_the_narrowest_and_the_widest_screen(page: Page) -> None:
    make_everything()
    sign_in(page, make_user())
    wide = []
    for path in PAGES:
        page.goto(path)
        for width in (320, 2560):
            page.set_viewport_size({"width": width, "height": 1440})
            if is_wider_than_the_screen(page):
                wide.append((path, width))
    assert wide == []


def is_wider_than_the_screen(page: Page) -> bool:
    """Whether the page scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
