"""Signing in and out, and what those see who did not."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from tests.factories import PASSWORD, make_site, make_user

pytestmark = pytest.mark.django_db


def test_it_signs_in(client: Client) -> None:
    user = make_user()
    answer = client.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/").status_code == 200


def test_it_goes_where_the_person_wanted(client: Client) -> None:
    user = make_user()
    values = {"username": user.username, "password": PASSWORD, "next": "/ledger/"}
    assert client.post("/sign-in/", values)["Location"] == "/ledger/"


def test_it_still_goes_there_after_a_wrong_password_and_another_language(client: Client) -> None:
    user = make_user()
    wrong = {"username": user.username, "password": "wrong"}
    page = client.post("/sign-in/?next=/ledger/%3Ffirst%3D2026-11-01", wrong)
    [back] = re.findall(r'name="next" value="([^"]+)"', page.text)
    there = client.post("/language/", {"language": "de", "next": html.unescape(back)})["Location"]
    [action] = re.findall(r'action="(/sign-in/[^"]*)"', client.get(there).text)
    values = {"username": user.username, "password": PASSWORD}
    answer = client.post(html.unescape(action), values)
    assert answer["Location"] == "/ledger/?first=2026-11-01"


def test_it_goes_nowhere_else(client: Client) -> None:
    user = make_user()
    values = {"username": user.username, "password": PASSWORD, "next": "https://example.org/"}
    assert client.post("/sign-in/", values)["Location"] == "/"


def test_a_wrong_password_is_422_and_says_so(client: Client) -> None:
    user = make_user()
    answer = client.post("/sign-in/", {"username": user.username, "password": "wrong"})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "wrong" not in answer.text


def test_an_empty_form_links_its_errors_to_the_fields(client: Client) -> None:
    answer = client.post("/sign-in/", {})
    assert answer.status_code == 422
    assert 'href="#id_username"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'aria-describedby="id_username_error"' in answer.text
    assert 'id="id_username_error"' in answer.text


def test_who_is_signed_in_needs_no_form(client: Client) -> None:
    client.force_login(make_user())
    assert client.get("/sign-in/")["Location"] == "/"


@pytest.mark.parametrize("method", ["get", "post"])
def test_htmx_is_told_by_the_status_and_puts_no_sign_in_form_into_a_page(
    client: Client, method: str
) -> None:
    answer = getattr(client, method)("/fragments/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sites/",
        "/sites/S1/",
        "/sites/S1/days/",
        "/sites/S1/days/2026-11-22/",
        "/ledger/",
        "/quarantine/",
    ],
)
def test_pages_ask_to_sign_in(client: Client, path: str) -> None:
    make_site("S1")
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?next=")


def test_sign_out_is_a_post(client: Client) -> None:
    client.force_login(make_user())
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/").status_code == 302


def test_health_needs_no_sign_in(client: Client) -> None:
    answer = client.get("/health/")
    assert (answer.status_code, answer.text) == (200, "ok")
