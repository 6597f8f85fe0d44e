"""Months summed up ahead of reports (`ledger.models.month`)."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.db import connection, transaction

#: Any number that nothing else locks by: one process sums up at a time, the others wait for it.
_LOCK = 7_104_201
_SQL = Path(__file__).parent.parent / "sql"
_STALE_SQL = (_SQL / "month_sums_stale.sql").read_text(encoding="utf-8")
_MONTH_TOTALS_SQL = (_SQL / "month_totals.sql").read_text(encoding="utf-8")


def months_sum_up(
    *, site_ids: Collection[int] | None, first: datetime.date, until: datetime.date
) -> None:
    """Sum up the months from `first` to before `until`, both first days of months.

    Only those of which the ledger holds another number of entries than it did then; for nearly
    all that is never again. `site_ids` of None means all sites.
    """
    if first >= until:
        return
    period = {"first": first, "until": until}
    asked: dict[str, Any] = {**period, "site_ids": None if site_ids is None else list(site_ids)}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STALE_SQL, asked)
        if not (stale := cursor.fetchall()):
            return
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SET LOCAL work_mem = '64MB'")
        parameters: dict[str, Any] = {
            **period,
            "site_ids": [site_id for site_id, _ in stale],
            "months": [month for _, month in stale],
        }
        cursor.execute(_MONTH_TOTALS_SQL, parameters)
