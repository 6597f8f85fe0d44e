"""Deliveries, by the fiscal day that they count for."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django.db import connection

from ledger.models import Delivery, FiscalDay
from ledger.plausible import with_plausible
from ledger.sql import statement

_COLUMNS = ("tank", "at", "product", "volume", "volume_15c", "document", "received_at")
_COUNTED = with_plausible(statement("deliveries", "day_deliveries"), now="")
_UNCOUNTED = with_plausible(statement("deliveries_uncounted"), now="")


def deliveries_in_days(
    site_id: int, *, first: datetime.date, last: datetime.date
) -> list[Delivery]:
    """Return what counts for a site's fiscal days from one to another, by time. One query.

    Each says which day it counts for, be that sealed or not. One that a site reports after its day
    was sealed counts for none: what was sealed stays.
    """
    parameters = {"site_id": site_id, "first": first, "last": last}
    return _deliveries(_COUNTED, ("fiscal_day", *_COLUMNS), parameters)


def deliveries_uncounted(day: FiscalDay) -> list[Delivery]:
    """Return what was delivered from a day's opening to the next one's and counts for no day.

    The site told of it after the day was sealed, or no day was open when the tanker came. By time.
    """
    parameters = {"site_id": day.site_id, "fiscal_day": day.fiscal_day}
    return _deliveries(_UNCOUNTED, _COLUMNS, parameters)


def _deliveries(
    sql: str, columns: tuple[str, ...], parameters: Mapping[str, Any]
) -> list[Delivery]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    site_id = parameters["site_id"]
    return [Delivery(site_id=site_id, **dict(zip(columns, row, strict=True))) for row in rows]
