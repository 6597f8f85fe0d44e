"""Who sees which site."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from console.access import site_for, visible_quarantine, visible_site_ids, visible_sites
from console.models import Role
from tests.factories import make_quarantined, make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", [Role.STAFF, Role.APPROVER, Role.AUDITOR, Role.ADMINISTRATOR])
def test_the_office_sees_every_site(role: Role) -> None:
    make_site("S1")
    make_site("S2")
    user = make_user(role)
    assert set(visible_sites(user).values_list("code", flat=True)) == {"S1", "S2"}
    assert visible_site_ids(user) is None


def test_a_manager_sees_their_own_sites() -> None:
    own, other = make_site("OWN"), make_site("OTHER")
    manager = make_user(Role.MANAGER, own)
    assert site_for(manager, "OWN") == own
    assert visible_site_ids(manager) == frozenset({own.id})
    with pytest.raises(Http404):
        site_for(manager, other.code)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.FRONTEND])
def test_without_sites_there_is_nothing(role: Role) -> None:
    make_site()
    assert visible_site_ids(make_user(role)) == frozenset()


def test_nobody_sees_nothing() -> None:
    make_site()
    assert not visible_sites(AnonymousUser()).exists()


def test_an_inactive_person_sees_nothing() -> None:
    make_site()
    assert not visible_sites(make_user(Role.ADMINISTRATOR, is_active=False)).exists()


def test_a_manager_sees_their_sites_messages_alone() -> None:
    own = make_site()
    message = make_quarantined(site=own)
    make_quarantined(site=make_site())
    make_quarantined(site=None)
    assert list(visible_quarantine(make_user(Role.MANAGER, own))) == [message]
    assert visible_quarantine(make_user(Role.AUDITOR)).count() == 3
