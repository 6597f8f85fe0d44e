"""The rail, and the bar on phones, say where one is: one place, the right one, on every page."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from console.models import Role
from tests.factories import make_day, make_forecourt, make_user

pytestmark = pytest.mark.django_db

DAY = "/sites/HILL/days/2026-11-22/"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", "Network"),
        ("/sites/HILL/", "Network"),
        ("/sites/HILL/days/", "Network"),
        (DAY, "Network"),
        (f"{DAY}1/", "Network"),
        (f"{DAY}1/correct/", "Network"),
        (f"{DAY}1/void/", "Network"),
        (f"{DAY}4/add/", "Network"),
        (f"{DAY}correct/", "Network"),
        (f"{DAY}reconciliation/", "Sealing"),
        (f"{DAY}close/", "Sealing"),
        ("/days/", "Sealing"),
        ("/approvals/", "Approvals"),
        ("/quarantine/", "Quarantine"),
        ("/reports/", "Reports"),
        (f"{DAY}report/", "Reports"),
        ("/ledger/", "Ledger"),
        ("/audit/", "Audit"),
        ("/sites/", "Sites"),
        ("/sites/HILL/setup/", "Sites"),
        ("/sites/HILL/setup/products/", "Sites"),
        ("/new-site/", "Sites"),
        ("/people/", "People"),
        ("/people/new/", "People"),
        ("/reports/period/", "Reports"),
        ("/gallery/show/console/_tank/", "Gallery"),
        ("/gallery/", "Gallery"),
    ],
)
def test_it_marks_one_place(client: Client, path: str, place: str) -> None:
    make_day(make_forecourt("HILL"), last_sequence=4)
    client.force_login(make_user(Role.ADMINISTRATOR))
    response = client.get(path)
    assert response.status_code == 200
    rail = links_of(response.text, "nav")
    assert current(rail) == [place]
    # Of a link that the bar has no room for, it marks the menu where that link is.
    is_in_menu = any("nav__link--office" in link for link in rail if "aria-current" in link)
    office = links_of(response.text, "account__office")
    assert current(office) == ([place] if is_in_menu else [])
    assert ("account--here" in response.text) == is_in_menu


def links_of(text: str, nav: str) -> list[str]:
    inside = text.partition(f'<nav class="{nav}"')[2].partition("</nav>")[0]
    return re.findall(r"<a\b.*?</a>", inside, flags=re.DOTALL)


def current(links: list[str]) -> list[str]:
    return [re.sub(r"<[^>]+>", "", link).split()[0] for link in links if "aria-current" in link]
