"""The classes that contracts and fixtures may name."""

from __future__ import annotations

import importlib
import pkgutil
from decimal import Decimal
from functools import cache
from types import ModuleType

from django import forms
from django.core.paginator import Page
from django.forms.utils import ErrorList
from django.http import QueryDict

import console.forms
import console.views
import ledger.models
import ledger.selectors
import ledger.services

_PACKAGES = (ledger.models, ledger.selectors, ledger.services, console.forms, console.views)
_MODULES = (
    "console.charts",
    "console.models",
    "console.pieces",
    "console.templatetags.forms",
    "console.payload",
    "console.context",
    "console.gallery.samples",
)


def known_type(name: str) -> type | None:
    """Return the class of a name, with or without its module before it; None if there is none."""
    return _known_types().get(name)


def known_forms() -> dict[str, type[forms.BaseForm]]:
    """Return the console's forms by name; bases that others build on are no forms of their own."""
    found = {
        name: each
        for name, each in _known_types().items()
        if "." not in name
        and issubclass(each, forms.BaseForm)
        and each.__module__.startswith("console.forms.")
    }
    return {name: each for name, each in found.items() if getattr(each, "base_fields", None)}


@cache
def _known_types() -> dict[str, type]:
    found: dict[str, type] = {
        "Decimal": Decimal,
        "BoundField": forms.BoundField,
        "Widget": forms.Widget,
        "ErrorList": ErrorList,
        "QueryDict": QueryDict,
        "Paginator": Page,
    }
    for module in _modules():
        for name, each in vars(module).items():
            if isinstance(each, type) and each.__module__ == module.__name__ and name[0] != "_":
                found.setdefault(name, each)
                found[f"{module.__name__}.{name}"] = each
    return found


def _modules() -> list[ModuleType]:
    names = list(_MODULES)
    for package in _PACKAGES:
        prefix = f"{package.__name__}."
        names += [each.name for each in pkgutil.walk_packages(package.__path__, prefix)]
    return [importlib.import_module(name) for name in names]
