"""The gallery's pages: who may see them, and that they say what is wrong."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from console.gallery.catalogue import Exhibit, State
from console.models import Role
from console.strict_templates import strict_engine
from console.template_contract import ContextName, Contract
from console.views.gallery import Look, state_page
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


def test_what_changed_is_told_in_development_alone(settings: Any) -> None:
    client = _signed_in(Role.FRONTEND)

    assert client.get(reverse("gallery_changes")).status_code == HTTPStatus.NOT_FOUND
    settings.DEBUG = True
    first = client.get(reverse("gallery_changes")).text
    assert first == client.get(reverse("gallery_changes")).text
    assert reverse("gallery_changes") in client.get(reverse("gallery")).text


def test_a_saved_template_changes_what_is_told(settings: Any, tmp_path: Path) -> None:
    client = _signed_in(Role.FRONTEND)
    settings.DEBUG = True
    settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, tmp_path]
    before = client.get(reverse("gallery_changes")).text

    (tmp_path / "new.css").write_text("p { color: red }")

    assert client.get(reverse("gallery_changes")).text != before


def test_in_development_templates_are_read_anew() -> None:
    from console import settings as development

    loaders = "\n".join(map(str, development._TEMPLATE_LOADERS))
    assert "cached" not in loaders


def test_it_narrows_down_without_a_script() -> None:
    html = _signed_in(Role.FRONTEND).get(reverse("gallery"), {"q": "vessel"}).text

    assert reverse("gallery_show", args=["components/vessel"]) in html
    assert reverse("gallery_show", args=["console/_tank"]) not in html


@pytest.mark.parametrize(
    ("names", "values", "problem"),
    [
        ((), {}, "“is_known” is not defined."),
        (("figure", "unit"), {"figure": "1"}, "does not give “unit” in “Broken”"),
        ((), {"figure": "1"}, "gives “figure”, which the template&#x27;s contract does not name"),
    ],
)
def test_a_frame_says_what_is_wrong(
    names: tuple[str, ...], values: dict[str, Any], problem: str
) -> None:
    contract = Contract(summary="", names=tuple(ContextName(name=name) for name in names))
    exhibit = Exhibit(name="components/quantity", group="components", contract=contract)
    look = Look(theme="light", width=0, language="en")

    context = state_page(exhibit, State(title="Broken", values=values), look)

    html = render_to_string("gallery/frame.html", context)
    assert 'role="alert"' in html
    assert problem in html


@pytest.mark.parametrize(
    ("child", "place"),
    [
        ("\n{% if 1 %}\n  {{ nobody }}\n{% endif %}", "templates/child.html, line 3"),
        ("\n\n{% if nobody %}x{% endif %}", "templates/child.html, line 3"),
        ("\n{% for x in '' %}{% nothing %}{% endfor %}", "templates/child.html, line 2"),
        ("\n{% url 'nowhere' %}", "templates/child.html, line 2"),
        ("\n{% include 'missing.html' %}", "templates/child.html, line 2"),
    ],
    ids=["variable", "condition", "syntax", "address", "missing"],
)
def test_a_frame_names_the_template_that_failed_and_its_line(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, child: str, place: str
) -> None:
    (tmp_path / "parent.html").write_text("<p>\n\n\n{% include 'child.html' %}</p>")
    (tmp_path / "child.html").write_text(child)
    configured = settings.TEMPLATES[0]
    settings.TEMPLATES = [configured | {"DIRS": [*configured["DIRS"], tmp_path]}]
    engine = strict_engine()
    monkeypatch.setattr("console.gallery.render.gallery_engine", lambda: engine)
    contract = Contract(summary="", names=())
    exhibit = Exhibit(name="parent", group="components", contract=contract)
    look = Look(theme="light", width=0, language="en")

    context = state_page(exhibit, State(title="Broken", values={}), look)

    assert str(context["place"]) == place, context["problem"]
    assert place in render_to_string("gallery/frame.html", context)


def test_frames_stand_in_frames_of_the_console_alone() -> None:
    answer = _signed_in(Role.FRONTEND).get(reverse("gallery_frame", args=FRAME))

    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in answer["Content-Security-Policy"]
