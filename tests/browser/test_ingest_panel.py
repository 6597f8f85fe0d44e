"""Reading the ingest's charts: with the pointer, and by keyboard."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from console.models import Role
from tests.browser.conftest import sign_in
from tests.factories import make_pulse, make_user
from tests.live import notify


@pytest.fixture
def newest(page: Page) -> datetime.datetime:
    """The newest whole minute on the network page; it and those around it all have events.

    Also the one that begins, so that a test may run while one minute becomes the next.
    """
    newest = timezone.now().replace(second=30, microsecond=0) - datetime.timedelta(minutes=1)
    for ago in range(-1, 4):
        make_pulse(
            "east",
            newest - datetime.timedelta(minutes=ago),
            received=6_000 * (ago + 2),
            batches=1,
            latency_ms_p50=4.0,
            latency_ms_p99=12.0,
        )
    sign_in(page, make_user(Role.ADMINISTRATOR))
    return newest


def minute(page: Page, place: int) -> str:
    """What the table says of a minute, 0 being the newest, as a chart should read it out."""
    row = page.locator("#minutes-values tbody tr").nth(place)
    return (
        f"{row.locator('time').text_content()}: Received {row.locator('td').nth(0).text_content()}"
        f", Stored {row.locator('td').nth(1).text_content()}"
    )


def test_arrow_keys_read_minute_by_minute(page: Page, newest: datetime.datetime) -> None:
    slider = page.get_by_role("slider", name="Events a second: minute")
    slider.focus()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", minute(page, 0))
    before = minute(page, 1)
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", before)
    # Every chart shows that minute.
    latency = page.locator("#plot-latency")
    expect(latency.locator("[data-cursor]")).to_have_attribute("visibility", "visible")
    assert before.startswith(latency.locator("[data-when]").inner_text())
    page.keyboard.press("Escape")
    expect(latency.locator("[data-cursor]")).to_have_attribute("visibility", "hidden")


def test_the_pointer_reads_a_minute(page: Page, newest: datetime.datetime) -> None:
    slider = page.get_by_role("slider", name="Events a second: minute")
    # The first pieces that stream in may make the page above higher: the chart moves down.
    expect(page.locator("#live-mark")).to_have_text("Streaming")
    box = slider.bounding_box()
    assert box is not None
    slider.hover(position={"x": box["width"] * 58.5 / 60, "y": 20})
    expect(page.locator("#plot-rate [data-cursor]")).to_have_attribute("visibility", "visible")
    # It stays the one that is read when a minute becomes the next, and is then the third.
    assert slider.get_attribute("aria-valuetext") in (minute(page, 1), minute(page, 2))
    page.mouse.move(0, 0)
    expect(page.locator("#plot-rate [data-cursor]")).to_have_attribute("visibility", "hidden")


def test_what_is_read_stays_when_the_charts_change(page: Page, newest: datetime.datetime) -> None:
    slider = page.get_by_role("slider", name="Events a second: minute")
    slider.focus()
    page.keyboard.press("End")
    before = minute(page, 1)
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", before)
    expect(page.locator("#live-mark")).to_have_text("Streaming")
    at = newest - datetime.timedelta(minutes=2)
    make_pulse("west", at, received=600_000)
    notify(pulse=True)
    # A minute has more now, and the one that was read is still read.
    expect(page.locator("#minutes-values")).to_contain_text("10,400")
    expect(slider).to_be_focused()
    expect(slider).to_have_attribute("aria-valuetext", before)


def test_a_fold_stays_as_it_was_left(page: Page, newest: datetime.datetime) -> None:
    panel = page.locator("#ingest-panel")
    expect(panel).to_have_attribute("open", "")
    panel.locator("summary").first.click()
    page.reload()
    expect(panel).not_to_have_attribute("open", "")
    expect(page.locator("#network_ingest")).to_be_hidden()
