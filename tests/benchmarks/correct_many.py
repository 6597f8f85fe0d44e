"""Corrects many entries of a site's open day together, again and again; prints what it took.

python -m tests.benchmarks.correct_many SITE DAY ENTRIES TIMES
"""

from __future__ import annotations

import datetime
import json
import sys
import time
from decimal import Decimal
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402 models want Django set up

from console.models import Role, User  # noqa: E402
from ledger.models import Correction, FiscalDay  # noqa: E402
from ledger.selectors.revisions import SelectionFilter, selected_entries  # noqa: E402
from ledger.services.corrections import Draft, corrections_propose  # noqa: E402

#: So that each correction stands alone among the worker's seconds.
PAUSE_S = 1.0


class Statements:
    """Counts statements, and keeps when the first of them took a lock."""

    def __init__(self) -> None:
        self.count = 0
        self.locked_at = 0.0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        answer = execute(sql, params, many, context)
        if not self.locked_at and "FOR NO KEY UPDATE" in sql:
            self.locked_at = time.perf_counter()
        return answer


def correct(day: FiscalDay, author: User, entries: int, cents: int) -> dict[str, float]:
    """Give all of them another amount; return the seconds, those of the lock, the statements."""
    found = selected_entries(day, SelectionFilter()).found[:entries]
    drafts = [
        Draft(
            site=day.site,
            fiscal_day=day.fiscal_day,
            sequence=now.entry.sequence,  # type: ignore[union-attr]
            action=Correction.Action.CORRECT,
            reason=Correction.Reason.WRONG_PRICE,
            values=now.values | {"amount": now.values["amount"] + Decimal(cents) / 100},  # type: ignore[operator, index]
            based_on=now.latest_revision,
        )
        for now in found
    ]
    statements = Statements()
    began = time.perf_counter()
    with connection.execute_wrapper(statements):
        corrections_propose(drafts=drafts, author=author)
    ended = time.perf_counter()
    return {
        "entries": len(drafts),
        "seconds": ended - began,
        "locked_seconds": ended - statements.locked_at,
        "statements": statements.count,
    }


def main() -> None:
    """Correct as the command line says, on its own connection as a web process would."""
    code, fiscal_day, entries, times = sys.argv[1:]
    author, _ = User.objects.get_or_create(username="bench-staff", defaults={"role": Role.STAFF})
    day = FiscalDay.objects.select_related("site").get(
        site__code=code, fiscal_day=datetime.date.fromisoformat(fiscal_day)
    )
    took = []
    for number in range(int(times)):
        took.append(correct(day, author, int(entries), 1 if number % 2 else -1))
        time.sleep(PAUSE_S)
    print(json.dumps(took))


if __name__ == "__main__":
    main()
