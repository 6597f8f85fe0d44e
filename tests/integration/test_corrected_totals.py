"""Corrections count wherever figures are added up over days, sites or hours."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ledger.models import Correction, Entry, FiscalDay, Site
from ledger.selectors.corrections import values_of
from ledger.selectors.days import day_summary
from ledger.selectors.pace import day_by_hour, usual_hours
from ledger.selectors.sites import site_rows
from ledger.selectors.totals import ledger_totals, site_volumes, today_totals
from ledger.services.corrections import Draft, correction_approve, correction_propose
from tests.factories import make_day, make_forecourt, make_user

pytestmark = pytest.mark.django_db

LITRES, AMOUNT = Decimal("32.407"), Decimal("47.93")
#: What the first of the sales at noon really was: at half past eight, of diesel, ten litres.
REALLY: dict[str, Any] = {"product": "B7", "volume": Decimal(10), "amount": Decimal("15.49")}


def correct(day: FiscalDay, sequence: int = 1, **values: Any) -> Correction:
    """Correct an entry; on a sealed day somebody else approves it."""
    entry = Entry.objects.get(fiscal_day=day.fiscal_day, site=day.site_id, sequence=sequence)
    draft = Draft(
        site=day.site,
        fiscal_day=day.fiscal_day,
        sequence=sequence,
        action=Correction.Action.CORRECT if values else Correction.Action.VOID,
        reason=Correction.Reason.OTHER,
        values=values_of(entry) | values if values else None,
    )
    made = correction_propose(draft=draft, author=make_user())
    if made.status == Correction.Status.PROPOSED:
        made = correction_approve(correction=made, decided_by=make_user())
    return made


def half_past_eight(day: FiscalDay) -> datetime.datetime:
    return datetime.datetime.combine(day.fiscal_day, datetime.time(8, 30), datetime.UTC)


@pytest.fixture
def site() -> Site:
    return make_forecourt("HILL", timezone="UTC")


@pytest.fixture
def today(site: Site) -> FiscalDay:
    """Two sales of petrol at noon today; the first was really diesel at half past eight."""
    day = make_day(site, fiscal_day=timezone.now().date().isoformat(), entries=2)
    correct(day, **REALLY, occurred_at=half_past_eight(day))
    return day


def test_today_s_totals(site: Site, today: FiscalDay) -> None:
    [total] = today_totals()
    assert {one.product: (one.volume, one.amount) for one in total.products} == {
        "E10": (LITRES, AMOUNT),
        "B7": (10, Decimal("15.49")),
    }
    assert total.entries == 2
    assert site_volumes() == {site.pk: LITRES + 10}


def test_a_site_in_the_network_s_table(site: Site, today: FiscalDay) -> None:
    [row] = site_rows([site])
    assert (row.volume, row.amount) == (LITRES + 10, AMOUNT + Decimal("15.49"))
    assert {hour: litres for hour, litres in enumerate(row.hours) if litres} == {8: 10, 12: LITRES}


def test_the_hours_of_a_day(site: Site, today: FiscalDay) -> None:
    assert {n: litres for n, litres in enumerate(day_summary(today).hours) if litres} == {
        8: 10,
        12: LITRES,
    }
    by_hour = day_by_hour(site, today)
    assert {pair.hour: pair.today.volume for pair in by_hour.hours if pair.today.volume} == {
        8: 10,
        12: LITRES,
    }
    assert by_hour.today.volume == LITRES + 10


def test_a_void_takes_out_everywhere(site: Site) -> None:
    day = make_day(site, fiscal_day=timezone.now().date().isoformat(), entries=2)
    correct(day)
    assert [total.amount for total in today_totals()] == [AMOUNT]
    assert site_rows([site])[0].amount == AMOUNT
    assert day_by_hour(site, day).today.count == 1


def test_what_is_usual_is_what_was_really_sold(site: Site) -> None:
    # What fewer days than these say is not called usual.
    for tuesday in ("2026-10-27", "2026-11-03", "2026-11-10", "2026-11-17"):
        day = make_day(site, fiscal_day=tuesday, entries=2)
        correct(day, **REALLY, occurred_at=half_past_eight(day))
        FiscalDay.objects.filter(pk=day.pk).update(closed_at=timezone.now())
    usual = usual_hours(site, before=datetime.date(2026, 11, 24))
    assert (usual.at(2, 8).volume, usual.at(2, 12).volume) == (10, LITRES)
    assert usual.shares == {"E10": LITRES / (LITRES + 10), "B7": 10 / (LITRES + 10)}


def test_a_correction_of_a_sealed_day_moves_the_open_day_s_totals_but_no_hour_s_sales(
    site: Site,
) -> None:
    sealed = make_day(site, fiscal_day="2026-11-17", entries=2)
    FiscalDay.objects.filter(pk=sealed.pk).update(
        closed_at=timezone.now(), sealed_at=timezone.now()
    )
    today = make_day(site, fiscal_day=timezone.now().date().isoformat(), entries=1)
    assert correct(sealed, amount=Decimal(40)).posted_to == today.fiscal_day
    assert [total.amount for total in today_totals()] == [AMOUNT - Decimal("7.93")]
    assert day_by_hour(site, today).today.amount == AMOUNT
    before = ledger_totals(site_ids=None, last_day=sealed.fiscal_day)
    assert (before.corrections, before.currencies[0].turnover.amount) == (0, 2 * AMOUNT)
    after = ledger_totals(site_ids=None, first_day=today.fiscal_day)
    assert (after.corrections, after.currencies[0].moved.amount) == (1, Decimal("-7.93"))


class TestTheLedgerPage:
    def test_turnover_is_corrected_and_the_control_total_is_not(
        self, site: Site, today: FiscalDay
    ) -> None:
        totals = ledger_totals(site_ids=frozenset([site.pk]))
        [pounds] = totals.currencies
        assert (totals.entries, totals.corrections) == (2, 1)
        assert totals.control_amount == 2 * AMOUNT
        assert {row.product: row.turnover.amount for row in pounds.products} == {
            "E10": AMOUNT,
            "B7": Decimal("15.49"),
        }
        assert (pounds.turnover.amount, pounds.moved.amount) == (
            AMOUNT + Decimal("15.49"),
            Decimal("15.49") - AMOUNT,
        )

    def test_it_says_what_corrections_moved(
        self, site: Site, today: FiscalDay, client: Client
    ) -> None:
        client.force_login(make_user())
        text = " ".join(client.get("/ledger/").text.split())
        assert "of which \N{MINUS SIGN}£32.44 by corrections" in text
        assert 'id="total-corrections">1<' in text

    def test_other_sites_corrections_do_not_count(self, today: FiscalDay) -> None:
        other = make_forecourt("VALE")
        assert ledger_totals(site_ids=frozenset([other.pk])).corrections == 0
        assert site_volumes(site_ids={other.pk}) == {}
