"""The pages on which one entry is corrected, voided or added, and what they refuse."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from console.models import Role, User
from ledger.models import Correction, Entry, EntryFlag, FiscalDay, Kind, Site
from ledger.selectors.corrections import effective_entry
from ledger.services.corrections import Draft, correction_propose
from tests.factories import make_correction, make_day, make_forecourt, make_user

pytestmark = pytest.mark.django_db

DAY = datetime.date(2026, 11, 22)
PAGE = f"/sites/HILL/days/{DAY}/1/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def site() -> Site:
    return make_forecourt("HILL", timezone="Europe/Berlin")


@pytest.fixture
def day(site: Site) -> FiscalDay:
    """An open day: three sales of 32.407 litres for 47.93, at 13:00 of the site's clock."""
    return make_day(site)


@pytest.fixture
def staff() -> User:
    return make_user(Role.STAFF)


@pytest.fixture
def visitor(client: Client, staff: User, day: FiscalDay) -> Client:
    """A client of somebody who corrects."""
    client.force_login(staff)
    return client


def flat(text: str) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def sent(response: HttpResponse, **changes: Any) -> dict[str, str]:
    """What the form of a page would send, but for the changes."""
    form = response.context["form"]
    data = {}
    for field in form:
        with timezone.override("Europe/Berlin"):
            value = field.value()
        if field.name == "occurred_at" and isinstance(value, datetime.datetime):
            value = value.strftime("%Y-%m-%dT%H:%M:%S")
        if value not in (None, False, ""):
            data[field.html_name] = str(value)
    return data | {"reason": "wrong_price", **{name: str(value) for name, value in changes.items()}}


def preview_of(client: Client, path: str, **changes: Any) -> HttpResponse:
    """Send the form as it is first shown, with changes."""
    return client.post(path, sent(client.get(path), **changes))


def confirm(client: Client, path: str, **changes: Any) -> HttpResponse:
    """Look at what changes and do it."""
    return client.post(
        path, sent(preview_of(client, path, **changes), **changes) | {"confirm": "1"}
    )


class TestAccess:
    @pytest.mark.parametrize("action", ["correct", "void", "add"])
    def test_an_auditor_only_reads(self, client: Client, day: FiscalDay, action: str) -> None:
        client.force_login(make_user(Role.AUDITOR))
        assert client.get(f"{PAGE}{action}/").status_code == 403
        text = client.get(PAGE).text
        assert f"{PAGE}correct/" not in text
        assert f"{PAGE}void/" not in text

    @pytest.mark.parametrize("action", ["correct", "void", "add"])
    def test_a_site_that_is_not_theirs_is_not_there(
        self, client: Client, day: FiscalDay, action: str
    ) -> None:
        client.force_login(make_user(Role.MANAGER))
        assert client.get(f"{PAGE}{action}/").status_code == 404

    def test_a_manager_proposes_for_their_own_site(
        self, client: Client, site: Site, day: FiscalDay
    ) -> None:
        client.force_login(make_user(Role.MANAGER, site))
        response = preview_of(client, f"{PAGE}correct/", amount="40.00")
        assert "Propose to correct entry 1" in flat(response.text)
        confirm(client, f"{PAGE}correct/", amount="40.00")
        assert Correction.objects.get().status == Correction.Status.PROPOSED

    @pytest.mark.parametrize("action", ["correct", "void"])
    def test_there_must_be_an_entry(self, visitor: Client, action: str) -> None:
        assert visitor.get(f"/sites/HILL/days/{DAY}/9/{action}/").status_code == 404
        assert visitor.get(f"/sites/HILL/days/{DAY}/9/add/").status_code == 404


class TestOddSigns:
    """What is odd can happen, so it is asked about once, beside the figure, and taken."""

    ODD = (
        ({"kind": Kind.REFUND}, EntryFlag.AMOUNT_SIGN, "A refund above zero is meant", "amount"),
        ({"amount": "-47.93"}, EntryFlag.AMOUNT_SIGN, "An amount below zero is meant", "amount"),
        ({"volume": "-32.407"}, EntryFlag.BELOW_ZERO, "below zero are meant", "volume"),
        ({"unit_price": "-1.479"}, EntryFlag.BELOW_ZERO, "below zero are meant", "unit_price"),
        ({"volume": "0"}, EntryFlag.NO_LITRES, "An amount by price without litres", "volume"),
        ({"volume": ""}, EntryFlag.NO_LITRES, "An amount by price without litres", "volume"),
    )

    @pytest.mark.parametrize(("changes", "flag", "question", "field"), ODD)
    def test_it_is_asked_about_and_taken_when_confirmed(
        self,
        visitor: Client,
        changes: dict[str, Any],
        flag: EntryFlag,
        question: str,
        field: str,
    ) -> None:
        path = f"{PAGE}correct/"
        asked = preview_of(visitor, path, **changes)
        assert asked.status_code == 422
        assert question in flat(asked.text)
        assert f'id="id_{field}_doubt"' in asked.text
        assert 'href="#id_meant_0"' in asked.text
        assert asked.context["form"].errors.keys() == {"meant"}
        assert preview_of(visitor, path, **changes, meant=4).status_code == 422
        meant = {**changes, "meant": int(flag)}
        assert preview_of(visitor, path, **meant).status_code == 200
        assert confirm(visitor, path, **meant).status_code == 303
        assert Correction.objects.get().status == Correction.Status.APPROVED

    def test_nothing_is_asked_of_what_is_usual(self, visitor: Client) -> None:
        for changes in (
            {"kind": Kind.REFUND, "amount": "-47.93"},
            {"kind": Kind.REFUND, "amount": "-47.93", "volume": "-32.407"},
            {"volume": "", "unit_price": "", "amount": "4.50"},
            {"volume": "0", "unit_price": "0", "amount": "4.50"},
        ):
            response = preview_of(visitor, f"{PAGE}correct/", **changes)
            assert response.status_code == 200
            assert "meant" not in response.context["form"].fields

    def test_each_oddity_has_a_box_of_its_own(self, visitor: Client) -> None:
        changes = {"amount": "-47.93", "volume": "-32.407", "meant": int(EntryFlag.BELOW_ZERO)}
        response = preview_of(visitor, f"{PAGE}correct/", **changes)
        assert response.status_code == 422
        assert response.text.count('name="meant"') == 2

    def test_what_is_added_by_hand_is_asked_about_too(self, visitor: Client, site: Site) -> None:
        FiscalDay.objects.update(last_sequence=4)
        path = f"/sites/HILL/days/{DAY}/4/add/"
        data = {"kind": Kind.REFUND, "product": "E10", "amount": "5.00"}
        data |= {"occurred_at": f"{DAY}T12:00:00", "reason": "not_sent"}
        response = preview_of(visitor, path, **data)
        assert response.status_code == 422
        assert "A refund above zero is meant" in flat(response.text)
        assert preview_of(visitor, path, **data, meant=128).status_code == 200

    def test_litres_times_price_make_a_refund_below_zero(self, visitor: Client) -> None:
        path = f"{PAGE}correct/"
        data = sent(visitor.get(path), kind=Kind.REFUND)
        text = flat(visitor.post(f"{path}?suggest=1", data, headers=HTMX).text)
        assert "Litres times price make \N{MINUS SIGN}£47.93." in text


class TestCorrecting:
    def test_what_changes_is_shown_before_it_is_done(self, visitor: Client) -> None:
        response = preview_of(visitor, f"{PAGE}correct/", amount="40.00", product="B7")
        assert response.status_code == 200
        text = flat(response.text)
        assert "£47.93" in text
        assert "£40.00" in text
        # What it does to the totals of E10: from three sales to two.
        assert "£143.79 £95.86 \N{MINUS SIGN}£47.93" in text
        assert "97.221 64.814 \N{MINUS SIGN}32.407" in text
        assert not Correction.objects.exists()

    def test_it_is_done_as_shown(self, visitor: Client, staff: User) -> None:
        response = confirm(visitor, f"{PAGE}correct/", amount="40.00", note="as on the receipt")
        assert response.status_code == 303
        correction = Correction.objects.get()
        assert (correction.amount, correction.author) == (Decimal(40), staff)
        assert correction.note == "as on the receipt"
        text = flat(visitor.get(response["Location"]).text)
        assert "Entry 1 is corrected" in text
        assert "The site sent: £47.93" in text

    def test_nothing_else_is_done_than_was_shown(self, visitor: Client) -> None:
        path = f"{PAGE}correct/"
        data = sent(preview_of(visitor, path, amount="40.00"), amount="50.00")
        response = visitor.post(path, data | {"confirm": "1"})
        assert response.status_code == 200
        assert "£50.00" in response.text
        assert not Correction.objects.exists()

    def test_the_time_is_by_the_site_s_clock_and_stays_exact(self, visitor: Client) -> None:
        response = visitor.get(f"{PAGE}correct/")
        assert 'value="2026-11-22T13:00:00"' in response.text
        confirm(visitor, f"{PAGE}correct/", occurred_at="2026-11-22T14:30:00")
        at = datetime.datetime(2026, 11, 22, 13, 30, tzinfo=datetime.UTC)
        assert Correction.objects.get().occurred_at == at

    def test_a_form_as_it_was_changes_nothing(self, visitor: Client) -> None:
        response = preview_of(visitor, f"{PAGE}correct/")
        assert response.status_code == 422
        assert "Nothing is changed about entry 1" in response.text

    def test_what_is_wrong_is_said_and_what_was_typed_stays(self, visitor: Client) -> None:
        response = preview_of(visitor, f"{PAGE}correct/", amount="much", reason="other")
        assert response.status_code == 422
        assert 'value="much"' in response.text
        assert "Say what the reason is." in response.text
        assert not Correction.objects.exists()

    def test_htmx_gets_the_form_alone(self, visitor: Client) -> None:
        path = f"{PAGE}correct/"
        response = visitor.post(path, sent(visitor.get(path), amount="40.00"), headers=HTMX)
        assert response.text.lstrip().startswith("<form")

    def test_the_amount_is_suggested_and_taken_on_demand(self, visitor: Client) -> None:
        path = f"{PAGE}correct/"
        data = sent(visitor.get(path), unit_price="1.0000")
        suggestion = visitor.post(f"{path}?suggest=1", data, headers=HTMX)
        assert "Litres times price make £32.41." in flat(suggestion.text)
        assert "value=" not in suggestion.text.replace('value="1"', "")
        response = visitor.post(path, data | {"use_amount": "1"})
        assert response.status_code == 200
        assert response.context["form"]["amount"].value() == "32.41"

    def test_a_proposal_that_waits_comes_first(self, visitor: Client, day: FiscalDay) -> None:
        make_correction(Entry.objects.get(sequence=1), needs_approval=True)
        response = visitor.get(f"{PAGE}correct/")
        assert "decide on that one first" in response.text


class TestMeanwhile:
    @pytest.fixture
    def form(self, visitor: Client) -> dict[str, str]:
        """What somebody typed before somebody else changed the price."""
        return sent(visitor.get(f"{PAGE}correct/"), amount="40.00", note="mine")

    @pytest.fixture
    def other(self, form: dict[str, str], day: FiscalDay) -> Correction:
        now = effective_entry(site_id=day.site_id, fiscal_day=DAY, sequence=1)
        assert now.values is not None
        draft = Draft(
            site=day.site,
            fiscal_day=DAY,
            sequence=1,
            action=Correction.Action.CORRECT,
            reason=Correction.Reason.WRONG_PAYMENT,
            values=now.values | {"amount": Decimal("45.00")},
        )
        return correction_propose(draft=draft, author=make_user(username="rosa"))

    def test_one_sees_both_and_goes_on(
        self, visitor: Client, form: dict[str, str], other: Correction
    ) -> None:
        response = visitor.post(f"{PAGE}correct/", form)
        assert response.status_code == 422
        text = flat(response.text)
        assert "Meanwhile rosa worked on this entry" in text
        assert "Stored meanwhile: 45" in text
        assert response.context["form"]["amount"].value() == "40.00"
        assert response.context["form"]["note"].value() == "mine"
        assert Correction.objects.count() == 1
        shown = visitor.post(f"{PAGE}correct/", sent(response, note="mine"))
        done = visitor.post(f"{PAGE}correct/", sent(shown, note="mine") | {"confirm": "1"})
        assert done.status_code == 303
        assert Correction.objects.get(revision=2).amount == Decimal(40)

    def test_a_void_too(self, visitor: Client, day: FiscalDay) -> None:
        page = visitor.get(f"{PAGE}void/")
        make_correction(Entry.objects.get(sequence=1), amount=Decimal(45))
        response = visitor.post(f"{PAGE}void/", sent(page) | {"confirm": "1"})
        assert response.status_code == 422
        assert Correction.objects.count() == 1
        again = visitor.post(f"{PAGE}void/", sent(response) | {"confirm": "1"})
        assert again.status_code == 303


class TestVoiding:
    def test_it_shows_what_goes_and_takes_it_out(self, visitor: Client) -> None:
        page = visitor.get(f"{PAGE}void/")
        assert "£143.79 £95.86 \N{MINUS SIGN}£47.93" in flat(page.text)
        response = visitor.post(f"{PAGE}void/", sent(page, reason="sold_twice") | {"confirm": "1"})
        assert response.status_code == 303
        text = flat(visitor.get(PAGE).text)
        assert "Void: it counts for nothing" in text
        assert "Put it back" in text
        assert "Void" in flat(visitor.get(f"/sites/HILL/days/{DAY}/").text)

    def test_a_void_entry_can_be_put_back(self, visitor: Client) -> None:
        confirm(visitor, f"{PAGE}void/")
        confirm(visitor, f"{PAGE}correct/")
        now = effective_entry(site_id=Entry.objects.all()[0].site_id, fiscal_day=DAY, sequence=1)
        assert now.values is not None


class TestAdding:
    values = {  # noqa: RUF012 a table of a test
        "kind": 1,
        "product": "B7",
        "amount": "12.00",
        "volume": "8",
        "unit_price": "1.5",
        "occurred_at": "2026-11-22T14:30:00",
        "reason": "not_sent",
    }

    def test_a_missing_entry_is_offered_and_added(self, visitor: Client, day: FiscalDay) -> None:
        FiscalDay.objects.filter(pk=day.pk).update(last_sequence=4)
        path = f"/sites/HILL/days/{DAY}/4/add/"
        assert path in visitor.get(f"/sites/HILL/days/{DAY}/").text
        response = confirm(visitor, path, **self.values)
        assert response.status_code == 303
        entry = Entry.objects.get(sequence=4)
        assert entry.flag_list == [EntryFlag.MANUAL]
        assert entry.occurred_at == datetime.datetime(2026, 11, 22, 13, 30, tzinfo=datetime.UTC)
        assert "By hand" in visitor.get(f"/sites/HILL/days/{DAY}/").text

    def test_in_a_sealed_day_it_has_a_page_without_an_entry(
        self, visitor: Client, site: Site, day: FiscalDay
    ) -> None:
        FiscalDay.objects.filter(pk=day.pk).update(
            last_sequence=4, closed_at=timezone.now(), sealed_at=timezone.now()
        )
        make_day(site, fiscal_day="2026-11-23", entries=0)
        path = f"/sites/HILL/days/{DAY}/4/"
        shown = preview_of(visitor, f"{path}add/", **self.values)
        assert "this is posted to the open day" in flat(shown.text)
        confirm(visitor, f"{path}add/", **self.values)
        page = visitor.get(path)
        assert "Waits to be approved" in page.text
        visitor.force_login(make_user(Role.APPROVER))
        visitor.post(f"{path}decide/1/", {"page": "entry", "decision": "approve"})
        text = flat(visitor.get(path).text)
        assert "the site never sent it" in text
        assert "£12.00" in text
        assert not Entry.objects.filter(sequence=4).exists()

    def test_an_entry_that_is_there_is_shown_instead(self, visitor: Client) -> None:
        response = visitor.get(f"{PAGE}add/")
        assert (response.status_code, response["Location"]) == (302, PAGE)


def test_the_day_says_what_comes_from_corrections(visitor: Client) -> None:
    confirm(visitor, f"{PAGE}correct/", amount="40.00")
    text = flat(visitor.get(f"/sites/HILL/days/{DAY}/").text)
    assert "Of which 1 correction: E10 0.000 L , \N{MINUS SIGN}£7.93" in text
    assert "Corrected" in text
