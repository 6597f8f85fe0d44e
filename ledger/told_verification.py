"""Verifying what people decided against the audit trail, which tells each of it.

The trail is a chain that the seals sign (`ledger.trail`), so it holds where a row and its record
were changed together.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from django.db import connection

from ledger.faults import Fault
from ledger.models import Site
from ledger.sql import statement

_CORRECTIONS = statement("verify_corrections_told")
_DECISIONS = statement("verify_decisions_told")


def corrections_verify_told(
    site: Site, *, first: datetime.date | None, last: datetime.date | None
) -> Iterator[Fault]:
    """Yield which corrections and explanations of a site's days the trail tells otherwise."""
    asked: dict[str, Any] = {
        "site_id": site.pk,
        "first": first or datetime.date.min,
        "last": last or datetime.date.max,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CORRECTIONS, asked)
        for fiscal_day, what in cursor:
            yield Fault(site=site.code, fiscal_day=fiscal_day, what=what)


def decisions_verify_told() -> Iterator[Fault]:
    """Yield which decisions on quarantined messages, of any site, the trail tells otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(_DECISIONS, {})
        for message, what in cursor:
            yield Fault(what=what % message)
