"""Correcting as people do it: with and without scripts, alone and by two."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from console.models import Role
from ledger.models import Correction, Entry, EntryFlag, FiscalDay
from tests.browser.conftest import sign_in
from tests.factories import make_day, make_forecourt, make_user

DAY = datetime.date(2026, 11, 22)
DAY_PAGE = f"/sites/HILL/days/{DAY}/"
ENTRY = f"{DAY_PAGE}1/"


@pytest.fixture
def day(console_server: str) -> FiscalDay:
    """An open day of three sales of 47.93, of which the fourth is missing."""
    return make_day(make_forecourt("HILL", name="Hill Top"), last_sequence=4)


@pytest.fixture
def plain_page(browser: Browser, console_server: str) -> Page:
    """A window in which no script runs."""
    context = browser.new_context(base_url=console_server, java_script_enabled=False)
    return context.new_page()


def correct_the_amount(page: Page) -> None:
    """Look for the entry, state it anew, look at what changes, do it."""
    page.goto(ENTRY)
    page.get_by_role("link", name="Correct", exact=True).click()
    page.get_by_label("Amount").fill("40.00")
    page.get_by_label("Reason").select_option("wrong_price")
    page.get_by_role("button", name="Show what changes").click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("£47.93")
    expect(preview).to_contain_text("£40.00")
    assert not Correction.objects.exists()
    page.get_by_role("button", name="Correct entry 1").click()
    expect(page.get_by_text("Entry 1 is corrected")).to_be_visible()
    assert Correction.objects.get().amount == Decimal(40)


def test_staff_correct_an_entry(page: Page, day: FiscalDay) -> None:
    sign_in(page, make_user(Role.STAFF))
    correct_the_amount(page)


def test_staff_correct_an_entry_without_scripts(plain_page: Page, day: FiscalDay) -> None:
    sign_in(plain_page, make_user(Role.STAFF))
    correct_the_amount(plain_page)


def test_the_amount_follows_only_when_asked(page: Page, day: FiscalDay) -> None:
    sign_in(page, make_user(Role.STAFF))
    page.goto(f"{ENTRY}correct/")
    page.get_by_label("Price").fill("1.0000")
    suggestion = page.locator("#amount_suggestion")
    expect(suggestion).to_contain_text("Litres times price make £32.41.")
    expect(page.get_by_label("Amount")).to_have_value("47.93")
    suggestion.get_by_role("button", name="Use £32.41").click()
    expect(page.get_by_label("Amount")).to_have_value("32.41")
    expect(page.get_by_label("Price")).to_have_value("1.0000")


def test_two_people_void_an_entry_of_a_closed_day(page: Page, day: FiscalDay) -> None:
    FiscalDay.objects.filter(pk=day.pk).update(closed_at=timezone.now())
    sign_in(page, make_user(Role.STAFF, username="rosa"))
    page.goto(ENTRY)
    page.get_by_role("link", name="Void", exact=True).click()
    page.get_by_label("Reason").select_option("sold_twice")
    page.get_by_role("button", name="Propose to void entry 1").click()
    expect(page.get_by_text("waits for a second person")).to_be_visible()
    page.context.clear_cookies()
    sign_in(page, make_user(Role.APPROVER))
    page.get_by_role("link", name=re.compile("Approvals")).click()
    expect(page.get_by_text("rosa")).to_be_visible()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Entry 1 of Hill Top: approved.")).to_be_visible()
    page.goto(ENTRY)
    expect(page.get_by_text("Void: it counts for nothing")).to_be_visible()


def test_a_missing_entry_is_added(page: Page, day: FiscalDay) -> None:
    sign_in(page, make_user(Role.STAFF))
    page.goto(DAY_PAGE)
    page.get_by_role("link", name="Add entry 4 by hand").click()
    page.get_by_label("Product").select_option("B7")
    page.get_by_label("Volume", exact=True).or_(page.locator("#id_volume")).first.fill("8")
    page.get_by_label("Price").fill("1.5")
    page.get_by_role("button", name="Use £12.00").click()
    expect(page.get_by_label("Amount")).to_have_value("12.00")
    page.get_by_label("Occurred").fill("2026-11-22T14:30:00")
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("button", name="Add entry 4").click()
    expect(page.get_by_text("Entry 4 is added")).to_be_visible()
    assert Entry.objects.get(sequence=4).flag_list == [EntryFlag.MANUAL]


def test_many_get_a_new_price(page: Page, day: FiscalDay) -> None:
    sign_in(page, make_user(Role.STAFF))
    page.goto(DAY_PAGE)
    page.get_by_role("link", name="Correct several at once").click()
    page.get_by_label("New price").fill("1")
    page.get_by_label("Reason").select_option("wrong_price")
    page.get_by_role("button", name="Show what changes").click()
    expect(page.locator("#preview")).to_contain_text("3 entries change")
    page.get_by_role("button", name="Correct 3 entries").click()
    expect(page.get_by_text("3 entries corrected.")).to_be_visible()
    assert Correction.objects.count() == 3
