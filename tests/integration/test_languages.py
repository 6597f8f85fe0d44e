"""Pages in the reader's language: words, figures, dates, and where the choice is kept."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from ledger.models import SiteStatus
from tests.factories import PASSWORD, make_day, make_forecourt, make_user

pytestmark = pytest.mark.django_db
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
DAY = "/sites/S1/days/2026-11-22/"


def make_site_with_a_day() -> None:
    site = make_forecourt("S1", name="Hafenstraße")
    SiteStatus.objects.create(site=site, online=True, last_heard_at=timezone.now())
    make_day(site, entries=30, last_sequence=32, closed_at=timezone.now())


def test_a_page_is_in_the_browsers_language(client: Client) -> None:
    make_site_with_a_day()
    client.force_login(make_user())
    page = client.get(DAY, headers=GERMAN)
    assert page["Content-Language"] == "de"
    assert '<html lang="de">' in page.text
    for words in (
        "Sonntag, 22. November 2026",
        "1.437,90\N{NO-BREAK SPACE}£",
        "972,210",
        "2 Buchungen fehlen",
        "Zapfpunkt",
        "Sachbearbeitung",
    ):
        assert words in page.text, words
    assert "22. Nov. 2026" in client.get("/sites/S1/days/", headers=GERMAN).text
    assert "Fuelling point" not in page.text


def test_without_a_language_it_is_english(client: Client) -> None:
    make_site_with_a_day()
    client.force_login(make_user())
    page = client.get(DAY, headers={"Accept-Language": "fr"}).text
    assert '<html lang="en">' in page
    assert "£1,437.90" in page
    assert "Sunday, 22 November 2026" in page


def test_the_choice_survives_signing_out_and_in(client: Client) -> None:
    user = make_user()
    client.force_login(user)
    answer = client.post("/language/", {"language": "de", "next": "/ledger/"})
    assert (answer.status_code, answer["Location"]) == (302, "/ledger/")
    assert "Kassenbuch" in client.get("/ledger/").text
    client.post("/sign-out/")
    assert "Anmelden" in client.get("/sign-in/").text
    elsewhere = Client()
    assert "Sign in" in elsewhere.get("/sign-in/").text
    elsewhere.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    assert elsewhere.cookies[settings.LANGUAGE_COOKIE_NAME].value == "de"
    assert "Kassenbuch" in elsewhere.get("/ledger/").text


def test_the_persons_choice_is_stronger_than_cookie_and_browser(client: Client) -> None:
    client.force_login(make_user(language="en"))
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    assert '<html lang="en">' in client.get("/ledger/", headers=GERMAN).text


def test_who_is_not_signed_in_chooses_too(client: Client) -> None:
    client.post("/language/", {"language": "de", "next": "/sign-in/"})
    assert "Anmelden" in client.get("/sign-in/").text


def test_it_rejects_what_is_no_language_a_get_and_another_host(client: Client) -> None:
    client.force_login(user := make_user())
    assert client.post("/language/", {"language": "xx"}).status_code == 400
    assert client.get("/language/").status_code == 405
    answer = client.post("/language/", {"language": "de", "next": "https://example.org/"})
    assert answer["Location"] == "/"
    user.refresh_from_db()
    assert user.language == "de"


def test_dates_typed_into_a_german_form_are_iso(client: Client) -> None:
    make_site_with_a_day()
    client.force_login(make_user(language="de"))
    page = client.get("/ledger/?first=2026-11-01&last=2026-11-30")
    assert page.status_code == 200
    assert 'value="2026-11-01"' in page.text
    assert "Geschäftstage 1. Nov. 2026 bis 30. Nov. 2026" in page.text
