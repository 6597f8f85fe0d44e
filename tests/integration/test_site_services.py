"""Sites are registered once, brought up to date when told so, and announced when they change."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from console.models import Role
from ledger.models import FuellingPoint, Nozzle, Product, Site, Tank
from ledger.services.setup import site_create
from ledger.services.sites import (
    SiteRegistrationError,
    site_configure,
    site_register,
    sites_register,
)
from ledger.specs import (
    CUTOFF_DEFAULT,
    FuellingPointSpec,
    NozzleSpec,
    ProductSpec,
    SiteSpec,
    TankSpec,
)
from tests.factories import make_day, make_site, make_user

E10 = ProductSpec(code="E10", name="Unleaded", family="petrol", unit_price=Decimal("1.479"))
B7 = ProductSpec(code="B7", name="Diesel", family="diesel", unit_price=Decimal("1.549"))
FORECOURT = SiteSpec(
    code="NORTH-1",
    name="North",
    timezone="Europe/London",
    currency="GBP",
    source_id="abc",
    products=(E10, B7),
    tanks=(TankSpec(number=1, product="E10", capacity=Decimal(30000)),),
    fuelling_points=(FuellingPointSpec(number=1), FuellingPointSpec(number=2, bay=2)),
    nozzles=(NozzleSpec(fuelling_point=1, number=1, product="E10", tank=1),),
)


@pytest.mark.django_db
class TestSiteRegister:
    def test_it_registers_the_whole_forecourt(self) -> None:
        registration = site_register(spec=FORECOURT)
        assert registration.outcome == "registered"
        site = Site.objects.get()
        assert (site.code, site.name, site.source_id) == ("NORTH-1", "North", "abc")
        assert [p.code for p in Product.objects.all()] == ["B7", "E10"]
        assert Tank.objects.get().capacity == Decimal(30000)
        assert [(p.number, p.bay) for p in FuellingPoint.objects.all()] == [(1, 1), (2, 2)]
        assert Nozzle.objects.get().tank == 1

    @pytest.mark.parametrize("code", ["forecourt-ingest", "Forecourt-2", "console", "CONSOLE"])
    def test_no_site_is_called_as_the_console_at_the_broker(self, code: str) -> None:
        with pytest.raises(SiteRegistrationError, match="the console itself is called so"):
            sites_register(specs=[FORECOURT, replace(FORECOURT, code=code, source_id="b")])
        with pytest.raises(ValidationError, match="The console itself is called so"):
            site_create(
                code=code, values={"name": "A", "timezone": "UTC"}, actor=make_user(Role.STAFF)
            )
        assert not Site.objects.exists()

    def test_a_site_that_was_called_so_before_can_still_be_changed(self) -> None:
        former = make_site("forecourt-1")
        assert (
            site_register(spec=replace(FORECOURT, code=former.code, source_id=None)).outcome
            == "updated"
        )
        former.refresh_from_db()
        former.full_clean()

    def test_told_again_it_changes_nothing(self) -> None:
        site_register(spec=FORECOURT)
        assert site_register(spec=FORECOURT).outcome == "unchanged"

    def test_it_knows_a_site_by_its_source_and_never_changes_its_code(self) -> None:
        first = site_register(spec=FORECOURT)
        again = site_register(spec=replace(FORECOURT, code="OTHER", name="Renamed"))
        assert again.outcome == "updated"
        assert (again.site.pk, again.site.code, again.site.name) == (
            first.site.pk, "NORTH-1", "Renamed",
        )  # fmt: skip

    def test_currency_and_clock_stay_once_there_are_fiscal_days(self) -> None:
        site = site_register(spec=FORECOURT).site
        site_register(spec=replace(FORECOURT, currency="EUR"))
        make_day(site)
        for other in ({"currency": "PLN"}, {"timezone": "Europe/Berlin"}):
            with pytest.raises(SiteRegistrationError, match="holds amounts in EUR, by the clock"):
                site_register(spec=replace(FORECOURT, **{"currency": "EUR"} | other))

    def test_a_changed_price_is_an_update(self) -> None:
        site_register(spec=FORECOURT)
        dearer = replace(E10, unit_price=Decimal("1.499"))
        assert site_register(spec=replace(FORECOURT, products=(dearer, B7))).outcome == "updated"
        assert Product.objects.get(code="E10").unit_price == Decimal("1.4990")

    def test_a_group_that_is_not_told_stays(self) -> None:
        site_register(spec=FORECOURT)
        spec = replace(FORECOURT, products=None, tanks=None, fuelling_points=None, nozzles=None)
        assert site_register(spec=spec).outcome == "unchanged"
        assert Product.objects.count() == 2

    def test_a_cutoff_that_is_not_told_stays_as_the_office_set_it(self) -> None:
        assert site_register(spec=FORECOURT).site.cutoff == CUTOFF_DEFAULT
        Site.objects.update(cutoff=datetime.time(18, 30))
        assert site_register(spec=FORECOURT).outcome == "unchanged"
        assert Site.objects.get().cutoff == datetime.time(18, 30)
        assert site_register(spec=replace(FORECOURT, cutoff=datetime.time(5))).outcome == "updated"
        assert Site.objects.get().cutoff == datetime.time(5)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"code": "NORTH 1"}, "no site code"),
            ({"code": "N" * 33}, "no site code"),
            ({"name": ""}, "no name"),
            ({"name": "n" * 121}, "name is 121 characters long; 120 fit"),
            ({"currency": "pounds"}, "no currency"),
            ({"timezone": "Europe/Nowhere"}, "time zone 'Europe/Nowhere' is not known"),
            ({"products": (replace(E10, family="tea"),)}, "family 'tea' is not known"),
        ],
    )
    def test_it_refuses_what_cannot_be_a_site(
        self, change: dict[str, object], message: str
    ) -> None:
        with pytest.raises(SiteRegistrationError, match=message):
            site_register(spec=replace(FORECOURT, **change))  # type: ignore[arg-type]
        assert not Site.objects.exists()

    def test_a_code_that_is_taken_registers_nobody(self) -> None:
        site_register(spec=FORECOURT)
        newcomer = replace(FORECOURT, source_id="def")
        with pytest.raises(SiteRegistrationError, match="NORTH-1 belongs to North already"):
            sites_register(specs=[replace(FORECOURT, code="NEW", source_id="new"), newcomer])
        assert Site.objects.count() == 1

    def test_two_of_one_name_are_refused(self) -> None:
        with pytest.raises(SiteRegistrationError, match="two sites have the source_id abc"):
            sites_register(specs=[FORECOURT, replace(FORECOURT, code="NORTH-2")])


@pytest.mark.django_db
class TestSiteConfigure:
    def test_it_removes_what_is_not_named(self) -> None:
        site = site_register(spec=FORECOURT).site
        assert site_configure(site=site, products=[E10], fuelling_points=[]) is True
        assert [p.code for p in Product.objects.all()] == ["E10"]
        assert not FuellingPoint.objects.exists()
        assert Tank.objects.exists()

    def test_told_again_it_says_so(self) -> None:
        site = site_register(spec=FORECOURT).site
        assert site_configure(site=site, products=[B7, E10], tanks=FORECOURT.tanks) is False

    def test_other_sites_are_left_alone(self) -> None:
        site_register(spec=FORECOURT)
        other = site_register(spec=replace(FORECOURT, code="SOUTH-1", source_id="def")).site
        site_configure(site=other, products=[])
        assert Product.objects.count() == 2


def test_a_change_is_announced_and_a_repeat_is_not(committed_db: None) -> None:
    config = connection.settings_dict
    with psycopg.connect(
        host=config["HOST"], dbname=config["NAME"], user="postgres", autocommit=True
    ) as listener:
        listener.execute("LISTEN site_changes")
        for _ in range(2):
            site_register(spec=FORECOURT)
        # A marker of our own ends the wait: what came before it is all there was.
        listener.execute("NOTIFY site_changes, 'end'")
        payloads = []
        for notification in listener.notifies(timeout=10):
            payloads.append(notification.payload)
            if notification.payload == "end":
                break
    assert payloads == ["", "end"]
