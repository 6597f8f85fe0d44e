"""The ledger over all sites."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.test import Client

from console.models import Role
from ledger.models import DayTotal, Kind
from ledger.models.day import NO_TAX_RATE
from ledger.selectors.totals import LedgerTotals, ledger_totals
from tests.factories import make_day, make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user())
    return client


def flat(text: str) -> str:
    return " ".join(text.split())


def test_nothing_is_zero(staff: Client) -> None:
    assert ledger_totals(site_ids=None) == LedgerTotals()
    assert ledger_totals(site_ids=frozenset()) == LedgerTotals()
    assert "The ledger holds no entries" in staff.get("/ledger/").text


def test_the_key_figures(staff: Client) -> None:
    one, two = make_site("S1"), make_site("S2", currency="CZK")
    make_day(one, fiscal_day="2026-11-20")
    make_day(one, fiscal_day="2026-11-21")
    make_day(two, fiscal_day="2026-11-20", entries=1)
    make_day(two, fiscal_day="2026-11-21", entries=0)
    text = flat(staff.get("/ledger/").text)
    for id_, figure in (
        ("total-entries", "7"),
        ("total-sites", "2"),
        ("total-days", "3"),
        ("total-GBP", "£287.58"),
        ("total-CZK", "47.93 Kč"),
        ("total-control", "335.51"),
    ):
        assert f'id="{id_}"> {figure} <' in text.replace(f">{figure}<", f"> {figure} <")


def test_a_period(staff: Client) -> None:
    site = make_site("S1")
    for day in ("2026-11-20", "2026-11-21", "2026-11-22"):
        make_day(site, fiscal_day=day)
    totals = ledger_totals(
        site_ids=None,
        first_day=datetime.date(2026, 11, 21),
        last_day=datetime.date(2026, 11, 21),
    )
    assert (totals.entries, totals.fiscal_days, totals.sites) == (3, 1, 1)
    answer = staff.get("/ledger/?first=2026-11-21", headers={"HX-Request": "true"})
    assert "Fiscal days from 21 Nov 2026 on" in flat(answer.text)
    assert "<html" not in answer.text


@pytest.mark.parametrize("query", ["first=2026-11-22&last=2026-11-21", "first=yesterday"])
def test_a_period_that_is_none_is_422(staff: Client, query: str) -> None:
    answer = staff.get(f"/ledger/?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_tests_and_drive_offs_are_entries_but_no_turnover() -> None:
    site = make_site()
    make_day(site, fiscal_day="2026-11-21")
    for kind in (Kind.TEST, Kind.DRIVE_OFF, Kind.REFUND):
        DayTotal.objects.create(
            site=site,
            fiscal_day="2026-11-21",
            product="E10",
            kind=kind,
            tax_rate=NO_TAX_RATE,
            count=1,
            volume=Decimal(1),
            amount=Decimal(-10) if kind == Kind.REFUND else Decimal(10),
            tax=Decimal(0),
        )
    totals = ledger_totals(site_ids=None)
    assert totals.entries == 6
    assert totals.currencies[0].turnover.amount == Decimal("133.79")
    assert totals.control_amount == Decimal("153.79")
    assert totals.currencies[0].products[0].drive_offs.count == 1


def test_a_manager_sums_their_own(client: Client) -> None:
    own = make_site("OWN")
    make_day(own, fiscal_day="2026-11-21", entries=1)
    make_day(make_site("OTHER", currency="EUR"), fiscal_day="2026-11-21", entries=9)
    client.force_login(make_user(Role.MANAGER, own))
    text = client.get("/ledger/").text
    assert "£47.93" in text
    assert "EUR" not in text


def test_three_queries_whatever_there_is(staff: Client, django_assert_num_queries) -> None:
    for number in range(20):
        make_day(make_site(), fiscal_day=f"2026-11-{number + 1:02}")
    with django_assert_num_queries(3):
        ledger_totals(site_ids=None)
