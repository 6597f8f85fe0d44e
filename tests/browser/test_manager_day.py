"""A site manager's day at the console: a real broker, worker, server and browser."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from console.models import Role, User
from ledger.models import AlarmAcknowledgement, Command, Site
from tests.browser.conftest import running_console, sign_in
from tests.browser.controller import TODAY, WAIT_S, Controller, until
from tests.conftest import free_port
from tests.factories import make_day, make_user


@pytest.fixture
def manager(site: Site) -> User:
    return make_user(Role.MANAGER, site, first_name="Maja", last_name="Lindqvist")


def open_the_day(controller: Controller) -> None:
    """What the controller says first thing in the morning."""
    controller.say("status", online=True, controller="PTS-2")
    controller.say("day", event="opened", fiscal_day=TODAY)
    controller.say("tanks/1", product="E10", volume="18250.000", water="3", temperature="11.2")
    for number in (1, 2):
        controller.pump(number, "idle")


def expect_mark(page: Page, words: str) -> None:
    expect(page.locator("#live-mark")).to_contain_text(words, timeout=1_000 * WAIT_S)


def test_a_manager_s_day(
    page: Page, manager: User, controller: Controller, start_worker: Callable[[], None]
) -> None:
    start_worker()
    open_the_day(controller)
    sign_in(page, manager)
    page.goto("/sites/S1/")
    expect_mark(page, "Streaming")
    page.evaluate("window.wasNotReloaded = true")
    point = page.get_by_role("article", name="Fuelling point 1")
    expect(point).to_contain_text("Idle")
    expect(page.locator("#tank-1")).to_contain_text("18,250")

    # A customer lifts the nozzle, fuels and hangs up; the sale shows its total, then its entry.
    controller.pump(1, "calling", nozzle=1, product="E10")
    expect(point).to_contain_text("Calling")
    controller.pump(1, "fuelling", nozzle=1, product="E10", volume="12.31", amount="18.21")
    expect(point).to_contain_text("Fuelling")
    expect(point).to_contain_text("12.31")
    expect(point).to_contain_text("£18.21")
    controller.pump(1, "idle", nozzle=1, product="E10", volume="40.00", amount="59.16")
    expect(point).to_contain_text("Sale ended")
    expect(point).to_contain_text("£59.16")
    controller.sell(1)
    day_card = page.get_by_role("region", name="Fiscal day")
    expect(day_card).to_contain_text("Complete so far: the one entry is here")
    latest = page.get_by_role("region", name="Latest entries")
    expect(latest.get_by_role("link", name="1", exact=True)).to_be_visible()

    # What the manager chose stays through all that streams in.
    hours = page.get_by_role("region", name="Today by hour")
    hours.get_by_role("radio", name="Amount").check()
    hours.locator(".by-hour--amount [tabindex='0']").last.focus()
    page.keyboard.press("Home")
    page.evaluate("window.chosen = document.activeElement")

    # Two entries get lost on the way.
    for sequence in (2, 3):
        controller.sell(sequence, is_lost=True)
    controller.sell(4)
    expect(day_card).to_contain_text("2 entries missing: 2 and 3")
    expect(hours.get_by_role("radio", name="Amount")).to_be_checked()
    expect(hours.locator(".by-hour--amount")).to_be_visible()
    expect(hours.locator(".by-hour--volume")).to_be_hidden()
    assert page.evaluate("document.activeElement === window.chosen")
    assert page.evaluate("window.wasNotReloaded")

    # The day's page asks for them, says how far that is, and heals.
    day_card.get_by_role("link", name="2026").click()
    expect_mark(page, "Streaming")
    page.evaluate("window.wasNotReloaded = true")
    main = page.locator("main")
    expect(main).to_contain_text("2 entries missing: 2 and 3")
    button = page.get_by_role("button", name="Request resend")
    button.focus()
    page.keyboard.press("Enter")
    expect(main).to_contain_text("2 entries requested by Maja Lindqvist")
    expect(main).to_contain_text("All have arrived")
    expect(main).to_contain_text("Complete so far: every entry from 1 to 4 is here")
    expect(button).to_have_count(0)
    assert page.evaluate("document.activeElement.className") == "resend"
    assert page.evaluate("window.wasNotReloaded")
    assert controller.commands == [{"command": "resend", "fiscal_day": TODAY, "ranges": [[2, 3]]}]

    # An alarm starts, somebody takes note, and it ends.
    page.get_by_role("link", name="Harbour Road").click()
    expect_mark(page, "Streaming")
    alarm = {"device": "tank", "number": 1, "code": "high_water", "text": "Water in tank 1"}
    controller.say("alarms", **alarm, state="started", severity="critical")
    status = page.get_by_role("region", name="State of the site")
    expect(status).to_contain_text("Water in tank 1")
    alarms = page.get_by_role("region", name="Alarms")
    alarms.get_by_role("button", name="Acknowledge Water in tank 1").click()
    expect(alarms).to_contain_text("Acknowledged by Maja Lindqvist")
    expect(alarms.get_by_role("button")).to_have_count(0)
    expect(status).not_to_contain_text("Water in tank 1")
    controller.say("alarms", **alarm, state="finished")
    expect(alarms).to_contain_text("Over")
    assert AlarmAcknowledgement.objects.get().acknowledged_by == manager


def test_the_stream_is_lost_and_comes_back(
    browser: Browser,
    console_environment: dict[str, str],
    manager: User,
    controller: Controller,
    start_worker: Callable[[], None],
) -> None:
    start_worker()
    open_the_day(controller)
    port = free_port()
    with running_console(console_environment, port) as address:
        page = browser.new_page(base_url=address, viewport={"width": 390, "height": 780})
        sign_in(page, manager)
        page.goto("/sites/S1/")
        expect_mark(page, "Streaming")
        point = page.get_by_role("article", name="Fuelling point 2")
        expect(point).to_contain_text("Idle")
        page.evaluate("window.wasNotReloaded = true")

    # Nobody answers: the page says so in sight of whoever reads on below, and looks old.
    expect_mark(page, "Stale since")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("#live-mark")).to_be_in_viewport()
    assert "grayscale" in page.evaluate("getComputedStyle(document.querySelector('.live')).filter")
    controller.pump(2, "calling")

    # The stream stays away, the server is back: the page polls.
    page.route("**/live/**", lambda route: route.fulfill(status=503))
    with running_console(console_environment, port):
        expect_mark(page, "Polling")
        expect(point).to_contain_text("Calling")
        page.unroute("**/live/**")
        expect_mark(page, "Streaming")
        controller.pump(2, "fuelling", product="E10", volume="1.00", amount="1.48")
        expect(point).to_contain_text("Fuelling")
        assert page.evaluate("window.wasNotReloaded")
        page.context.close()


def test_a_request_that_nobody_answers_is_offered_again(
    page: Page,
    manager: User,
    controller: Controller,
    start_worker: Callable[[], None],
    database_url: str,
) -> None:
    controller.is_deaf = True
    controller.sell(1, is_lost=True)
    controller.sell(2)
    start_worker()
    until(database_url, "SELECT highest_sequence - entry_count FROM fiscal_day", 1)
    sign_in(page, manager)
    page.goto("/sites/S1/")
    day_card = page.get_by_role("region", name="Fiscal day")
    day_card.get_by_role("button", name="Request resend").click()
    expect(day_card).to_contain_text("Waiting for the site's answer")
    # Two minutes later.
    earlier = Command.objects.get().sent_at - datetime.timedelta(minutes=3)  # type: ignore[operator]
    Command.objects.update(sent_at=earlier)
    controller.pump(1, "idle")
    expect(day_card).to_contain_text("The site has sent none of them")
    controller.is_deaf = False
    day_card.get_by_role("button", name="Request again").click()
    expect(day_card).to_contain_text("It has arrived")
    assert len(controller.commands) == 2


def test_a_request_works_without_scripts(
    browser: Browser, console_server: str, manager: User, site: Site
) -> None:
    make_day(site, fiscal_day=TODAY, entries=1, last_sequence=3)
    context = browser.new_context(base_url=console_server, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, manager)
    page.goto(f"/sites/S1/days/{TODAY}/")
    page.get_by_role("button", name="Request resend").click()
    expect(page).to_have_url(f"/sites/S1/days/{TODAY}/")
    expect(page.locator("main")).to_contain_text("2 entries requested by Maja Lindqvist")
    context.close()


def test_who_only_reads_is_offered_no_button(page: Page, site: Site) -> None:
    make_day(site, fiscal_day=TODAY, entries=1, last_sequence=3)
    sign_in(page, make_user(Role.AUDITOR))
    for path in ("/sites/S1/", f"/sites/S1/days/{TODAY}/"):
        page.goto(path)
        expect(page.locator("main")).to_contain_text("2 entries missing: 2 and 3")
        expect(page.get_by_role("button", name="Request resend")).to_have_count(0)


def test_what_does_not_get_through_says_so(page: Page, manager: User, site: Site) -> None:
    make_day(site, fiscal_day=TODAY, entries=1, last_sequence=3)
    sign_in(page, manager)
    page.goto("/sites/S1/")
    page.route("**/resend/", lambda route: route.fulfill(status=500))
    button = page.get_by_role("button", name="Request resend")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("That did not get through")
    page.unroute("**/resend/")
    button.click()
    expect(page.locator("main")).to_contain_text("2 entries requested by Maja Lindqvist")
    expect(page.get_by_role("alert")).to_have_count(0)
