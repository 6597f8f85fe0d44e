"""Renders a state of a template as the gallery shows it: strictly, without a database."""

from __future__ import annotations

import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.template.backends.django import DjangoTemplates
from django.test import RequestFactory
from django.utils import timezone, translation

from console.forms.renderer import ConsoleRenderer
from console.gallery.catalogue import Exhibit, State, shared_values
from console.gallery.values import FixtureError, Values
from console.strict_templates import strict_engine

#: What every template may use without saying so: context processors and the gallery give it.
GIVEN = frozenset({"request", "user", "messages", "rendered_at", "csrf_token", "perms"})


class GalleryRenderer(ConsoleRenderer):
    """Renders forms as the console does, with templates that are strict."""

    def get_template(self, template_name: str) -> Any:
        """Load a template from the strict engine."""
        return gallery_engine().get_template(template_name)


def gallery_engine() -> DjangoTemplates:
    """Return the strict engine; while DEBUG is on it reads each template anew."""
    return _engine()


@cache
def _engine() -> DjangoTemplates:
    return strict_engine()


def state_html(
    exhibit: Exhibit, state: State, *, language: str, now: datetime.datetime | None = None
) -> str:
    """Render a state in a language as of a moment.

    FixtureError if the fixture does not fit, UndefinedVariableError if the template uses what
    nobody gave it, and whatever else its rendering raises.
    """
    now = now or timezone.now().replace(microsecond=0)
    with translation.override(language), timezone.override(datetime.UTC):
        context = state_context(exhibit, state, now=now)
        request = RequestFactory().get("/")
        request.user = context.pop("user", None) or Values(
            shared_values(), now=now, renderer=GalleryRenderer()
        ).typed(shared_values()["user"], _user())
        context["rendered_at"] = context.get("rendered_at", now)
        return gallery_engine().get_template(exhibit.template).render(context, request)


def state_context(exhibit: Exhibit, state: State, *, now: datetime.datetime) -> dict[str, Any]:
    """Make the context of a state; FixtureError if it is not what the contract asks for."""
    values = Values(shared_values(), now=now, renderer=GalleryRenderer())
    names = exhibit.contract.by_name
    for name in state.values:
        if name not in names and name not in GIVEN:
            raise FixtureError(
                f"{exhibit.fixture} gives “{name}”, which the template's contract does not name: "
                + (", ".join(names) or "it needs no context")
            )
    for name, each in names.items():
        if name not in state.values and not each.is_optional and name not in GIVEN:
            raise FixtureError(
                f"{exhibit.fixture} does not give “{name}” in “{state.title}”, which the "
                f"template's contract names{f' ({each.note})' if each.note else ''}. Add it to "
                "that state, or to [common] for all states."
            )
    return {
        name: values.of_contract(value, names[name])
        for name, value in state.values.items()
        if name in names
    }


def _user() -> type:
    from django.contrib.auth import get_user_model

    return get_user_model()


def languages() -> list[tuple[str, str]]:
    """Return the languages to show, each by its own name."""
    return list(settings.LANGUAGES)
