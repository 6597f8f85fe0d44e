"""The gallery's pages: who may see them, and that they say what is wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from console.models import Role
from tests.factories import make_user

pytestmark = pytest.mark.django_db
FRAME = ("console/_tank", "filled")


def _signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


@pytest.mark.parametrize("role", [Role.FRONTEND, Role.ADMINISTRATOR])
def test_the_frontend_team_finds_it_in_the_rail(role: Role) -> None:
    client = _signed_in(role)

    assert reverse("gallery") in client.get(reverse("network")).text
    assert reverse("gallery_show", args=["console/_tank"]) in client.get(reverse("gallery")).text
    assert "gallery__frame" in client.get(reverse("gallery_show", args=["console/_tank"])).text
    assert "tank__volume" in client.get(reverse("gallery_frame", args=FRAME)).text


@pytest.mark.parametrize("name", ["gallery", "gallery_show", "gallery_frame"])
def test_nobody_else_does(name: str) -> None:
    client = _signed_in(Role.MANAGER)
    args = {"gallery_show": ["console/_tank"], "gallery_frame": FRAME}.get(name)

    assert client.get(reverse(name, args=args)).status_code == HTTPStatus.FORBIDDEN
    assert reverse("gallery") not in client.get(reverse("network")).text


def test_in_development_everybody_does(settings: Any) -> None:
    settings.DEBUG = True

    assert _signed_in(Role.MANAGER).get(reverse("gallery")).status_code == HTTPStatus.OK
