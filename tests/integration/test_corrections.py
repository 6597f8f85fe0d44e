"""Correcting entries: revisions, four eyes, and what moves in the totals of which day."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum

from console.models import Role, User
from ledger.models import (
    AuditEvent,
    Correction,
    CorrectionPosting,
    DayTotal,
    DeclaredTotal,
    Entry,
    EntryFlag,
    FiscalDay,
    HourTotal,
    Kind,
    PaymentTotal,
    Site,
)
from ledger.selectors.corrections import effective_entry, values_of
from ledger.selectors.days import day_summary
from ledger.selectors.effects import effect_of
from ledger.selectors.postings import moved_in_day
from ledger.selectors.reconciliation import reconciliation
from ledger.services.corrections import (
    BULK_MAX,
    ChangedMeanwhileError,
    CorrectionError,
    Draft,
    correction_approve,
    correction_propose,
    correction_reject,
    correction_withdraw,
    corrections_propose,
)
from tests.factories import make_day, make_forecourt, make_user

pytestmark = pytest.mark.django_db

DAY = datetime.date(2026, 11, 22)
NOW = datetime.datetime(2026, 11, 23, 1, tzinfo=datetime.UTC)
ADDED = {
    "kind": Kind.SALE,
    "occurred_at": NOW,
    "product": "B7",
    "amount": Decimal("12.00"),
    "volume": Decimal(8),
    "unit_price": Decimal("1.5"),
    "tax_rate": Decimal(20),
    "offline": False,
}


@pytest.fixture
def site() -> Site:
    return make_forecourt("HILL", timezone="Europe/Berlin")


@pytest.fixture
def day(site: Site) -> FiscalDay:
    """An open day of three sales of 47.93 and 32.407 litres of E10."""
    return make_day(site)


@pytest.fixture
def author() -> User:
    return make_user(Role.STAFF)


@pytest.fixture
def approver() -> User:
    return make_user(Role.APPROVER)


def draft(day: FiscalDay, sequence: int = 1, **changes: Any) -> Draft:
    """A correction of an entry as it stands: its values, but for the given ones."""
    site = day.site
    now = effective_entry(site_id=site.pk, fiscal_day=day.fiscal_day, sequence=sequence)
    given = {
        name: changes.pop(name) for name in ("action", "reason", "based_on") if name in changes
    }
    values = None
    if given.get("action") != Correction.Action.VOID:
        values = (now.values or {}) | changes
    return Draft(
        site=site,
        fiscal_day=day.fiscal_day,
        sequence=sequence,
        values=values,
        **{
            "action": Correction.Action.CORRECT,
            "reason": Correction.Reason.WRONG_PRICE,
            "based_on": now.latest_revision,
        }
        | given,
    )


def close(day: FiscalDay, *, seal: bool = False) -> None:
    day.closed_at = NOW
    day.sealed_at = NOW if seal else None
    day.save(update_fields=["closed_at", "sealed_at"])


def moved(day: FiscalDay) -> dict[tuple[str, int], tuple[int, Decimal, Decimal]]:
    return {
        key: (one.count, one.volume, one.amount) for key, one in moved_in_day(day).measures.items()
    }


@pytest.mark.parametrize("unknown", [{"payment": 0}, {"kind": 99}])
def test_a_code_that_nobody_knows_is_never_kept(day: FiscalDay, unknown: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        correction_propose(draft=draft(day, **unknown), author=make_user())
    assert not Correction.objects.exists()


class TestTheSiteSLimit:
    """47.93 is what a sale of the day comes to."""

    @pytest.fixture(autouse=True)
    def limit(self, site: Site) -> None:
        site.correction_limit = Decimal(40)
        site.save()

    @pytest.mark.parametrize(
        ("changes", "needed"),
        [
            ({"amount": Decimal("7.93")}, False),
            ({"amount": Decimal("7.92")}, True),
            ({"product": "B7"}, True),
            ({"payment": 2}, True),
            ({"tax_rate": Decimal(7)}, True),
            ({"kind": Kind.TEST}, True),
            ({"volume": Decimal("1.000")}, True),
            ({"volume": Decimal("30.000")}, False),
            ({"action": Correction.Action.VOID}, True),
        ],
    )
    def test_what_moves_more_takes_a_second_person(
        self, day: FiscalDay, author: User, changes: dict[str, Any], needed: bool
    ) -> None:
        correction = correction_propose(draft=draft(day, **changes), author=author)
        assert correction.needs_approval == needed
        assert (correction.status == Correction.Status.PROPOSED) == needed

    def test_many_at_once_are_one_act(self, day: FiscalDay, author: User) -> None:
        drafts = [draft(day, number, amount=Decimal("32.93")) for number in (1, 2, 3)]
        assert [
            correction.needs_approval
            for correction in corrections_propose(drafts=drafts, author=author)
        ] == [True] * 3
        with pytest.raises(ValueError, match="two drafts of one entry"):
            corrections_propose(drafts=drafts[:1] * 2, author=author)

    def test_the_preview_says_so(self, day: FiscalDay) -> None:
        stated = draft(day).values
        for amount, needed in (("10.00", False), ("5.00", True)):
            changed = (stated or {}) | {"amount": Decimal(amount)}
            assert effect_of(day, [(stated, changed)]).needs_approval == needed


class TestAnOpenDay:
    def test_a_correction_takes_effect_at_once(self, day: FiscalDay, author: User) -> None:
        correction = correction_propose(
            draft=draft(day, amount=Decimal("40.00"), product="B7"), author=author
        )
        assert (correction.status, correction.revision) == (Correction.Status.APPROVED, 1)
        assert (correction.posted_to, correction.needs_approval) == (DAY, False)
        assert moved(day) == {
            ("E10", Kind.SALE): (-1, Decimal("-32.407"), Decimal("-47.93")),
            ("B7", Kind.SALE): (1, Decimal("32.407"), Decimal("40.00")),
        }

    def test_the_entry_and_its_raw_totals_stay(self, day: FiscalDay, author: User) -> None:
        before = list(DayTotal.objects.values())
        correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        assert Entry.objects.get(sequence=1).amount == Decimal("47.93")
        assert list(DayTotal.objects.values()) == before

    def test_a_posting_has_the_tax_and_the_hour_of_its_own_side(
        self, day: FiscalDay, author: User
    ) -> None:
        late = datetime.datetime(2026, 11, 22, 22, 30, tzinfo=datetime.UTC)
        correction_propose(
            draft=draft(day, amount=Decimal("12.00"), tax_rate=Decimal(20), occurred_at=late),
            author=author,
        )
        sides = CorrectionPosting.objects.order_by("side").values_list("side", "tax", "hour")
        # Noon and half past ten in Greenwich are one o'clock and half past eleven in Berlin.
        assert list(sides) == [(-1, Decimal(0), 13), (1, Decimal("2.00"), 23)]

    def test_a_void_only_takes_out(self, day: FiscalDay, author: User) -> None:
        correction_propose(draft=draft(day, action=Correction.Action.VOID), author=author)
        assert moved(day) == {("E10", Kind.SALE): (-1, Decimal("-32.407"), Decimal("-47.93"))}
        now = effective_entry(site_id=day.site_id, fiscal_day=DAY, sequence=1)
        assert (now.values, now.is_void) == (None, True)

    def test_what_is_void_can_be_put_back(self, day: FiscalDay, author: User) -> None:
        values = values_of(Entry.objects.get(sequence=1))
        correction_propose(draft=draft(day, action=Correction.Action.VOID), author=author)
        correction_propose(draft=draft(day, **values), author=author)
        assert moved(day) == {("E10", Kind.SALE): (0, Decimal(0), Decimal(0))}
        with pytest.raises(CorrectionError, match="Nothing is changed"):
            correction_propose(draft=draft(day), author=author)

    def test_the_second_of_two_sees_what_changed(self, day: FiscalDay, author: User) -> None:
        first, second = draft(day, amount=Decimal(40)), draft(day, amount=Decimal(50))
        correction_propose(draft=first, author=author)
        with pytest.raises(ChangedMeanwhileError) as caught:
            correction_propose(draft=second, author=author)
        assert caught.value.now.values is not None
        assert caught.value.now.values["amount"] == Decimal(40)
        assert Correction.objects.count() == 1

    def test_every_change_is_recorded(self, day: FiscalDay, author: User) -> None:
        correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        proposed, approved = AuditEvent.objects.order_by("id")
        # Nobody approves their own: an open day needs no second person.
        actions = (proposed.action, approved.action)
        assert actions == ("correction.proposed", "correction.took_effect")
        assert proposed.detail["before"] == {"amount": "47.93"}
        assert proposed.detail["after"] == {"amount": "40"}
        assert (proposed.actor, proposed.sequence, proposed.fiscal_day) == (author, 1, DAY)

    def test_the_day_s_totals_are_the_effective_ones(self, day: FiscalDay, author: User) -> None:
        correction_propose(draft=draft(day, amount=Decimal("40.00"), product="B7"), author=author)
        summary = day_summary(day)
        turnover = {row.product: row.turnover for row in summary.products}
        assert (turnover["B7"].count, turnover["B7"].amount) == (1, 40)
        assert (turnover["E10"].count, turnover["E10"].amount) == (2, 2 * Decimal("47.93"))
        assert summary.moved.count == 1


class TestFourEyes:
    def test_a_closed_day_waits_for_a_second_person(
        self, day: FiscalDay, author: User, approver: User
    ) -> None:
        close(day)
        proposal = correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        assert proposal.status == Correction.Status.PROPOSED
        assert moved(day) == {}
        with pytest.raises(CorrectionError, match="Somebody else"):
            correction_approve(correction=proposal, decided_by=author)
        approved = correction_approve(correction=proposal, decided_by=approver, note="seen")
        assert (approved.status, approved.posted_to) == (Correction.Status.APPROVED, DAY)
        assert moved(day) == {("E10", Kind.SALE): (0, Decimal(0), Decimal("-7.93"))}

    def test_a_proposal_is_decided_once(self, day: FiscalDay, author: User, approver: User) -> None:
        close(day)
        proposal = correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        correction_reject(correction=proposal, decided_by=approver, note="no receipt")
        with pytest.raises(CorrectionError, match="decided meanwhile: Rejected by"):
            correction_approve(correction=proposal, decided_by=approver)
        assert moved(day) == {}

    def test_only_the_author_withdraws(self, day: FiscalDay, author: User, approver: User) -> None:
        close(day)
        proposal = correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        with pytest.raises(CorrectionError, match="Only who proposed"):
            correction_withdraw(correction=proposal, decided_by=approver)
        assert (
            correction_withdraw(correction=proposal, decided_by=author).status
            == Correction.Status.WITHDRAWN
        )

    def test_an_entry_has_one_proposal_at_a_time(self, day: FiscalDay, author: User) -> None:
        close(day)
        correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        with pytest.raises(CorrectionError, match="waits to be approved"):
            correction_propose(draft=draft(day, amount=Decimal(50)), author=author)

    def test_who_may_only_propose_waits_on_an_open_day_too(
        self, day: FiscalDay, author: User
    ) -> None:
        proposal = correction_propose(
            draft=draft(day, amount=Decimal(40)), author=author, wants_approval=True
        )
        assert proposal.status == Correction.Status.PROPOSED


class TestASealedDay:
    def test_it_is_posted_to_the_open_day(
        self, site: Site, day: FiscalDay, author: User, approver: User
    ) -> None:
        close(day, seal=True)
        open_day = make_day(site, fiscal_day="2026-11-23", entries=0)
        proposal = correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        approved = correction_approve(correction=proposal, decided_by=approver)
        assert approved.posted_to == open_day.fiscal_day
        assert moved(day) == {}
        assert moved(open_day) == {("E10", Kind.SALE): (0, Decimal(0), Decimal("-7.93"))}

    def test_the_site_need_not_have_declared_it(
        self, site: Site, day: FiscalDay, author: User, approver: User
    ) -> None:
        close(day, seal=True)
        open_day = make_day(site, fiscal_day="2026-11-23", entries=1)
        DeclaredTotal.objects.create(
            site=site,
            fiscal_day=open_day.fiscal_day,
            product="E10",
            count=1,
            volume=Decimal("32.407"),
            amount=Decimal("47.93"),
        )
        proposal = correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        correction_approve(correction=proposal, decided_by=approver)
        close(open_day)
        summary = day_summary(open_day)
        assert summary.turnover.amount == Decimal("40.00")
        assert summary.difference.amount == 0
        assert summary.totals_agree
        # And so says the page that compares everything.
        assert not reconciliation(open_day).differences

    def test_without_an_open_day_it_waits(
        self, day: FiscalDay, author: User, approver: User
    ) -> None:
        close(day, seal=True)
        proposal = correction_propose(draft=draft(day, amount=Decimal(40)), author=author)
        with pytest.raises(CorrectionError, match="no open day"):
            correction_approve(correction=proposal, decided_by=approver)
        proposal.refresh_from_db()
        assert proposal.status == Correction.Status.PROPOSED

    def test_a_missing_entry_is_only_posted(
        self, site: Site, day: FiscalDay, author: User, approver: User
    ) -> None:
        FiscalDay.objects.filter(pk=day.pk).update(last_sequence=4)
        close(day, seal=True)
        open_day = make_day(site, fiscal_day="2026-11-23", entries=0)
        proposal = correction_propose(
            draft=draft(day, 4, action=Correction.Action.ADD, **ADDED), author=author
        )
        correction_approve(correction=proposal, decided_by=approver)
        assert Entry.objects.count() == 3
        assert moved(open_day) == {("B7", Kind.SALE): (1, Decimal(8), Decimal(12))}


class TestAMissingEntry:
    @pytest.fixture(autouse=True)
    def gap(self, day: FiscalDay) -> None:
        """The site says that there were five."""
        FiscalDay.objects.filter(pk=day.pk).update(last_sequence=5)

    def test_it_becomes_an_entry_with_all_its_totals(self, day: FiscalDay, author: User) -> None:
        correction_propose(
            draft=draft(day, 5, action=Correction.Action.ADD, **ADDED), author=author
        )
        entry = Entry.objects.get(sequence=5)
        assert entry.flag_list == [EntryFlag.MANUAL]
        assert (entry.amount, entry.product) == (Decimal(12), "B7")
        held = FiscalDay.objects.get(pk=day.pk)
        assert (held.entry_count, held.missing_count) == (4, 1)
        total = DayTotal.objects.get(product="B7")
        assert (total.count, total.volume, total.amount, total.tax) == (1, 8, 12, 2)
        assert PaymentTotal.objects.filter(payment=0).aggregate(n=Sum("amount"))["n"] >= 12
        assert HourTotal.objects.get(hour=2).amount == 12
        assert not CorrectionPosting.objects.exists()
        assert Correction.objects.get().status == Correction.Status.APPROVED

    @pytest.mark.parametrize(
        ("sequence", "said"), [(2, "is there by now"), (6, "its last one is 5"), (0, "no number 0")]
    )
    def test_it_takes_a_missing_number(
        self, day: FiscalDay, author: User, sequence: int, said: str
    ) -> None:
        with pytest.raises(CorrectionError, match=said):
            correction_propose(
                draft=draft(day, sequence, action=Correction.Action.ADD, **ADDED), author=author
            )

    def test_the_real_one_may_arrive_before_it_is_approved(
        self, day: FiscalDay, author: User, approver: User
    ) -> None:
        proposal = correction_propose(
            draft=draft(day, 4, action=Correction.Action.ADD, **ADDED),
            author=author,
            wants_approval=True,
        )
        Entry.objects.create(
            site=day.site, fiscal_day=DAY, sequence=4, received_at=NOW, flags=0, **ADDED
        )
        with pytest.raises(CorrectionError, match="is there by now"):
            correction_approve(correction=proposal, decided_by=approver)

    def test_it_can_be_corrected_like_any_other(self, day: FiscalDay, author: User) -> None:
        correction_propose(
            draft=draft(day, 5, action=Correction.Action.ADD, **ADDED), author=author
        )
        correction_propose(draft=draft(day, 5, amount=Decimal(10)), author=author)
        assert moved(day) == {("B7", Kind.SALE): (0, Decimal(0), Decimal(-2))}


class TestMany:
    def test_they_are_one_transaction(self, day: FiscalDay, author: User) -> None:
        drafts = [draft(day, number, amount=Decimal(40)) for number in (1, 2, 3)]
        drafts[2] = draft(day, 3, based_on=7, amount=Decimal(40))
        with pytest.raises(ChangedMeanwhileError):
            corrections_propose(drafts=drafts, author=author)
        assert not Correction.objects.exists()
        drafts[2] = draft(day, 3, amount=Decimal(40))
        assert len(corrections_propose(drafts=drafts, author=author)) == 3
        assert moved(day) == {("E10", Kind.SALE): (0, Decimal(0), 3 * Decimal("-7.93"))}

    def test_their_number_has_a_limit(self, day: FiscalDay, author: User) -> None:
        one = draft(day, amount=Decimal(40))
        with pytest.raises(CorrectionError, match=f"{BULK_MAX} can be corrected together"):
            corrections_propose(drafts=[one] * (BULK_MAX + 1), author=author)
        with pytest.raises(CorrectionError, match="nothing to correct"):
            corrections_propose(drafts=[], author=author)


def test_postings_add_up_to_what_the_entries_count_for(day: FiscalDay, author: User) -> None:
    """Whatever is corrected in whatever order: raw totals and postings are the effective sum."""
    for sequence, changes in (
        (1, {"amount": Decimal("1.00"), "product": "B7"}),
        (2, {"action": Correction.Action.VOID}),
        (1, {"kind": Kind.DRIVE_OFF}),
        (2, {**values_of(Entry.objects.get(sequence=2)), "amount": Decimal("9.99")}),
        (1, {"action": Correction.Action.VOID}),
    ):
        correction_propose(draft=draft(day, sequence, **changes), author=author)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT product, kind, sum(count), sum(volume), sum(amount) FROM ("
            "  SELECT product, kind, count, volume, amount FROM day_total"
            "  UNION ALL SELECT product, kind, count, volume, amount FROM correction_posting"
            ") AS rows GROUP BY product, kind HAVING sum(count) <> 0"
        )
        totals = {(product, kind): sums for product, kind, *sums in cursor.fetchall()}
    assert totals == {
        ("E10", Kind.SALE): [2, 2 * Decimal("32.407"), Decimal("47.93") + Decimal("9.99")]
    }
