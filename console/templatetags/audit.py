"""What an audit event says, in words."""

from __future__ import annotations

from typing import Any

from django import template

from console import audit_words
from ledger.models import AuditEvent

register = template.Library()


@register.filter
def detail_name(name: str) -> str:
    """`{{ change.name|detail_name }}`: unit_price as price a litre."""
    return audit_words.name_words(name)


@register.simple_tag
def detail_value(event: AuditEvent, name: str, value: Any) -> str:
    """`{% detail_value event change.name change.before %}`: wrong_price as Wrong price."""
    return audit_words.value_words(event, name, value)


@register.filter
def subject_words(event: AuditEvent) -> str:
    """`{{ event|subject_words }}`: message 17 in the reader's language."""
    return audit_words.subject_words(event)
