"""What a person does on the console's pages, with the keyboard where there is one."""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from console.models import Role
from ledger.models import AuditEvent, Kind, SiteStatus
from tests.browser.conftest import sign_in
from tests.factories import (
    make_day,
    make_entry,
    make_forecourt,
    make_pulse,
    make_site,
    make_status,
    make_user,
)

DAY = "2026-11-21"
#: More stops than any of these pages has.
STOPS_MAX = 150
#: How much of a page jumped, as browsers measure it (cumulative layout shift); 0.1 is called good.
JUMPED_MAX = 0.005
JUMPED = """() => new Promise(resolve => {
  let sum = 0;
  const observer = new PerformanceObserver(list => {
    for (const entry of list.getEntries()) sum += entry.value;
  });
  observer.observe({ type: "layout-shift", buffered: true });
  // What is buffered is delivered before the frame after the next.
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
})"""
#: A phone at the edge of a cell, so that scripts come well after what they work on.
SLOW_NETWORK = {
    "offline": False,
    "latency": 50,
    "downloadThroughput": 200 * 1024,
    "uploadThroughput": 200 * 1024,
}
#: What has the focus, whether it shows it, and whether it lies where one can see it.
FOCUSED = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  // A field's frame shows the focus of what is inside; a radio's label that of its choice.
  const framed = [focused, focused.parentElement, focused.parentElement.parentElement];
  const styles = framed.map(each => getComputedStyle(each));
  const box = focused.closest("label, a, button, summary, input, select, [tabindex]")
    .getBoundingClientRect();
  return {
    what: focused.outerHTML.slice(0, 160),
    isMarked: styles.some(style => style.outlineStyle !== "none" && style.outlineWidth !== "0px"),
    isSeen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


def test_a_wrong_password_says_so_and_the_right_one_goes_on(page: Page) -> None:
    user = make_user()
    page.goto("/ledger/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Please enter a correct username")
    sign_in(page, user)
    page.goto("/ledger/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ledger")


def test_the_switcher_works_by_keyboard(page: Page) -> None:
    make_site("A1", name="Harbour Road")
    make_site("B2", name="Harbour Lane")
    make_site("C3", name="Elsewhere")
    sign_in(page, make_user())
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Go to a site")
    expect(box).to_be_focused()
    page.keyboard.type("harb")
    options = page.locator("#switcher-options").get_by_role("option")
    expect(options).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/sites/B2/$"))


def test_escape_closes_the_switcher(page: Page) -> None:
    make_site("A1", name="Harbour Road")
    sign_in(page, make_user())
    page.keyboard.press("/")
    expect(page.locator("#switcher-options")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#switcher-options")).to_be_hidden()
    expect(page.get_by_role("combobox", name="Go to a site")).to_be_focused()


def test_what_was_typed_finds_sites_without_choosing(page: Page) -> None:
    make_site("A1", name="Harbour Road")
    make_site("B2", name="Harbour Lane")
    make_site("C3", name="Elsewhere")
    sign_in(page, make_user())
    page.keyboard.press("/")
    page.keyboard.type("harb")
    expect(page.locator("#switcher-options").get_by_role("option")).to_have_count(2)
    page.keyboard.press("Enter")
    expect(page.locator("#network_sites").get_by_role("row")).to_have_count(3)


def test_lists_are_walked_through_with_the_arrow_keys(page: Page) -> None:
    for code in ("A1", "B2", "C3"):
        make_site(code)
    sign_in(page, make_user())
    links = page.locator(".site-row__link")
    links.first.focus()
    for key, at in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowDown", 2), ("ArrowUp", 1)):
        page.keyboard.press(key)
        expect(links.nth(at)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/sites/B2/$"))


def test_escape_closes_the_menu_and_leaves_the_focus_where_it_was_opened(page: Page) -> None:
    sign_in(page, make_user())
    menu = page.locator(".account summary")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(menu).to_be_focused()


def test_the_first_tab_skips_to_the_content(page: Page) -> None:
    sign_in(page, make_user())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("path", ["/", "/sites/S1/", f"/sites/S1/days/{DAY}/", "/ledger/"])
def test_whatever_has_the_focus_shows_it(page: Page, path: str) -> None:
    """All the way through the page by Tab: each stop has a mark, and no stop is hidden."""
    make_day(make_forecourt("S1"), fiscal_day=DAY, entries=5, last_sequence=6)
    sign_in(page, make_user())
    page.goto(path)
    reached: list[str] = []
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None or len(reached) == STOPS_MAX:
            break
        reached.append(stop["what"])
        assert stop["isMarked"], stop["what"]
        assert stop["isSeen"], stop["what"]
    assert len(reached) > 15
    assert len(reached) < STOPS_MAX


@pytest.mark.parametrize("path", ["/", "/sites/S1/", f"/sites/S1/days/{DAY}/"])
def test_a_page_of_a_phone_is_painted_where_it_stays(page: Page, path: str) -> None:
    """Times become ages and the ingest folds up before anything is seen, not after."""
    site = make_forecourt("S1", fuelling_points=4)
    make_day(site, fiscal_day=DAY, entries=5, last_sequence=6, closed_at=timezone.now())
    make_status(site, online=False)
    # Long silent, so that nothing new is to be said while the page is looked at.
    make_pulse("ingest", timezone.now() - datetime.timedelta(hours=1))
    page.set_viewport_size({"width": 360, "height": 2000})
    sign_in(page, make_user(Role.ADMINISTRATOR))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    network.send("Network.emulateNetworkConditions", SLOW_NETWORK)
    page.goto(path)
    expect(page.locator("#live-mark")).to_have_text("Streaming")
    assert page.evaluate(JUMPED) < JUMPED_MAX


def test_the_theme_is_remembered(page: Page) -> None:
    sign_in(page, make_user())
    page.emulate_media(color_scheme="light")
    page.get_by_text("Staff").first.click()
    page.get_by_text("Dark").click()
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 21)"
    page.get_by_text("Staff").first.click()
    page.get_by_text("Auto").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(14, 17, 21)"


def test_sites_are_narrowed_down_and_back(page: Page) -> None:
    make_site("A1", name="Harbour Road")
    make_site("C3", name="Elsewhere")
    sign_in(page, make_user())
    rows = page.locator(".site-row")
    expect(rows).to_have_count(2)
    page.get_by_label("Find a site").fill("harbour")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("q=harbour"))
    page.go_back()
    expect(rows).to_have_count(2)


def test_entries_are_narrowed_down_and_turned(page: Page) -> None:
    site = make_forecourt("S1")
    make_day(site, fiscal_day=DAY, entries=60)
    make_entry(site, fiscal_day=DAY, sequence=61, kind=Kind.TEST)
    sign_in(page, make_user())
    page.goto(f"/sites/S1/days/{DAY}/")
    expect(page.locator(".entry-link")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".entry-link")).to_have_count(11)
    expect(page).to_have_url(re.compile("before=12"))
    page.get_by_label("Kind").select_option("Pump test")
    expect(page.locator(".entry-link")).to_have_count(1)
    page.locator(".entry-link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Entry 61")


def test_the_mark_says_that_the_page_is_live(page: Page) -> None:
    site = make_forecourt("S1")
    SiteStatus.objects.create(site=site, online=True, last_heard_at=timezone.now())
    sign_in(page, make_user())
    expect(page.locator("#live-mark")).to_have_text("Streaming")
    page.goto("/sites/S1/")
    expect(page.locator("#live-mark")).to_have_text("Streaming")
    page.goto("/ledger/")
    expect(page.locator("#live-mark")).to_contain_text("As of")


def test_lists_over_sites_are_by_the_reader_s_clock_and_a_site_by_its_own(
    browser: Browser, console_server: str
) -> None:
    at = datetime.datetime(2026, 11, 21, 23, 7, 11, tzinfo=datetime.UTC)
    site = make_forecourt("S1", timezone="Asia/Kathmandu")
    make_day(site, fiscal_day=DAY, closed_at=at, opened_at=at)
    make_status(site)
    AuditEvent.objects.create(at=at, actor_name="x", action="day.closed", site=site)
    context = browser.new_context(base_url=console_server, timezone_id="America/St_Johns")
    page = context.new_page()
    sign_in(page, make_user())
    zone = page.locator("[data-zone-words]")
    main = page.locator("main")
    page.goto("/audit/")
    expect(zone).to_have_text("America/St_Johns")
    expect(main.locator("time").first).to_have_text("21 Nov 2026, 19:37:11")
    # What does not stream says when it was made, by the same clock.
    made = page.locator("#live-mark").get_attribute("data-rendered-at")
    assert made is not None
    local = datetime.datetime.fromisoformat(made).astimezone(ZoneInfo("America/St_Johns"))
    expect(page.locator("#live-mark")).to_have_text(f"As of {local:%H:%M}")
    page.goto("/days/")
    expect(main).to_contain_text("21 Nov, 19:37")
    page.goto("/")
    expect(zone).to_have_text("America/St_Johns")
    heard = page.locator("#network_sites time[title]").first
    expect(heard).to_have_attribute("title", re.compile("NST|GMT-3:30"))
    page.goto(f"/sites/S1/days/{DAY}/")
    expect(zone).to_have_text("Asia/Kathmandu")
    expect(main).to_contain_text("22 Nov, 04:52")
    page.goto("/sites/S1/")
    title = page.locator("#site_status time[title]").first
    expect(title).to_have_attribute("title", re.compile(r"\+0545$"))
    context.close()


def test_a_page_is_live_in_a_browser_that_does_not_know_its_zone(page: Page) -> None:
    make_status(make_forecourt("S1", timezone="Asia/Kathmandu"))
    # A phone of some years ago knows no name that a zone has got since.
    page.add_init_script("""
      Intl.DateTimeFormat = new Proxy(Intl.DateTimeFormat, {
        construct(known, [language, options]) {
          if (options?.timeZone === "Asia/Kathmandu") throw new RangeError("no such time zone");
          return new known(language, options);
        },
      });
    """)
    sign_in(page, make_user())
    page.goto("/sites/S1/")
    expect(page.locator("#live-mark")).to_have_text("Streaming")
    expect(page.locator("[data-zone-words]")).to_have_text("Asia/Kathmandu")


@pytest.mark.parametrize("path", ["/", "/sites/S1/", f"/sites/S1/days/{DAY}/", "/ledger/"])
def test_pages_are_readable_without_scripts(
    browser: Browser, console_server: str, path: str
) -> None:
    site = make_forecourt("S1", name="Harbour Road")
    make_day(site, fiscal_day=DAY, entries=2)
    context = browser.new_context(base_url=console_server, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, make_user(Role.MANAGER, site))
    page.goto(path)
    expect(page.locator("main")).to_contain_text("£95.86")
    expect(page.locator(".theme")).to_be_hidden()
    context.close()


def test_nothing_breaks_the_content_security_policy(page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    site = make_forecourt("S1")
    make_day(site, fiscal_day=DAY)
    sign_in(page, make_user())
    for path in ("/", "/sites/S1/", f"/sites/S1/days/{DAY}/", "/ledger/", "/quarantine/"):
        page.goto(path)
        expect(page.locator("main")).to_be_visible()
    assert [text for text in said if "Content Security Policy" in text] == []


def test_back_shows_nothing_to_who_sits_there_after_signing_out(page: Page) -> None:
    make_site("A1", name="Harbour Road")
    sign_in(page, make_user())
    page.goto("/sites/A1/")
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/")
    page.go_back()
    expect(page).to_have_url(re.compile("/sign-in/"))
    expect(page.get_by_text("Harbour Road")).to_have_count(0)
