"""What the server answers is in view and has the focus, on a phone and on a wide screen."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, Request, Route, expect

from console.models import Role
from ledger.models import Alarm, Correction, Entry, FiscalDay, Quarantine
from ledger.services.sealing import day_seal, seal_propose
from tests.browser.conftest import sign_in
from tests.factories import make_correction, make_day, make_forecourt, make_quarantined, make_user
from tests.sealing import explain_all

DAY = datetime.date(2026, 11, 22)
DAY_PAGE = f"/sites/HILL/days/{DAY}/"


@pytest.fixture(params=[(360, 740), (1600, 900)], ids=["phone", "wide"])
def desk(request: pytest.FixtureRequest, page: Page, day: FiscalDay) -> Page:
    """A page of somebody who corrects, on a phone and on a wide screen, without motion."""
    width, height = request.param
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(reduced_motion="reduce")
    sign_in(page, make_user(Role.STAFF))
    return page


@pytest.fixture
def day(console_server: str) -> FiscalDay:
    return make_day(make_forecourt("HILL", name="Hill Top"), last_sequence=4)


def is_seen(answer: Locator) -> None:
    """The answer has the focus and begins within the view, above what covers its lower end."""
    expect(answer).to_be_focused()
    expect(answer.locator(":scope > :first-child, :scope").last).to_be_in_viewport()
    seen = answer.evaluate(
        """(answer) => {
          const box = answer.getBoundingClientRect();
          const bar = document.querySelector(".bar");
          const covers = bar && getComputedStyle(bar).position === "fixed";
          const end = covers ? bar.getBoundingClientRect().top : innerHeight;
          return box.top >= 0 && Math.min(box.bottom, box.top + 48) <= end;
        }"""
    )
    assert seen


def test_what_changes(desk: Page) -> None:
    desk.goto(f"{DAY_PAGE}1/correct/")
    desk.get_by_label("Amount").fill("40.00")
    desk.get_by_label("Reason").select_option("wrong_price")
    desk.get_by_role("button", name="Show what changes").click()
    is_seen(desk.locator("#preview"))
    desk.get_by_label("Amount").fill("-40.00")
    desk.get_by_role("button", name="Show what changes").click()
    is_seen(desk.locator("[data-error-summary]"))
    expect(desk.locator("#id_amount_doubt")).to_be_visible()
    desk.get_by_label("An amount below zero is meant").check()
    desk.get_by_role("button", name="Show what changes").click()
    is_seen(desk.locator("#preview"))


def test_what_changes_about_many(desk: Page) -> None:
    desk.goto(f"{DAY_PAGE}correct/")
    desk.get_by_label("New price").fill("1")
    desk.get_by_label("Reason").select_option("wrong_price")
    desk.get_by_role("button", name="Show what changes").click()
    is_seen(desk.locator("#preview"))


def test_what_somebody_else_changed(desk: Page) -> None:
    desk.goto(f"{DAY_PAGE}1/correct/")
    make_correction(Entry.objects.get(sequence=1), amount=Decimal(50))
    desk.get_by_label("Amount").fill("40.00")
    desk.get_by_label("Reason").select_option("wrong_price")
    desk.get_by_role("button", name="Show what changes").click()
    is_seen(desk.locator("#meanwhile"))


def test_what_did_not_get_through(desk: Page) -> None:
    desk.goto(f"{DAY_PAGE}1/correct/")
    desk.get_by_label("Reason").select_option("wrong_price")

    def cut(route: Route, request: Request) -> None:
        if request.method == "POST":
            route.abort()
        else:
            route.continue_()

    desk.route("**/correct/", cut)
    desk.get_by_role("button", name="Show what changes").click()
    is_seen(desk.locator("form [data-failed]"))


def test_a_decision_on_a_message(desk: Page) -> None:
    site = FiscalDay.objects.get().site
    message = make_quarantined(site=site, reason=Quarantine.Reason.INVALID)
    desk.goto(f"/quarantine/{message.pk}/")
    desk.get_by_role("button", name="Dismiss").click()
    is_seen(desk.locator("#message_decide [data-error-summary]"))


def test_a_mended_message(desk: Page) -> None:
    site = FiscalDay.objects.get().site
    message = make_quarantined(site=site, raw=b'{"event": }', reason=Quarantine.Reason.INVALID)
    desk.goto(f"/quarantine/{message.pk}/mend/?as=text")
    desk.get_by_label("Message").fill('{"event": "opened"}')
    desk.get_by_role("button", name="See what changes").click()
    is_seen(desk.locator("[data-answer]"))


def test_a_decision_that_somebody_else_took(desk: Page) -> None:
    """A stale tab of the approvals: its answer comes on a page of its own."""
    proposal = make_correction(
        Entry.objects.get(sequence=1), needs_approval=True, amount=Decimal(40)
    )
    desk.context.clear_cookies()
    sign_in(desk, make_user(Role.APPROVER))
    desk.goto("/approvals/")
    Correction.objects.filter(pk=proposal.pk).update(
        status=Correction.Status.WITHDRAWN,
        decided_at=timezone.now(),
        decided_by=proposal.author,
    )
    desk.get_by_role("button", name="Approve", exact=True).click()
    is_seen(desk.locator(".said [data-error-summary]"))


def test_a_seal_that_cannot_be_set(desk: Page) -> None:
    FiscalDay.objects.update(closed_at=timezone.now())
    day = FiscalDay.objects.select_related("site").get()
    explain_all(day, make_user())
    seal_propose(day=day, proposed_by=make_user())
    desk.context.clear_cookies()
    sign_in(desk, make_user(Role.APPROVER))
    desk.goto(f"{DAY_PAGE}seal/")
    make_correction(Entry.objects.get(sequence=1), needs_approval=True, amount=Decimal(40))
    desk.get_by_role("button", name="Seal").click()
    is_seen(desk.locator("[data-error-summary]"))


@pytest.fixture
def phone(page: Page, day: FiscalDay) -> Page:
    """A phone's page of somebody who operates and settles."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(reduced_motion="reduce")
    sign_in(page, make_user(Role.STAFF))
    return page


def refuse(route: Route, request: Request) -> None:
    """Answer what stores something, and lists that are asked for, as while a day is locked."""
    if request.method == "POST" or request.headers.get("hx-target"):
        route.fulfill(status=503, headers={"X-Failure": "locked"})
    else:
        route.continue_()


def test_each_action_that_fails_on_a_phone(phone: Page, day: FiscalDay) -> None:
    """One after the other, each at its button at the end of a long page."""
    site = day.site
    make_day(site, fiscal_day=str(DAY + datetime.timedelta(days=1)), entries=60, last_sequence=70)
    Alarm.objects.create(
        site=site, device="tank", number=1, code="water", state="started", severity="critical",
        at=timezone.now(),
    )  # fmt: skip
    invalid = make_quarantined(site=site, reason=Quarantine.Reason.INVALID, raw=b'{"event": }')
    message = f"/quarantine/{invalid.pk}/"
    actions = (
        ("/sites/HILL/", "Request resend", "#operate"),
        ("", "Acknowledge", "#operate"),
        (DAY_PAGE, "Request resend", "#operate"),
        (message, "Dismiss", "#message_decide"),
        (f"{message}mend/?as=text", "See what changes", "#message_mend"),
        ("/quarantine/decide/", "Dismiss", "#quarantine_decide"),
    )
    phone.route("**/*", refuse)
    for path, button, place in actions:
        if path:
            phone.goto(path)
        phone.get_by_role("button", name=button).first.click()
        failed = phone.locator(f"{place} [data-failed]")
        expect(failed).to_contain_text("Somebody else is writing here")
        is_seen(failed)

    # The same of lists, which are as they were.
    late = f"/sites/HILL/days/{DAY + datetime.timedelta(days=1)}/"
    phone.goto(late)
    phone.locator("#entries-older").click()
    failed = phone.locator(".filter [data-failed]")
    expect(failed).to_contain_text("The list did not come")
    expect(failed).to_be_in_viewport(ratio=1)
    kind = phone.get_by_label("Kind", exact=True)
    kind.focus()
    kind.select_option(index=2)
    expect(failed).to_be_visible()
    expect(kind).to_be_focused()


def test_a_step_towards_the_seal_that_comes_too_late(phone: Page, day: FiscalDay) -> None:
    FiscalDay.objects.update(closed_at=timezone.now(), last_sequence=3)
    day = FiscalDay.objects.select_related("site").get()
    explain_all(day, make_user())
    page = f"{DAY_PAGE}reconciliation/"
    phone.goto(page)
    FiscalDay.objects.update(last_sequence=4)
    phone.get_by_role("button", name="Propose the seal").click()
    is_seen(phone.locator(".said [data-error-summary]"))
    FiscalDay.objects.update(last_sequence=3)
    seal_propose(day=day, proposed_by=make_user())
    phone.goto(page)
    day_seal(day=day, sealed_by=make_user(Role.APPROVER))
    phone.get_by_role("button", name="Withdraw the proposal").click()
    is_seen(phone.locator(".said [data-error-summary]"))
