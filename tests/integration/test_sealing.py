"""Sealing: who, in which order, what it takes, and what it keeps from being changed."""

from __future__ import annotations

import datetime
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from console.models import Role, User
from ledger.models import (
    AuditEvent,
    Command,
    Correction,
    DayTotal,
    DeclaredTotal,
    Delivery,
    Entry,
    Explanation,
    FiscalDay,
    Kind,
    Site,
)
from ledger.models.sealing import DaySeal
from ledger.selectors.reconciliation import reconciliation
from ledger.services.corrections import Draft, correction_approve, correction_propose
from ledger.services.days import DayError, day_close
from ledger.services.sealing import (
    body_digest,
    day_seal,
    difference_explain,
    seal_propose,
    seal_withdraw,
)
from tests.factories import make_day, make_entry, make_forecourt, make_user
from tests.sealing import closed, explain_all, sealed

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return make_forecourt("HILL")


@pytest.fixture
def day(site: Site) -> FiscalDay:
    return make_day(site)


@pytest.fixture
def staff() -> User:
    return make_user(Role.STAFF)


@pytest.fixture
def approver() -> User:
    return make_user(Role.APPROVER)


class TestClosingByHand:
    def test_it_takes_a_reason(self, day: FiscalDay, staff: User) -> None:
        with pytest.raises(DayError, match="Say why"):
            day_close(day=day, closed_by=staff, reason=" ")
        closed = day_close(day=day, closed_by=staff, reason="No answer from the site.")
        assert (closed.status, closed.last_sequence) == (FiscalDay.Status.CLOSED, 3)
        assert (closed.closed_by, closed.is_closed_by_hand) == (staff, True)
        assert AuditEvent.objects.get().action == "day.closed"

    def test_the_papers_may_tell_of_more_entries(self, day: FiscalDay, staff: User) -> None:
        closed = day_close(day=day, closed_by=staff, reason="Kept on paper.", last_sequence=5)
        assert closed.missing_count == 2

    def test_but_not_of_fewer(self, day: FiscalDay, staff: User) -> None:
        with pytest.raises(DayError, match="Entry 3 was received"):
            day_close(day=day, closed_by=staff, reason="Kept on paper.", last_sequence=2)

    def test_it_is_closed_once(self, day: FiscalDay, staff: User) -> None:
        day_close(day=day, closed_by=staff, reason="No answer.")
        with pytest.raises(DayError, match="closed already"):
            day_close(day=day, closed_by=staff, reason="No answer.")

    def test_its_reason_says_why_nothing_was_declared(self, day: FiscalDay, staff: User) -> None:
        closed = day_close(day=day, closed_by=staff, reason="Hit by lightning.")
        [found] = reconciliation(closed).explained
        assert (found.subject, found.close_reason) == ("declaration", "Hit by lightning.")
        assert reconciliation(closed).is_ready

    def test_but_no_other_difference(self, day: FiscalDay, staff: User) -> None:
        closed = day_close(day=day, closed_by=staff, reason="Dead.", last_sequence=5)
        [found] = reconciliation(closed).unexplained
        assert found.subject == "missing"

    def test_nor_that_the_site_closes_it_and_declares_nothing(
        self, day: FiscalDay, staff: User
    ) -> None:
        closed = day_close(day=day, closed_by=staff, reason="Dead.")
        closed.closing_digest = bytes(32)
        [found] = reconciliation(closed).unexplained
        assert (found.subject, found.close_reason) == ("declaration", "")


class TestFourEyes:
    def test_one_proposes_and_another_seals(
        self, day: FiscalDay, staff: User, approver: User
    ) -> None:
        closed(day, staff)
        with pytest.raises(DayError, match="Nobody proposes"):
            day_seal(day=day, sealed_by=approver)
        seal_propose(day=day, proposed_by=staff)
        with pytest.raises(DayError, match="Somebody else"):
            day_seal(day=day, sealed_by=staff)
        done = day_seal(day=day, sealed_by=approver)
        assert (done.status, done.z_number) == (FiscalDay.Status.SEALED, 1)
        assert done.perpetual_total == 3 * Decimal("47.93")
        actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
        assert list(actions) == [
            "day.closed",
            "day.seal_proposed",
            "day.sealed",
        ]

    def test_what_changed_is_not_sealed_unseen(
        self, day: FiscalDay, staff: User, approver: User
    ) -> None:
        closed(day, staff)
        seal_propose(day=day, proposed_by=staff)
        seen = body_digest(day)
        make_entry(day.site, sequence=4)
        FiscalDay.objects.filter(pk=day.pk).update(entry_count=4, highest_sequence=4)
        with pytest.raises(DayError, match="changed meanwhile"):
            day_seal(day=day, sealed_by=approver, seen=seen)

    def test_a_proposal_can_be_withdrawn(self, day: FiscalDay, staff: User, approver: User) -> None:
        closed(day, staff)
        seal_propose(day=day, proposed_by=staff)
        seal_withdraw(day=day, withdrawn_by=approver)
        with pytest.raises(DayError, match="Nobody proposes"):
            day_seal(day=day, sealed_by=approver)


class TestWhatItTakes:
    def test_the_days_before_are_sealed(self, site: Site, day: FiscalDay, staff: User) -> None:
        make_day(site, fiscal_day="2026-11-21")
        closed(day, staff)
        with pytest.raises(DayError, match=r"21 Nov 2026 is not sealed"):
            seal_propose(day=day, proposed_by=staff)

    def test_it_is_closed(self, day: FiscalDay, staff: User) -> None:
        with pytest.raises(DayError, match="not closed"):
            seal_propose(day=day, proposed_by=staff)

    def test_no_correction_waits(self, day: FiscalDay, staff: User, approver: User) -> None:
        closed(day, staff)
        proposal = correction_propose(draft=void(day), author=staff)
        with pytest.raises(DayError, match="Corrections wait"):
            seal_propose(day=day, proposed_by=staff)
        correction_approve(correction=proposal, decided_by=approver)
        day.refresh_from_db()
        explain_all(day, staff)
        assert seal_propose(day=day, proposed_by=staff).seal_proposed_by == staff

    def test_every_difference_is_explained_as_it_is_now(
        self, day: FiscalDay, staff: User, approver: User
    ) -> None:
        declare(day, count=4, amount=Decimal("200.00"))
        (found,) = reconciliation(day).unexplained
        with pytest.raises(DayError, match="Differences wait to be explained: 1"):
            seal_propose(day=day, proposed_by=staff)
        with pytest.raises(DayError, match="another one by now"):
            explain(day, found.subject, found.key, "7; 1 L; 1", staff)
        explain(day, found.subject, found.key, found.stated, staff)
        assert not reconciliation(day).unexplained
        correction = correction_propose(draft=void(day), author=staff)
        correction_approve(correction=correction, decided_by=approver)
        assert reconciliation(day).unexplained

    def test_other_reasons_take_a_note(self, day: FiscalDay, staff: User) -> None:
        declare(day, count=4, amount=Decimal("200.00"))
        (found,) = reconciliation(day).unexplained
        with pytest.raises(DayError, match="in a note"):
            difference_explain(
                day=day,
                subject=found.subject,
                key=found.key,
                difference=found.stated,
                reason=Explanation.Reason.OTHER,
                note="",
                author=staff,
            )


class TestTheChain:
    def test_each_day_holds_the_seal_of_the_one_before(self, site: Site) -> None:
        first = sealed(make_day(site, fiscal_day="2026-11-20"))
        second = sealed(make_day(site, fiscal_day="2026-11-21", entries=2))
        assert first.previous_seal is None
        assert bytes(second.previous_seal or b"") == bytes(first.seal or b"")
        assert second.z_number == 2
        assert second.perpetual_total == 5 * Decimal("47.93")

    def test_a_sealed_day_s_correction_is_in_the_open_day_s_seal(
        self, site: Site, day: FiscalDay, staff: User, approver: User
    ) -> None:
        sealed(day, by=(staff, approver))
        later = make_day(site, fiscal_day="2026-11-23", entries=1)
        correction = correction_propose(draft=void(day), author=staff)
        correction_approve(correction=correction, decided_by=approver)
        done = sealed(later, by=(staff, approver))
        # Three sales of the first day and one of the second, of which one was taken out.
        assert done.perpetual_total == 3 * Decimal("47.93")
        document = DaySeal.objects.get(pk=later.pk).document
        assert '["correction", "2026-11-22", 1, 1, "void"' in document

    def test_the_site_is_told(self, day: FiscalDay) -> None:
        sealed(day)
        command = Command.objects.get()
        assert (command.kind, command.sent_at) == (Command.Kind.SEAL, None)

    def test_a_third_party_makes_the_same_seal(self, site: Site, day: FiscalDay) -> None:
        """From the documented form alone, without any code of the ledger."""
        FiscalDay.objects.filter(pk=day.pk).update(
            opened_at="2026-11-22T05:00Z", opening_digest=b"\x0f" * 32
        )
        day.refresh_from_db()
        for hour, tank in ((10, 2), (10, 1), (9, 2)):
            deliver(site, hour=hour, tank=tank)
        staff = make_user()
        reason = "The controller was replaced."
        explain_all(day_close(day=day, closed_by=staff, reason=reason, last_sequence=4), staff)
        day.refresh_from_db()
        done = sealed(day)
        deliver(site, hour=11, tank=1)
        lines = []
        for entry in Entry.objects.filter(fiscal_day=day.fiscal_day).order_by("sequence"):
            values: list[Any] = [
                entry.sequence,
                entry.kind,
                "2026-11-22 12:00:00+00",
                "2026-11-22 12:00:00+00",
                "E10",
                "47.93",
                "32.407",
                None,
                "1.4790",
                *[None] * 7,
                False,
                0,
            ]
            lines.append(json.dumps(values, ensure_ascii=False) + "\n")
        digest = hashlib.sha256("".join(lines).encode()).hexdigest()
        closed_at = done.closed_at
        assert closed_at is not None
        body = [
            [
                *("day", "HILL", "2026-11-22", "GBP", "2026-11-22 05:00:00+00"),
                written(closed_at),
                *(done.closed_by_id, reason, 4, 3, 3),
            ],
            ["declarations", "0f" * 32, None],
            ["entries", 3, digest],
            ["total", "E10", 1, "-1.00", 3, "97.221", "143.79", "0.00"],
        ]
        body.append(["payment", 0, 1, 3, "97.221", "143.79"])
        body.append(["hour", 12, 3, "97.221", "143.79"])
        for hour, tank in (("09", 2), ("10", 1), ("10", 2)):
            at = f"2026-11-22 {hour}:00:00.25+00"
            body.append(["delivery", at, tank, "E10", "1000.000", None, "Nº 7", at])
        explanation = Explanation.objects.get()
        said: list[Any] = ["explanation", 1, "missing", "", "1 of 4", "corrected", ""]
        body.append([*said, explanation.author_id, written(explanation.at)])
        body.append(["metering", "totalizers"])
        body.append(["allowance", "5.0", "20.000", "10.0", "492.104"])
        body += [["nozzle", point, number, number] for point in (1, 2) for number in (1, 2)]
        body += [["tank", 1, "E10"], ["tank", 2, "B7"]]
        assert done.seal_proposed_at is not None
        assert done.sealed_at is not None
        first = ["seal", 2, 1, "0" * 64, "143.79", done.seal_proposed_by_id]
        first += [written(done.seal_proposed_at), done.sealed_by_id, written(done.sealed_at)]
        document = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (first, *body))
        assert DaySeal.objects.get().document == document
        assert done.seal_hex == hashlib.sha256(document.encode()).hexdigest()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fiscal_day SET close_reason = 'x'",
        "DELETE FROM fiscal_day",
        "UPDATE day_seal SET document = ''",
        "DELETE FROM day_seal",
        "UPDATE day_total SET amount = 0",
        "DELETE FROM hour_total",
        "UPDATE payment_total SET count = 9",
        (
            "INSERT INTO declared_total (site_id, fiscal_day, product, count, volume, amount)"
            " VALUES (%(site)s, '2026-11-22', 'E10', 1, 1, 1)"
        ),
    ],
)
def test_a_sealed_day_stays_as_it_is(site: Site, day: FiscalDay, statement: str) -> None:
    sealed(day)
    with (
        connection.cursor() as cursor,
        pytest.raises(IntegrityError, match=r"sealed|append-only"),
        transaction.atomic(),
    ):
        cursor.execute(statement, {"site": site.pk})


def deliver(site: Site, *, hour: int, tank: int) -> None:
    at = datetime.datetime(2026, 11, 22, hour, 0, 0, 250_000, tzinfo=datetime.UTC)
    Delivery.objects.create(
        site=site,
        tank=tank,
        at=at,
        received_at=at,
        product="E10",
        volume=Decimal(1000),
        document="Nº 7",
    )


def written(at: datetime.datetime) -> str:
    """Return a time as the canonical form writes it."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".") + "+00"


def void(day: FiscalDay) -> Draft:
    return Draft(
        site=day.site,
        fiscal_day=day.fiscal_day,
        sequence=1,
        action=Correction.Action.VOID,
        reason=Correction.Reason.SOLD_TWICE,
    )


def declare(day: FiscalDay, *, count: int, amount: Decimal) -> None:
    """Let the site close the day with totals of its own."""
    total = DayTotal.objects.get(product="E10", kind=Kind.SALE)
    DeclaredTotal.objects.create(
        site=day.site,
        fiscal_day=day.fiscal_day,
        product="E10",
        count=count,
        volume=total.volume,
        amount=amount,
    )
    FiscalDay.objects.filter(pk=day.pk).update(
        closed_at=Entry.objects.latest("received_at").received_at,
        last_sequence=3,
        closing_digest=bytes(32),
    )
    day.refresh_from_db()


def explain(day: FiscalDay, subject: str, key: str, stated: str, author: User) -> None:
    difference_explain(
        day=day,
        subject=subject,
        key=key,
        difference=stated,
        reason=Explanation.Reason.SITE_WRONG,
        note="",
        author=author,
    )
