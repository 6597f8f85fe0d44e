"""What differs in a day, what explains it, and for how long."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import psycopg.errors
import pytest
from django.db import InternalError, connection, transaction
from django.db.utils import IntegrityError

from ledger.models import (
    AuditEvent,
    CorrectionPosting,
    DeclaredTotal,
    Delivery,
    Dip,
    Explanation,
    FiscalDay,
    Kind,
    Site,
    Totalizer,
)
from ledger.selectors.reconciliation import Difference, reconciliation
from ledger.services.days import DayError
from ledger.services.sealing import difference_explain
from tests.factories import make_day, make_entry, make_forecourt, make_user

pytestmark = pytest.mark.django_db
DAY = datetime.date(2026, 11, 21)
OPENED = datetime.datetime(2026, 11, 21, 6, tzinfo=datetime.UTC)
CLOSED = datetime.datetime(2026, 11, 21, 22, tzinfo=datetime.UTC)
#: Three sales of the factory: 3 times 32.407 L and 47.93.
VOLUME, AMOUNT = Decimal("97.221"), Decimal("143.79")


def closed_day(site: Site, fiscal_day: datetime.date = DAY, **values: Any) -> FiscalDay:
    """Three sales of E10, declared as they are."""
    shift = fiscal_day - DAY
    given = {"opened_at": OPENED + shift, "closed_at": CLOSED + shift, "last_sequence": 3}
    day = make_day(site, fiscal_day=fiscal_day.isoformat(), entries=3, **given | values)
    declare(day)
    return FiscalDay.objects.select_related("site").get(pk=day.pk)


def declare(
    day: FiscalDay, count: int = 3, volume: Decimal = VOLUME, amount: Decimal = AMOUNT
) -> None:
    key = {"site_id": day.site_id, "fiscal_day": day.fiscal_day, "product": "E10"}
    DeclaredTotal.objects.update_or_create(
        **key, defaults={"count": count, "volume": volume, "amount": amount}
    )


def dip(day: FiscalDay, opening: str, closing: str | None) -> None:
    Dip.objects.create(
        site=day.site, fiscal_day=day.fiscal_day, tank=1, product="E10",
        opening_volume=Decimal(opening), closing_volume=closing and Decimal(closing),
    )  # fmt: skip


def post(day: FiscalDay, *, of_day: datetime.date, side: int, volume: str, **values: Any) -> None:
    """One side of a correction that is posted to the day."""
    defaults = {
        "kind": Kind.SALE, "product": "E10", "hour": 12, "count": side, "tax": 0,
        "amount": side * Decimal("47.93"), "volume": side * Decimal(volume),
    }  # fmt: skip
    CorrectionPosting.objects.create(
        site=day.site, fiscal_day=of_day, sequence=1, revision=1, side=side,
        posted_to=day.fiscal_day, **defaults | values,
    )  # fmt: skip


def found(day: FiscalDay) -> dict[str, str]:
    return {one.slug: one.stated for one in reconciliation(day).differences}


def explain(day: FiscalDay, one: Difference, **values: Any) -> Explanation:
    given = {"subject": one.subject, "key": one.key, "difference": one.stated}
    given |= {"reason": Explanation.Reason.GAUGE, "note": "looked at it"} | values
    return difference_explain(day=day, author=make_user(), **given)


@pytest.fixture
def site() -> Site:
    return make_forecourt("LON-1")


def test_a_day_that_agrees_has_no_differences(site: Site) -> None:
    day = closed_day(site)
    compared = reconciliation(day)
    assert compared.differences == []
    assert compared.is_ready
    assert compared.effective.amount == compared.declared.amount == AMOUNT


def test_a_day_without_anything_is_compared_too(site: Site) -> None:
    day = make_day(site, entries=0)
    compared = reconciliation(day)
    assert compared.differences == []
    assert not compared.is_ready
    assert (compared.products, compared.wet_stock.tanks, compared.wet_stock.nozzles) == ([], [], [])


def test_missing_entries_differ_by_which_ones(site: Site) -> None:
    assert found(closed_day(site, last_sequence=5)) == {"missing": "2 of 5"}


def test_what_was_not_declared_at_all_differs_with_what_there_is(site: Site) -> None:
    day = closed_day(site)
    DeclaredTotal.objects.all().delete()
    assert found(day) == {"declaration": "3 97.221 143.79"}


def test_turnover_differs_by_product_in_count_litres_and_amount(site: Site) -> None:
    day = closed_day(site)
    declare(day, count=4, volume=VOLUME + 1, amount=AMOUNT - Decimal("0.01"))
    assert found(day) == {"product-E10": "1 1.000 -0.01"}


def test_corrections_of_the_day_count_and_those_of_earlier_days_stand_apart(site: Site) -> None:
    day = closed_day(site)
    post(day, of_day=DAY - datetime.timedelta(days=1), side=-1, volume="5.000")
    compared = reconciliation(day)
    assert compared.differences == []
    assert (compared.earlier.count, compared.earlier.volume) == (-1, Decimal("-5.000"))
    post(day, of_day=DAY, side=-1, volume="32.407")
    assert found(day) == {"product-E10": "1 32.407 47.93"}
    [line] = reconciliation(day).products
    assert (line.recorded.count, line.corrected.count, line.effective.count) == (3, -1, 2)


def test_a_meter_differs_from_its_entries_tests_included_and_refunds_left_out(site: Site) -> None:
    day = closed_day(site, entry_count=5, highest_sequence=5, last_sequence=5)
    device = {"fuelling_point": 1, "nozzle": 1, "volume": Decimal("10.000")}
    make_entry(site, fiscal_day=str(DAY), sequence=4, kind=Kind.TEST, **device)
    make_entry(site, fiscal_day=str(DAY), sequence=5, kind=Kind.REFUND, **device)
    reading = Totalizer.objects.create(
        site=site, fiscal_day=DAY, fuelling_point=1, nozzle=1, product="E10",
        opening=Decimal("500.000"), closing=Decimal("510.010"),
    )  # fmt: skip
    assert found(day) == {}, "a hundredth of a litre is what a meter cannot tell"
    Totalizer.objects.filter(pk=reading.pk).update(closing=Decimal("512.500"))
    assert found(day) == {"nozzle-1-1": "2.500"}
    Totalizer.objects.filter(pk=reading.pk).update(closing=None)
    assert found(day) == {}


def test_a_correction_of_litres_counts_for_meter_and_tank(site: Site) -> None:
    day = closed_day(site)
    Totalizer.objects.create(
        site=site, fiscal_day=DAY, fuelling_point=1, nozzle=1, product="E10",
        opening=Decimal(0), closing=Decimal("7.000"),
    )  # fmt: skip
    nozzle = {"fuelling_point": 1, "nozzle": 1}
    post(day, of_day=DAY, side=-1, volume="32.407")
    post(day, of_day=DAY, side=1, volume="32.407", **nozzle)
    assert found(day) == {"nozzle-1-1": "-25.407"}


def test_a_tank_s_book_is_its_dip_deliveries_and_sales_by_nozzle_or_product(site: Site) -> None:
    day = closed_day(site)
    # The factory's entries name no tank: E10 is in tank 1 alone.
    Delivery.objects.create(
        site=site, tank=1, at=OPENED, product="E10", volume=5000, received_at=OPENED
    )
    Delivery.objects.create(
        site=site, tank=1, at=CLOSED, product="E10", volume=7000, received_at=CLOSED
    )
    dip(day, "1000.000", "5900.000")
    [line] = reconciliation(day).wet_stock.tanks
    assert line.movement.book == Decimal(6000) - VOLUME
    assert line.movement.variance == Decimal("-2.779")
    assert line.daily_allowance == Decimal("20.486")
    assert found(day) == {}


def test_a_loss_beyond_the_rule_differs_and_the_site_says_what_is_beyond(site: Site) -> None:
    day = closed_day(site)
    dip(day, "1000.000", "850.000")
    assert found(day) == {"tank-1": f"-52.779 of {VOLUME}"}
    site.wet_stock_daily_litres = Decimal(100)
    site.save(update_fields=["wet_stock_daily_litres"])
    assert found(FiscalDay.objects.get(pk=day.pk)) == {}


def test_small_losses_of_every_day_add_up_to_one_of_the_month(site: Site) -> None:
    site.wet_stock_monthly_litres = Decimal(40)
    site.save(update_fields=["wet_stock_monthly_litres"])
    for number in range(3):
        day = closed_day(site, DAY + datetime.timedelta(days=number))
        dip(day, "1000.000", str(Decimal(1000) - VOLUME - 18))
    first = closed_day(site, datetime.date(2026, 12, 1))
    dip(first, "1000.000", str(Decimal(1000) - VOLUME - 18))
    assert found(day) == {"tank_month-1": f"-54.000 of {3 * VOLUME}"}
    assert found(first) == {}, "another month begins anew"
    [line] = reconciliation(day).wet_stock.tanks
    assert line.is_to_watch


def test_an_explanation_covers_a_difference_until_it_is_another_one(site: Site) -> None:
    day = closed_day(site, last_sequence=5)
    [one] = reconciliation(day).differences
    explanation = explain(day, one, reason=Explanation.Reason.NOT_SENT)
    compared = reconciliation(day)
    assert compared.is_ready
    assert compared.explained[0].explanation == explanation
    make_entry(site, fiscal_day=str(DAY), sequence=4)
    FiscalDay.objects.filter(pk=day.pk).update(entry_count=4, highest_sequence=4)
    [changed] = reconciliation(FiscalDay.objects.get(pk=day.pk)).unexplained[:1]
    assert (changed.stated, changed.outdated) == ("1 of 5", [explanation])


def test_the_newest_explanation_of_a_difference_is_the_one(site: Site) -> None:
    day = closed_day(site, last_sequence=5)
    [one] = reconciliation(day).differences
    explain(day, one)
    second = explain(day, one, note="the other way round")
    assert second.number == 2
    assert reconciliation(day).differences[0].explanation == second


def test_who_explained_what_is_in_the_trail(site: Site) -> None:
    day = closed_day(site, last_sequence=5)
    explanation = explain(day, reconciliation(day).differences[0])
    event = AuditEvent.objects.get(action="day.explained")
    assert (event.actor_id, event.fiscal_day) == (explanation.author_id, DAY)
    assert event.detail["difference"] == "2 of 5"


def test_what_cannot_be_explained(site: Site) -> None:
    day = closed_day(site, last_sequence=5)
    [one] = reconciliation(day).differences
    with pytest.raises(DayError, match="another one by now"):
        explain(day, one, difference="1 of 5")
    with pytest.raises(DayError, match="no such difference"):
        explain(day, one, subject="tank", key="1")
    with pytest.raises(DayError, match="in a note"):
        explain(day, one, reason=Explanation.Reason.OTHER, note=" ")
    FiscalDay.objects.filter(pk=day.pk).update(closed_at=None)
    with pytest.raises(DayError, match="not closed yet"):
        explain(day, one)
    assert not Explanation.objects.exists()


@pytest.mark.parametrize("how", ["UPDATE explanation SET note = 'x'", "DELETE FROM explanation"])
def test_an_explanation_stays(site: Site, how: str) -> None:
    day = closed_day(site, last_sequence=5)
    explain(day, reconciliation(day).differences[0])
    with (
        pytest.raises((IntegrityError, InternalError), match="append-only") as refused,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(how)
    assert isinstance(refused.value.__cause__, psycopg.errors.RestrictViolation)


def test_nothing_is_explained_in_a_sealed_day(site: Site) -> None:
    day = closed_day(site, last_sequence=5)
    [one] = reconciliation(day).differences
    FiscalDay.objects.filter(pk=day.pk).update(sealed_at=CLOSED)
    with pytest.raises(DayError, match="sealed"):
        explain(day, one)
