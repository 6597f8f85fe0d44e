"""Correcting many entries of a day at once."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from console.models import Role
from console.views import correct_many
from ledger.models import Correction, Entry, FiscalDay, Kind, Site
from ledger.selectors.corrections import effective_entry
from tests.factories import make_correction, make_day, make_entry, make_forecourt, make_user

pytestmark = pytest.mark.django_db

DAY = datetime.date(2026, 11, 22)
PAGE = f"/sites/HILL/days/{DAY}/correct/"


@pytest.fixture
def site() -> Site:
    return make_forecourt("HILL", timezone="Europe/Berlin")


@pytest.fixture
def day(site: Site) -> FiscalDay:
    """An open day: three sales of E10 at 13:00 of the site's clock, a test of B7 at 07:30."""
    day = make_day(site)
    make_entry(
        site,
        sequence=4,
        product="B7",
        kind=Kind.TEST,
        fuelling_point=2,
        occurred_at=datetime.datetime(2026, 11, 22, 6, 30, tzinfo=datetime.UTC),
    )
    return day


@pytest.fixture
def visitor(client: Client, day: FiscalDay) -> Client:
    client.force_login(make_user(Role.STAFF))
    return client


def flat(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def look(client: Client, **data: str) -> HttpResponse:
    return client.post(PAGE, {"reason": "wrong_price"} | data)


def confirm(client: Client, **data: str) -> HttpResponse:
    shown = look(client, **data).context["form"]["shown"].value()
    return look(client, **data, shown=shown, confirm="1")


def test_a_new_product_has_its_own_tax_rate(visitor: Client, site: Site) -> None:
    site.products.filter(code="B7").update(tax_rate=Decimal(7))
    confirm(visitor, only_product="E10", product="B7")
    assert {(one.product, one.tax_rate, one.amount) for one in Correction.objects.all()} == {
        ("B7", Decimal(7), Decimal("47.93"))
    }


def test_a_product_without_a_rate_leaves_that_of_the_entry(visitor: Client, site: Site) -> None:
    site.products.update(tax_rate=None)
    confirm(visitor, only_product="E10", product="B7")
    assert {(one.product, one.tax_rate) for one in Correction.objects.all()} == {("B7", None)}


def test_a_new_price_makes_new_amounts(visitor: Client) -> None:
    data = {"only_product": "E10", "unit_price": "1.0000"}
    text = flat(look(visitor, **data).text)
    assert "3 entries change" in text
    assert "£47.93 £32.41" in text
    assert "£143.79 £97.23 \N{MINUS SIGN}£46.56" in text
    assert not Correction.objects.exists()
    assert confirm(visitor, **data).status_code == 303
    assert set(Correction.objects.values_list("sequence", "amount")) == {
        (number, Decimal("32.41")) for number in (1, 2, 3)
    }


def test_a_new_price_keeps_the_sign_of_a_refund(visitor: Client, site: Site) -> None:
    litres = {"volume": Decimal(10), "unit_price": Decimal("1.5")}
    make_entry(site, sequence=5, kind=Kind.REFUND, amount=Decimal(-15), **litres)
    confirm(visitor, kind=str(Kind.REFUND), unit_price="1.6")
    assert Correction.objects.get().amount == Decimal(-16)


@pytest.mark.parametrize("volume", [None, Decimal(0)])
def test_a_new_price_leaves_what_has_no_litres_and_says_so(
    visitor: Client, site: Site, volume: Decimal | None
) -> None:
    shop = {"volume": volume, "unit_price": None, "amount": Decimal("4.50")}
    make_entry(site, sequence=5, **shop)
    data = {"only_product": "E10", "unit_price": "1"}
    text = flat(look(visitor, **data).text)
    assert "3 entries change" in text
    assert "1 entry keeps its price and amount, for it has no litres: 5" in text
    assert "so already" not in text
    confirm(visitor, **data)
    assert set(Correction.objects.values_list("sequence", flat=True)) == {1, 2, 3}


def test_what_else_changes_about_an_entry_without_litres_changes(
    visitor: Client, site: Site
) -> None:
    make_entry(site, sequence=5, volume=None, unit_price=None, amount=Decimal("4.50"))
    confirm(visitor, only_product="E10", unit_price="1", payment="1")
    one = Correction.objects.get(sequence=5)
    assert (one.amount, one.unit_price, one.payment) == (Decimal("4.50"), None, 1)


def test_many_entries_without_litres_are_counted_and_the_first_named(
    visitor: Client, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correct_many, "UNPRICED_NAMED_MAX", 2)
    for sequence in (5, 6, 7):
        make_entry(site, sequence=sequence, volume=None, amount=Decimal("4.50"))
    text = flat(look(visitor, unit_price="1").text)
    assert (
        "3 entries keep their price and amount, for they have no litres: 5 , 6 and 1 more" in text
    )


def test_a_price_below_zero_is_asked_about_and_taken(visitor: Client) -> None:
    data = {"only_product": "E10", "unit_price": "-1"}
    asked = look(visitor, **data)
    assert asked.status_code == 422
    assert "A price below zero is meant" in flat(asked.text)
    assert look(visitor, **data, meant="256").status_code == 200
    confirm(visitor, **data, meant="256")
    assert Correction.objects.filter(amount=Decimal("-32.41")).count() == 3


@pytest.mark.parametrize(
    ("only", "sequences"),
    [
        ({}, {1, 2, 3, 4}),
        ({"only_product": "B7"}, {4}),
        ({"kind": "3"}, {4}),
        ({"fuelling_point": "2"}, {4}),
        ({"hour_last": "12"}, {4}),
        ({"hour_first": "13"}, {1, 2, 3}),
        ({"hour_first": "7", "hour_last": "7"}, {4}),
        ({"hour_first": "8", "hour_last": "12"}, set()),
    ],
)
def test_it_takes_those_that_match(
    visitor: Client, only: dict[str, str], sequences: set[int]
) -> None:
    response = look(visitor, **only, payment="1")
    assert {row.sequence for row in response.context["preview"].rows} == sequences
    assert response.status_code == (200 if sequences else 422)


def test_it_goes_by_what_counts_now(visitor: Client) -> None:
    make_correction(Entry.objects.get(sequence=1), product="B7")
    response = look(visitor, only_product="E10", payment="1")
    assert {row.sequence for row in response.context["preview"].rows} == {2, 3}


def test_what_is_left_out_is_said(visitor: Client) -> None:
    make_correction(Entry.objects.get(sequence=1), action=Correction.Action.VOID)
    make_correction(Entry.objects.get(sequence=2), needs_approval=True)
    make_correction(Entry.objects.get(sequence=3), product="B7")
    text = flat(look(visitor, product="B7").text)
    assert "No entry of the day matches and would change." in text
    assert "2 that match are so already." in text
    assert "1 is void and left out." in text
    assert "1 has a correction that waits and is left out." in text


def test_only_what_was_shown_is_done(visitor: Client) -> None:
    shown = look(visitor, only_product="E10", unit_price="1").context["form"]["shown"].value()
    make_correction(Entry.objects.get(sequence=1), amount=Decimal(9))
    response = look(visitor, only_product="E10", unit_price="1", shown=shown, confirm="1")
    assert response.status_code == 422
    assert "others than those shown" in response.text
    assert Correction.objects.count() == 1


def test_too_many_are_refused_and_counted(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correct_many, "BULK_MAX", 2)
    response = look(visitor, only_product="E10", payment="1")
    assert response.status_code == 422
    assert "3 entries match; 2 can be corrected together." in flat(response.text)
    assert 'name="confirm"' not in response.text


def test_a_closed_day_waits_for_a_second_person(visitor: Client, day: FiscalDay) -> None:
    FiscalDay.objects.filter(pk=day.pk).update(closed_at=timezone.now())
    data = {"only_product": "E10", "payment": "1"}
    assert "Propose to correct 3 entries" in flat(look(visitor, **data).text)
    url = confirm(visitor, **data)["Location"]
    assert "3 corrections wait for a second person" in visitor.get(url).text
    now = effective_entry(site_id=day.site_id, fiscal_day=DAY, sequence=1)
    assert (now.revision, now.proposal is not None) == (0, True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "Say what is to change"),
        ({"payment": "1", "reason": ""}, "This field is required"),
        ({"payment": "1", "hour_first": "9", "hour_last": "8"}, "before the first one"),
        ({"payment": "1", "reason": "other"}, "Say what the reason is"),
        ({"unit_price": "cheap"}, "Enter a number"),
    ],
)
def test_what_is_wrong_is_said(visitor: Client, data: dict[str, str], said: str) -> None:
    response = look(visitor, **data)
    assert response.status_code == 422
    assert said in response.text
    assert not Correction.objects.exists()


def test_who_may(client: Client, day: FiscalDay) -> None:
    client.force_login(make_user(Role.AUDITOR))
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get(f"/sites/HILL/days/{DAY}/").text
    client.force_login(make_user(Role.MANAGER))
    assert client.get(PAGE).status_code == 404
    client.force_login(make_user(Role.MANAGER, day.site))
    assert PAGE in client.get(f"/sites/HILL/days/{DAY}/").text
    assert "Propose to correct" in look(client, payment="1").text
