"""The pages on which people reconcile a day, explain it, and seal it in pairs."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from console.models import Role, User
from ledger.models import Command, DeclaredTotal, Delivery, Explanation, FiscalDay, Site
from ledger.selectors.sealing import days_to_seal, seal_proposals
from tests.factories import make_day, make_entry, make_forecourt, make_user
from tests.integration.test_reconciliation import CLOSED, DAY, closed_day
from tests.sealing import sealed

pytestmark = pytest.mark.django_db
PAGE = f"/sites/LON-1/days/{DAY}/"
RECONCILIATION = f"{PAGE}reconciliation/"
ALL = (
    RECONCILIATION,
    f"{RECONCILIATION}missing/",
    f"{PAGE}close/",
    f"{PAGE}seal/",
    f"{PAGE}seal/propose/",
    f"{PAGE}seal/withdraw/",
)
As = Callable[[User], Client]


@pytest.fixture
def site() -> Site:
    return make_forecourt("LON-1", name="Harbour Road")


@pytest.fixture
def alice() -> User:
    return make_user(Role.STAFF, username="alice")


@pytest.fixture
def bob() -> User:
    return make_user(Role.APPROVER, username="bob")


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def day_now() -> FiscalDay:
    return FiscalDay.objects.get(fiscal_day=DAY)


@pytest.mark.parametrize("path", ALL)
def test_another_s_site_does_not_exist(site: Site, path: str) -> None:
    closed_day(site, last_sequence=5)
    manager = signed_in(make_user(Role.MANAGER, make_forecourt("LON-2")))
    assert manager.get(path).status_code in (404, 405)
    assert manager.post(path).status_code in (404, 405)
    assert day_now().seal_proposed_at is None


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.MANAGER])
@pytest.mark.parametrize("path", ALL[1:])
def test_who_may_only_look_changes_nothing(site: Site, role: Role, path: str) -> None:
    closed_day(site, last_sequence=5)
    reader = signed_in(make_user(role, site))
    assert reader.post(path).status_code == 403
    page = reader.get(RECONCILIATION)
    assert page.status_code == 200
    assert "Explain" not in page.text
    assert "Propose the seal" not in page.text


def test_staff_cannot_seal(site: Site, alice: User) -> None:
    closed_day(site)
    assert signed_in(alice).get(f"{PAGE}seal/").status_code == 403
    assert signed_in(alice).post(f"{PAGE}seal/").status_code == 403


@pytest.mark.parametrize("path", [f"{PAGE}seal/propose/", f"{PAGE}seal/withdraw/"])
def test_a_seal_is_not_proposed_by_looking(site: Site, alice: User, path: str) -> None:
    closed_day(site)
    assert signed_in(alice).get(path).status_code == 405


def test_one_explains_and_proposes_another_seals(site: Site, alice: User, bob: User) -> None:
    closed_day(site, last_sequence=5)
    hers, his = signed_in(alice), signed_in(bob)
    page = hers.get(RECONCILIATION).text
    assert "2 entries missing: 4 and 5" in page
    assert "One difference waits to be put right or" in page
    assert "Propose the seal" not in page
    refused = hers.post(f"{PAGE}seal/propose/", follow=True)
    assert "Differences wait to be explained: 1." in refused.text
    form = hers.get(f"{RECONCILIATION}missing/").context["form"]
    said = {"stated": form["stated"].value(), "reason": "not_sent", "note": "disk is gone"}
    answer = hers.post(f"{RECONCILIATION}missing/", said, follow=True)
    assert "The difference is explained." in answer.text
    assert "disk is gone" in answer.text
    assert "Propose the seal" in answer.text
    hers.post(f"{PAGE}seal/propose/")
    assert day_now().seal_proposed_by == alice
    page = his.get(f"{PAGE}seal/")
    assert "disk is gone" in page.text
    sealed = his.post(f"{PAGE}seal/", {"seen": page.context["seen"]}, follow=True)
    day = day_now()
    assert (day.z_number, day.sealed_by, len(day.seal_hex)) == (1, bob, 64)
    assert "The day is sealed as Z 1." in sealed.text
    assert day.seal_hex in sealed.text
    assert Command.objects.get().kind == Command.Kind.SEAL
    assert day.seal_hex[:12] in hers.get(PAGE).text


def test_a_count_that_no_number_bears_out_is_said_on_every_page(site: Site, bob: User) -> None:
    closed_day(site, last_sequence=5)
    for sequence in (4, 5):
        # Past the worker: the day's count does not know of them.
        make_entry(site, fiscal_day=str(DAY), sequence=sequence)
    his = signed_in(bob)
    for path in (RECONCILIATION, f"{RECONCILIATION}missing/", PAGE, "/sites/LON-1/", "/"):
        answer = his.get(path)
        assert answer.status_code == 200, path
        said = "2 entries missing by the day's count, but no number is"
        assert (said in unescape(answer.text)) == (path != "/")
    assert "by hand" not in his.get(RECONCILIATION).text
    assert his.get(f"{PAGE}seal/").status_code == 200


def test_a_closed_day_offers_no_closing(site: Site, alice: User) -> None:
    closed_day(site)
    answer = signed_in(alice).get(f"{PAGE}close/", follow=True)
    assert answer.redirect_chain == [(RECONCILIATION, 303)]
    assert "The day is closed already." in answer.text


def test_a_delivery_told_of_after_the_seal_is_named(site: Site, alice: User, bob: User) -> None:
    hers = signed_in(alice)
    day = closed_day(site)
    deliver(site, day, "in time", hours=2)
    sealed(day, by=(alice, bob))
    assert "Deliveries that count for no day" not in hers.get(RECONCILIATION).text
    report = hers.get(f"{PAGE}report/").text
    deliver(site, day, "too late", hours=3)
    page = hers.get(RECONCILIATION).text
    assert "Deliveries that count for no day" in page
    assert "too late" in page
    assert "in time" not in page
    again = hers.get(f"{PAGE}report/").text
    assert "in time" in report
    assert "too late" not in again


def test_a_delivery_between_two_days_is_named(site: Site, alice: User) -> None:
    deliver(site, closed_day(site), "at night", hours=24)
    assert "at night" in signed_in(alice).get(RECONCILIATION).text


def deliver(site: Site, day: FiscalDay, document: str, *, hours: int) -> None:
    """A tanker came so long after a day was opened."""
    assert day.opened_at is not None
    Delivery.objects.create(
        site=site,
        tank=1,
        at=day.opened_at + datetime.timedelta(hours=hours),
        received_at=datetime.datetime.now(datetime.UTC),
        product="E10",
        volume=Decimal(12_000),
        document=document,
    )


def test_nobody_seals_what_they_proposed(site: Site, bob: User) -> None:
    closed_day(site)
    his = signed_in(bob)
    his.post(f"{PAGE}seal/propose/")
    page = his.get(f"{PAGE}seal/")
    assert "Somebody else has to seal what you proposed." in page.text
    answer = his.post(f"{PAGE}seal/", {"seen": page.context["seen"]})
    assert answer.status_code == 422
    assert day_now().sealed_at is None


def test_a_day_that_changed_since_it_was_looked_at_is_not_sealed(
    site: Site, alice: User, bob: User
) -> None:
    day = closed_day(site)
    signed_in(alice).post(f"{PAGE}seal/propose/")
    seen = signed_in(bob).get(f"{PAGE}seal/").context["seen"]
    FiscalDay.objects.filter(pk=day.pk).update(close_reason="another")
    answer = signed_in(bob).post(f"{PAGE}seal/", {"seen": seen})
    assert answer.status_code == 422
    assert "The day changed meanwhile." in answer.text
    assert day_now().sealed_at is None


def test_a_proposal_can_be_withdrawn(site: Site, alice: User, bob: User) -> None:
    closed_day(site)
    hers = signed_in(alice)
    hers.post(f"{PAGE}seal/propose/")
    assert list(seal_proposals()) == [day_now()]
    hers.post(f"{PAGE}seal/withdraw/")
    assert day_now().seal_proposed_by is None
    assert not seal_proposals().exists()
    assert "Nobody proposes to seal this day." in signed_in(bob).get(f"{PAGE}seal/").text


def test_days_come_in_their_order(site: Site, alice: User) -> None:
    closed_day(site)
    later = DAY + datetime.timedelta(days=1)
    closed_day(site, later)
    page = f"/sites/LON-1/days/{later}/"
    hers = signed_in(alice)
    assert "Days are sealed in their order." in hers.get(f"{page}reconciliation/").text
    refused = hers.post(f"{page}seal/propose/", follow=True).text
    assert "is not sealed yet" in refused


def test_a_wrong_form_is_shown_again_with_what_is_wrong(site: Site, alice: User) -> None:
    closed_day(site, last_sequence=5)
    hers = signed_in(alice)
    path = f"{RECONCILIATION}missing/"
    answer = hers.post(path, {"stated": "2 of 5", "reason": "other", "note": ""})
    assert answer.status_code == 422
    assert "Say in a note what the reason is." in answer.text
    answer = hers.post(
        path, {"stated": "9 of 9", "reason": "gauge"}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 422
    assert "The difference is another one by now." in answer.text
    assert 'value="2 of 5"' in answer.text
    assert "<html" not in answer.text
    assert not Explanation.objects.exists()


def test_a_difference_that_there_is_not_is_not_found(site: Site, alice: User) -> None:
    closed_day(site)
    assert signed_in(alice).get(f"{RECONCILIATION}missing/").status_code == 404


def test_an_open_day_is_closed_by_hand_with_a_reason(site: Site, alice: User) -> None:
    make_day(site, fiscal_day=str(DAY), entries=3)
    hers = signed_in(alice)
    assert "The site has not closed the day" in hers.get(PAGE).text
    path = f"{PAGE}close/"
    assert "the highest number is 3" in " ".join(hers.get(path).text.split())
    assert hers.post(path, {"reason": ""}).status_code == 422
    answer = hers.post(path, {"reason": "dead", "last_sequence": "2"})
    assert answer.status_code == 422
    assert "Entry 3 was received" in answer.text
    answer = hers.post(path, {"reason": "The controller is dead", "last_sequence": ""}, follow=True)
    assert day_now().closed_by == alice
    text = " ".join(answer.text.split())
    assert "Closed by hand by alice" in text
    assert "The controller is dead" in text
    assert "The site declared no totals; the ledger has £143.79 in 3 entries" in text
    assert text.count("The controller is dead") == 2
    assert "<b>Closed by hand</b>: The controller is dead" in text
    assert "Explain" not in text.replace("explained", "")
    assert "Propose the seal" in text


def test_the_list_names_who_has_what_to_do(site: Site, alice: User, bob: User) -> None:
    closed_day(site)
    closed_day(site, DAY + datetime.timedelta(days=1))
    closed_day(make_forecourt("LON-2", name="Elsewhere"))
    make_day(site, fiscal_day="2026-11-30")
    signed_in(alice).post(f"{PAGE}seal/propose/")
    found = days_to_seal()
    assert (found.count, found.proposed_count) == (3, 1)
    assert [(row.day.fiscal_day == DAY, row.is_next) for row in found.rows] == [
        (True, True),
        (True, True),
        (False, False),
    ]
    page = " ".join(signed_in(bob).get("/days/").text.split())
    assert "Proposed by alice" in page
    assert page.count("Look at it and seal it") == 1
    assert "after the days before it" in page
    assert "Look at it and seal it" not in signed_in(alice).get("/days/").text
    assert "Elsewhere" not in signed_in(bob).get("/days/?show=proposed").text
    assert "Elsewhere" in signed_in(bob).get("/days/?show=open").text
    manager = signed_in(make_user(Role.MANAGER, site))
    assert "Elsewhere" not in manager.get("/days/").text
    assert days_to_seal(limit=1).is_cut


def test_nothing_to_seal_is_said(bob: User) -> None:
    assert "No closed day waits to be sealed." in signed_in(bob).get("/days/").text


def test_a_sealed_day_keeps_what_was_explained_and_offers_nothing(site: Site, alice: User) -> None:
    day = closed_day(site, last_sequence=5)
    DeclaredTotal.objects.filter(site=site).delete()
    FiscalDay.objects.filter(pk=day.pk).update(sealed_at=CLOSED)
    page = signed_in(alice).get(RECONCILIATION).text
    assert "2 entries missing" in page
    assert "Explain" not in page
    assert "Withdraw" not in page
