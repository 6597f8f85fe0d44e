"""Audit events in words: names and values of their detail, and what they were about."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from console.audit_words import name_words, subject_words, value_words
from ledger.models import AuditEvent, Site


def event(action: str, subject: str = "") -> AuditEvent:
    site = Site(code="S1", name="Harbour", currency="EUR", timezone="UTC")
    return AuditEvent(action=action, subject=subject, site=site, actor_name="Robin")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unit_price", "price a litre"),
        ("posted_to", "posted to"),
        ("new_thing", "new thing"),
    ],
)
def test_a_name(name: str, words: str) -> None:
    assert name_words(name) == words


@pytest.mark.parametrize(
    ("action", "name", "value", "words"),
    [
        ("correction.proposed", "reason", "wrong_price", "Wrong price"),
        ("correction.proposed", "amount", "47.93", "€47.93"),
        ("correction.proposed", "payment", 2, "Card"),
        ("correction.proposed", "payment", 99, "99"),
        ("correction.proposed", "amount", "much", "much"),
        ("correction.proposed", "needs_approval", True, "Yes"),
        ("correction.approved", "posted_to", "2026-11-22", "22 Nov 2026"),
        ("correction.approved", "posted_to", "soon", "soon"),
        ("day.explained", "reason", "gauge", "The tank gauge is out of true or failed"),
        ("day.explained", "subject", "nozzle", "Totalizer"),
        ("day.closed", "reason", "the controller burnt", "the controller burnt"),
        ("quarantine.dismissed", "reason", ["malformed", "odd"], "Malformed, odd"),
        ("person.changed", "role", "staff", "Staff"),
        ("site.products_changed", "E10", {"unit_price": "1.479", "family": "petrol"},
         "price a litre: 1.479, family: Petrol"),
        ("site.changed", "latitude", "52.63", "52.63"),
        ("site.changed", "correction_limit", "12345.00", "12,345.00"),
        ("site.changed", "correction_limit", "none", "none"),
        ("site.changed", "name", None, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_a_value(action: str, name: str, value: Any, words: str) -> None:
    assert value_words(event(action), name, value) == words


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("message 17", "Nachricht 17"),
        ("1 entries", "1 Buchung"),
        ("12 messages", "12 Nachrichten"),
        ("void, revision 2", "Stornieren, Fassung 2"),
        ("Harbour (S1)", "Harbour (S1)"),
    ],
)
def test_what_it_was_about(subject: str, words: str) -> None:
    with translation.override("de"):
        assert subject_words(event("correction.proposed", subject)) == words
