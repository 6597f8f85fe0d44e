"""An accountant's day at the console: from what a site sends to the sealed Z report and its proof.

A real broker, worker, server and browser. Two people, each in a window of their own, go by the
links on the pages alone; the figures are read off the pages and compared with the sales.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from console.models import Role
from tests.browser.conftest import EXPECT_TIMEOUT_MS, PYTHON, ROOT, sign_in
from tests.browser.controller import Controller, until
from tests.conftest import BrokerAddress
from tests.factories import make_user

#: Over, so that nothing in it lies in the future, and new enough to be listed among the reports.
DAY = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
CENT, TAX_RATE = Decimal("0.01"), Decimal(20)
ZONE = ZoneInfo("Europe/London")


def at(clock: str) -> str:
    """A time of the day by the site's clock, as the site says it."""
    return datetime.datetime.combine(DAY, datetime.time.fromisoformat(clock), ZONE).isoformat()


@dataclass(frozen=True, kw_only=True)
class Sold:
    """What happened at the site, and what is true of it."""

    kind: str = "sale"
    product: str
    clock: str
    gross: Decimal
    litres: Decimal = Decimal(0)
    payment: str = "card"
    nozzle: tuple[int, int] | None = None

    @property
    def is_turnover(self) -> bool:
        return self.kind in {"sale", "refund"}

    @property
    def tax(self) -> Decimal:
        return (self.gross * TAX_RATE / (100 + TAX_RATE)).quantize(CENT, ROUND_HALF_UP)

    def message(self) -> dict[str, Any]:
        """Say it as the controller does."""
        said: dict[str, Any] = {
            "fiscal_day": DAY.isoformat(),
            "kind": self.kind,
            "product": self.product,
            "occurred_at": at(self.clock),
            "amount": str(self.gross),
            "tax_rate": str(TAX_RATE),
            "payment": self.payment,
            "volume": str(self.litres),
        }
        pump: dict[str, Any] = dict.fromkeys(("unit_price", "fuelling_point", "nozzle", "tank"))
        if self.nozzle:
            point, nozzle = self.nozzle
            price = {"E10": "1.4790", "B7": "1.5490"}[self.product]
            pump = {"unit_price": price, "fuelling_point": point, "nozzle": nozzle, "tank": nozzle}
        return said | pump


def sold(product: str, clock: str, litres: str, gross: str, **values: Any) -> Sold:
    return Sold(
        product=product, clock=clock, litres=Decimal(litres), gross=Decimal(gross), **values
    )


#: What is true, by sequence number.
TRUE = dict(
    enumerate(
        [
            sold("E10", "07:15", "40.000", "59.16", nozzle=(1, 1)),
            sold("B7", "08:40", "32.500", "50.34", nozzle=(1, 2), payment="cash"),
            sold("E10", "09:05", "0", "-14.79", kind="refund"),
            sold("E10", "10:00", "20.000", "29.58", nozzle=(2, 1), kind="test", payment="other"),
            sold(
                "B7", "11:30", "25.000", "38.73", nozzle=(2, 2), kind="drive_off", payment="other"
            ),
            sold("E10", "12:20", "55.120", "81.52", nozzle=(2, 1), payment="account"),
            sold("B7", "14:10", "18.000", "27.88", nozzle=(1, 2), payment="app"),
            sold("B7", "15:45", "30.000", "46.47", nozzle=(2, 2), payment="fuel_card"),
            sold("E10", "17:30", "22.000", "32.54", nozzle=(1, 1), payment="cash"),
            sold("E10", "19:55", "61.500", "90.96", nozzle=(1, 1)),
        ],
        start=1,
    )
)
#: One comes after the day is closed, one has its digits swapped, and one never comes.
LATE, WRONG, LOST = 6, 8, 9
WRONG_GROSS = Decimal("64.47")
METERS = {place: Decimal(1000 * place[0] + place[1]) for place in ((1, 1), (1, 2), (2, 1), (2, 2))}
PRODUCTS = {1: "E10", 2: "B7"}
#: Opening and closing dips of the two tanks, within what wet stock may vary.
DIPS = {1: ("18250.000", "18080.000"), 2: ("9000.000", "13890.000")}
DELIVERED = Decimal("5000.000")
#: What the ledger holds in the end: all but the lost one, the wrong one corrected.
HELD = {number: one for number, one in TRUE.items() if number != LOST}
TURNOVER = [one for one in HELD.values() if one.is_turnover]


def gross(sales: Iterable[Sold]) -> Decimal:
    return sum((one.gross for one in sales), Decimal(0))


def tax(sales: Iterable[Sold]) -> Decimal:
    return sum((one.tax for one in sales), Decimal(0))


def litres(sales: Iterable[Sold]) -> Decimal:
    return sum((one.litres for one in sales), Decimal(0))


def of(sales: Iterable[Sold], **values: Any) -> list[Sold]:
    """Return the sales that have these values."""
    return [one for one in sales if all(getattr(one, k) == v for k, v in values.items())]


def trade(controller: Controller) -> None:
    """Let the site open its day, sell, and close it, with what gets lost on the way."""
    controller.say(
        "day", event="opened", fiscal_day=DAY.isoformat(), at=at("06:00"),
        totalizers=[
            {"fuelling_point": point, "nozzle": nozzle, "product": PRODUCTS[nozzle],
             "volume": str(volume)}
            for (point, nozzle), volume in METERS.items()
        ],
        dips=[
            {"tank": tank, "product": PRODUCTS[tank], "volume": opening}
            for tank, (opening, _) in DIPS.items()
        ],
    )  # fmt: skip
    for sequence, one in TRUE.items():
        said = replace(one, gross=WRONG_GROSS) if sequence == WRONG else one
        controller.sell(sequence, is_lost=sequence in {LATE, LOST}, **said.message())
    controller.forget(LOST)
    controller.say(
        "deliveries", at=at("13:00"), tank=2, product="B7", volume=str(DELIVERED), document="D-77"
    )
    true = [one for one in TRUE.values() if one.is_turnover]
    controller.say(
        "day", event="closed", fiscal_day=DAY.isoformat(), at=at("22:00"), last_sequence=len(TRUE),
        totals=[
            {"product": product, "count": len(of(true, product=product)),
             "volume": str(litres(of(true, product=product))),
             "amount": str(gross(of(true, product=product)))}
            for product in PRODUCTS.values()
        ],
        totalizers=[
            {"fuelling_point": place[0], "nozzle": place[1], "product": PRODUCTS[place[1]],
             "volume": str(volume + litres(of(TRUE.values(), nozzle=place)))}
            for place, volume in METERS.items()
        ],
        dips=[
            {"tank": tank, "product": PRODUCTS[tank], "volume": closing}
            for tank, (_, closing) in DIPS.items()
        ],
    )  # fmt: skip


def figure(text: str) -> Decimal | None:
    """Read a figure as the accountant does: with its sign, without its unit."""
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    plain = plain.strip("£+L% ").replace("-£", "-").replace(",", "")
    return None if plain == "\N{EN DASH}" else Decimal(plain)


def cells(page: Page, table: str, heading: str) -> list[str]:
    """Return what a row of a table says, without its heading."""
    rows = page.get_by_role("table", name=table).get_by_role("row")
    found = rows.filter(has=page.get_by_role("rowheader", name=heading))
    return found.get_by_role("cell").all_inner_texts()


def row(page: Page, table: str, heading: str) -> list[Decimal | None]:
    """Return the figures of a row of a table."""
    return [figure(text) for text in cells(page, table, heading)]


def fact(page: Page, name: str) -> Locator:
    """Return what stands beside a name."""
    pair = page.locator("dl > div").filter(has=page.locator("dt", has_text=name))
    return pair.first.locator("dd")


def explain(page: Page, what: str, reason: str, note: str = "") -> None:
    """Explain the difference whose sentence says so."""
    page.locator(".difference", has_text=what).get_by_role("link", name="Explain").click()
    page.get_by_label("What explains it?").select_option(label=reason)
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Explain the difference").click()
    expect(page.get_by_text("The difference is explained.")).to_be_visible()


def download(page: Page, name: str) -> bytes:
    """Return the file behind a link."""
    with page.expect_download() as found:
        page.get_by_role("link", name=name, exact=True).click()
    return Path(found.value.path()).read_bytes()


@dataclass
class Office:
    """Two people's windows, with scripts or without."""

    browser: Browser
    address: str
    has_scripts: bool

    def __post_init__(self) -> None:
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def window(self) -> Page:
        context = self.browser.new_context(
            base_url=self.address, java_script_enabled=self.has_scripts, accept_downloads=True
        )
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def see(self, page: Page, words: str) -> None:
        """Await words on a live page; without scripts a person loads it anew."""
        if not self.has_scripts:
            page.reload()
        expect(page.locator("main")).to_contain_text(words)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def office(
    request: pytest.FixtureRequest, browser: Browser, console_server: str
) -> Iterator[Office]:
    expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    office = Office(browser, console_server, request.param)
    yield office
    office.close()
    assert office.errors == []


def test_an_accountant_s_day(
    office: Office,
    controller: Controller,
    start_worker: Callable[[], None],
    embedded_broker: BrokerAddress,
    console_environment: dict[str, str],
    database_url: str,
) -> None:
    start_worker()
    trade(controller)
    until(database_url, "SELECT entry_count FROM fiscal_day WHERE closed_at IS NOT NULL", 8)
    alice, bob = office.window(), office.window()
    sign_in(alice, make_user(Role.STAFF, username="alice"))
    sign_in(bob, make_user(Role.APPROVER, username="bob"))

    ask_for_what_is_missing(office, alice, database_url)
    propose_the_correction(alice)
    approve_the_correction(bob)
    explain_the_rest_and_propose(alice)
    seal = look_at_it_and_seal(bob)

    alice.get_by_role("link", name="Reports").click()
    days = alice.get_by_role("table", name="The newest fiscal days")
    days.get_by_role("row", name="Harbour Road").get_by_role("link").first.click()
    check_the_z_report(alice, seal)
    check_the_files(alice, seal)
    check_the_archive(download(alice, "Audit export"), seal)

    # The site holds its copy of the seal, and everything can be made again from the rows.
    sent = "SELECT count(*) FROM command WHERE kind = 'seal' AND sent_at IS NOT NULL"
    until(database_url, sent, 1)
    verified = subprocess.run(
        [*PYTHON, "manage.py", "verify_ledger", "--broker", embedded_broker.url],
        cwd=ROOT, env=console_environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert (
        "9 entries of 1 fiscal day, 1 of them sealed (1 signature); 1 entry is missing"
        in verified.stdout
    )
    assert "1 copy of the sites compared" in verified.stdout
    assert "Everything agrees." in verified.stdout


def ask_for_what_is_missing(office: Office, page: Page, database_url: str) -> None:
    """Find the day among those to be sealed, and let the site send what it still has."""
    page.get_by_role("link", name="Sealing").click()
    of_day = cells(page, "Days to be sealed", DAY.strftime("%-d %b"))
    assert [figure(text) for text in of_day[2:4]] == [8, 2]
    page.get_by_role("link", name="Reconcile", exact=True).click()
    # No tank is among them: the meters prove that what the ledger lacks was sold.
    expect(page.get_by_text("5 differences wait to be put right or explained")).to_be_visible()
    # Fuelling point 2 sold the late one, so its meter went further than its entries say.
    expect(page.locator("#nozzle-2-1")).to_contain_text("+55.120 L")
    missing = page.locator(".difference", has_text="2 entries missing: 6 and 9")
    missing.get_by_role("link", name="Request resend").click()
    page.get_by_role("button", name="Request resend").click()
    until(database_url, "SELECT entry_count FROM fiscal_day", 9)
    office.see(page, "1 of 2 have arrived")
    expect(page.locator("main")).to_contain_text("1 entry missing: 9")
    page.get_by_role("link", name="Reconcile", exact=True).click()
    expect(page.get_by_text("4 differences wait to be put right or explained")).to_be_visible()
    left = row(page, "Declared by the site, recorded and corrected in the ledger", "E10")[-3:]
    assert left == [1, TRUE[LOST].litres, TRUE[LOST].gross]


def propose_the_correction(page: Page) -> None:
    """Find the entry behind a difference, and say what is true."""
    too_much = WRONG_GROSS - TRUE[WRONG].gross
    left = row(page, "Declared by the site, recorded and corrected in the ledger", "B7")[-3:]
    assert left == [0, 0, -too_much]
    difference = page.locator(".difference", has_text="B7: the site's totals differ")
    difference.get_by_role("link", name="Look at its entries").click()
    entries = page.get_by_role("table", name="Entries, newest first")
    entries.get_by_role("row", name="Litres times price is not the amount").get_by_role(
        "link"
    ).click()
    assert figure(fact(page, "Amount").inner_text()) == WRONG_GROSS
    page.get_by_role("link", name="Correct", exact=True).click()
    page.get_by_label("Amount").fill(str(TRUE[WRONG].gross))
    page.get_by_label("Reason").select_option(label="Wrong volume or amount")
    page.get_by_label("Note").fill("Digits swapped, see the receipt")
    page.get_by_role("button", name="Show what changes").click()
    preview = page.locator("#preview")
    for amount in (WRONG_GROSS, TRUE[WRONG].gross):
        expect(preview).to_contain_text(f"£{amount}")
    page.get_by_role("button", name=f"Propose to correct entry {WRONG}").click()
    expect(page.get_by_text("waits for a second person")).to_be_visible()


def approve_the_correction(page: Page) -> None:
    page.get_by_role("link", name="Approvals").click()
    proposal = page.locator(".message", has_text="Harbour Road")
    for words in ("alice", f"£{WRONG_GROSS}", f"£{TRUE[WRONG].gross}", "see the receipt"):
        expect(proposal).to_contain_text(words)
    proposal.get_by_role("button", name="Approve").click()
    expect(page.get_by_text(f"Entry {WRONG} of Harbour Road: approved.")).to_be_visible()


def explain_the_rest_and_propose(page: Page) -> None:
    """Go back to the day, explain what nobody can put right, and propose the seal."""
    page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link").last.click()
    page.get_by_role("link", name="Reconcile", exact=True).click()
    expect(page.get_by_text("3 differences wait to be put right or explained")).to_be_visible()
    left = row(page, "Declared by the site, recorded and corrected in the ledger", "B7")[-4:]
    assert left == [TRUE[WRONG].gross - WRONG_GROSS, 0, 0, 0]
    lost = "The site can no longer send it"
    explain(page, "1 entry missing: 9", lost, "The controller's disk is gone")
    explain(page, "E10: the site's totals differ", lost)
    explain(page, "Fuelling point 1, nozzle 1", lost)
    expect(page.get_by_text("All 3 differences are explained")).to_be_visible()
    page.get_by_role("button", name="Propose the seal").click()
    expect(page.get_by_text("Somebody else sets the seal")).to_be_visible()


def look_at_it_and_seal(page: Page) -> str:
    """Return the seal that is set."""
    page.get_by_role("link", name="Sealing").click()
    page.get_by_role("link", name="Look at it and seal it").click()
    assert figure(fact(page, "Turnover").inner_text()) == gross(TURNOVER)
    expect(page.locator("main")).to_contain_text("The controller's disk is gone")
    page.get_by_role("button", name="Seal").click()
    expect(page.get_by_text("The day is sealed as Z 1.")).to_be_visible()
    seal = page.locator("code.seal").first.inner_text()
    # The report is the next step from here.
    page.get_by_role("link", name="Z report").click()
    expect(page.get_by_role("heading", name="Z report No. 1")).to_be_visible()
    return seal


def check_the_z_report(page: Page, seal: str) -> None:
    """Compare all figures of the report on screen with what was sold."""
    expect(page.get_by_role("heading", name="Z report No. 1")).to_be_visible()
    all_gross, all_tax, all_litres = gross(TURNOVER), tax(TURNOVER), litres(TURNOVER)
    for name, value in (
        ("Gross turnover", all_gross),
        ("Tax", all_tax),
        ("Net turnover", all_gross - all_tax),
        ("Litres", all_litres),
        ("Perpetual total", all_gross),
    ):
        assert figure(fact(page, name).inner_text()) == value, name
    assert "9 / 10" in fact(page, "Entries").inner_text()
    assert "bob" in fact(page, "Sealed").inner_text()
    recorded = "Sales, refunds, pump tests and drive-offs"
    for heading, kind in (
        ("Sales", "sale"),
        ("Refunds", "refund"),
        ("Pump tests", "test"),
        ("Drive-offs", "drive_off"),
    ):
        found = of(HELD.values(), kind=kind)
        assert row(page, recorded, heading) == [len(found), litres(found), gross(found)]
    assert row(page, recorded, "Moved by corrections") == [0, 0, TRUE[WRONG].gross - WRONG_GROSS]
    taxed = [len(TURNOVER), all_gross - all_tax, all_tax, all_gross]
    assert row(page, "Net, tax and gross turnover by tax rate", "20.00") == taxed
    assert row(page, "Net, tax and gross turnover by tax rate", "All rates") == taxed
    for product in PRODUCTS.values():
        found = of(TURNOVER, product=product)
        assert row(page, "Turnover by product", product) == [
            *(len(found), litres(found)),
            *(gross(found) - tax(found), tax(found), gross(found)),
        ]
    for heading, payment in (("Cash", "cash"), ("Fuel card", "fuel_card"), ("Account", "account")):
        found = of(TURNOVER, payment=payment)
        paid = row(page, "Sales and refunds by means of payment", heading)
        assert (paid[0], paid[-1]) == (len(found), gross(found)), heading
    hour = row(page, "Gross turnover by hour", "12:00")
    assert hour == [1, TRUE[LATE].litres, TRUE[LATE].gross]
    by_nozzle = page.get_by_role("table", name="Litres and amount by nozzle beside its meter")
    [differs] = by_nozzle.get_by_role("row").filter(has_text=str(TRUE[LOST].litres)).all()
    assert figure(differs.get_by_role("cell").last.inner_text()) == TRUE[LOST].litres
    expect(page.get_by_role("table", name="What was delivered")).to_contain_text("D-77")
    corrections = page.get_by_role("table", name="Corrections with the values that they state")
    for words in ("see the receipt", "alice, approved by bob", f"£{TRUE[WRONG].gross}"):
        expect(corrections).to_contain_text(words)
    expect(fact(page, "Seal of this day")).to_have_text(seal)


def check_the_files(page: Page, seal: str) -> None:
    """Compare the report as CSV and as JSON with what was sold."""
    rows = list(csv.DictReader(io.StringIO(download(page, "CSV").decode())))
    by_key = {(one["part"], one["about"], one["kind"]): one for one in rows}
    assert by_key["day", "seal", seal]
    rate = by_key["tax rate", "20.00", "turnover"]
    assert [Decimal(rate[name]) for name in ("gross", "tax", "net")] == [
        *(gross(TURNOVER), tax(TURNOVER)),
        gross(TURNOVER) - tax(TURNOVER),
    ]
    for payment in {one.payment for one in TURNOVER}:
        found = of(TURNOVER, payment=payment, kind="sale")
        assert Decimal(by_key["payment", payment, "sales"]["gross"]) == gross(found)
    said = json.loads(download(page, "JSON"))
    assert said["seal"]["z_number"] == 1
    assert said["seal"]["seal"] == seal
    assert Decimal(said["totals"]["turnover"]["gross"]) == gross(TURNOVER)
    assert Decimal(said["totals"]["moved"]["sales"]["gross"]) == TRUE[WRONG].gross - WRONG_GROSS


def check_the_archive(packed: bytes, seal: str) -> None:
    """Check the audit export by its own checksums, and add its entries up."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        sums = [line.split("  ") for line in archive.read("SHA256SUMS").decode().splitlines()]
        for digest, name in sums:
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest, name
        assert {name for _, name in sums} == set(archive.namelist()) - {"SHA256SUMS"}
        assert json.loads(archive.read("manifest.json"))["asked_by"] == "alice"

        def table(name: str) -> list[dict[str, str]]:
            return list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode())))

        amounts = {int(one["sequence"]): Decimal(one["amount"]) for one in table("entry")}
        [day] = table("fiscal_day")
        [correction] = table("correction")
        explained = {one["subject"] for one in table("explanation")}
    # What the site sent is in it as it was sent, beside what corrects it.
    assert amounts == {n: one.gross for n, one in HELD.items()} | {WRONG: WRONG_GROSS}
    assert Decimal(correction["amount"]) == TRUE[WRONG].gross
    assert day["seal"] == seal
    assert explained == {"missing", "product", "nozzle"}
