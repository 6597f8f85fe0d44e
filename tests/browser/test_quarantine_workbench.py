"""Staff mend, register, accept and dismiss, with a real worker behind, with and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from console.models import User
from ledger.models import Correction, Entry, Quarantine, Site
from tests.browser.conftest import sign_in
from tests.conftest import BrokerAddress
from tests.factories import make_forecourt, make_quarantined, make_user
from tests.integration.test_quarantine_page import bytes_of, make_conflict
from tests.worker_process import WorkerProcess


@pytest.fixture
def site(console_server: str) -> Site:
    return make_forecourt("S1", name="Harbour Road")


@pytest.fixture
def person(console_server: str) -> User:
    return make_user(first_name="Maja", last_name="Lindqvist")


@pytest.fixture
def worker(
    database_url: str, embedded_broker: BrokerAddress, tmp_path: Path
) -> Iterator[WorkerProcess]:
    started = WorkerProcess.start(
        "--name",
        "workbench",
        log=tmp_path / "worker.log",
        database_url=database_url,
        mqtt_url=embedded_broker.url,
    )
    yield started
    started.end()


@pytest.fixture(params=["with scripts", "without scripts"])
def desk(
    request: pytest.FixtureRequest, browser: Browser, console_server: str, person: User
) -> Iterator[Page]:
    """A window that staff signed in to."""
    context = browser.new_context(
        base_url=console_server,
        java_script_enabled=request.param == "with scripts",
        viewport={"width": 1280, "height": 900},
    )
    desk = context.new_page()
    sign_in(desk, person)
    yield desk
    context.close()


def until_said(desk: Page, words: str) -> None:
    """Look again, as the page offers where no script does, until it says what became of it."""
    told = desk.get_by_text(words)
    again = desk.get_by_role("link", name="Look again")
    for _ in range(100):
        expect(told.or_(again).first).to_be_visible()
        if told.is_visible():
            return
        again.click()
        desk.wait_for_load_state()
    expect(told).to_be_visible()


def test_a_message_is_mended_and_replayed(desk: Page, site: Site, worker: WorkerProcess) -> None:
    make_quarantined(
        site=site,
        raw=bytes_of(amount="47.931"),
        reason="invalid",
        detail="amount: 47.931 has more than 2 decimal places",
    )
    desk.goto("/quarantine/")
    desk.get_by_role("link", name=re.compile("47.931")).click()
    expect(desk.locator("mark.payload__fault")).to_have_text('"47.931"')
    desk.get_by_role("link", name="Mend and replay").click()
    desk.get_by_label("Amount").fill("47.931")
    desk.get_by_role("button", name="See what changes").click()
    expect(desk.locator("[data-error-summary]")).to_contain_text("Amount")
    desk.get_by_label("Amount").fill("47.93")
    desk.get_by_label("Note").fill("a digit too many")
    desk.get_by_role("button", name="See what changes").click()
    expect(desk.get_by_role("cell", name="47.931")).to_be_visible()
    desk.get_by_role("button", name="Send the mended message").click()
    expect(desk.get_by_text("Mended and replayed by Maja Lindqvist")).to_be_visible()
    expect(desk.get_by_text("a digit too many")).to_be_visible()
    until_said(desk, "1 stored.")
    assert str(Entry.objects.get().amount) == "47.93"


def test_a_site_is_registered_and_its_messages_released(
    desk: Page, site: Site, worker: WorkerProcess
) -> None:
    for number in (1, 2):
        make_quarantined(
            reason="unknown_site",
            topic="forecourt/v1/NEW-1/ledger",
            raw=bytes_of(sequence=number),
            detail=f"no site is registered under the code 'NEW-1' ({number})",
        )
    desk.goto("/quarantine/?reason=unknown_site")
    desk.get_by_role("link", name=re.compile(r"NEW-1' \(1\)")).click()
    desk.get_by_role("link", name="Register the site and release its messages").click()
    expect(desk.get_by_label("Time zone")).to_have_value(site.timezone)
    desk.get_by_label("Name").fill("New Road")
    desk.get_by_role("button", name="Register NEW-1 and release its messages").click()
    expect(desk.get_by_text("its 2 messages are on their way")).to_be_visible()
    desk.locator(".message__detail a").first.click()
    until_said(desk, "1 stored.")


def test_a_conflict_is_accepted(desk: Page, site: Site) -> None:
    message = make_conflict(site)
    desk.goto(f"/quarantine/{message.pk}/")
    expect(desk.get_by_role("row", name=re.compile("Amount"))).to_contain_text("differs")
    accept = desk.get_by_role("button", name="Accept these values as a correction")
    accept.click()
    expect(desk.locator("[data-error-summary]")).to_contain_text("Say why")
    desk.get_by_label("Reason").fill("the till is right")
    accept.click()
    expect(desk.get_by_text("Accepted by Maja Lindqvist")).to_be_visible()
    assert str(Correction.objects.get().amount) == "48.93"


def test_of_many_that_are_accepted_each_is_told_of(desk: Page, site: Site) -> None:
    good, same = make_conflict(site), make_conflict(site, sequence=8, amount="47.93")
    desk.goto("/quarantine/decide/?reason=conflicting_duplicate")
    desk.get_by_label("Reason").fill("the till is right")
    desk.get_by_role("button", name="Accept 2 as corrections").click()
    refused = desk.get_by_role("region", name="1 message could not be accepted")
    expect(refused.get_by_role("link", name=f"Message {same.pk}")).to_be_visible()
    expect(refused).to_contain_text("entry 8")
    accepted = desk.get_by_role("region", name="1 message is accepted")
    expect(accepted).to_contain_text(f"Message {good.pk}")
    accepted.get_by_role("link", name="entry 7").click()
    expect(desk.get_by_text("£48.93").first).to_be_visible()


def test_many_are_dismissed_and_the_trail_says_so(desk: Page, site: Site) -> None:
    for _ in range(3):
        make_quarantined(site=site)
    desk.goto("/quarantine/")
    desk.get_by_role("link", name="Decide about all 3").click()
    desk.get_by_label("Reason").fill("the fitter's test bench")
    desk.get_by_role("button", name="Dismiss 3").click()
    expect(desk.get_by_text("3 messages are dismissed.")).to_be_visible()
    assert set(Quarantine.objects.values_list("outcome")) == {("dismissed",)}
    desk.get_by_role("link", name="Audit", exact=True).click()
    expect(desk.get_by_text("Quarantined message dismissed", exact=True).last).to_be_visible()
    expect(desk.get_by_text("the fitter's test bench")).to_be_visible()
