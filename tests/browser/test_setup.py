"""An administrator registers a site with all that stands on it, and lets a person in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect

from console.models import Role, User
from ledger.models import AuditEvent, Nozzle, Product, Site
from tests.browser.conftest import sign_in
from tests.factories import make_forecourt, make_user


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def visitor(
    request: pytest.FixtureRequest, browser: Browser, console_server: str
) -> Iterator[Page]:
    context = browser.new_context(base_url=console_server, java_script_enabled=request.param)
    yield context.new_page()
    context.close()


def fill_row(page: Page, prefix: str, **values: str) -> None:
    for name, value in values.items():
        field = page.locator(f"[name={prefix}-{name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def test_a_site_and_a_person_with_an_error_on_the_way(visitor: Page) -> None:
    page = visitor
    sign_in(page, make_user(Role.ADMINISTRATOR))

    page.goto("/new-site/")
    page.get_by_label("Code", exact=True).fill("no code")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_label("Currency").fill("EUR")
    page.get_by_role("button", name="Register the site").click()
    summary = page.locator("[data-error-summary]")
    expect(summary).to_contain_text("Only letters, digits and hyphens")
    expect(page.get_by_label("Code", exact=True)).to_have_value("no code")
    summary.get_by_role("link", name="Name").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("Kiel Hafen")
    page.get_by_label("Code", exact=True).fill("DE-KIEL")
    page.get_by_role("button", name="Register the site").click()

    expect(page.get_by_role("status").filter(has_text="Kiel Hafen is registered")).to_be_visible()
    page.get_by_role("button", name="Add a product").click()
    expect(page.locator("[name=products-0-code]")).to_be_focused()
    fill_row(page, "products-0", code="E10", name="Super E10", family="petrol", unit_price="1.799")
    page.get_by_role("button", name="Save Kiel Hafen").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()

    page.get_by_role("link", name="Tanks").click()
    page.get_by_role("button", name="Add a tank").click()
    fill_row(page, "tanks-0", number="1", product="E10", capacity="30000", low_mark="40000")
    page.get_by_role("button", name="Save Kiel Hafen").click()
    expect(page.locator("[data-error-summary]")).to_contain_text("Tank 1, Low mark")
    page.locator("[name=tanks-0-low_mark]").fill("4000")
    page.get_by_role("button", name="Save Kiel Hafen").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()

    page.get_by_role("link", name="Fuelling points").click()
    page.get_by_role("button", name="Add a fuelling point").click()
    fill_row(page, "fuelling_points-0", number="1", bay="1")
    page.get_by_role("button", name="Add a nozzle").click()
    expect(page.locator("[name=fuelling_points-0-number]")).to_have_value("1")
    fill_row(page, "nozzles-0", fuelling_point="1", number="1", product="E10", tank="1")
    page.get_by_role("button", name="Save Kiel Hafen").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()

    page.goto("/people/new/")
    page.get_by_label("Username").fill("kim")
    page.get_by_role("textbox", name="Sites (optional)").fill("DE-KIEL")
    page.get_by_label("Password", exact=True).fill("a long enough secret")
    page.get_by_label("The same password again").fill("a long enough secret")
    page.get_by_role("button", name="Let the person in").click()
    expect(page.get_by_role("status").filter(has_text="kim can sign in now")).to_be_visible()

    site = Site.objects.get()
    assert list(Nozzle.objects.values_list("site_id", "product", "tank")) == [(site.pk, "E10", 1)]
    assert [site.code for site in User.objects.get(username="kim").sites.all()] == ["DE-KIEL"]
    assert AuditEvent.objects.count() == 6


def test_two_people_at_the_prices_of_a_site(visitor: Page) -> None:
    make_forecourt("S1", name="Harbour")
    sign_in(visitor, make_user(Role.STAFF, first_name="Maja", last_name="Lindqvist"))
    visitor.goto("/sites/S1/setup/products/")
    first = visitor.locator("[name=products-0-unit_price]")
    save = visitor.get_by_role("button", name="Save Harbour")
    # The second person, in a window of their own, is faster.
    other = visitor.context.browser.new_context(base_url=visitor.url)  # type: ignore[union-attr]
    second = other.new_page()
    sign_in(second, make_user(Role.STAFF, first_name="Kim", last_name="Okafor"))
    second.goto("/sites/S1/setup/products/")
    second.locator("[name=products-1-unit_price]").fill("1.599")
    second.get_by_role("button", name="Save Harbour").click()
    expect(second.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    other.close()

    first.fill("1.655")
    save.click()
    told = visitor.locator("[data-error-summary]")
    expect(told).to_contain_text("Kim Okafor")
    expect(told).to_contain_text(re.compile(r"Product E10, Price:\s+1\.479\s+is now\s+1\.599"))
    expect(first).to_have_value("1.655")
    assert Product.objects.get(code="E10").unit_price == Decimal("1.599")
    visitor.locator("[name=products-1-unit_price]").fill("1.599")
    save.click()
    expect(visitor.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    assert {str(each.unit_price) for each in Product.objects.all()} == {"1.5990", "1.6550"}


def test_errors_take_the_focus_and_a_field_is_checked_as_it_is_left(page: Page) -> None:
    make_forecourt("TAKEN", name="Old Kiel")
    sign_in(page, make_user(Role.ADMINISTRATOR))
    page.goto("/new-site/")
    page.get_by_label("Code", exact=True).fill("taken")
    page.get_by_label("Name", exact=True).press_sequentially("Kiel")
    error = page.locator("#id_code_error")
    expect(error).to_have_text("Old Kiel has this code already.")
    # The answer touched neither the focus nor what is half typed.
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Kiel")
    page.get_by_label("Code", exact=True).fill("NEW")
    page.get_by_label("Code", exact=True).blur()
    expect(error).to_have_count(0)
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_role("button", name="Register the site").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.get_by_label("Code", exact=True)).to_have_value("NEW")


def test_what_did_not_get_through_says_so_and_stays(page: Page) -> None:
    sign_in(page, make_user(Role.ADMINISTRATOR))
    page.goto("/new-site/")
    page.get_by_label("Name", exact=True).fill("Kiel")
    page.context.set_offline(True)
    page.get_by_role("button", name="Register the site").click()
    expect(page.locator("[data-failed]")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Kiel")
    page.context.set_offline(False)


def test_what_is_touched_on_a_phone_is_large_enough(page: Page) -> None:
    make_forecourt("S1")
    person = make_user(Role.ADMINISTRATOR)
    sign_in(page, person)
    page.set_viewport_size({"width": 360, "height": 800})
    pages = ["/new-site/", "/people/new/", f"/people/{person.pk}/"]
    pages += [f"/sites/S1/setup/{part}" for part in ("", "products/", "tanks/", "points/")]
    for path in pages:
        page.goto(path)
        small = page.locator("form.form :is(.button, select, input[type=text])").evaluate_all(
            "found => found.filter(e => e.checkVisibility() && e.offsetHeight < 40)"
            ".map(e => e.outerHTML)"
        )
        assert small == [], path
