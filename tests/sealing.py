"""A day that is ready, proposed and sealed, for tests of what comes after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from console.models import Role, User
from ledger.models import AuditEvent, Explanation, FiscalDay
from ledger.selectors.reconciliation import reconciliation
from ledger.services.days import day_close
from ledger.services.sealing import day_seal, difference_explain, seal_propose
from ledger.services.trail import trail_link
from tests.factories import make_user


def closed(day: FiscalDay, by: User) -> FiscalDay:
    """Close a day by hand, which says why the site declared nothing, and explain the rest."""
    done = day_close(day=day, closed_by=by, reason="The controller was replaced.")
    explain_all(done, by)
    return done


def explain_all(day: FiscalDay, by: User) -> None:
    """Explain all that differs in a closed day."""
    for difference in reconciliation(day).unexplained:
        difference_explain(
            day=day,
            subject=difference.subject,
            key=difference.key,
            difference=difference.stated,
            reason=Explanation.Reason.CORRECTED,
            note="",
            author=by,
        )


def sealed(day: FiscalDay, *, by: tuple[User, User] | None = None) -> FiscalDay:
    """Close the day by hand if it is open, propose it and let another person seal it."""
    proposer, sealer = by or (make_user(), make_user(Role.APPROVER))
    if day.closed_at is None:
        closed(day, proposer)
    seal_propose(day=day, proposed_by=proposer)
    return day_seal(day=day, sealed_by=sealer)


def tamper(statement: str, *parameters: Any) -> None:
    """Change rows as somebody does who has the database's own password: no trigger fires."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0, "nothing was tampered with"
        cursor.execute("SET session_replication_role = DEFAULT")


class _Undone(Exception):
    """Rolls a savepoint back."""


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Take back what is done inside: many kinds of tampering with one ledger."""
    block = transaction.atomic()
    # As Django's TestCase marks its own, within which a durable transaction may begin.
    block._from_testcase = True  # type: ignore[attr-defined]
    with contextlib.suppress(_Undone), block:
        yield
        raise _Undone


def forget_signatures() -> None:
    """Leave the seals as they were before they were signed, and the audit trail a chain."""
    tamper(
        "UPDATE day_seal SET trail_number = NULL, trail_digest = NULL, key_id = '',"
        " signature = NULL"
    )
    tamper(
        "UPDATE audit_event e SET detail = jsonb_build_object("
        "'z_number', d.z_number, 'seal', encode(d.seal, 'hex'))"
        " FROM fiscal_day d WHERE e.action = 'day.sealed'"
        " AND (d.site_id, d.fiscal_day) = (e.site_id, e.fiscal_day)"
    )
    link_anew()


def link_anew() -> None:
    """Make the chain of the audit trail anew, as nobody can who leaves the signatures alone."""
    tamper("DELETE FROM audit_link")
    if AuditEvent.objects.exists():
        tamper("INSERT INTO audit_unlinked SELECT id FROM audit_event ON CONFLICT DO NOTHING")
    trail_link()


def record_anew() -> None:
    """Record the rows as they are now, as if the ledger had written them so."""
    tamper("DELETE FROM row_record")
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_records_begin()")
