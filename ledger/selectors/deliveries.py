"""Deliveries, by the fiscal day that they count for."""

from __future__ import annotations

import datetime

from django.db import connection

from ledger.models import Delivery
from ledger.sql import statement

_COLUMNS = (
    *("fiscal_day", "tank", "at", "product", "volume", "volume_15c", "document"),
    "received_at",
)
_SQL = statement("deliveries", "day_deliveries")


def deliveries_in_days(
    site_id: int, *, first: datetime.date, last: datetime.date
) -> list[Delivery]:
    """Return what counts for a site's fiscal days from one to another, by time. One query.

    Each says which day it counts for, be that sealed or not. One that a site reports after its day
    was sealed counts for none: what was sealed stays.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"site_id": site_id, "first": first, "last": last})
        rows = cursor.fetchall()
    return [Delivery(site_id=site_id, **dict(zip(_COLUMNS, row, strict=True))) for row in rows]
