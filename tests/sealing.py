"""A day that is ready, proposed and sealed, for tests of what comes after."""

from __future__ import annotations

from typing import Any

from django.db import connection

from console.models import Role, User
from ledger.models import FiscalDay
from ledger.services.days import day_close
from ledger.services.sealing import day_seal, seal_propose
from tests.factories import make_user


def sealed(day: FiscalDay, *, by: tuple[User, User] | None = None) -> FiscalDay:
    """Close the day by hand if it is open, propose it and let another person seal it."""
    proposer, sealer = by or (make_user(), make_user(Role.APPROVER))
    if day.closed_at is None:
        day_close(day=day, closed_by=proposer, reason="The controller was replaced.")
    seal_propose(day=day, proposed_by=proposer)
    return day_seal(day=day, sealed_by=sealer)


def tamper(statement: str, *parameters: Any) -> None:
    """Change rows as somebody does who has the database's own password: no trigger fires."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0, "nothing was tampered with"
        cursor.execute("SET session_replication_role = DEFAULT")
