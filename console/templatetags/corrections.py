"""Business values of an entry as text."""

from __future__ import annotations

from typing import Any

from django import template

from console import formatting

register = template.Library()


@register.simple_tag
def entry_value(name: str, value: Any, currency: str) -> str:
    """`{% entry_value change.name change.before site.currency %}`: a business value in words."""
    return formatting.entry_value(name, value, currency)
