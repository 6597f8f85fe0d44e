"""What a person typed stays: when a session ended, after signing in anew, while a page moves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect

from console.models import Role, User
from ledger.models import Correction, FiscalDay, Quarantine
from ledger.services.announce import changes_announce
from tests.browser.conftest import sign_in
from tests.factories import PASSWORD, make_day, make_forecourt, make_quarantined, make_user

DAY_PAGE = "/sites/HILL/days/2026-11-22/"
CORRECT = f"{DAY_PAGE}1/correct/"


@pytest.fixture
def person(console_server: str) -> User:
    make_day(make_forecourt("HILL", name="Hill Top"))
    return make_user(Role.STAFF, username="rosa")


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def desk(
    request: pytest.FixtureRequest, browser: Browser, console_server: str, person: User
) -> Iterator[Page]:
    """A window that staff signed in to."""
    context = browser.new_context(base_url=console_server, java_script_enabled=request.param)
    desk = context.new_page()
    sign_in(desk, person)
    yield desk
    context.close()


def fill_in_the_sign_in(page: Page, username: str = "rosa") -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_session_that_ends_takes_nothing_with_it(desk: Page) -> None:
    desk.goto(CORRECT)
    Session.objects.all().delete()
    desk.get_by_label("Reason").select_option("wrong_price")
    desk.get_by_label("Note").fill("the till says 40")
    desk.get_by_label("Amount").fill("40.00")
    desk.get_by_role("button", name="Show what changes").click()

    expect(desk.get_by_text("nothing was stored")).to_be_visible()
    fill_in_the_sign_in(desk)

    expect(desk.get_by_text("Nothing of it was sent")).to_be_visible()
    expect(desk).to_have_url(re.compile(f"{CORRECT}\\?typed="))
    expect(desk.get_by_label("Amount")).to_have_value("40.00")
    expect(desk.get_by_label("Note")).to_have_value("the till says 40")
    expect(desk.get_by_label("Reason")).to_have_value("wrong_price")
    desk.get_by_role("button", name="Show what changes").click()
    expect(desk.locator("#preview")).to_contain_text("£40.00")
    desk.get_by_role("button", name="Correct entry 1").click()
    expect(desk.get_by_text("Entry 1 is corrected")).to_be_visible()
    assert Correction.objects.get().note == "the till says 40"


def test_who_signed_in_anew_in_another_window_sends_once_more(desk: Page) -> None:
    desk.goto(CORRECT)
    desk.get_by_label("Amount").fill("40.00")
    other = desk.context.new_page()
    other.context.clear_cookies(name="sessionid")
    sign_in(other, User.objects.get())
    other.close()
    desk.get_by_role("button", name="Show what changes").click()

    expect(desk.get_by_text("Nothing of it was sent")).to_be_visible()
    expect(desk.get_by_label("Amount")).to_have_value("40.00")
    desk.get_by_label("Reason").select_option("wrong_price")
    desk.get_by_role("button", name="Show what changes").click()
    expect(desk.locator("#preview")).to_contain_text("£40.00")


def test_somebody_else_who_signs_in_sees_nothing_of_it(desk: Page) -> None:
    make_user(Role.STAFF, username="kim")
    desk.goto(CORRECT)
    Session.objects.all().delete()
    desk.get_by_label("Note").fill("rosa's own words")
    desk.get_by_role("button", name="Show what changes").click()
    fill_in_the_sign_in(desk, "kim")

    expect(desk.get_by_text("somebody else's")).to_be_visible()
    desk.goto(CORRECT)
    expect(desk.get_by_label("Note")).to_have_value("")


def test_the_page_that_asks_to_sign_in_bars_nobody(page: Page, person: User) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    sign_in(page, person)
    page.goto(CORRECT)
    Session.objects.all().delete()
    page.get_by_role("button", name="Show what changes").click()
    expect(page.get_by_text("nothing was stored")).to_be_visible()

    results = Axe().run(page)
    assert not results.violations_count, results.generate_report()
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


def test_a_check_while_one_types_says_so_and_touches_nothing(page: Page, person: User) -> None:
    sign_in(page, person)
    page.goto(CORRECT)
    Session.objects.all().delete()
    page.get_by_label("Price").press_sequentially("9")
    expect(page.locator("[data-signed-out]")).to_be_visible()

    page.get_by_label("Note").press_sequentially("still here")
    expect(page.get_by_label("Note")).to_be_focused()
    expect(page.get_by_label("Note")).to_have_value("still here")
    expect(page.get_by_label("Price")).to_have_value("91.4790")


def test_a_page_that_polls_is_not_loaded_anew_over_half_typed_text(
    page: Page, person: User
) -> None:
    message = make_quarantined(outcome=Quarantine.Outcome.WAITING)
    sign_in(page, person)
    page.goto(f"/quarantine/{message.pk}/")
    page.get_by_label("Reason").fill("half a tho")
    Session.objects.all().delete()
    # As the stream's end and a refused poll ask for it.
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('page:reload', {cancelable: true}))"
        " && location.reload()"
    )
    expect(page.locator("[data-signed-out]")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("half a tho")
    page.get_by_role("button", name="Dismiss").click()
    fill_in_the_sign_in(page)
    expect(page.get_by_label("Reason")).to_have_value("half a tho")
    assert Quarantine.objects.get().outcome == "waiting"


def test_no_keystroke_is_lost_while_live_updates_arrive(page: Page, person: User) -> None:
    """A filter and the site switcher of a page that streams, typed into while it changes."""
    sign_in(page, person)
    page.goto(DAY_PAGE)
    expect(page.locator("#live-mark")).to_have_attribute("data-state", "streaming")
    page.evaluate("window.wasNotReloaded = true")
    day = FiscalDay.objects.get()
    # One more entry is missing with each key, which the streamed piece says.
    missing = 0
    fields = (("textbox", "Fuelling point", "12345"), ("combobox", "Go to a site", "Hill"))
    for role, label, text in fields:
        field = page.get_by_role(role, name=label)
        field.focus()
        for key in text:
            page.keyboard.press(key)
            missing += 1
            FiscalDay.objects.filter(pk=day.pk).update(highest_sequence=3 + missing)
            changes_announce(site_ids=[day.site_id])
            expect(page.locator("#day_state")).to_contain_text(
                re.compile(rf"\b{missing} entr(y|ies) missing")
            )
            expect(field).to_be_focused()
        expect(field).to_have_value(text)
    assert page.evaluate("window.wasNotReloaded")
