"""The transactions and locks of all who write: short, durable, bounded, and in one order.

    with durable():
        day = days_locked([(site.pk, fiscal_day)]).get((site.pk, fiscal_day))

A service opens its one transaction with `durable`, which refuses to be inside of another: when a
service returns, what it wrote is committed. A step that several services share opens none and says
in its docstring that it is its caller's transaction.

Whoever writes into a fiscal day takes its row first, and all rows at once, in the order of the key,
as the ingest worker does (`ingest/sql/lock_days.sql`): so nobody waits in a circle, and what the
row says is certain until the commit. A transaction that would wait too long, or that falls silent
while it holds locks, is ended by the server; the ingest of all sites waits behind it.
"""

from __future__ import annotations

import datetime
import functools
import operator
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from asgiref.local import Local
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q

from ledger.models import FiscalDay

#: How long any statement waits for a lock that another transaction holds.
LOCK_TIMEOUT_MS = 5_000
#: The server gives up a transaction that says nothing for so long, and what it holds locked: its
#: process hangs or its line is dead, since nothing here pauses within one.
SILENCE_MS_MAX = 15_000

#: As Django's connections: of this thread alone.
_this_thread = Local(thread_critical=True)

DayKey = tuple[int, datetime.date]


class CommitUnknownError(OperationalError):
    """The line broke while a transaction was being committed: it may have been, or not."""


@contextmanager
def durable() -> Iterator[None]:
    """Open a service's transaction: the outermost one, committed when this returns.

    RuntimeError inside of another transaction. OperationalError where a lock is not had in
    LOCK_TIMEOUT_MS, CommitUnknownError where nobody can tell whether it was committed.
    """
    is_done = False
    try:
        with transaction.atomic(durable=True):
            _bound()
            yield
            is_done = not connection.needs_rollback
        _this_thread.has_committed = True
    except (OperationalError, InterfaceError) as error:
        if is_done:
            raise CommitUnknownError(*error.args) from error
        raise


def days_locked(keys: Collection[DayKey]) -> dict[DayKey, FiscalDay]:
    """Return fiscal days by site and date, each with its site, locked until the transaction ends.

    In the transaction of the caller, as its first lock. Days that are not there are left out.
    """
    if not keys:
        return {}
    wanted = functools.reduce(
        operator.or_, (Q(site=site_id, fiscal_day=day) for site_id, day in sorted(keys))
    )
    days = FiscalDay.objects.select_for_update(no_key=True, of=("self",)).select_related("site")
    return {
        (day.site_id, day.fiscal_day): day
        for day in days.filter(wanted).order_by("site_id", "fiscal_day")
    }


def commits_forget() -> None:
    """Let `has_committed` speak of what comes from now on: of one request."""
    _this_thread.has_committed = False


def has_committed() -> bool:
    """Say whether a service has stored something in this thread since `commits_forget`."""
    return getattr(_this_thread, "has_committed", False)


def _bound() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), "
            "set_config('idle_in_transaction_session_timeout', %s, true)",
            [str(LOCK_TIMEOUT_MS), str(SILENCE_MS_MAX)],
        )
