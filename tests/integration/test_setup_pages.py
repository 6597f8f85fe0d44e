"""Registering a site, and changing what it is and what stands on its forecourt."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from console.forms.setup import NOZZLES_MAX, POINTS_MAX
from console.models import Role
from console.templatetags.times import machine_time
from ledger.models import AuditEvent, FuellingPoint, Nozzle, Product, Site, Tank
from tests.factories import make_day, make_forecourt, make_site, make_user

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(Role.ADMINISTRATOR))
    return client


def typed(client: Client, url: str) -> dict[str, Any]:
    """What a browser would send of a page's form that nobody touched."""
    context = client.get(url).context
    values: dict[str, Any] = {name: context.get(name) or "" for name in ("version", "seen")}
    forms = [context["form"]] if "form" in context and "rows" not in context else []
    forms += context.get("forms") or []
    for rows in context.get("rows") or ():
        forms += [rows.management_form, *rows.forms]
    for form in forms:
        for field in form:
            if (value := field.value()) not in {None, False}:
                values[field.html_name] = "on" if value is True else value
    return values


SITE = {
    "code": "DE-KIEL",
    "name": "Kiel Hafen",
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "stale_after_s": "300",
    "first_fiscal_day": "2026-10-01",
    "cutoff": "07:00",
    "correction_limit": "50.00",
    "wet_stock_daily_permille": "5",
    "wet_stock_daily_litres": "20",
    "wet_stock_monthly_permille": "2.5",
    "wet_stock_monthly_litres": "100",
}


def test_an_administrator_registers_a_site(admin: Client) -> None:
    answer = admin.post("/new-site/", SITE)
    assert (answer.status_code, answer["Location"]) == (303, "/sites/DE-KIEL/setup/products/")
    site = Site.objects.get(code="DE-KIEL")
    assert (site.currency, site.correction_limit) == ("EUR", 50)
    assert (float(site.wet_stock_monthly_permille), site.wet_stock_daily_litres) == (2.5, 20)
    event = AuditEvent.objects.get()
    assert (event.action, event.site_id) == ("site.registered", site.pk)
    assert event.detail["after"]["name"] == "Kiel Hafen"
    assert "is registered" in admin.get(answer["Location"]).text


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_a_wrong_site_is_422_and_keeps_what_was_typed(
    admin: Client, headers: dict[str, str]
) -> None:
    make_site("DE-KIEL")
    answer = admin.post("/new-site/", SITE | {"stale_after_s": "soon"}, headers=headers)
    assert answer.status_code == 422
    assert 'href="#id_code"' in answer.text
    assert 'value="soon"' in answer.text
    assert ("<html" in answer.text) is not bool(headers)
    assert Site.objects.count() == 1
    assert not AuditEvent.objects.exists()


def test_the_code_is_checked_as_soon_as_it_was_typed(admin: Client) -> None:
    make_site("DE-KIEL", name="Old Kiel")
    answer = admin.post("/new-site/?check=code", {"code": "de-kiel"}, headers=HTMX)
    assert "Old Kiel has this code already." in answer.text
    answer = admin.post("/new-site/?check=code", {"code": "forecourt-ingest"}, headers=HTMX)
    assert "The console itself is called so at the broker." in answer.text
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMINISTRATOR])
def test_nobody_else_registers_or_changes_sites(client: Client, role: Role) -> None:
    site = make_site("S1")
    client.force_login(make_user(role, site))
    assert client.post("/new-site/", SITE).status_code == 403
    # To the frontend role there is no such site.
    expected = 404 if role == Role.FRONTEND else 403
    assert client.get("/sites/S1/setup/").status_code == expected
    assert client.post("/sites/S1/setup/", {"name": "x"}).status_code == expected
    equip = {Role.STAFF: 200, Role.FRONTEND: 404}.get(role, 403)
    for part in ("products", "tanks", "points"):
        assert client.get(f"/sites/S1/setup/{part}/").status_code == equip


def test_a_site_of_somebody_else_does_not_exist(client: Client) -> None:
    make_site("S1")
    client.force_login(make_user(Role.MANAGER))
    assert client.get("/sites/S1/setup/products/").status_code == 404
    assert "S1" not in client.get("/sites/").text


def test_what_a_site_is_changes_and_is_recorded(admin: Client) -> None:
    site = make_site("S1", name="Old")
    sent = typed(admin, "/sites/S1/setup/") | {"name": "New"}
    assert admin.post("/sites/S1/setup/", sent).status_code == 303
    site.refresh_from_db()
    assert site.name == "New"
    event = AuditEvent.objects.get()
    assert event.detail == {"before": {"name": "Old"}, "after": {"name": "New"}}


def test_nothing_changed_is_nothing_recorded(admin: Client) -> None:
    make_forecourt("S1")
    for page in ("", "products/", "tanks/", "points/"):
        url = f"/sites/S1/setup/{page}"
        assert admin.post(url, typed(admin, url)).status_code == 303
    assert not AuditEvent.objects.exists()


def test_the_second_of_two_sees_what_the_first_stored(admin: Client) -> None:
    site = make_site("S1", name="Old")
    sent = typed(admin, "/sites/S1/setup/") | {"name": "Mine"}
    Site.objects.filter(pk=site.pk).update(name="Theirs")
    answer = admin.post("/sites/S1/setup/", sent, headers=HTMX)
    assert answer.status_code == 422
    assert "Theirs" in answer.text
    assert 'value="Mine"' in answer.text
    site.refresh_from_db()
    assert site.name == "Theirs"
    again = sent | {"version": answer.context["version"]}
    assert admin.post("/sites/S1/setup/", again).status_code == 303
    site.refresh_from_db()
    assert site.name == "Mine"


def other_admin(**names: str) -> Client:
    """A second person at the same forms."""
    other = Client()
    other.force_login(make_user(Role.ADMINISTRATOR, first_name="Kim", last_name="Okafor", **names))
    return other


def test_the_second_is_told_who_changed_what_and_when(admin: Client) -> None:
    make_site("S1", name="Old", brand="Apex", correction_limit=None)
    url = "/sites/S1/setup/"
    mine = typed(admin, url) | {"brand": "Mine", "city": "Kiel"}
    other = other_admin()
    other.post(url, typed(other, url) | {"name": "Theirs", "correction_limit": "12.50"})
    other.post(url, typed(other, url) | {"brand": "Zenith", "is_closed": "on"})
    answer = admin.post(url, mine, headers=HTMX)
    assert answer.status_code == 422
    newer, older = answer.context["meanwhile"]
    assert [(one.label, one.before, one.after) for one in newer.fields] == [
        ("Brand", "Apex", "Zenith"),
        ("Closed for trade", "No", "Yes"),
    ]
    assert [(one.label, one.before, one.after) for one in older.fields] == [
        ("Name", "Old", "Theirs"),
        ("Corrections need a second person beyond", "nothing", "12.5"),
    ]
    assert answer.text.count("<b>Kim Okafor</b>") == 2
    assert f'datetime="{machine_time(older.event.at)}"' in answer.text
    # What only I changed is nobody else's doing.
    form = answer.context["form"]
    assert (form["brand"].now, form["city"].now) == ("Zenith", "")
    assert form["brand"].value() == "Mine"
    again = mine | {name: answer.context[name] for name in ("version", "seen")}
    assert admin.post(url, again).status_code == 303


def test_a_change_that_the_page_knew_of_is_not_told_again(admin: Client) -> None:
    make_site("S1", name="Old")
    url = "/sites/S1/setup/"
    other = other_admin()
    other.post(url, typed(other, url) | {"name": "First"})
    mine = typed(admin, url) | {"name": "Mine"}
    other.post(url, typed(other, url) | {"name": "Second"})
    [only] = admin.post(url, mine).context["meanwhile"]
    assert [(one.before, one.after) for one in only.fields] == [("First", "Second")]


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 30, "٣"])
def test_a_page_that_does_not_say_what_it_knew_is_told_the_latest(admin: Client, seen: str) -> None:
    make_site("S1", name="Old")
    url = "/sites/S1/setup/"
    mine = typed(admin, url) | {"name": "Mine", "seen": seen}
    other = other_admin()
    for number in range(7):
        other.post(url, typed(other, url) | {"name": f"Name {number}"})
    answer = admin.post(url, mine)
    assert answer.status_code == 422
    assert [one.fields[0].after for one in answer.context["meanwhile"]] == [
        f"Name {number}" for number in (6, 5, 4, 3, 2)
    ]


def test_of_rows_it_says_which(admin: Client) -> None:
    make_forecourt("S1")
    url = "/sites/S1/setup/products/"
    mine = typed(admin, url)
    other = other_admin()
    theirs = typed(other, url) | {"products-1-unit_price": "1.599", "products-TOTAL_FORMS": "3"}
    theirs |= {"products-2-code": "LPG", "products-2-name": "LPG", "products-2-family": "lpg"}
    other.post(url, theirs)
    answer = admin.post(url, mine)
    [one] = answer.context["meanwhile"]
    assert [(each.label, each.before, each.after) for each in one.fields] == [
        ("Product E10, Price", "1.479", "1.599"),
        ("Product LPG", "not there", "there"),
    ]
    assert answer.context["lacking"] == ["LPG"]


def test_of_a_person_too(admin: Client) -> None:
    kim = make_user(Role.STAFF, username="kim")
    url = f"/people/{kim.pk}/"
    mine = typed(admin, url) | {"first_name": "Mine"}
    other = other_admin()
    other.post(url, typed(other, url) | {"role": "auditor"})
    answer = admin.post(url, mine)
    assert answer.status_code == 422
    [one] = answer.context["meanwhile"]
    assert [(each.label, each.before, each.after) for each in one.fields] == [
        ("Role", "Staff", "Auditor")
    ]


def test_currency_and_clock_stay_once_the_ledger_holds_amounts(admin: Client) -> None:
    site = make_site("S1", currency="GBP")
    make_day(site)
    sent = typed(admin, "/sites/S1/setup/") | {"currency": "EUR", "timezone": "Europe/Berlin"}
    admin.post("/sites/S1/setup/", sent)
    site.refresh_from_db()
    assert (site.currency, site.timezone) == ("GBP", "Europe/London")


@pytest.mark.parametrize("changed", ["code", "currency", "timezone"])
def test_whoever_asks(changed: str) -> None:
    site = make_site("S1")
    others = make_site("S2")
    make_day(site)
    Site.objects.filter(pk=others.pk).update(**{changed: "EUR"})
    with pytest.raises(IntegrityError, match="has fiscal days"):
        Site.objects.filter(pk=site.pk).update(**{changed: "PLN"})


def test_staff_change_a_price(client: Client) -> None:
    make_forecourt("S1")
    client.force_login(make_user(Role.STAFF))
    url = "/sites/S1/setup/products/"
    sent = typed(client, url)
    row = next(name for name, value in sent.items() if value == "E10" and "code" in name)
    price = row.replace("code", "unit_price")
    assert client.post(url, sent | {price: "1.5555"}).status_code == 303
    assert str(Product.objects.get(code="E10").unit_price) == "1.5555"
    event = AuditEvent.objects.get()
    assert event.action == "site.products_changed"
    assert event.detail["before"]["E10"]["unit_price"] == "1.4790"


def test_what_is_in_use_cannot_go_and_the_page_says_why(admin: Client) -> None:
    make_forecourt("S1")
    for part, word in (("products", "tank"), ("tanks", "nozzle")):
        url = f"/sites/S1/setup/{part}/"
        answer = admin.post(url, typed(admin, url) | {f"{part}-0-DELETE": "on"})
        assert answer.status_code == 422
        assert "cannot go" in answer.text
        assert word in answer.text
    assert (Product.objects.count(), Tank.objects.count()) == (2, 2)


def test_a_nozzle_needs_its_fuelling_point(admin: Client) -> None:
    make_forecourt("S1", fuelling_points=1)
    url = "/sites/S1/setup/points/"
    answer = admin.post(url, typed(admin, url) | {"fuelling_points-0-DELETE": "on"})
    assert answer.status_code == 422
    assert FuellingPoint.objects.count() == 1


def test_a_row_is_added_and_stored(admin: Client) -> None:
    make_forecourt("S1", fuelling_points=1)
    url = "/sites/S1/setup/points/"
    more = admin.post(url, typed(admin, url) | {"add_row": "nozzles"})
    assert more.status_code == 200
    assert 'name="nozzles-2-number"' in more.text
    sent = typed(admin, url) | {"nozzles-TOTAL_FORMS": "3"}
    sent |= {"nozzles-2-fuelling_point": "1", "nozzles-2-number": "3", "nozzles-2-product": "E10"}
    assert admin.post(url, sent).status_code == 303
    assert Nozzle.objects.get(number=3).tank is None
    twice = typed(admin, url) | {"nozzles-1-number": "1"}
    assert admin.post(url, twice).status_code == 422


def test_rows_that_somebody_else_stored_are_named(admin: Client) -> None:
    site = make_forecourt("S1")
    url = "/sites/S1/setup/products/"
    sent = typed(admin, url)
    Product.objects.create(site=site, code="LPG", name="LPG", family="lpg")
    answer = admin.post(url, sent)
    assert answer.status_code == 422
    assert answer.context["lacking"] == ["LPG"]
    assert Product.objects.filter(code="LPG").exists()


def test_the_largest_forecourt_can_be_sent(admin: Client) -> None:
    site = make_forecourt("S1", fuelling_points=POINTS_MAX)
    Nozzle.objects.bulk_create(
        Nozzle(site=site, fuelling_point=point, number=number, product="E10")
        for point in range(1, POINTS_MAX + 1)
        for number in range(3, NOZZLES_MAX // POINTS_MAX + 1)
    )
    assert Nozzle.objects.count() == NOZZLES_MAX
    url = "/sites/S1/setup/points/"
    # Each is ticked to go, which is the most that a browser can send.
    gone = {f"nozzles-{number}-DELETE": "on" for number in range(NOZZLES_MAX)}
    gone |= {f"fuelling_points-{number}-DELETE": "on" for number in range(POINTS_MAX)}
    assert admin.post(url, typed(admin, url) | gone).status_code == 303
    assert not Nozzle.objects.exists()


def test_marks_of_a_tank_are_in_order(admin: Client) -> None:
    make_forecourt("S1")
    url = "/sites/S1/setup/tanks/"
    answer = admin.post(url, typed(admin, url) | {"tanks-0-low_mark": "29000"})
    assert answer.status_code == 422
    assert 'href="#id_tanks-0-low_mark"' in answer.text


# --- People --------------------------------------------------------------------------------------

PERSON = {
    "username": "kim",
    "first_name": "Kim",
    "role": "manager",
    "sites": "S1",
    "is_active": "on",
    "password": "a long enough secret",
    "password_again": "a long enough secret",
}


def test_a_person_is_let_in(admin: Client) -> None:
    from console.models import User

    make_site("S1")
    assert admin.post("/people/new/", PERSON).status_code == 303
    kim = User.objects.get(username="kim")
    assert [site.code for site in kim.sites.all()] == ["S1"]
    assert kim.check_password("a long enough secret")
    event = AuditEvent.objects.get()
    assert event.action == "person.created"
    assert "secret" not in str(event.detail)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"password_again": "another"}, "password_again"),
        ({"password": "short", "password_again": "short"}, "password"),
        ({"sites": "S1 NOWHERE"}, "sites"),
        ({"username": "TAKEN"}, "username"),
    ],
)
def test_a_wrong_person_is_422(admin: Client, wrong: dict[str, str], field: str) -> None:
    make_site("S1")
    make_user(username="taken")
    answer = admin.post("/people/new/", PERSON | wrong)
    assert answer.status_code == 422
    assert f'href="#id_{field}"' in answer.text
    assert "a long enough secret" not in answer.text


def test_a_person_changes_and_gets_another_password(admin: Client) -> None:
    make_site("S1")
    kim = make_user(Role.STAFF, username="kim")
    url = f"/people/{kim.pk}/"
    sent = typed(admin, url) | {"role": "manager", "sites": "S1"}
    sent.pop("is_active")
    assert admin.post(url, sent).status_code == 303
    kim.refresh_from_db()
    assert (kim.role, kim.is_active, kim.sites.count()) == ("manager", False, 1)
    secret = {"password": "another long secret", "password_again": "another long secret"}
    assert admin.post(f"{url}password/", secret).status_code == 303
    kim.refresh_from_db()
    assert kim.check_password("another long secret")
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["person.changed", "person.password_set"]


def test_the_last_administrator_stays_one(admin: Client) -> None:
    pk = admin.session["_auth_user_id"]
    answer = admin.post(f"/people/{pk}/", typed(admin, f"/people/{pk}/") | {"role": "staff"})
    assert answer.status_code == 422
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMINISTRATOR])
def test_nobody_else_sees_people(client: Client, role: Role) -> None:
    person = make_user(role)
    client.force_login(person)
    for url in ("/people/", "/people/new/", f"/people/{person.pk}/"):
        assert client.get(url).status_code == 403


class TestTheFirstFiscalDay:
    def _answer(self, admin: Client, site: Site, day: str) -> Any:
        url = f"/sites/{site.code}/setup/"
        return admin.post(url, typed(admin, url) | {"first_fiscal_day": day})

    def test_it_is_seen_and_changed_and_stands_in_the_audit_trail(self, admin: Client) -> None:
        site = make_site(first_fiscal_day=datetime.date(2026, 10, 1))
        assert 'value="2026-10-01"' in admin.get(f"/sites/{site.code}/setup/").text
        assert self._answer(admin, site, "2024-05-01").status_code == 303
        site.refresh_from_db()
        assert site.first_fiscal_day == datetime.date(2024, 5, 1)
        detail = AuditEvent.objects.get(action="site.changed").detail
        assert detail["before"] == {"first_fiscal_day": "2026-10-01"}
        assert detail["after"] == {"first_fiscal_day": "2024-05-01"}

    @pytest.mark.parametrize(
        ("day", "says"),
        [
            ("1970-01-01", "begin that long ago"),
            ("2099-06-01", "This is later than"),
            ("2026-11-23", "is sealed"),
        ],
    )
    def test_what_cannot_be_is_refused(self, admin: Client, day: str, says: str) -> None:
        site = make_site(first_fiscal_day=datetime.date(2026, 10, 1))
        at = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
        make_day(site, fiscal_day="2026-11-22", sealed_at=at)
        answer = self._answer(admin, site, day)
        assert answer.status_code == 422
        assert says in answer.text
        site.refresh_from_db()
        assert site.first_fiscal_day == datetime.date(2026, 10, 1)
