"""Prolonging the chain of the audit trail."""

from __future__ import annotations

from django.db import connection

from ledger.trail import Head, trail_head


def trail_link() -> Head:
    """Link all events that wait, the transaction's own too; return the newest link.

    In the caller's transaction, which keeps others from linking until it ends: so late in it.
    """
    assert connection.in_atomic_block, "a link that is rolled back is none"
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_link_events(true)")
        return trail_head(cursor)
