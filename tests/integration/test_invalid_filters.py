"""A list says in words what of its filter it cannot read, and that it leaves that out."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from console.models import Role
from tests.factories import make_day, make_forecourt, make_user

LEFT_OUT = "What cannot be read is left out: this list is not narrowed down by it."
#: Each list that is narrowed down by more than free text, with a value that it cannot read.
LISTS = (
    ("/", "state", "State"),
    ("/quarantine/", "reason", "Reason"),
    ("/quarantine/decide/", "age", "Last received"),
    ("/audit/", "first", "From (UTC)"),
    ("/audit/", "sequence", "Entry"),
    ("/approvals/", "code", "Site"),
    ("/days/", "show", "Which days"),
    ("/sites/W-1/days/", "before", "Before"),
    ("/sites/W-1/days/2026-11-24/", "fuelling_point", "Fuelling point"),
)
#: Each list that has pages, with the parameter that says where a page begins.
PAGED = (
    ("/", "page"),
    ("/sites/", "page"),
    ("/quarantine/", "before"),
    ("/audit/", "before"),
    ("/sites/W-1/days/2026-11-24/", "before"),
    ("/sites/W-1/days/2026-11-24/", "after"),
)
FROM_ITS_BEGINNING = (
    "The address names no page of this list that can be read: it is shown from its beginning."
)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def staff(db: None, client: Client) -> Client:
    make_day(make_forecourt("W-1"), fiscal_day="2026-11-24", entries=1)
    client.force_login(make_user(Role.ADMINISTRATOR))
    return client


@pytest.mark.parametrize(("path", "name", "label"), LISTS)
def test_a_list_says_what_of_its_filter_it_cannot_read(
    staff: Client, path: str, name: str, label: str
) -> None:
    said = []
    for query, headers in (({}, {}), ({name: "sNaN"}, {}), ({name: "sNaN"}, HTMX)):
        answer = staff.get(path, query, headers=headers)
        assert answer.status_code == 200
        text = " ".join(html.unescape(answer.text).split())
        said.append(LEFT_OUT in text)
        if query:
            banner = text.partition('class="banner banner--list"')[2].partition("</div>")[0]
            assert f"{label}: " in banner
    assert said == [False, True, True]


@pytest.mark.parametrize(("path", "name"), PAGED)
def test_a_list_says_that_it_cannot_read_where_to_begin(
    staff: Client, path: str, name: str
) -> None:
    first = staff.get(path)
    assert FROM_ITS_BEGINNING not in first.text
    for place in ("next", "-1", "0", "1.5", "\N{ARABIC-INDIC DIGIT ONE}", "1_0", "\x00"):
        answer = staff.get(path, {name: place}, headers=HTMX)
        assert answer.status_code == 200
        assert FROM_ITS_BEGINNING in " ".join(answer.text.split()), place
    for place in ("", "2", "9" * 5_000):
        answer = staff.get(path, {name: place})
        assert answer.status_code == 200
        assert FROM_ITS_BEGINNING not in " ".join(answer.text.split()), place


def test_the_form_for_many_says_what_of_the_list_it_cannot_take_over(staff: Client) -> None:
    path = "/sites/W-1/days/2026-11-24/correct/"
    said = staff.get(path, {"kind": "sNaN", "product": "E10", "flagged": "on"})
    assert "Kind: " in html.unescape(said.text).partition("banner--list")[2].partition("</div>")[0]
    form = said.context["form"]
    chosen = (form["kind"].value(), form["only_product"].value(), form["flagged"].value())
    assert chosen == (None, "E10", True)
    assert LEFT_OUT not in staff.get(path, {"kind": "1"}).text
