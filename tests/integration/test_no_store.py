"""No browser keeps what somebody saw who signed in; what everybody may see can be kept."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from console.models import Role
from tests.factories import make_day, make_forecourt, make_user

pytestmark = pytest.mark.django_db

PLAIN = [
    each.name
    for each in get_resolver().url_patterns
    if isinstance(each, URLPattern) and each.name and "<" not in str(each.pattern)
]


@pytest.mark.parametrize("name", PLAIN)
def test_no_page_of_who_is_signed_in_is_kept(client: Client, name: str) -> None:
    client.force_login(make_user(Role.ADMINISTRATOR))
    assert "no-store" in client.get(reverse(name))["Cache-Control"]


@pytest.mark.parametrize("path", ["", "days/", "days/2026-11-21/", "days/2026-11-21/report/"])
def test_nor_is_a_site_s(client: Client, path: str) -> None:
    make_day(make_forecourt("S1"), fiscal_day="2026-11-21")
    client.force_login(make_user())
    for headers in ({}, {"HX-Request": "true"}):
        answer = client.get(f"/sites/S1/{path}", headers=headers)
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]


def test_what_is_refused_is_not_kept_either(client: Client) -> None:
    client.force_login(make_user(Role.MANAGER))
    answer = client.get("/sites/NONE/")
    assert answer.status_code == 404
    assert "no-store" in answer["Cache-Control"]


def test_static_files_are_kept(client: Client) -> None:
    client.force_login(make_user())
    assert "no-store" not in client.get("/static/console/live.js")["Cache-Control"]
