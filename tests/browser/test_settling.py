"""Two people settle a day: one reconciles, explains and proposes, the other seals."""

from __future__ import annotations

import datetime
from decimal import Decimal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from console.models import Role, User
from ledger.models import DeclaredTotal, Dip, FiscalDay, Totalizer
from tests.browser.conftest import sign_in
from tests.factories import make_day, make_forecourt, make_user

DAY = datetime.date(2026, 11, 21)


def make_closed_day() -> None:
    """Three sales of five, tanks and meters, and a tank that lost more than it may."""
    site = make_forecourt("S1", name="Harbour Road")
    opened = datetime.datetime(2026, 11, 21, 6, tzinfo=datetime.UTC)
    make_day(
        site,
        fiscal_day=str(DAY),
        entries=3,
        opened_at=opened,
        closed_at=opened + datetime.timedelta(hours=16),
        last_sequence=5,
        closing_digest=bytes(32),
    )
    DeclaredTotal.objects.create(
        site=site, fiscal_day=DAY, product="E10", count=5, volume=Decimal("162.035"),
        amount=Decimal("239.65"),
    )  # fmt: skip
    for tank, product, closing in ((1, "E10", "18050.000"), (2, "B7", "24000.000")):
        Dip.objects.create(
            site=site, fiscal_day=DAY, tank=tank, product=product,
            opening_volume=Decimal("18250.000" if tank == 1 else "24005.000"),
            closing_volume=Decimal(closing),
        )  # fmt: skip
    for point in (1, 2):
        Totalizer.objects.create(
            site=site, fiscal_day=DAY, fuelling_point=point, nozzle=1, product="E10",
            opening=Decimal("123456.780"), closing=Decimal("123456.780"),
        )  # fmt: skip


def people() -> tuple[User, User]:
    return (
        make_user(Role.STAFF, username="alice"),
        make_user(Role.APPROVER, username="bob"),
    )


def explain(page: Page, what: str, reason: str, note: str = "") -> None:
    """Explain the difference whose sentence begins so."""
    page.locator(".difference", has_text=what).get_by_role("link", name="Explain").click()
    page.get_by_label("What explains it?").select_option(label=reason)
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Explain the difference").click()
    expect(page.get_by_text("The difference is explained.")).to_be_visible()


def assert_accessible(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_day_is_reconciled_explained_proposed_and_sealed(page: Page) -> None:
    make_closed_day()
    alice, bob = people()
    sign_in(page, alice)
    page.get_by_role("link", name="Sealing").click()
    page.get_by_role("link", name="Reconcile", exact=True).click()
    expect(page.get_by_text("3 differences wait to be put right or explained")).to_be_visible()
    expect(page.get_by_role("button", name="Propose the seal")).to_have_count(0)

    # What is sent without an answer comes back with what is missing, and nothing is stored.
    page.locator("#missing").get_by_role("link", name="Explain").click()
    page.get_by_role("button", name="Explain the difference").click()
    expect(page.get_by_label("What explains it?")).to_have_attribute("aria-invalid", "true")
    page.go_back()

    explain(page, "2 entries missing", "The site can no longer send it", "The disk is gone")
    explain(page, "E10: the site's totals differ", "The site can no longer send it")
    explain(page, "Tank 1", "The tank gauge is out of true or failed")
    expect(page.get_by_text("All 3 differences are explained")).to_be_visible()
    page.get_by_role("button", name="Propose the seal").click()
    expect(page.get_by_text("Somebody else sets the seal")).to_be_visible()
    assert_accessible(page)
    page.context.clear_cookies()

    sign_in(page, bob)
    page.get_by_role("link", name="Sealing").click()
    page.get_by_role("link", name="Look at it and seal it").click()
    expect(page.get_by_text("The disk is gone")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Seal").click()
    expect(page.get_by_text("The day is sealed as Z 1.")).to_be_visible()
    day = FiscalDay.objects.get()
    assert (day.seal_proposed_by, day.sealed_by) == (alice, bob)
    expect(page.locator("code.seal").first).to_have_text(day.seal_hex)
    assert_accessible(page)
