"""What left a tank is what the nozzles' meters counted, where the day has them."""

from __future__ import annotations

import csv
import datetime
import io
import json
from decimal import Decimal

import pytest
from django.test import Client

from console.models import Role
from ledger.models import (
    CorrectionPosting,
    DaySeal,
    DeclaredTotal,
    Dip,
    FiscalDay,
    Kind,
    Nozzle,
    Site,
    Totalizer,
)
from ledger.selectors.days import day_summary
from ledger.selectors.reconciliation import reconciliation
from ledger.selectors.reports_day import day_report
from ledger.selectors.reports_stock import stock_trend
from ledger.wet_stock import NOZZLE_DAY_LITRES_MAX, MeteredBy, TankMovement
from tests.factories import make_day, make_entry, make_forecourt, make_user

pytestmark = pytest.mark.django_db
DAY = datetime.date(2026, 11, 21)
CLOSED = datetime.datetime(2026, 11, 21, 22, tzinfo=datetime.UTC)
FIRST, SECOND = {"fuelling_point": 1, "nozzle": 1}, {"fuelling_point": 2, "nozzle": 1}


@pytest.fixture
def site() -> Site:
    """E10 in tank 1, drawn from by nozzle 1 of the points 1 and 2 and by no other."""
    site = make_forecourt("HILL")
    Nozzle.objects.filter(site=site).delete()
    for device in (FIRST, SECOND):
        Nozzle.objects.create(
            site=site, fuelling_point=device["fuelling_point"], number=1, product="E10", tank=1
        )
    return site


@pytest.fixture
def day(site: Site) -> FiscalDay:
    """A closed day: 100 L were sold at each point; the entry of 40 L at point 2 is lost."""
    day = make_day(site, fiscal_day=str(DAY), entries=0, closed_at=CLOSED, last_sequence=4)
    for sequence, device, volume in ((1, FIRST, 100), (2, SECOND, 60)):
        sold(site, sequence, volume, **device)
    Dip.objects.create(
        site=site, fiscal_day=DAY, tank=1, product="E10",
        opening_volume=Decimal(1000), closing_volume=Decimal(800),
    )  # fmt: skip
    return day


def sold(site: Site, sequence: int, volume: int, **values: object) -> None:
    values = {"volume": Decimal(volume), "amount": Decimal(volume)} | values
    make_entry(site, fiscal_day=str(DAY), sequence=sequence, **values)


def read(site: Site, opening: int, closing: int | None, **device: int) -> None:
    Totalizer.objects.create(
        site=site, fiscal_day=DAY, product="E10", opening=opening, closing=closing, **device
    )


def movement(site: Site) -> TankMovement:
    """The tank's movement, the same in the reconciliation and in the trend."""
    day = FiscalDay.objects.select_related("site").get(site=site, fiscal_day=DAY)
    [tank] = reconciliation(day).wet_stock.tanks
    [trend] = stock_trend(site=site, first=DAY, last=DAY)
    assert trend.lines[0].movement == tank.movement
    return tank.movement


def outcome(site: Site) -> tuple[Decimal, MeteredBy, Decimal | None]:
    found = movement(site)
    return found.metered, found.metered_by, found.variance


def test_a_lost_entry_is_no_loss_from_the_tank(site: Site, day: FiscalDay) -> None:
    assert outcome(site) == (160, MeteredBy.ENTRIES, -40)
    read(site, 5000, 5100, **FIRST)
    read(site, 7000, 7100, **SECOND)
    assert outcome(site) == (200, MeteredBy.METERS, 0)


def test_a_nozzle_without_its_meter_counts_by_its_entries(site: Site, day: FiscalDay) -> None:
    read(site, 5000, None, **FIRST)
    read(site, 7000, 7100, **SECOND)
    assert outcome(site) == (200, MeteredBy.BOTH, 0)


@pytest.mark.parametrize("closing", [12, 5000 + NOZZLE_DAY_LITRES_MAX + 1])
def test_a_meter_that_was_replaced_says_nothing(site: Site, day: FiscalDay, closing: int) -> None:
    read(site, 5000, closing, **FIRST)
    read(site, 7000, 7100, **SECOND)
    assert outcome(site) == (200, MeteredBy.BOTH, 0)


def test_a_pump_test_went_through_the_meter_and_back(site: Site, day: FiscalDay) -> None:
    sold(site, 3, 20, kind=Kind.TEST, **FIRST)
    read(site, 5000, 5120, **FIRST)
    read(site, 7000, 7100, **SECOND)
    found = movement(site)
    assert (found.metered, found.tests, found.throughput) == (220, 20, 200)
    assert found.variance == 0


def test_an_entry_by_hand_without_a_nozzle_is_not_counted_twice(site: Site, day: FiscalDay) -> None:
    read(site, 5000, 5100, **FIRST)
    read(site, 7000, 7100, **SECOND)
    sold(site, 3, 40)
    assert outcome(site) == (200, MeteredBy.METERS, 0)
    Totalizer.objects.filter(fuelling_point=1).delete()
    assert outcome(site) == (240, MeteredBy.BOTH, 40)


def test_entries_beyond_the_meter_are_no_more_fuel(site: Site, day: FiscalDay) -> None:
    read(site, 5000, 5100, **FIRST)
    read(site, 7000, 7100, **SECOND)
    sold(site, 3, 7, **SECOND)
    assert outcome(site) == (200, MeteredBy.METERS, 0)


def test_entries_say_which_tank_it_was_where_they_name_one(site: Site, day: FiscalDay) -> None:
    Dip.objects.create(
        site=site, fiscal_day=DAY, tank=3, product="E10",
        opening_volume=Decimal(500), closing_volume=Decimal(400),
    )  # fmt: skip
    third = {"fuelling_point": 3, "nozzle": 1}
    sold(site, 3, 90, tank=3, **third)
    read(site, 0, 100, **third)
    found = FiscalDay.objects.select_related("site").get(pk=day.pk)
    by_tank = {line.tank: line.movement for line in reconciliation(found).wet_stock.tanks}
    assert (by_tank[3].metered, by_tank[3].metered_by) == (100, MeteredBy.METERS)
    assert (by_tank[1].metered, by_tank[1].metered_by) == (160, MeteredBy.ENTRIES)


def test_a_day_sealed_by_entries_alone_stays_as_it_was(site: Site, day: FiscalDay) -> None:
    read(site, 5000, 5100, **FIRST)
    read(site, 7000, 7100, **SECOND)
    DaySeal.objects.create(
        site=site, fiscal_day=DAY, entry_marks=b"",
        document='["seal", 2, 1]\n["allowance", "5.0", "20.000", "10.0", "492.104"]\n'
        '["tank", 1, "E10"]\n',
    )  # fmt: skip
    FiscalDay.objects.filter(pk=day.pk).update(sealed_at=CLOSED)
    found = FiscalDay.objects.select_related("site").get(pk=day.pk)
    [line] = reconciliation(found).wet_stock.tanks
    assert (line.movement.metered, line.movement.metered_by) == (160, MeteredBy.ENTRIES)


def test_pages_and_files_say_what_it_was_counted_by(
    client: Client, site: Site, day: FiscalDay
) -> None:
    read(site, 7000, 7100, **SECOND)
    client.force_login(make_user(Role.STAFF))
    url = f"/reports/stock/?first={DAY}&last={DAY}&site=HILL"
    page = client.get(url).text
    assert "meters and entries" in page
    assert "Dip less book" in page
    assert "meters and entries" in client.get(f"/sites/HILL/days/{DAY}/reconciliation/").text
    [row] = csv.DictReader(io.StringIO(client.get(f"{url}&format=csv").text))
    assert (row["metered_l"], row["metered_by"]) == ("200.000", "meters_and_entries")
    [trend] = json.loads(client.get(f"{url}&format=json").text)["tanks"]
    assert trend["lines"][0]["movement"]["metered_by"] == "meters_and_entries"


def test_a_missing_entry_makes_one_sign_everywhere(
    client: Client, site: Site, day: FiscalDay
) -> None:
    """Declared by the site, counted by the meter, dipped in the tank, and not in the ledger."""
    DeclaredTotal.objects.create(
        site=site, fiscal_day=DAY, product="E10", count=3, volume=200, amount=200
    )
    read(site, 5000, 5100, **FIRST)
    read(site, 7000, 7100, **SECOND)
    found = FiscalDay.objects.select_related("site").get(pk=day.pk)
    compared, summary, report = reconciliation(found), day_summary(found), day_report(found)
    [product] = compared.products
    assert product.difference is not None
    assert compared.difference.amount > 0
    assert (product.difference.count, product.difference.volume) == (
        summary.difference.count, summary.difference.volume,
    )  # fmt: skip
    assert summary.difference.volume > 0
    by_nozzle = {line.fuelling_point: line.difference for line in compared.wet_stock.nozzles}
    assert by_nozzle == {1: 0, 2: 40}
    assert {line.fuelling_point: line.difference for line in report.nozzles} == by_nozzle
    signs = {one.subject.value: (one.count, one.volume) for one in compared.differences}
    assert all(part is None or part > 0 for each in signs.values() for part in each), signs
    client.force_login(make_user(Role.STAFF))
    lines = csv.DictReader(
        io.StringIO(client.get(f"/sites/HILL/days/{DAY}/report/?format=csv").text)
    )
    told = {row["about"]: row["litres"] for row in lines if row["kind"] == "metered_less_ledger"}
    assert told == {"1/1 E10": "0.000", "2/1 E10": "40.000"}


def test_a_refund_with_litres_and_a_void_of_another_day_run_through_no_meter(
    client: Client, site: Site, day: FiscalDay
) -> None:
    read(site, 5000, 5100, **FIRST)
    read(site, 7000, 7060, **SECOND)
    sold(site, 3, 39, kind=Kind.REFUND, amount=Decimal(-39), **FIRST)
    # A sale of an earlier day, sealed since, that is taken back on this one.
    CorrectionPosting.objects.create(
        site=site, fiscal_day=DAY - datetime.timedelta(days=1), sequence=1, revision=1, side=-1,
        posted_to=DAY, kind=Kind.SALE, product="E10", hour=12, count=-1, volume=Decimal(-20),
        amount=Decimal(-20), tax=0, **SECOND,
    )  # fmt: skip
    # Fuel of another product, by its entry, went through the same nozzle and meter.
    sold(site, 4, 7, product="B7", **FIRST)
    found = FiscalDay.objects.select_related("site").get(pk=day.pk)
    compared, report = reconciliation(found), day_report(found)
    expected = {(1, 1): Decimal(-7), (2, 1): Decimal(0)}
    meters = {(one.fuelling_point, one.nozzle): one for one in compared.wet_stock.nozzles}
    assert {key: one.difference for key, one in meters.items()} == expected
    lines = {(one.fuelling_point, one.nozzle, one.product): one for one in report.nozzles}
    told = {key[:2]: one.difference for key, one in lines.items() if one.meter is not None}
    assert told == expected
    assert report.metered == 160
    # What it sold is told apart, with what is posted to the day.
    assert lines[1, 1, "E10"].kinds.turnover.volume == 139
    assert lines[2, 1, "E10"].kinds.turnover.volume == 40
    assert (lines[1, 1, "B7"].dispensed, lines[1, 1, "B7"].meter) == (7, None)
    client.force_login(make_user(Role.STAFF))
    text = client.get(f"/sites/HILL/days/{DAY}/report/?format=csv").text
    rows = csv.DictReader(io.StringIO(text))
    differences = {
        row["about"]: row["litres"] for row in rows if row["kind"] == "metered_less_ledger"
    }
    assert differences == {"1/1 E10": "-7.000", "1/1 B7": "", "2/1 E10": "0.000"}


def test_meters_that_nobody_read_counted_nothing_that_is_known(site: Site, day: FiscalDay) -> None:
    read(site, 5000, None, **FIRST)
    assert day_report(FiscalDay.objects.get(pk=day.pk)).metered is None
