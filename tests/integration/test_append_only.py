"""What staff do is kept: corrections, what they move and the audit trail are never changed."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from console.models import Role
from ledger.models import AuditEvent, Correction, CorrectionPosting, Delivery, FiscalDay, Kind
from ledger.services.audit import audit_record, changed_values
from tests.factories import make_correction, make_day, make_entry, make_site, make_user

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
DAY = NOW.date()


def decided(by: Any, status: str = Correction.Status.APPROVED) -> dict[str, Any]:
    posted_to = DAY if status == Correction.Status.APPROVED else None
    return {"status": status, "decided_by": by, "decided_at": NOW, "posted_to": posted_to}


@pytest.fixture
def proposal() -> Correction:
    return make_correction(make_entry(make_site()), author=make_user(), needs_approval=True)


@pytest.mark.django_db
class TestACorrection:
    def test_is_decided_once(self, proposal: Correction) -> None:
        approver = make_user(Role.APPROVER)
        waiting = Correction.objects.filter(pk=proposal.pk)
        assert waiting.update(**decided(approver)) == 1
        with (
            pytest.raises(IntegrityError, match="decided already: it is approved"),
            transaction.atomic(),
        ):
            waiting.update(**decided(approver, Correction.Status.REJECTED))

    @pytest.mark.parametrize("changed", [{"amount": Decimal(1)}, {"note": "x"}, {"revision": 2}])
    def test_keeps_what_it_states(self, proposal: Correction, changed: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError, match="propose a new revision"):
            Correction.objects.filter(pk=proposal.pk).update(**changed)

    def test_is_not_approved_by_its_author(self, proposal: Correction) -> None:
        with pytest.raises(IntegrityError, match="correction_four_eyes"):
            Correction.objects.filter(pk=proposal.pk).update(**decided(proposal.author))

    def test_waits_once_for_an_entry(self, proposal: Correction) -> None:
        with pytest.raises(IntegrityError, match="correction_one_proposal"):
            make_correction(
                make_entry(proposal.site, sequence=2), sequence=1, revision=2, needs_approval=True
            )

    @pytest.mark.parametrize(
        "values",
        [
            {"status": Correction.Status.APPROVED},
            {"posted_to": DAY},
            {"decided_at": NOW},
            {"revision": 0},
        ],
    )
    def test_has_a_decision_exactly_when_it_is_decided(self, values: dict[str, Any]) -> None:
        entry = make_entry(make_site())
        with pytest.raises(IntegrityError, match="check constraint"):
            make_correction(entry, needs_approval=True, **values)


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["correction", "correction_posting", "audit_event"])
@pytest.mark.parametrize("how", ["DELETE FROM {}", "TRUNCATE {}"])
def test_nothing_is_removed(proposal: Correction, table: str, how: str) -> None:
    make_posting(proposal)
    audit_record(action="site.changed", actor="a test")
    with connection.cursor() as cursor:
        # TRUNCATE asks first that no foreign key waits to be checked.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match=f"{table} is append-only: {how.split()[0]}"):
            cursor.execute(how.format(table))


@pytest.mark.django_db
def test_postings_and_the_audit_trail_are_not_changed(proposal: Correction) -> None:
    make_posting(proposal)
    audit_record(action="site.changed", actor="a test")
    for rows, changed in (
        (CorrectionPosting.objects.all(), {"amount": Decimal(1)}),
        (AuditEvent.objects.all(), {"action": "site.left"}),
    ):
        with pytest.raises(IntegrityError, match="UPDATE is refused"), transaction.atomic():
            rows.update(**changed)


@pytest.mark.django_db
class TestADelivery:
    @pytest.fixture
    def delivery(self) -> Delivery:
        site = make_site()
        make_day(site, fiscal_day=str(DAY))
        return Delivery.objects.create(
            site=site, tank=1, at=NOW, product="E10", volume=Decimal(1000), received_at=NOW
        )

    @pytest.mark.parametrize(
        ("how", "why"),
        [
            ("UPDATE delivery SET volume = 1", "UPDATE is refused"),
            ("UPDATE delivery SET volume = 1, fiscal_day = '2026-11-22'", "UPDATE is refused"),
            ("DELETE FROM delivery", "DELETE is refused"),
            ("TRUNCATE delivery", "TRUNCATE is refused"),
            (
                (
                    "INSERT INTO delivery"
                    " (site_id, tank, at, product, volume, document, received_at, fiscal_day)"
                    " SELECT site_id, 2, at, product, 1, '', at, '2026-11-22' FROM delivery"
                ),
                "comes without a fiscal day",
            ),
        ],
    )
    def test_stays_as_it_was_told(self, delivery: Delivery, how: str, why: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            with pytest.raises(IntegrityError, match=why):
                cursor.execute(how)

    def test_is_taken_by_one_seal(self, delivery: Delivery) -> None:
        assert Delivery.objects.update(fiscal_day=DAY) == 1
        for another in (DAY + datetime.timedelta(days=1), None):
            with pytest.raises(IntegrityError, match="UPDATE is refused"), transaction.atomic():
                Delivery.objects.update(fiscal_day=another)

    def test_is_not_taken_by_a_day_that_is_sealed(self, delivery: Delivery) -> None:
        FiscalDay.objects.update(sealed_at=NOW)
        with pytest.raises(IntegrityError, match="is sealed: it takes no delivery"):
            Delivery.objects.update(fiscal_day=DAY)


@pytest.mark.django_db
class TestTheAuditTrail:
    def test_names_who_did_what_where(self) -> None:
        site, person = make_site("HILL"), make_user(username="erin")
        audit_record(
            action="site.changed",
            actor=person,
            site=site,
            subject="HILL",
            detail=changed_values(
                {"name": "Hill", "cutoff": datetime.time(2)},
                {"name": "Hill", "cutoff": datetime.time(3), "city": "York"},
            ),
        )
        event = AuditEvent.objects.get()
        assert (event.actor, event.actor_name, event.site) == (person, "erin", site)
        assert event.detail == {
            "before": {"cutoff": "02:00:00", "city": None},
            "after": {"cutoff": "03:00:00", "city": "York"},
        }

    def test_names_a_program(self) -> None:
        event = audit_record(action="ledger.verified", actor="verify_ledger")
        assert (event.actor, event.actor_name) == (None, "verify_ledger")


def test_no_event_is_written_outside_of_the_change(committed_db: None) -> None:
    with pytest.raises(transaction.TransactionManagementError, match="outside"):
        audit_record(action="site.changed", actor="a test")


def make_posting(correction: Correction) -> CorrectionPosting:
    return CorrectionPosting.objects.create(
        site=correction.site,
        fiscal_day=correction.fiscal_day,
        sequence=correction.sequence,
        revision=correction.revision,
        side=CorrectionPosting.Side.OUT,
        posted_to=DAY,
        kind=Kind.SALE,
        product="E10",
        hour=12,
        count=-1,
        volume=Decimal(-10),
        amount=Decimal(-15),
        tax=Decimal("-2.50"),
    )
