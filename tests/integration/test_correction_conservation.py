"""Whatever is corrected by whomever in whatever order: nothing is lost and nothing counted twice.

The totals that the entries' own transactions keep, plus what corrections post, are at all times
what the entries count for; and what a sealed day adds up to never changes again.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from console.models import Role, User
from ledger.models import (
    AuditEvent,
    Correction,
    CorrectionPosting,
    DayTotal,
    Entry,
    FiscalDay,
    HourTotal,
    Kind,
    Payment,
    PaymentTotal,
    Site,
)
from ledger.models.day import NO_PAYMENT, NO_TAX_RATE
from ledger.models.entry import TURNOVER_KINDS
from ledger.selectors.corrections import Values, effective, effective_entry
from ledger.selectors.totals import ledger_totals
from ledger.services.corrections import (
    ChangedMeanwhileError,
    CorrectionError,
    Draft,
    correction_approve,
    correction_propose,
    correction_reject,
    correction_withdraw,
)
from ledger.tax import tax_of
from tests.factories import make_day, make_site, make_user

Action = Correction.Action
FIRST, SECOND, THIRD = (datetime.date(2026, 11, day) for day in (22, 23, 24))
MIDNIGHT = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
#: The entries that the first day holds; up to this number the site says that there were more.
HELD, LAST = 2, 4

values = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(Kind),
        "occurred_at": st.integers(0, 24 * 60).map(
            lambda minute: MIDNIGHT + datetime.timedelta(minutes=minute)
        ),
        "product": st.sampled_from(["E10", "B7"]),
        "amount": st.decimals("-99.99", "99.99", places=2),
        "volume": st.none() | st.decimals("-60", "60", places=3),
        "tax_rate": st.none() | st.sampled_from([Decimal("7.00"), Decimal("19.00")]),
        "payment": st.none() | st.sampled_from(Payment),
        "offline": st.booleans(),
    }
)
sequences = st.integers(1, LAST)
#: Decisions twice, since there is something to decide on only now and then.
_decisions = st.tuples(
    st.sampled_from(["approve", "approve", "reject", "withdraw"]), sequences, st.none()
)
steps = st.one_of(
    st.tuples(st.sampled_from(["correct", "add"]), sequences, values),
    st.tuples(st.just("void"), sequences, st.none()),
    _decisions,
    _decisions,
    st.tuples(st.sampled_from(["close", "seal", "open next"]), st.none(), st.none()),
)

_Measure = tuple[int, Decimal, Decimal, Decimal]
_Totals = dict[Any, _Measure]


def added(rows: Iterable[tuple[Any, int, Decimal | None, Decimal, Decimal]]) -> _Totals:
    """Add rows of key, count, volume, amount and tax up by key; what is nothing is left out."""
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0), Decimal(0)])
    for key, *measure in rows:
        sums[key] = [a + (b or 0) for a, b in zip(sums[key], measure, strict=True)]
    return {key: tuple(sum_) for key, sum_ in sums.items() if any(sum_)}


def totals(by: Callable[[Any], Any], raw: Iterable[Any], **posted: Any) -> _Totals:
    """Raw totals and postings together, as every report adds them."""
    rows = [*raw, *CorrectionPosting.objects.filter(**posted)]
    return added(
        (by(row), row.count, row.volume, row.amount, getattr(row, "tax", 0)) for row in rows
    )


def counted() -> list[Values]:
    """The effective values of all entries of the first day, by reading entries and revisions."""
    found = []
    for sequence in range(1, LAST + 1):
        entry = Entry.objects.filter(fiscal_day=FIRST, sequence=sequence).first()
        corrections = Correction.objects.filter(fiscal_day=FIRST, sequence=sequence)
        now = effective(entry, list(corrections.order_by("revision")))
        if now.values is not None:
            found.append(now.values)
    return found


def of(row: Values, key: Any, *, has_tax: bool = True) -> tuple[Any, int, Any, Any, Any]:
    tax = tax_of(row["amount"], row["tax_rate"]) if has_tax else Decimal(0)
    return key, 1, row["volume"], row["amount"], tax


def by_rate(row: Any) -> Any:
    return row.product, row.kind, NO_TAX_RATE if row.tax_rate is None else row.tax_rate


def without_tax(sums: _Totals) -> _Totals:
    return {key: (*measure[:3], Decimal(0)) for key, measure in sums.items() if any(measure[:3])}


def assert_nothing_is_lost() -> None:
    rows = counted()
    assert totals(by_rate, DayTotal.objects.all()) == added(
        of(
            row,
            (
                row["product"],
                row["kind"],
                NO_TAX_RATE if row["tax_rate"] is None else row["tax_rate"],
            ),
        )
        for row in rows
    )
    by_payment = totals(
        lambda row: (row.payment or NO_PAYMENT, row.kind), PaymentTotal.objects.all()
    )
    assert without_tax(by_payment) == added(
        of(row, (row["payment"] or NO_PAYMENT, row["kind"]), has_tax=False) for row in rows
    )
    by_hour = totals(lambda row: row.hour, HourTotal.objects.all(), kind__in=TURNOVER_KINDS)
    sold = [row for row in rows if row["kind"] in TURNOVER_KINDS]
    assert without_tax(by_hour) == added(
        of(row, row["occurred_at"].hour, has_tax=False) for row in sold
    )
    ledger = ledger_totals(site_ids=None)
    assert sum((one.turnover.amount for one in ledger.currencies), Decimal(0)) == sum(
        (row["amount"] for row in sold), Decimal(0)
    )


class _Run:
    """A site with one day to be corrected, and the people who do it."""

    def __init__(self) -> None:
        self.site: Site = make_site(timezone="UTC", currency="EUR")
        make_day(self.site, fiscal_day=str(FIRST), entries=HELD, last_sequence=LAST)
        self.author, self.approver = make_user(Role.STAFF), make_user(Role.APPROVER)
        self.sealed: _Totals | None = None

    def step(self, what: str, sequence: int | None, values: Values | None) -> None:
        day = FiscalDay.objects.filter(pk=(self.site.pk, FIRST), sealed_at=None)
        if what == "close":
            day.update(closed_at=timezone.now())
        elif what == "seal":
            day.update(closed_at=timezone.now(), sealed_at=timezone.now())
            self.sealed = self.sealed or self.of_first_day()
        elif what == "open next":
            FiscalDay.objects.get_or_create(site=self.site, fiscal_day=SECOND)
        elif what in Action.values:
            assert sequence is not None
            self.propose(Action(what), sequence, values)
        else:
            self.decide(what, sequence)

    def propose(self, action: Correction.Action, sequence: int, values: Values | None) -> None:
        now = effective_entry(site_id=self.site.pk, fiscal_day=FIRST, sequence=sequence)
        draft = Draft(
            site=self.site,
            fiscal_day=FIRST,
            sequence=sequence,
            action=action,
            reason=Correction.Reason.OTHER,
            values=values,
            based_on=now.latest_revision,
        )
        correction_propose(draft=draft, author=self.author)

    def decide(self, what: str, sequence: int | None) -> None:
        """Decide on the first proposal from this entry on."""
        proposals = Correction.objects.filter(status=Correction.Status.PROPOSED)
        waiting = proposals.filter(sequence__gte=sequence).order_by("sequence").first()
        if waiting is None:
            return
        if self.sealed is not None:
            event(f"{what} of a sealed day")
        if what == "approve":
            correction_approve(correction=waiting, decided_by=self.approver)
        elif what == "reject":
            correction_reject(correction=waiting, decided_by=self.approver, note="no")
        else:
            correction_withdraw(correction=waiting, decided_by=self.author)

    def of_first_day(self) -> _Totals:
        return totals(by_rate, DayTotal.objects.filter(fiscal_day=FIRST), posted_to=FIRST)


@pytest.mark.django_db
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(taken=st.lists(steps, min_size=3, max_size=14))
def test_whatever_is_corrected_nothing_is_lost(
    db: None, taken: list[tuple[str, int | None, Values | None]]
) -> None:
    # Services refuse to be inside of another transaction, but not of a savepoint.
    before = transaction.savepoint()
    run = _Run()
    for step in taken:
        before_step = transaction.savepoint()
        try:
            run.step(*step)
        except CorrectionError:
            transaction.savepoint_rollback(before_step)
            event(f"refused: {step[0]}")
        else:
            event(step[0])
        assert_nothing_is_lost()
    if run.sealed is not None:
        event("sealed")
        assert run.of_first_day() == run.sealed
    transaction.savepoint_rollback(before)


class Race:
    """Two people who do something at the same moment, each in a connection of their own."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def run(self, *acts: Callable[[], object]) -> list[str]:
        together = threading.Barrier(len(acts))

        def act(what: Callable[[], object]) -> None:
            try:
                together.wait(10)
                what()
                self.outcomes.append("done")
            except CorrectionError as error:
                self.outcomes.append(type(error).__name__)
            finally:
                connection.close()

        threads = [threading.Thread(target=act, args=[what]) for what in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return sorted(self.outcomes)


@pytest.fixture
def day(committed_db: None) -> FiscalDay:
    return make_day(make_site("HILL"), fiscal_day=str(FIRST))


def changed(day: FiscalDay, amount: int, *, based_on: int = 0) -> Draft:
    now = effective_entry(site_id=day.site_id, fiscal_day=FIRST, sequence=1)
    return Draft(
        site=day.site,
        fiscal_day=FIRST,
        sequence=1,
        action=Action.CORRECT,
        reason=Correction.Reason.WRONG_VOLUME,
        values=(now.values or {}) | {"amount": Decimal(amount)},
        based_on=based_on,
    )


def test_of_two_who_correct_an_entry_at_once_the_second_sees_the_first(day: FiscalDay) -> None:
    people: list[User] = [make_user(), make_user()]
    drafts = [changed(day, 40), changed(day, 50)]
    outcomes = Race().run(
        *(
            lambda draft=draft, person=person: correction_propose(draft=draft, author=person)  # type: ignore[misc]
            for draft, person in zip(drafts, people, strict=True)
        )
    )
    assert outcomes == [ChangedMeanwhileError.__name__, "done"]
    correction = Correction.objects.get()
    moved = sum(posting.amount for posting in CorrectionPosting.objects.all())
    assert moved == correction.amount - Decimal("47.93")


def test_of_two_who_approve_at_once_one_does(day: FiscalDay) -> None:
    proposal = correction_propose(draft=changed(day, 40), author=make_user(), wants_approval=True)
    people = [make_user(Role.APPROVER), make_user(Role.APPROVER)]
    outcomes = Race().run(
        *(
            lambda person=person: correction_approve(correction=proposal, decided_by=person)  # type: ignore[misc]
            for person in people
        )
    )
    assert outcomes == [CorrectionError.__name__, "done"]
    assert CorrectionPosting.objects.count() == 2
    assert AuditEvent.objects.filter(action="correction.approved").count() == 1


def test_approved_and_withdrawn_at_once_it_is_one_of_the_two(day: FiscalDay) -> None:
    author = make_user()
    proposal = correction_propose(draft=changed(day, 40), author=author, wants_approval=True)
    outcomes = Race().run(
        lambda: correction_approve(correction=proposal, decided_by=make_user(Role.APPROVER)),
        lambda: correction_withdraw(correction=proposal, decided_by=author),
    )
    assert outcomes == [CorrectionError.__name__, "done"]
    proposal.refresh_from_db()
    is_approved = proposal.status == Correction.Status.APPROVED
    assert CorrectionPosting.objects.exists() == is_approved


def test_a_day_that_is_sealed_while_an_approval_waits_for_it_is_passed_over(
    day: FiscalDay,
) -> None:
    FiscalDay.objects.filter(pk=day.pk).update(closed_at=timezone.now(), sealed_at=timezone.now())
    for later in (SECOND, THIRD):
        FiscalDay.objects.create(site=day.site, fiscal_day=later)
    proposal = correction_propose(draft=changed(day, 40), author=make_user())
    approver = make_user(Role.APPROVER)
    race = Race()
    with transaction.atomic():
        FiscalDay.objects.filter(fiscal_day=THIRD).update(sealed_at=timezone.now())
        approval = threading.Thread(
            target=race.run,
            args=[lambda: correction_approve(correction=proposal, decided_by=approver)],
        )
        approval.start()
        until_somebody_waits_for_me()
    approval.join(30)
    assert race.outcomes == ["done"]
    proposal.refresh_from_db()
    assert proposal.posted_to == SECOND


def until_somebody_waits_for_me() -> None:
    """Return once another connection is blocked by a lock of this one."""
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity"
                " WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
            )
            if cursor.fetchone() == (True,):
                return
            # The activity that a transaction sees stays as it first saw it, unless asked anew.
            cursor.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.02)")
    pytest.fail("nobody waits")
