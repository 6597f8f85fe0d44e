"""Today's turnover over many sites, by currency and product."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from ledger.models import DayTotal, FiscalDay, Kind, Product, Site
from ledger.selectors.totals import site_volumes, today_totals
from tests.factories import make_forecourt, make_site

pytestmark = pytest.mark.django_db


def sell(
    site: Site, product: str, litres: int, *, days_ago: int = 0, kind: Kind = Kind.SALE
) -> None:
    day = timezone.now().date() - datetime.timedelta(days=days_ago)
    FiscalDay.objects.get_or_create(site=site, fiscal_day=day)
    DayTotal.objects.create(
        site=site,
        fiscal_day=day,
        product=product,
        kind=kind,
        tax_rate=20,
        count=2,
        volume=Decimal(litres),
        amount=Decimal(litres * 2),
        tax=0,
    )


def test_without_anything_there_is_nothing() -> None:
    assert today_totals() == []
    assert today_totals(site_ids=[]) == []
    assert site_volumes() == {}


def test_it_adds_up_by_currency_and_product() -> None:
    one, two, euro = make_forecourt(), make_forecourt(), make_forecourt(currency="EUR")
    for site, product, litres in (
        (one, "E10", 10),
        (two, "E10", 5),
        (one, "B7", 40),
        (euro, "E10", 7),
    ):
        sell(site, product, litres)
    pounds, euros = today_totals()
    assert (pounds.currency, pounds.sites, pounds.entries) == ("GBP", 2, 6)
    assert (pounds.volume, pounds.amount) == (55, 110)
    assert [(one.product, one.family, one.volume) for one in pounds.products] == [
        ("B7", "diesel", 40),
        ("E10", "petrol", 15),
    ]
    assert (euros.currency, euros.volume) == ("EUR", 7)


def test_only_the_current_day_of_each_site_counts_and_only_turnover() -> None:
    site, ahead, away = make_forecourt(), make_forecourt(), make_forecourt()
    sell(site, "E10", 100, days_ago=1)
    sell(site, "E10", 10)
    sell(site, "B7", 3, kind=Kind.TEST)
    sell(site, "B7", 1, kind=Kind.REFUND)
    # Beyond the date line the newest day may be tomorrow's, elsewhere still yesterday's.
    sell(ahead, "E10", 20, days_ago=-1)
    sell(away, "E10", 4_000, days_ago=5)
    [total] = today_totals()
    assert (total.sites, total.volume) == (2, 31)
    assert site_volumes() == {site.id: 11, ahead.id: 20}


def test_a_day_without_a_sale_is_a_site_with_zeros() -> None:
    FiscalDay.objects.create(site=make_site(), fiscal_day=timezone.now().date())
    [total] = today_totals()
    assert (total.sites, total.entries, total.volume, total.products) == (1, 0, 0, [])


def test_it_is_of_the_sites_that_are_asked_for() -> None:
    one, two = make_forecourt(), make_forecourt()
    sell(one, "E10", 10)
    sell(two, "E10", 5)
    assert [total.volume for total in today_totals(site_ids={two.id})] == [5]
    assert site_volumes(site_ids={two.id}) == {two.id: 5}


def test_a_product_that_nobody_registered_has_no_colour() -> None:
    sell(make_site(), "MYSTERY", 1)
    assert not Product.objects.exists()
    assert today_totals()[0].products[0].family == ""
