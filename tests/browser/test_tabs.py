"""Many tabs of one browser, which has six connections to a host over HTTP/1.1 for all of them."""

from __future__ import annotations

import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect
from prometheus_client.parser import text_string_to_metric_families

from tests.browser.conftest import METRICS_TOKEN, sign_in
from tests.factories import make_user

if TYPE_CHECKING:
    from ledger.models import Site

TABS = 12
#: As `static/console/live.js` has it.
STREAMS_PER_BROWSER_MAX = 3
WAIT_S = 15
#: Makes a tab one that was opened in the background: headless tabs are all in the foreground.
IN_BACKGROUND = """
let isHidden = true;
Object.defineProperty(Document.prototype, "hidden", { get: () => isHidden });
window.lookAt = (isLookedAt) => {
  isHidden = !isLookedAt;
  document.dispatchEvent(new Event("visibilitychange"));
};
"""


@pytest.fixture
def site_page(page: Page, site: Site) -> Page:
    """A page of somebody who signed in, at an address that streams nothing."""
    sign_in(page, make_user())
    page.goto("/reports/")
    return page


def streams(address: str) -> int:
    asked = urllib.request.Request(
        f"{address}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}
    )
    with urllib.request.urlopen(asked, timeout=WAIT_S) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                if sample.name == "forecourt_console_streams":
                    return int(sample.value)
    raise AssertionError("the console does not count its streams")


def expect_streams(address: str, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while (found := streams(address)) != count:
        assert time.monotonic() < deadline, f"{found} streams, not {count}"
        time.sleep(0.05)


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("#live-mark")).to_have_attribute("data-state", state)


def test_tabs_in_the_background_hold_no_stream_and_each_is_live_once_looked_at(
    site_page: Page, console_server: str
) -> None:
    expect_streams(console_server, 0)
    tabs = []
    for _ in range(TABS):
        tab = site_page.context.new_page()
        tab.add_init_script(IN_BACKGROUND)
        # Which waits for all that the page needs.
        tab.goto("/sites/S1/", wait_until="load")
        tabs.append(tab)
    assert streams(console_server) == 0
    for tab in tabs:
        tab.evaluate("lookAt(true)")
        expect_state(tab, "streaming")
        expect_streams(console_server, 1)
        tab.evaluate("lookAt(false)")
        expect_state(tab, "still")
    expect_streams(console_server, 0)


def test_windows_side_by_side_share_a_few_streams_and_the_others_poll(
    site_page: Page, console_server: str
) -> None:
    windows = []
    for number in range(TABS):
        window = site_page.context.new_page()
        window.goto("/sites/S1/", wait_until="load")
        expect_state(window, "streaming" if number < STREAMS_PER_BROWSER_MAX else "polling")
        windows.append(window)
    expect(windows[-1].locator("#live-mark")).to_contain_text("other windows stream")
    assert streams(console_server) == STREAMS_PER_BROWSER_MAX
    # And no request waits for one of them.
    site_page.goto("/sites/S1/days/", wait_until="load")
    # Who closes one leaves its stream to another.
    windows[0].close()
    expect_streams(console_server, STREAMS_PER_BROWSER_MAX)
