"""What was typed when a session had ended is there again after signing in, for its person alone."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.core import signing
from django.db import InternalError
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver

from console import typed
from console.gallery.known_types import known_forms
from console.models import Role, User
from console.views import setup
from ledger.models import AuditEvent, Correction, Quarantine, QuarantineDecision, Site
from tests.factories import (
    PASSWORD,
    make_correction,
    make_day,
    make_entry,
    make_forecourt,
    make_quarantined,
    make_user,
)

pytestmark = pytest.mark.django_db

DAY = "/sites/HILL/days/2026-11-22/"
HERE = {"Origin": "http://testserver"}
HTMX = {"HX-Request": "true"}
#: Addresses that take a post and have nothing that anybody types.
BUTTONS = {
    "acknowledge_alarm",
    "approvals",
    "language",
    "person_password",
    "propose_seal",
    "request_resend",
    "seal_day",
    "sign_in",
    "sign_out",
    "withdraw_seal",
}
TEMPLATES = settings.BASE_DIR / "templates"
ONLY_BUTTONS = {
    "console/_account.html",
    "console/_day_settling.html",
    "console/_language.html",
    "console/_operate.html",
    "console/approvals.html",
    "console/seal_day.html",
    "console/sign_in.html",
    # What it carries says itself for whom it was typed.
    "console/unavailable.html",
    "gallery/form.html",
}


@pytest.fixture
def site() -> Site:
    site = make_forecourt("HILL", name="Hill Top")
    make_day(site, highest_sequence=4)
    return site


@pytest.fixture
def person(site: Site) -> User:
    return make_user(Role.ADMINISTRATOR, username="rosa")


def hidden(page: HttpResponse, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None
    return html.unescape(found[1])


def sign_in(client: Client, page: HttpResponse, person: User) -> HttpResponse:
    """Fill in the form that the page shows."""
    return client.post(
        "/sign-in/",
        {"username": person.username, "password": PASSWORD, "carried": hidden(page, "carried")},
    )


def entry_form(person: User, **more: str) -> dict[str, str]:
    return {
        "typed_by": str(person.pk),
        "kind": "1",
        "product": "B7",
        "amount": "12.3x",
        "note": "as the <till> said",
        "based_on": "0",
    } | more


def test_it_is_there_again_after_signing_in(client: Client, person: User) -> None:
    sent = entry_form(person, confirm="1")
    page = client.post(f"{DAY}1/correct/", sent)
    assert page.status_code == 401
    assert "nothing was stored" in page.text
    assert "till" not in page.text
    going = sign_in(client, page, person)
    assert going["Location"].startswith(f"{DAY}1/correct/?typed=")
    for _ in range(2):
        # Also after loading the page anew.
        shown = client.get(going["Location"])
        assert shown.status_code == 200
        assert "no-store" in shown["Cache-Control"]
        assert 'value="12.3x"' in shown.text
        assert "as the &lt;till&gt; said" in shown.text
        assert "Nothing of it was sent" in shown.text
        # Nothing is checked before it is sent again.
        assert "error-summary" not in shown.text
    assert 'value="12.3x"' not in client.get(f"{DAY}1/correct/").text
    assert client.post(f"{DAY}1/correct/", sent).status_code == 422
    # From then on the page is what was sent.
    assert "12.3x" not in client.get(going["Location"]).text
    assert not Correction.objects.exists()


def test_a_wrong_password_on_the_way_loses_nothing(client: Client, person: User) -> None:
    page = client.post(f"{DAY}1/correct/", entry_form(person))
    carried = hidden(page, "carried")
    wrong = client.post("/sign-in/", {"username": "rosa", "password": "x", "carried": carried})
    assert wrong.status_code == 422
    assert "12.3x" in client.get(sign_in(client, wrong, person)["Location"]).text


def test_somebody_else_sees_nothing_of_it(client: Client, person: User) -> None:
    page = client.post(f"{DAY}1/correct/", entry_form(person))
    other = make_user(Role.ADMINISTRATOR)
    going = sign_in(client, page, other)
    assert going["Location"] == "/"
    assert "somebody else" in client.get("/").text
    assert "typed" not in client.session
    assert "12.3x" not in client.get(f"{DAY}1/correct/").text


def test_a_page_that_does_not_say_whose_it_is_keeps_nothing(client: Client, person: User) -> None:
    sent = entry_form(person)
    del sent["typed_by"]
    page = client.post(f"{DAY}1/correct/", sent, headers={"Referer": "http://testserver/days/"})
    assert sign_in(client, page, person)["Location"] == "/days/"


def test_passwords_are_never_carried(client: Client, person: User) -> None:
    sent = {"typed_by": person.pk, "username": "kim", "password": "s3", "password_again": "s3"}
    page = client.post("/people/new/", sent)
    [kept] = [signing.loads(hidden(page, "carried"), salt="console.typed")]
    assert kept["fields"] == {"username": ["kim"]}


@pytest.mark.parametrize("form", known_forms().values(), ids=lambda form: form.__name__)
def test_every_field_of_a_password_is_known_by_its_name(form: Any) -> None:
    for name, field in form.base_fields.items():
        if isinstance(field.widget, forms.PasswordInput):
            assert typed.is_left_out(name)


def test_a_button_that_came_too_late_leads_back_to_its_page(client: Client, person: User) -> None:
    page = client.post(f"{DAY}resend/", headers={"Referer": f"http://testserver{DAY}?kind=1"})
    assert page.status_code == 401
    assert "nothing was changed" in page.text
    going = sign_in(client, page, person)
    assert going["Location"] == f"{DAY}?kind=1"
    assert "Do it again here" in client.get(going["Location"]).text


def test_no_other_site_is_ever_gone_to(client: Client, person: User) -> None:
    page = client.post(f"{DAY}resend/", headers={"Referer": "https://evil.example/"})
    assert sign_in(client, page, person)["Location"] == "/"


@pytest.mark.parametrize(
    "carried",
    ["", "x", "eyJhIjoxfQ:1x:y", signing.dumps({"address": "/"})],
    ids=["empty", "text", "signed by nobody", "signed for something else"],
)
def test_what_is_carried_cannot_be_made_up(client: Client, person: User, carried: str) -> None:
    answer = client.post(
        "/sign-in/", {"username": "rosa", "password": PASSWORD, "carried": carried}
    )
    assert answer["Location"] == "/"


def test_what_is_too_long_is_said_to_be(client: Client, person: User) -> None:
    note = "x" * (typed.CARRIED_BYTES_MAX + 1)
    page = client.post(f"{DAY}1/correct/", entry_form(person, note=note))
    assert "too long to be kept" in page.text
    assert len(page.content) < typed.CARRIED_BYTES_MAX


def test_htmx_gets_the_status_alone(client: Client, person: User) -> None:
    answer = client.post(f"{DAY}1/correct/?check=amount", entry_form(person), headers=HTMX)
    assert (answer.status_code, answer.content) == (401, b"")


# --- A token that is no longer this browser's --------------------------------------------------


@pytest.fixture
def strict(person: User) -> Client:
    """Somebody whose page was made before they signed in anew."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    return client


def test_a_page_that_is_too_old_is_shown_again_with_what_was_typed(
    strict: Client, person: User
) -> None:
    going = strict.post(f"{DAY}1/correct/", entry_form(person), headers=HERE)
    assert going.status_code == 303
    assert 'value="12.3x"' in strict.get(going["Location"]).text


def test_a_page_that_somebody_else_typed_into_is_not(strict: Client, person: User) -> None:
    other = make_user(Role.STAFF)
    going = strict.post(f"{DAY}1/correct/", entry_form(other), headers=HERE)
    assert going["Location"] == "/"
    assert "12.3x" not in strict.get("/").text
    assert "typed" not in strict.session


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_another_sites_page_gets_nothing_out_of_it(
    strict: Client, person: User, headers: dict[str, str]
) -> None:
    answer = strict.post(f"{DAY}1/correct/", entry_form(person), headers=headers)
    assert answer.status_code == 403
    assert "nothing was sent" in answer.text
    assert "12.3x" not in answer.text
    assert "typed" not in strict.session


def test_who_is_signed_out_with_an_old_page_signs_in_first(person: User) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.post(f"{DAY}1/correct/", entry_form(person), headers=HERE)
    assert page.status_code == 403
    token = client.cookies["csrftoken"].value
    going = client.post(
        "/sign-in/",
        {
            "username": "rosa",
            "password": PASSWORD,
            "carried": hidden(page, "carried"),
            "csrfmiddlewaretoken": token,
        },
    )
    assert 'value="12.3x"' in client.get(going["Location"]).text


def test_an_old_sign_in_page_carries_on(person: User) -> None:
    page = Client().post(f"{DAY}1/correct/", entry_form(person))
    carried = {"carried": hidden(page, "carried")}
    client = Client(enforce_csrf_checks=True)
    again = client.post("/sign-in/", carried, headers=HERE)
    assert again.status_code == 403
    assert hidden(again, "carried")
    # Who signed in elsewhere meanwhile has no need to.
    client.force_login(person)
    going = client.post("/sign-in/", carried, headers=HERE)
    assert 'value="12.3x"' in client.get(going["Location"]).text


# --- Each form -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(TEMPLATES.rglob("*.html")) if 'method="post"' in path.read_text()],
    ids=lambda path: path.name,
)
def test_each_form_that_one_types_into_says_whose_it_is(path: Path) -> None:
    name = path.relative_to(TEMPLATES).as_posix()
    says_whose = '{% include "forms/_token.html" %}' in path.read_text()
    assert says_whose is not (name in ONLY_BUTTONS), (
        f"templates/{name} has a form: let it begin with forms/_token.html, or name it here"
    )


def test_each_address_that_takes_a_post_is_a_form_or_a_button() -> None:
    """Who adds one says which it is."""
    patterns = [each for each in get_resolver().url_patterns if isinstance(each, URLPattern)]
    taking = set()
    for each in patterns:
        allowed = _allowed_methods(each.callback)
        if allowed is None or "POST" in allowed:
            taking.add(each.name)
    assert taking == typed.SHOWN_AGAIN | BUTTONS


def _allowed_methods(view: Any) -> list[str] | None:
    """Read what `require_http_methods` was given, whatever other decorators are around it."""
    while view is not None:
        names = view.__code__.co_freevars
        if "request_method_list" in names:
            return list(view.__closure__[names.index("request_method_list")].cell_contents)
        view = getattr(view, "__wrapped__", None)
    return None


def addresses(site: Site) -> dict[str, tuple[str, dict[str, str]]]:
    """An address of each form, with what of it would be enough to store something."""
    entry = make_entry(site, sequence=5)
    make_correction(entry, needs_approval=True)
    message = make_quarantined(site=site)
    strange = make_quarantined(reason="unknown_site", topic="forecourt/v1/NEW-1/ledger")
    kim = make_user(username="kim")
    reason = {"reason": "wrong_price", "note": "quokka"}
    shown = {**reason, "confirm": "1"}
    return {
        "add": (f"{DAY}4/add/", shown),
        "close_day": (f"{DAY}close/", {"reason": "quokka", "last_sequence": "5"}),
        "correct": (f"{DAY}1/correct/", shown),
        "correct_many": (f"{DAY}correct/", {**shown, "payment": "1"}),
        "decide": (f"{DAY}5/decide/1/", {"decision": "reject", "note": "quokka"}),
        "explain_difference": (
            f"{DAY}reconciliation/missing/",
            {"reason": "other", "note": "quokka", "stated": ""},
        ),
        "person": (f"/people/{kim.pk}/", {"username": "quokka", "role": "staff"}),
        "person_new": ("/people/new/", {"username": "quokka", "role": "staff"}),
        "quarantine_decide": (
            "/quarantine/decide/?site=HILL",
            {"action": "dismiss", "note": "quokka", "last_id": str(strange.pk)},
        ),
        "quarantine_mend": (
            f"/quarantine/{message.pk}/mend/?as=text",
            {"text": '{"quokka": 1}', "step": "send"},
        ),
        "quarantine_message_decide": (
            f"/quarantine/{message.pk}/decide/",
            {"action": "dismiss", "note": "quokka"},
        ),
        "quarantine_register": (
            f"/quarantine/{strange.pk}/register/",
            {"name": "quokka", "timezone": "Europe/London", "currency": "GBP"},
        ),
        "site_equipment": (
            "/sites/HILL/setup/products/",
            {
                "products-TOTAL_FORMS": "1",
                "products-INITIAL_FORMS": "1",
                "products-0-code": "quokka",
            },
        ),
        "site_new": ("/new-site/", {"code": "NEW", "name": "quokka"}),
        "site_setup": ("/sites/HILL/setup/", {"name": "quokka"}),
        "void": (f"{DAY}1/void/", shown),
    }


@pytest.mark.parametrize("name", sorted(typed.SHOWN_AGAIN))
def test_each_form_is_shown_again_and_nothing_is_done(
    client: Client, site: Site, person: User, name: str
) -> None:
    path, sent = addresses(site)[name]
    state = list(Quarantine.objects.values_list("outcome")), list(Site.objects.values_list("name"))
    page = client.post(path, {**sent, "typed_by": person.pk})
    shown = client.get(sign_in(client, page, person)["Location"])
    assert shown.status_code == 200
    assert "quokka" in shown.text
    assert "Nothing of it was sent" in shown.text
    # Its own page, with its own form for its own person.
    assert f'name="typed_by" value="{person.pk}"' in shown.text
    assert state == (
        list(Quarantine.objects.values_list("outcome")),
        list(Site.objects.values_list("name")),
    )
    assert not AuditEvent.objects.exists()
    assert not QuarantineDecision.objects.exists()
    assert Correction.objects.count() == 1


def test_even_a_view_that_stores_unasked_stores_nothing(
    client: Client, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(*_args: Any, **_more: Any) -> HttpResponse:
        make_forecourt("CARELESS")
        return HttpResponse()

    page = client.post("/new-site/", {"typed_by": person.pk, "name": "x"})
    going = sign_in(client, page, person)
    monkeypatch.setattr(setup, "form_answer", careless)
    with pytest.raises(InternalError, match="read-only transaction"):
        client.get(going["Location"])


def test_who_may_no_longer_see_it_is_refused_as_ever(client: Client, person: User) -> None:
    page = client.post("/new-site/", {"typed_by": person.pk, "name": "x"})
    going = sign_in(client, page, person)
    User.objects.filter(pk=person.pk).update(role=Role.STAFF)
    assert client.get(going["Location"]).status_code == 403


def test_a_site_that_went_meanwhile_is_not_found(client: Client, person: User) -> None:
    page = client.post("/sites/HILL/setup/", {"typed_by": person.pk, "name": "x"})
    going = sign_in(client, page, person)
    User.objects.filter(pk=person.pk).update(role=Role.MANAGER)
    assert client.get(going["Location"]).status_code == 404
