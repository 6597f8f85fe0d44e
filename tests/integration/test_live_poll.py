"""Polling: the fragments of the streams, for those whom a stream does not reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from console.models import Role
from tests import live
from tests.factories import make_site, make_user
from tests.live import add_pump, piece_of

if TYPE_CHECKING:
    from console.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    live.use_plain_pages(monkeypatch, settings)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_it_answers_with_all_pieces_and_then_only_with_those_that_changed() -> None:
    site = make_site("HILL")
    client = client_of(make_user(Role.MANAGER, site))
    path = "/sites/HILL/fragments/"
    first = client.get(path)
    assert first.status_code == 200
    assert "no-store" in first["Cache-Control"]
    pumps, tanks = first.json()["pieces"]
    assert pumps["name"] == "pumps"
    assert pumps["html"] == '<ul id="pumps">\n<li>0 pumps</li>\n</ul>'
    assert tanks["name"] == "tanks"

    known = {"If-None-Match": f"{pumps['etag']}, {tanks['etag']}"}
    same = client.get(path, headers=known)
    assert (same.status_code, same.content) == (204, b"")

    add_pump(site, 1)
    [changed] = client.get(path, headers=known).json()["pieces"]
    assert changed["name"] == "pumps"
    assert "1 pumps" in changed["html"]
    assert changed["etag"] != pumps["etag"]
    # A page that has only some of them asks for no others.
    [asked] = client.get(f"{path}?pieces=tanks").json()["pieces"]
    assert asked == tanks


def test_the_network_is_what_the_person_may_see() -> None:
    site = make_site()
    add_pump(site, 1)
    add_pump(make_site(), 1)

    def pumps(user: User) -> str:
        return piece_of(client_of(user), "/", "sites")

    assert "1 pumps" in pumps(make_user(Role.MANAGER, site))
    assert "2 pumps" in pumps(make_user(Role.STAFF))
    assert "0 pumps" in pumps(make_user(Role.FRONTEND))


@pytest.mark.parametrize(
    "path",
    [
        "/sites/DALE/fragments/",
        "/sites/NONE/fragments/",
        "/sites/HILL/fragments/?pieces=prices",
        "/fragments/?pieces=prices",
    ],
)
def test_what_a_person_may_not_see_and_what_is_not_there_are_the_same(path: str) -> None:
    site = make_site("HILL")
    make_site("DALE")
    assert client_of(make_user(Role.MANAGER, site)).get(path).status_code == 404


@pytest.mark.parametrize("path", ["/sites/HILL/fragments/", "/fragments/"])
def test_nobody_polls_who_is_not_signed_in(path: str) -> None:
    make_site("HILL")
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_it_rejects_post() -> None:
    make_site("HILL")
    client = client_of(make_user())
    assert client.post("/sites/HILL/fragments/").status_code == 405
    assert client.post("/fragments/").status_code == 405


def test_without_asgi_a_stream_is_refused_so_that_the_page_polls() -> None:
    make_site("HILL")
    client = client_of(make_user())
    assert client.get("/live/").status_code == 503
    assert client.get("/live/sites/HILL/").status_code == 503
