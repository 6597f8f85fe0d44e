"""Business values of an entry as text."""

from __future__ import annotations

from typing import Any

from django import template

from console import formatting
from ledger.selectors.corrections import Change

register = template.Library()

#: Values that `entry_value` writes with the unit that their label names, too.
WITH_UNITS = frozenset({"volume", "volume_15c", "totalizer", "tax_rate"})


@register.filter
def unitless(change: Change) -> str:
    """`{{ change|unitless }}`: "volume, litres" as volume, where the value states its unit."""
    name, _comma, unit = change.label.rpartition(", ")
    return name if unit and change.name in WITH_UNITS else change.label


@register.simple_tag
def entry_value(name: str, value: Any, currency: str) -> str:
    """`{% entry_value change.name change.before site.currency %}`: a business value in words."""
    return formatting.entry_value(name, value, currency)
