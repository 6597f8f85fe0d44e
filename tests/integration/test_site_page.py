"""The site page and its pieces."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from console.models import Role
from console.views.network import NETWORK_FRAGMENTS
from console.views.site import SITE_FRAGMENTS
from ledger.models import Alarm, NozzleState, PumpState, Site, SiteStatus, TankState
from ledger.selectors.forecourt import RUNNING_STALE, SALE_SHOWN
from tests.factories import make_day, make_entry, make_forecourt, make_site, make_user
from tests.live import piece_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user())
    return client


def flat(text: str) -> str:
    return " ".join(text.split())


def today() -> str:
    return timezone.now().date().isoformat()


def make_pump(site: Site, fuelling_point: int, state: str, **values: object) -> PumpState:
    now = timezone.now()
    return PumpState.objects.create(
        site=site,
        fuelling_point=fuelling_point,
        state=state,
        since=now,
        at=now,
        received_at=now,
        **values,
    )


def test_a_bare_site_says_what_it_lacks(staff: Client) -> None:
    make_site("S1", name="New")
    text = flat(staff.get("/sites/S1/").text)
    assert "Never heard from" in text
    assert "No fuelling points are registered" in text
    assert "No tanks are registered" in text
    assert "The site has not opened a fiscal day yet" in text
    assert "No alarm has been reported" in text
    assert "No entries yet" in text


def test_a_running_sale(staff: Client) -> None:
    site = make_forecourt("S1")
    make_pump(site, 1, "fuelling", product="E10", volume=Decimal("12.31"), amount=Decimal("18.21"))
    text = flat(staff.get("/sites/S1/").text)
    assert "Fuelling" in text
    assert "12.31" in text
    assert "£18.21" in text
    assert "Not heard" in text


def test_an_idle_point_shows_its_last_sale(staff: Client) -> None:
    site = make_forecourt("S1")
    make_pump(site, 1, "idle")
    NozzleState.objects.create(
        site=site,
        fuelling_point=1,
        nozzle=1,
        fiscal_day="2026-11-22",
        sequence=7,
        occurred_at=timezone.now(),
        product="E10",
        volume=Decimal("30.5"),
        amount=Decimal("45.11"),
    )
    text = flat(staff.get("/sites/S1/").text)
    assert "£45.11" in text
    assert "last sale" in text


@pytest.mark.parametrize("state", ["calling", "authorised", "started", "fuelling"])
def test_a_point_where_a_sale_begins_shows_nothing_of_the_last(staff: Client, state: str) -> None:
    site = make_forecourt("S1", fuelling_points=1)
    # What a controller repeats of the last sale while a point calls is of the last sale, too.
    figures = {"amount": Decimal("45.11")} if state in {"calling", "authorised"} else {}
    make_pump(site, 1, state, product="B7", **figures)
    NozzleState.objects.create(
        site=site,
        fuelling_point=1,
        nozzle=1,
        fiscal_day="2026-11-22",
        sequence=7,
        occurred_at=timezone.now(),
        product="E10",
        volume=Decimal("30.5"),
        amount=Decimal("45.11"),
    )
    text = flat(staff.get("/sites/S1/").text)
    assert "no figures yet" in text
    assert "45.11" not in text
    assert "30.50" not in text
    assert "last sale" not in text


def test_a_sale_that_has_just_ended_shows_its_total_for_a_moment(staff: Client) -> None:
    site = make_forecourt("S1", fuelling_points=1)
    pump = make_pump(
        site, 1, "idle", product="E10", volume=Decimal("40.2"), amount=Decimal("59.46")
    )
    text = flat(staff.get("/sites/S1/").text)
    assert "Sale ended" in text
    assert "£59.46" in text
    # Later it is idle like any other, and so is one whose state the broker merely kept.
    for field in ("received_at", "at"):
        before = getattr(pump, field)
        setattr(pump, field, before - 6 * SALE_SHOWN)
        pump.save()
        text = flat(staff.get("/sites/S1/").text)
        assert "Sale ended" not in text
        assert "Idle" in text
        setattr(pump, field, before)


def test_a_running_sale_that_stands_still_says_so(staff: Client) -> None:
    site = make_forecourt("S1", fuelling_points=1)
    pump = make_pump(site, 1, "fuelling", volume=Decimal("12.31"), amount=Decimal("18.21"))
    assert "not updated for" not in staff.get("/sites/S1/").text
    pump.received_at -= 2 * RUNNING_STALE
    pump.save()
    text = flat(staff.get("/sites/S1/").text)
    assert "not updated for" in text
    assert "£18.21" in text


def test_stand_alone_points_and_their_sales_are_named(staff: Client) -> None:
    site = make_forecourt("S1")
    make_day(site, fiscal_day=today(), entries=1)
    for sequence in (2, 3):
        make_entry(site, fiscal_day=today(), sequence=sequence, fuelling_point=1, offline=True)
    make_pump(site, 2, "offline")
    text = flat(staff.get("/sites/S1/").text)
    assert "2 stand-alone today" in text
    assert "Stand-alone" in text
    assert "Sells unseen. Its sales arrive once it is back." in text


@pytest.mark.parametrize("online", [False, True])
def test_what_is_old_says_since_when(staff: Client, online: bool) -> None:
    site = make_forecourt("S1")
    make_pump(site, 1, "idle")
    heard_at = timezone.now() - timedelta(seconds=2 * site.stale_after_s)
    status = SiteStatus.objects.create(site=site, online=online, last_heard_at=heard_at)
    TankState.objects.create(site=site, tank=1, at=heard_at, received_at=heard_at, volume=9000)
    text = flat(staff.get("/sites/S1/").text)
    assert "As of <time" in text
    assert text.count("is-stale") == 2  # the points as a whole, and the tank
    status.online, status.last_heard_at = True, timezone.now()
    status.save()
    TankState.objects.update(at=timezone.now(), received_at=timezone.now())
    text = flat(staff.get("/sites/S1/").text)
    assert "As of <time" not in text
    assert "is-stale" not in text


def test_a_point_that_nobody_registered_shows(staff: Client) -> None:
    make_pump(make_site("S1"), 12, "idle")
    assert "Not registered" in staff.get("/sites/S1/").text


def test_tanks(staff: Client) -> None:
    site = make_forecourt("S1")
    now = timezone.now()
    TankState.objects.create(
        site=site,
        tank=1,
        at=now,
        received_at=now,
        product="E10",
        volume=Decimal(3000),
        water=Decimal(12),
        temperature=Decimal("11.2"),
        alarms=["low_product", "tank_leakage"],
    )
    TankState.objects.create(site=site, tank=2, at=now, received_at=now)
    text = flat(staff.get("/sites/S1/").text)
    assert "Below the low mark" in text
    assert "Tank leaks" in text
    assert "Product low" not in text
    assert "27,000" in text
    assert "11.2" in text


def test_the_current_day_and_the_latest_entries(staff: Client) -> None:
    site = make_forecourt("S1")
    make_day(site, fiscal_day=today(), entries=2, highest_sequence=4)
    text = flat(staff.get("/sites/S1/").text)
    assert "2 entries missing: 3 and 4" in text
    assert f"/sites/S1/days/{today()}/2/" in text


def test_alarms(staff: Client) -> None:
    site = make_site("S1")
    Alarm.objects.create(
        site=site,
        device="pump",
        number=6,
        code="hose",
        state="started",
        at=timezone.now(),
        text="<b>Hose</b> off",
    )
    text = staff.get("/sites/S1/").text
    assert "&lt;b&gt;Hose&lt;/b&gt; off" in text


def test_a_site_of_others_does_not_exist(client: Client) -> None:
    make_site("OTHER", name="Secret name")
    client.force_login(make_user(Role.MANAGER, make_site("OWN")))
    for path in ("", "days/", "days/2026-11-22/", "days/2026-11-22/1/"):
        answer = client.get(f"/sites/OTHER/{path}")
        assert answer.status_code == 404
        assert "Secret name" not in answer.text
        assert "There is nothing at this address" in answer.text


@pytest.mark.parametrize("name", SITE_FRAGMENTS)
def test_a_piece_is_one_element_of_its_name(staff: Client, name: str) -> None:
    site = make_forecourt("S1")
    make_day(site, fiscal_day=today())
    text = piece_of(staff, "/sites/S1/", name)
    assert text.lstrip().startswith(("<section", "<div"))
    assert f'id="{name}"' in text.split(">", 1)[0]
    assert text in staff.get("/sites/S1/").text


@pytest.mark.parametrize("name", NETWORK_FRAGMENTS)
def test_a_piece_of_the_network_is_one_element_of_its_name(staff: Client, name: str) -> None:
    text = piece_of(staff, "/", name)
    assert f'id="{name}"' in text.split(">", 1)[0]


def test_pieces_hold_nothing_of_who_looks(client: Client) -> None:
    site = make_forecourt("S1")
    seen = []
    for user in (make_user(Role.MANAGER, site, username="one"), make_user(username="two")):
        client.force_login(user)
        seen.append([piece_of(client, "/sites/S1/", name) for name in SITE_FRAGMENTS])
    assert seen[0] == seen[1]


def test_the_number_of_queries_is_that_of_a_small_site(
    staff: Client, django_assert_max_num_queries
) -> None:
    small = make_forecourt("SMALL", fuelling_points=1)
    large = make_forecourt("LARGE", fuelling_points=32)
    for site, points in ((small, 1), (large, 32)):
        SiteStatus.objects.create(site=site, online=True, last_heard_at=timezone.now())
        make_day(site, fiscal_day=today(), entries=points)
        for point in range(1, points + 1):
            make_pump(site, point, "idle")
    with django_assert_max_num_queries(50) as one:
        staff.get("/sites/SMALL/")
    with django_assert_max_num_queries(len(one.captured_queries)):
        staff.get("/sites/LARGE/")
