"""The day page, the list of days and the entry page."""

from __future__ import annotations

import datetime
import html
import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ledger.models import (
    Correction,
    DayTotal,
    DeclaredTotal,
    Dip,
    Entry,
    EntryFlag,
    FiscalDay,
    Kind,
    Site,
    Totalizer,
)
from ledger.selectors.days import (
    MISSING_RANGES_MAX,
    EntryFilter,
    day_entries,
    day_summary,
    missing_ranges,
)
from tests.factories import (
    make_correction,
    make_day,
    make_entry,
    make_forecourt,
    make_site,
    make_user,
)

pytestmark = pytest.mark.django_db
DAY = "2026-11-21"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def site() -> Site:
    return make_forecourt("S1")


def flat(text: str) -> str:
    return " ".join(text.split())


def close(day: FiscalDay, *, last_sequence: int, amount: str = "143.79") -> None:
    """Close a day of three sales as the site would declare it."""
    FiscalDay.objects.filter(pk=day.pk).update(
        opened_at=timezone.now(), closed_at=timezone.now(), last_sequence=last_sequence
    )
    DeclaredTotal.objects.create(
        site=day.site,
        fiscal_day=day.fiscal_day,
        product="E10",
        count=3,
        volume=Decimal("97.221"),
        amount=Decimal(amount),
    )


def test_a_day_that_balances(staff: Client, site: Site) -> None:
    close(make_day(site, fiscal_day=DAY), last_sequence=3)
    text = flat(staff.get(f"/sites/S1/days/{DAY}/").text)
    assert "Balanced: every entry is here" in text
    assert "entries missing" not in text


def test_a_day_that_lacks_entries(staff: Client, site: Site) -> None:
    close(make_day(site, fiscal_day=DAY), last_sequence=7)
    text = flat(staff.get(f"/sites/S1/days/{DAY}/").text)
    assert "4 entries missing: 4 to 7" in text
    assert "Balanced" not in text


def test_a_day_with_other_totals(staff: Client, site: Site) -> None:
    close(make_day(site, fiscal_day=DAY), last_sequence=3, amount="150.00")
    text = flat(staff.get(f"/sites/S1/days/{DAY}/").text)
    assert "The site's totals differ from the ledger by +£6.21</span>" in text


def test_a_day_whose_site_declared_nothing(staff: Client, site: Site) -> None:
    make_day(site, fiscal_day=DAY, closed_at=timezone.now(), last_sequence=3)
    assert "declared no totals to compare with" in staff.get(f"/sites/S1/days/{DAY}/").text


def test_a_product_that_only_the_site_knows_is_a_difference(site: Site) -> None:
    day = make_day(site, fiscal_day=DAY)
    close(day, last_sequence=3)
    DeclaredTotal.objects.create(
        site=site, fiscal_day=DAY, product="LPG", count=1, volume=Decimal(5), amount=Decimal(4)
    )
    summary = day_summary(FiscalDay.objects.get(pk=day.pk))
    assert not summary.is_balanced
    assert summary.difference.amount == Decimal(4)


def test_a_day_without_anything(staff: Client, site: Site) -> None:
    make_day(site, fiscal_day=DAY, entries=0)
    text = flat(staff.get(f"/sites/S1/days/{DAY}/").text)
    assert "No entries yet" in text
    assert "The day has no entries." in text
    assert "£0.00" in text


def test_missing_ranges_are_exact(site: Site) -> None:
    for sequence in (2, 3, 6, 9):
        make_entry(site, fiscal_day=DAY, sequence=sequence)
    FiscalDay.objects.filter(site=site).update(entry_count=4, highest_sequence=9, last_sequence=11)
    ranges = missing_ranges(FiscalDay.objects.get(site=site))
    assert [(part.first, part.last) for part in ranges] == [(1, 1), (4, 5), (7, 8), (10, 11)]


def test_missing_ranges_have_a_limit(staff: Client, site: Site) -> None:
    for sequence in range(2, 2 * MISSING_RANGES_MAX + 8, 2):
        make_entry(site, fiscal_day=DAY, sequence=sequence)
    count = MISSING_RANGES_MAX + 3
    FiscalDay.objects.filter(site=site).update(entry_count=count, highest_sequence=2 * count)
    assert len(missing_ranges(FiscalDay.objects.get(site=site))) == MISSING_RANGES_MAX
    assert "and more" in staff.get(f"/sites/S1/days/{DAY}/").text


def test_a_last_sequence_at_the_limit_costs_nothing(site: Site) -> None:
    make_day(site, fiscal_day=DAY, last_sequence=2_147_483_647)
    ranges = missing_ranges(FiscalDay.objects.get(site=site))
    assert [(part.first, part.last) for part in ranges] == [(4, 2_147_483_647)]


def test_an_entry_of_another_year_says_which(staff: Client, site: Site) -> None:
    make_day(site, fiscal_day=DAY)
    make_entry(
        site, fiscal_day=DAY, sequence=4, flags=EntryFlag.FAR_FROM_FISCAL_DAY,
        occurred_at=datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC),
    )  # fmt: skip
    text = flat(staff.get(f"/sites/S1/days/{DAY}/?flagged=on").text)
    assert re.search(r">1 Jan 1970, \d\d:00:00</time>", text)
    assert "Nov 2026, 12:00:00<" not in flat(staff.get(f"/sites/S1/days/{DAY}/").text)


def test_entries_come_in_pages(staff: Client, site: Site) -> None:
    make_day(site, fiscal_day=DAY, entries=120)
    first = staff.get(f"/sites/S1/days/{DAY}/", headers=HTMX).text
    assert "<html" not in first
    assert f"/days/{DAY}/120/" in first
    assert f"/days/{DAY}/70/" not in first
    second = staff.get(f"/sites/S1/days/{DAY}/?before=71", headers=HTMX).text
    assert f"/days/{DAY}/70/" in second
    assert f"/days/{DAY}/71/" not in second
    assert "?after=70" in second
    back = staff.get(f"/sites/S1/days/{DAY}/?after=70", headers=HTMX).text
    assert f"/days/{DAY}/120/" in back
    assert f"/days/{DAY}/71/" in back
    assert "Newer" not in back


def test_entries_can_be_narrowed_down(staff: Client, site: Site) -> None:
    make_day(site, fiscal_day=DAY, entries=1)
    make_entry(site, fiscal_day=DAY, sequence=2, kind=Kind.REFUND, amount=Decimal("-3.00"))
    make_entry(site, fiscal_day=DAY, sequence=3, flags=EntryFlag.TOTALIZER_JUMP, fuelling_point=7)
    for query, sequence in (("kind=2", 2), ("flagged=on", 3), ("fuelling_point=7", 3)):
        text = staff.get(f"/sites/S1/days/{DAY}/?{query}", headers=HTMX).text
        shown = [number for number in (1, 2, 3) if f"/days/{DAY}/{number}/" in text]
        assert shown == [sequence]
    text = staff.get(f"/sites/S1/days/{DAY}/?kind=4", headers=HTMX).text
    assert "No entry of this day matches." in text


@pytest.mark.parametrize("query", ["kind=x", "before=x", "after=-1e9", "fuelling_point=99999999"])
def test_nonsense_in_the_address_is_left_out(staff: Client, site: Site, query: str) -> None:
    make_day(site, fiscal_day=DAY, entries=1)
    assert staff.get(f"/sites/S1/days/{DAY}/?{query}").status_code == 200


def test_readings_and_neighbours(staff: Client, site: Site) -> None:
    make_day(site, fiscal_day="2026-11-20")
    make_day(site, fiscal_day=DAY)
    make_day(site, fiscal_day="2026-11-22")
    Dip.objects.create(site=site, fiscal_day=DAY, tank=1, product="E10", opening_volume=18250)
    Totalizer.objects.create(
        site=site,
        fiscal_day=DAY,
        fuelling_point=1,
        nozzle=2,
        product="E10",
        opening=Decimal("100.5"),
        closing=Decimal("140.75"),
    )
    text = flat(staff.get(f"/sites/S1/days/{DAY}/").text)
    assert "18,250" in text
    assert "40.250" in text
    assert "/sites/S1/days/2026-11-20/" in text
    assert "/sites/S1/days/2026-11-22/" in text


def test_what_is_not_turnover_stands_apart(site: Site) -> None:
    day = make_day(site, fiscal_day=DAY)
    DayTotal.objects.create(
        site=site,
        fiscal_day=DAY,
        product="E10",
        kind=Kind.TEST,
        tax_rate=Decimal(20),
        count=1,
        volume=Decimal(20),
        amount=Decimal(30),
        tax=Decimal(5),
    )
    summary = day_summary(day)
    assert summary.turnover.amount == Decimal("143.79")
    assert [row.kind for row in summary.others] == [Kind.TEST]


@pytest.mark.parametrize("path", ["days/2026-02-30/", "days/2026-11-20/", "days/2026-11-21/99/"])
def test_what_is_not_there_is_not_found(staff: Client, site: Site, path: str) -> None:
    make_day(site, fiscal_day=DAY)
    assert staff.get(f"/sites/S1/{path}").status_code == 404


def test_days_come_in_pages(staff: Client) -> None:
    site = make_site("S2")
    first = datetime.date(2026, 9, 1)
    for number in range(40):
        make_day(site, fiscal_day=(first + datetime.timedelta(days=number)).isoformat(), entries=0)
    text = staff.get("/sites/S2/days/").text
    assert "10 Oct 2026" in flat(text)
    assert "?before=2026-09-10" in text
    assert "1 Sep 2026" in staff.get("/sites/S2/days/?before=2026-09-10").text
    assert staff.get("/sites/S2/days/?before=never").status_code == 200


def test_an_entry_says_everything(staff: Client, site: Site) -> None:
    make_day(site, fiscal_day=DAY, entries=1)
    make_entry(
        site,
        fiscal_day=DAY,
        sequence=1042,
        flags=EntryFlag.AMOUNT_MISMATCH | EntryFlag.IN_THE_FUTURE,
        totalizer=Decimal("123456.780"),
        offline=True,
        volume_15c=None,
    )
    text = flat(staff.get(f"/sites/S1/days/{DAY}/1042/").text)
    for words in (
        "Entry 1042",
        "Litres times price is not the amount",
        "Time lies in the future",
        "stand-alone",
        "123,456.780",
        "unknown",
        "12:00:00 GMT",
        f"/days/{DAY}/1/",
    ):
        assert words in text


def test_the_number_of_queries_does_not_grow(
    staff: Client, site: Site, django_assert_max_num_queries
) -> None:
    make_day(site, fiscal_day="2026-11-20", entries=1)
    make_day(site, fiscal_day=DAY, entries=60)
    with django_assert_max_num_queries(25) as one:
        staff.get("/sites/S1/days/2026-11-20/")
    with django_assert_max_num_queries(len(one.captured_queries)):
        staff.get(f"/sites/S1/days/{DAY}/")


@pytest.mark.parametrize(("is_sealed", "name"), [(False, "X report"), (True, "Z report")])
def test_a_day_and_the_list_of_days_lead_to_its_report(
    staff: Client, site: Site, is_sealed: bool, name: str
) -> None:
    make_day(site, fiscal_day=DAY, sealed_at=timezone.now() if is_sealed else None)
    link = re.compile(rf'<a\s+href="/sites/S1/days/{DAY}/report/"\s*>{name}</a>')
    for path in (f"/sites/S1/days/{DAY}/", "/sites/S1/days/"):
        assert len(link.findall(staff.get(path).text)) == 1


def listed(client: Client, query: str) -> list[int]:
    page = client.get(f"/sites/S1/days/{DAY}/?{query}", headers=HTMX)
    return [row.entry.sequence for row in page.context["rows"]]


@pytest.fixture
def corrected(site: Site) -> None:
    """Four sales of E10 at point 1: 2 became B7 at point 9, 3 is void, 4 waits to become B7."""
    make_day(site, fiscal_day=DAY, entries=0)
    for sequence in (1, 2, 3, 4):
        make_entry(site, fiscal_day=DAY, sequence=sequence, fuelling_point=1)
    entries = {entry.sequence: entry for entry in Entry.objects.all()}
    # What counts is the latest that was approved.
    make_correction(entries[2], product="LPG")
    make_correction(entries[2], revision=2, product="B7", fuelling_point=9, kind=Kind.TEST)
    make_correction(entries[2], revision=3, needs_approval=True, product="SHOP")
    make_correction(entries[3], action=Correction.Action.VOID)
    make_correction(entries[4], needs_approval=True, product="B7")


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        ("product=E10", [4, 3, 1]),
        ("product=B7", [2]),
        ("product=LPG", []),
        ("fuelling_point=1", [4, 3, 1]),
        ("fuelling_point=9&product=B7", [2]),
        ("fuelling_point=1&product=B7", []),
        ("kind=3", [2]),
        ("kind=1", [4, 3, 1]),
        ("product=E10&before=4", [3, 1]),
        ("product=E10&after=1", [4, 3]),
    ],
)
def test_entries_are_found_by_what_they_state_now(
    staff: Client, corrected: None, query: str, sequences: list[int]
) -> None:
    assert listed(staff, query) == sequences


def test_the_filter_offers_the_products_that_corrections_name(
    staff: Client, corrected: None
) -> None:
    form = staff.get(f"/sites/S1/days/{DAY}/").context["form"]
    # Those of no correction that waits.
    assert [code for code, _label in form.fields["product"].choices] == ["", "B7", "E10", "LPG"]


@pytest.mark.parametrize("query", ["", "product=E10", "product=B7", "kind=3", "flagged=on"])
def test_what_is_listed_is_what_is_corrected_together(
    staff: Client, site: Site, corrected: None, query: str
) -> None:
    make_entry(site, fiscal_day=DAY, sequence=5, flags=EntryFlag.TOTALIZER_JUMP)
    page = staff.get(f"/sites/S1/days/{DAY}/?{query}", headers=HTMX)
    [there] = re.findall(r'href="(/sites/S1/days/[^"]+/correct/[^"]*)"', page.text)
    there = html.unescape(there)
    initial = staff.get(there).context["form"]
    sent = {field.html_name: value for field in initial if (value := field.value())}
    sent |= {"payment": "1", "reason": "wrong_price"}
    preview = staff.post(there, sent).context["preview"]
    meant = [row.sequence for row in preview.rows]
    left_out = preview.void_count + preview.waiting_count
    assert set(meant) <= set(listed(staff, query))
    assert len(meant) + left_out == len(listed(staff, query))


def test_a_filter_costs_one_query_more(
    staff: Client, corrected: None, django_assert_num_queries: Any
) -> None:
    day = FiscalDay.objects.get()
    with django_assert_num_queries(1):
        day_entries(day, only=EntryFilter(flagged=True))
    with django_assert_num_queries(2):
        day_entries(day, only=EntryFilter(product="E10"))
