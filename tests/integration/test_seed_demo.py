"""`manage.py seed_demo`: sites and people of the demo, and never on a production system."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from console.access import visible_sites
from console.demo import DEMO_PEOPLE
from console.models import Role, User
from ledger.models import FuellingPoint, Site

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _debug(settings) -> None:
    settings.DEBUG = True


def seed(sites: int = 3) -> str:
    output = io.StringIO()
    call_command("seed_demo", "--sites", str(sites), stdout=output)
    return output.getvalue()


def test_everybody_can_sign_in_with_what_is_printed() -> None:
    output = seed()
    for person in DEMO_PEOPLE:
        assert person.password in output
        user = authenticate(username=person.username, password=person.password)
        assert isinstance(user, User)
        assert user.role == person.role
    assert {person.role for person in DEMO_PEOPLE} == set(Role)


def test_the_manager_sees_two_sites() -> None:
    seed()
    manager = User.objects.get(role=Role.MANAGER)
    assert [site.code for site in visible_sites(manager)] == ["GB-ABERDEEN", "GB-NORWICH"]


def test_seeding_again_changes_nothing() -> None:
    assert "3 registered" in seed()
    people = list(User.objects.order_by("pk").values())
    points = FuellingPoint.objects.count()
    assert "3 unchanged" in seed()
    assert list(User.objects.order_by("pk").values()) == people
    assert FuellingPoint.objects.count() == points


def test_a_changed_password_becomes_the_printed_one_again() -> None:
    seed()
    user = User.objects.get(username="staff")
    user.set_password("something else")
    user.save()
    seed()
    assert authenticate(username="staff", password="demo-staff") is not None


def test_it_refuses_without_debug(settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="only while DEBUG is on"):
        seed()
    assert not User.objects.exists()
    assert not Site.objects.exists()


def test_it_refuses_a_number_out_of_range() -> None:
    with pytest.raises(CommandError, match="between 1 and 5000 demo sites, not 0"):
        seed(0)
