"""A web process has done before its first visitor what would keep that one waiting."""

from __future__ import annotations

from typing import Any

import pytest
from django.template import Template, engines
from django.test import Client

from console.warm import warm_up
from tests.factories import make_forecourt, make_user

pytestmark = pytest.mark.django_db


def test_the_first_visitor_waits_for_no_template(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DEBUG = False
    options = dict(settings.TEMPLATES[0]["OPTIONS"])
    options["loaders"] = [
        (
            "django.template.loaders.cached.Loader",
            ["django.template.loaders.filesystem.Loader"],
        )
    ]
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "OPTIONS": options, "APP_DIRS": False}]
    assert engines["django"].engine.template_loaders[0].get_template_cache == {}  # type: ignore[attr-defined]
    warm_up()
    compiled: list[str | None] = []
    compile_nodelist = Template.compile_nodelist

    def watched(template: Template) -> Any:
        compiled.append(template.name)
        return compile_nodelist(template)

    monkeypatch.setattr(Template, "compile_nodelist", watched)
    make_forecourt("S1")
    client.force_login(make_user())
    for path in ("/", "/sites/S1/", "/quarantine/"):
        assert client.get(path).status_code == 200
    assert compiled == []
