"""Approving, rejecting and withdrawing proposals: one by one and several at once."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from console.models import Role, User
from console.views import approvals
from ledger.models import Correction, FiscalDay
from ledger.selectors.corrections import effective_entry
from ledger.services.corrections import Draft, correction_propose
from tests.factories import make_day, make_forecourt, make_user

pytestmark = pytest.mark.django_db

DAY = datetime.date(2026, 11, 22)
APPROVED, PROPOSED = Correction.Status.APPROVED, Correction.Status.PROPOSED


@pytest.fixture
def day() -> FiscalDay:
    """An open day of three sales."""
    return make_day(make_forecourt("HILL", name="Hill Top"))


@pytest.fixture
def author() -> User:
    return make_user(Role.STAFF, username="rosa")


@pytest.fixture
def approver(client: Client) -> User:
    """Somebody who decides, signed in."""
    person = make_user(Role.APPROVER, username="ines")
    client.force_login(person)
    return person


def propose(day: FiscalDay, author: User, sequence: int = 1, **changes: Any) -> Correction:
    """Propose to make an entry 40.00."""
    now = effective_entry(site_id=day.site_id, fiscal_day=day.fiscal_day, sequence=sequence)
    values = (now.values or {}) | {"amount": Decimal("40.00")} | changes
    draft = Draft(
        site=day.site,
        fiscal_day=day.fiscal_day,
        sequence=sequence,
        action=Correction.Action.CORRECT,
        reason=Correction.Reason.WRONG_PRICE,
        values=values,
        based_on=now.latest_revision,
    )
    return correction_propose(draft=draft, author=author, wants_approval=True)


def decide(client: Client, correction: Correction, decision: str, **more: str) -> HttpResponse:
    path = (
        f"/sites/{correction.site.code}/days/{correction.fiscal_day}/{correction.sequence}"
        f"/decide/{correction.revision}/"
    )
    return client.post(path, {"page": "approvals", "decision": decision} | more, follow=True)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_page_shows_what_waits(
    client: Client, day: FiscalDay, author: User, approver: User
) -> None:
    propose(day, author)
    text = flat(client.get("/approvals/").text)
    for said in ("One correction waits", "rosa", "Wrong price", "£47.93", "£40.00", "Hill Top"):
        assert said in text
    assert "\N{MINUS SIGN}£7.93" in text
    assert '<span class="nav__count">1<' in client.get("/").text


def test_nothing_waits(client: Client, approver: User) -> None:
    text = client.get("/approvals/").text
    assert "No correction waits to be approved." in text
    assert "nav__count" not in text


def test_an_approval_takes_effect(
    client: Client, day: FiscalDay, author: User, approver: User
) -> None:
    proposal = propose(day, author)
    response = decide(client, proposal, "approve")
    assert "Entry 1 of Hill Top: approved." in response.text
    proposal.refresh_from_db()
    assert (proposal.status, proposal.decided_by) == (APPROVED, approver)
    assert "Recently decided" in response.text


def test_a_rejection_says_why(client: Client, day: FiscalDay, author: User, approver: User) -> None:
    proposal = propose(day, author)
    response = decide(client, proposal, "reject")
    assert response.status_code == 422
    assert "Say why you reject it." in response.text
    proposal.refresh_from_db()
    assert proposal.status == PROPOSED
    response = decide(client, proposal, "reject", note="no receipt")
    assert "Entry 1 of Hill Top: rejected." in response.text
    assert "no receipt" in response.text


def test_a_rejection_without_a_reason_on_the_entry_s_page(
    client: Client, day: FiscalDay, author: User, approver: User
) -> None:
    response = decide(client, propose(day, author), "reject", page="entry")
    assert response.status_code == 422
    assert "Say why you reject it." in response.text
    assert "Entry 1" in response.text


def test_one_s_own_is_withdrawn_and_not_approved(
    client: Client, day: FiscalDay, approver: User
) -> None:
    proposal = propose(day, approver)
    page = client.get("/approvals/").text
    assert "Withdraw" in page
    assert 'value="approve"' not in page
    assert "Somebody else has to approve" in decide(client, proposal, "approve").text
    decide(client, proposal, "withdraw")
    proposal.refresh_from_db()
    assert proposal.status == Correction.Status.WITHDRAWN


def test_a_proposal_is_decided_once(
    client: Client, day: FiscalDay, author: User, approver: User
) -> None:
    proposal = propose(day, author)
    decide(client, proposal, "approve")
    assert "decided meanwhile" in decide(client, proposal, "reject", note="late").text


@pytest.mark.parametrize("role", [Role.STAFF, Role.AUDITOR])
def test_who_does_not_approve_only_looks(
    client: Client, day: FiscalDay, author: User, role: Role
) -> None:
    proposal = propose(day, author)
    client.force_login(make_user(role))
    page = client.get("/approvals/").text
    assert "rosa" in page
    assert 'name="decision"' not in page
    assert "nav__count" not in page
    assert decide(client, proposal, "approve").status_code == 403
    assert client.post("/approvals/", {"chosen": "x"}).status_code == 403


def test_a_manager_sees_their_own_sites(client: Client, day: FiscalDay, author: User) -> None:
    proposal = propose(day, author)
    client.force_login(make_user(Role.MANAGER, day.site))
    assert "rosa" in client.get("/approvals/").text
    client.force_login(make_user(Role.MANAGER))
    assert "rosa" not in client.get("/approvals/").text
    assert decide(client, proposal, "withdraw").status_code == 404


class TestSeveralAtOnce:
    def test_those_that_are_ticked(
        self, client: Client, day: FiscalDay, author: User, approver: User
    ) -> None:
        keys = [approvals.correction_key(propose(day, author, number)) for number in (1, 2, 3)]
        assert 'form="chosen"' in client.get("/approvals/").text
        response = client.post("/approvals/", {"chosen": keys[:2]}, follow=True)
        assert "2 corrections approved." in response.text
        found = dict(Correction.objects.values_list("sequence", "status"))
        assert found == {1: APPROVED, 2: APPROVED, 3: PROPOSED}

    def test_each_that_cannot_be_says_why(
        self, client: Client, day: FiscalDay, author: User, approver: User
    ) -> None:
        own, others = propose(day, approver, 1), propose(day, author, 2)
        keys = [approvals.correction_key(one) for one in (own, others)]
        text = client.post("/approvals/", {"chosen": keys}, follow=True).text
        assert "Entry 1 of Hill Top: Somebody else has to approve" in text
        assert "1 correction approved." in text

    def test_nothing_ticked(self, client: Client, approver: User) -> None:
        assert "Nothing was ticked" in client.post("/approvals/", follow=True).text

    @pytest.mark.parametrize(
        "key", ["x", "HILL/2026-11-22/1/9", "HILL/2026-13-22/1/1", "a/b/c/d/e"]
    )
    def test_what_is_not_there(self, client: Client, approver: User, key: str) -> None:
        assert client.post("/approvals/", {"chosen": key}).status_code == 404


def test_one_site_alone(client: Client, day: FiscalDay, author: User, approver: User) -> None:
    propose(day, author)
    other = make_day(make_forecourt("DALE", name="Dale End"))
    propose(other, author)
    text = client.get("/approvals/?code=DALE").text
    assert 'id="proposal-DALE-20261122-1"' in text
    assert 'id="proposal-HILL-20261122-1"' not in text


def test_a_long_list_is_cut_and_says_so(
    client: Client,
    day: FiscalDay,
    author: User,
    approver: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(approvals, "PROPOSALS_MAX", 2)
    for number in (1, 2, 3):
        propose(day, author, number)
    text = client.get("/approvals/").text
    assert "More wait: the oldest 2 are listed." in text
    assert text.count('id="proposal-') == 2


def test_fragments_do_not_count_what_waits(
    client: Client, day: FiscalDay, author: User, approver: User
) -> None:
    propose(day, author)
    for path, asked in (("/approvals/", True), ("/fragments/", False)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(path)
        counting = [q for q in queries if "correction" in q["sql"] and "COUNT" in q["sql"]]
        assert bool(counting) == asked
