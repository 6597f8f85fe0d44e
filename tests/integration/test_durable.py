"""What a service wrote is committed when it returns, or nobody is told that it is."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from console.models import Role, User
from ledger.models import Correction, FiscalDay, Site
from ledger.selectors.corrections import effective_entry
from ledger.services.corrections import (
    Draft,
    correction_propose,
    corrections_approve,
    corrections_propose,
)
from ledger.services.days import day_close
from ledger.services.resends import resend_request
from ledger.services.sealing import seal_propose
from ledger.services.transactions import CommitUnknownError, days_locked, durable
from tests.factories import make_day, make_forecourt, make_site, make_user

DAY = datetime.date(2026, 11, 22)


def drafts(day: FiscalDay, sequences: range, **more: Any) -> list[Draft]:
    found = []
    for sequence in sequences:
        now = effective_entry(site_id=day.site_id, fiscal_day=day.fiscal_day, sequence=sequence)
        found.append(
            Draft(
                site=day.site,
                fiscal_day=day.fiscal_day,
                sequence=sequence,
                action=Correction.Action.CORRECT,
                reason=Correction.Reason.WRONG_PAYMENT,
                values=(now.values or {}) | {"payment": 1} | more,
                based_on=now.latest_revision,
            )
        )
    return found


ACTS: dict[str, Callable[[FiscalDay, User], object]] = {
    "correct": lambda day, person: correction_propose(
        draft=drafts(day, range(1, 2))[0], author=person
    ),
    "correct many": lambda day, person: corrections_propose(
        drafts=drafts(day, range(1, 3)), author=person
    ),
    "close": lambda day, person: day_close(day=day, closed_by=person, reason="dead"),
    "propose a seal": lambda day, person: seal_propose(day=day, proposed_by=person),
    "resend": lambda day, person: resend_request(day=day, requested_by=person),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ACTS)
def test_a_service_refuses_to_be_inside_of_another_transaction(name: str) -> None:
    day, person = make_day(make_forecourt("HILL")), make_user()
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        ACTS[name](day, person)


@pytest.mark.django_db
class TestABulkCorrection:
    """The ingest of all sites waits behind the day that it locks."""

    @pytest.fixture
    def day(self) -> FiscalDay:
        return make_day(make_forecourt("HILL"), entries=60)

    def statements(self, act: Callable[[], object]) -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            act()
        return [query["sql"] for query in queries.captured_queries]

    def test_takes_as_many_statements_for_many_entries_as_for_two(self, day: FiscalDay) -> None:
        author = make_user()
        few, many = drafts(day, range(1, 3)), drafts(day, range(3, 61))
        counts = [
            len(self.statements(lambda some=some: corrections_propose(drafts=some, author=author)))
            for some in (few, many)
        ]
        assert counts[0] == counts[1] <= 12

    def test_so_does_adding_entries_and_approving(self, day: FiscalDay) -> None:
        FiscalDay.objects.filter(pk=day.pk).update(highest_sequence=200)
        author, approver = make_user(), make_user(Role.APPROVER)
        values = drafts(day, range(1, 2))[0].values
        add = {"action": Correction.Action.ADD, "values": values}
        counts = []
        for sequences in (range(61, 63), range(63, 120)):
            some = [Draft(**{**vars(one), **add}) for one in drafts(day, sequences)]
            proposed = corrections_propose(drafts=some, author=author, wants_approval=True)
            counts.append(
                len(
                    self.statements(
                        lambda proposed=proposed: corrections_approve(
                            corrections=proposed, decided_by=approver
                        )
                    )
                )
            )
        assert counts[0] == counts[1] <= 15
        day.refresh_from_db()
        assert day.entry_count == 60 + 59

    def test_locks_before_it_writes_and_after_it_read(self, day: FiscalDay) -> None:
        some = drafts(day, range(1, 4))
        said = self.statements(lambda: corrections_propose(drafts=some, author=make_user()))
        locking = [place for place, sql in enumerate(said) if "FOR NO KEY UPDATE" in sql]
        writing = [place for place, sql in enumerate(said) if sql.startswith("INSERT")]
        assert len(locking) == 1
        assert locking[0] < min(place for place in writing if place > 1)


@pytest.mark.django_db
def test_days_are_locked_in_the_order_of_their_key() -> None:
    sites = [make_site("B"), make_site("A")]
    for site in sites:
        for number in (21, 22):
            FiscalDay.objects.create(site=site, fiscal_day=f"2026-11-{number}")
    keys = [(site.pk, DAY - datetime.timedelta(days=back)) for site in sites for back in (0, 1)]
    with CaptureQueriesContext(connection) as queries, durable():
        found = days_locked(keys[::-1])
    assert list(found) == sorted(keys)
    [locking] = [one["sql"] for one in queries.captured_queries if "FOR NO KEY" in one["sql"]]
    assert 'ORDER BY "fiscal_day"."site_id" ASC, "fiscal_day"."fiscal_day" ASC' in locking


def other_session() -> psycopg.Connection[Any]:
    known = connection.settings_dict
    return psycopg.connect(
        host=known["HOST"], dbname=known["NAME"], user=known["USER"], autocommit=True
    )


def cut_line() -> None:
    """Let the server end this connection, which does not hear of it yet."""
    with other_session() as other, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        other.execute("SELECT pg_terminate_backend(%s, 5000)", cursor.fetchone())


def store(*, cuts_before: bool) -> None:
    with durable():
        if cuts_before:
            cut_line()
        Site.objects.create(code="X", name="X", first_fiscal_day=DAY)
        cut_line()


@pytest.mark.parametrize("cuts_before", [True, False])
def test_nobody_says_that_it_is_stored_when_the_line_broke_at_the_commit(
    committed_db: None, cuts_before: bool
) -> None:
    with pytest.raises(OperationalError) as caught:
        store(cuts_before=cuts_before)
    connection.close()
    # Before, it is sure that nothing is stored.
    assert isinstance(caught.value, CommitUnknownError) is not cuts_before
    assert not Site.objects.exists()
