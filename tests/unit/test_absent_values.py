"""A page does not fail where a list is empty or where something that may be absent is.

Django shows what is not there as nothing, with two exceptions that answer 500: an address made of
it, and a text that counts it. Each state of the gallery is rendered as in production with one list
after the other emptied and one optional value after the other taken away.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.db import models
from django.template.backends.django import DjangoTemplates
from django.test import RequestFactory
from django.utils import timezone

from console.gallery.catalogue import Exhibit, catalogue
from console.gallery.render import state_context

#: So far down: what is deeper has a template of its own in the gallery.
DEPTH_MAX = 3
#: What those who make these values never leave out.
GIVEN_BY_CONSTRUCTION = {
    # Lines without a site or without records are of other topics (ledger.selectors.attention).
    ("console/_attention_item", "AttentionItem.site"),
    ("console/_attention_item", "AttentionItem.rows"),
    ("console/attention/missing", "AttentionItem.rows"),
    ("console/attention/quarantine", "AttentionItem.rows"),
    # The list is of those that were accepted (console.views.quarantine).
    ("console/_quarantine_accepted", "Accepted.correction"),
    # The list is of those that are silent (console.site_view).
    ("console/_site_points", "FuellingPointView.silence"),
}


@pytest.fixture(scope="module")
def production() -> DjangoTemplates:
    """The console's engine, which shows what is not there as nothing."""
    configured: dict[str, Any] = settings.TEMPLATES[0]
    folders = "django.template.loaders.filesystem.Loader"
    apps = "django.template.loaders.app_directories.Loader"
    loaders = [("django.template.loaders.cached.Loader", [folders, apps])]
    return DjangoTemplates(
        {
            "NAME": "production",
            "DIRS": configured["DIRS"],
            "APP_DIRS": False,
            "OPTIONS": configured["OPTIONS"] | {"loaders": loaders, "string_if_invalid": ""},
        }
    )


@pytest.mark.parametrize(
    "exhibit",
    [
        each
        for each in catalogue()
        # Forms are slow to render; their tests fill them in wrongly.
        if each.group in {"console", "attention"} and not each.name.endswith("_form")
    ],
    ids=lambda each: each.name,
)
def test_what_is_absent_fails_no_page(exhibit: Exhibit, production: DjangoTemplates) -> None:
    template = production.get_template(exhibit.template)
    now = timezone.now()
    for state in exhibit.states:
        tried: set[str] = set()
        context = state_context(exhibit, state, now=now)
        request = RequestFactory().get("/")
        request.user = context.pop("user", types.SimpleNamespace(pk=1))
        for holder, name, nothing in _may_be_absent(list(context.values()), 0, set()):
            value = f"{type(holder).__name__}.{name}"
            if (exhibit.name, value) in GIVEN_BY_CONSTRUCTION or value in tried:
                continue
            tried.add(value)
            with _without(holder, name, nothing):
                try:
                    template.render({**context, "rendered_at": now}, request)
                except Exception as error:
                    raise AssertionError(f"“{state.title}” fails without {value}.") from error


def _may_be_absent(value: Any, depth: int, seen: set[int]) -> Iterator[tuple[Any, str, Any]]:
    """Yield what holds a value that may be absent, the value's name, and what is there instead."""
    if depth > DEPTH_MAX or id(value) in seen:
        return
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _may_be_absent(each, depth + 1, seen)
    elif isinstance(value, models.Model) or dataclasses.is_dataclass(value):
        seen.add(id(value))
        for name, held in _held(value):
            if held and isinstance(held, list):
                yield value, name, []
            elif held is not None and _is_optional(value, name):
                yield value, name, None
            yield from _may_be_absent(held, depth + 1, seen)


def _held(holder: Any) -> list[tuple[str, Any]]:
    """Return names and values, without a query for relations that nobody has read."""
    if not isinstance(holder, models.Model):
        return [(field.name, getattr(holder, field.name)) for field in dataclasses.fields(holder)]
    known = holder.__dict__ | holder._state.fields_cache
    names = (field.name for field in holder._meta.fields)
    return [(name, known[name]) for name in names if name in known]


def _is_optional(holder: Any, name: str) -> bool:
    if isinstance(holder, models.Model):
        return bool(holder._meta.get_field(name).null)
    return type(None) in typing.get_args(_types(type(holder)).get(name))


@cache
def _types(holder: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(holder)
    except NameError:
        # Of names that are imported for the type checker alone.
        return {}


@contextmanager
def _without(holder: Any, name: str, nothing: Any) -> Iterator[None]:
    """Take a value away for a while, from what is frozen, too."""
    change = setattr if isinstance(holder, models.Model) else object.__setattr__
    held = getattr(holder, name)
    change(holder, name, nothing)
    try:
        yield
    finally:
        change(holder, name, held)
