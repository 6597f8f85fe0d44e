"""Months summed up ahead of reports (`ledger.models.month`)."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from django.db import connection

from ledger.selectors.reports import (
    Months,
    MonthsOutdatedError,
    PeriodReport,
    Sites,
    ends_of,
    period_report,
    site_ids_of,
    whole_months,
)
from ledger.services.transactions import durable

#: Months before these many days ago are read summed up; late entries have mostly come by then.
DAYS_UNTIL_SUMMED_UP = 3

#: Any number that nothing else locks by: one process sums up at a time, the others wait for it.
_LOCK = 7_104_201
_SQL = Path(__file__).parent.parent / "sql"
_STALE_SQL = (_SQL / "month_sums_stale.sql").read_text(encoding="utf-8")
_MONTH_TOTALS_SQL = (_SQL / "month_totals.sql").read_text(encoding="utf-8")


def period_report_summed_up(
    *,
    sites: Sites = None,
    first: datetime.date | None = None,
    last: datetime.date | None = None,
    today: datetime.date | None = None,
) -> PeriodReport:
    """Return the report of a period, the whole months of a long one read as summed up.

    It says what `period_report` says without months. The statement that reads them tells whether
    they are up to date; where they are not, they are summed up and read once more, and where a
    late entry comes in just then, all is read from the days.
    """
    asked: dict[str, Any] = {"sites": site_ids_of(sites), "first": first, "last": last}
    months = _months_to_sum_up(asked["sites"], first, last, today)
    try:
        return period_report(**asked, months=months)
    except MonthsOutdatedError:
        months_sum_up(**asked, today=today)
    try:
        return period_report(**asked, months=months)
    except MonthsOutdatedError:
        return period_report(**asked)


def months_sum_up(
    *,
    sites: Sites = None,
    first: datetime.date | None = None,
    last: datetime.date | None = None,
    today: datetime.date | None = None,
) -> Months | None:
    """Make ready what a report of a long period reads; returns its whole months that are ready.

    None for a short period and for one of late days alone: its report is read from its days. Only
    those months are summed up of which the ledger holds another number of entries than it did
    when they were; for nearly all that is never again.
    """
    site_ids = site_ids_of(sites)
    months = _months_to_sum_up(site_ids, first, last, today)
    if months is not None:
        _sum_up(site_ids, months)
    return months


def _months_to_sum_up(
    site_ids: frozenset[int] | None,
    first: datetime.date | None,
    last: datetime.date | None,
    today: datetime.date | None,
) -> Months | None:
    today = today or datetime.datetime.now(datetime.UTC).date()
    until = today - datetime.timedelta(days=DAYS_UNTIL_SUMMED_UP)
    return whole_months(*ends_of(site_ids, first, last), until=until)


def _sum_up(site_ids: frozenset[int] | None, months: Months) -> None:
    period = {"first": months[0], "until": months[1]}
    asked: dict[str, Any] = {**period, "site_ids": None if site_ids is None else list(site_ids)}
    with durable(), connection.cursor() as cursor:
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
