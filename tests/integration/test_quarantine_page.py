"""The quarantine workbench: finding messages, seeing what is wrong, deciding about them."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from console.models import Role, User
from console.payload import SHOWN_BYTES_MAX
from ledger.models import AuditEvent, Correction, Entry, Quarantine, QuarantineDecision, Site
from ledger.selectors.quarantine import QUARANTINE_PER_PAGE
from ledger.services.quarantine import DECIDED_MAX
from tests.factories import (
    make_correction,
    make_day,
    make_entry,
    make_forecourt,
    make_quarantined,
    make_site,
    make_user,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ENTRY = {
    "fiscal_day": "2026-11-22",
    "sequence": 7,
    "kind": "sale",
    "occurred_at": "2026-11-22T12:00:00+00:00",
    "product": "E10",
    "amount": "47.93",
    "volume": "32.407",
    "unit_price": "1.4790",
    "note_of_the_controller": "kept",
}


@pytest.fixture
def person() -> User:
    return make_user(first_name="Maja", last_name="Lindqvist")


@pytest.fixture
def staff(client: Client, person: User) -> Client:
    client.force_login(person)
    return client


@pytest.fixture
def site() -> Site:
    return make_forecourt("S1", name="Harbour")


def flat(text: str) -> str:
    return " ".join(text.split())


def bytes_of(**changes: Any) -> bytes:
    return json.dumps({**ENTRY, **changes}).encode()


def make_conflict(site: Site, **changes: Any) -> Quarantine:
    """Keep a newcomer under the key of an entry that the ledger holds."""
    sequence = changes.pop("sequence", 7)
    make_entry(site, sequence=sequence)
    return make_quarantined(
        site=site,
        raw=bytes_of(sequence=sequence, **{"amount": "48.93", **changes}),
        reason=Quarantine.Reason.CONFLICTING_DUPLICATE,
        fiscal_day=datetime.date(2026, 11, 22),
        sequence=sequence,
    )


class TestTheList:
    def test_an_empty_one_says_why(self, staff: Client) -> None:
        assert "the ledger took everything that arrived" in flat(staff.get("/quarantine/").text)

    def test_it_shows_what_waits_with_its_exact_reason(self, staff: Client, site: Site) -> None:
        make_quarantined(site=site, detail="Expected `int` - at `$.sequence`", seen=4)
        make_quarantined(site=site, detail="decided", outcome="dismissed")
        text = flat(staff.get("/quarantine/").text)
        assert "Expected `int` - at `$.sequence`" in text
        assert "4 times" in text
        assert "1 message" in text
        assert "decided" not in text
        assert "decided" in staff.get("/quarantine/?outcome=any").text

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("reason=invalid", "first"),
            ("site=S1", "first"),
            ("site=STRANGER", "second"),
            ("site=none", "second"),
            ("lane=day", "second"),
            ("lane=ledger", "first"),
            ("text=needle", "first"),
            ("text=FIRST", "first"),
            ("text=v1/stranger", "second"),
            ("age=hour", "first"),
            ("age=older_day", "second"),
        ],
    )
    def test_it_is_narrowed_down(self, staff: Client, site: Site, query: str, found: str) -> None:
        make_quarantined(site=site, detail="first", reason="invalid", raw=b'{"a": "needle\xff')
        make_quarantined(
            detail="second",
            reason="unknown_site",
            topic="forecourt/v1/STRANGER/day",
            last_received_at=timezone.now() - datetime.timedelta(days=2),
        )
        text = staff.get(f"/quarantine/?{query}", headers=HTMX).text
        details = [each for each in ("first", "second") if f">{each}</a>" in text]
        assert details == [found]

    def test_nonsense_narrows_nothing_down(self, staff: Client) -> None:
        make_quarantined(detail="one of a kind")
        answer = staff.get("/quarantine/?reason=nonsense&before=x&age=y&text=%00")
        assert answer.status_code == 200

    def test_it_comes_in_pages_that_keep_the_filter(self, staff: Client) -> None:
        messages = [make_quarantined() for _ in range(QUARANTINE_PER_PAGE + 1)]
        text = staff.get("/quarantine/?reason=malformed").text
        assert f"message-{messages[0].id}" not in text
        before = messages[1].id
        assert f"?reason=malformed&amp;outcome=waiting&amp;before={before}" in text
        assert f"message-{messages[0].id}" in staff.get(f"/quarantine/?before={before}").text


class TestAMessage:
    def test_the_fault_is_marked_in_what_came(self, staff: Client, site: Site) -> None:
        message = make_quarantined(
            site=site,
            raw=b'{"sequence": "<b>x</b>", "n": 1.50, "n": 2}',
            detail="Expected `int`, got `str` - at `$.sequence`",
        )
        text = staff.get(f"/quarantine/{message.pk}/").text
        assert '<mark class="payload__fault">&quot;&lt;b&gt;x&lt;/b&gt;&quot;</mark>' in text
        assert "&quot;n&quot;: 1.50," in text
        assert "&quot;n&quot;: 2" in text

    @pytest.mark.parametrize(
        "raw",
        [b"", b"\x00" * 50, bytes(range(256)) * 4, b"\xff" * 1024 * 1024, b"[" * 100_000, b"{}"],
    )
    def test_any_bytes_are_shown_and_handed_out(self, staff: Client, raw: bytes) -> None:
        message = make_quarantined(raw=raw, detail="not JSON: JSON is malformed (byte 40)")
        answer = staff.get(f"/quarantine/{message.pk}/")
        assert answer.status_code == 200
        assert "\x00" not in answer.text
        assert len(answer.content) < 8 * SHOWN_BYTES_MAX
        download = staff.get(f"/quarantine/{message.pk}/raw/")
        assert download.content == raw
        assert download["Content-Type"] == "application/octet-stream"
        assert "attachment" in download["Content-Disposition"]

    def test_a_conflict_stands_beside_the_ledger(self, staff: Client, site: Site) -> None:
        text = flat(staff.get(f"/quarantine/{make_conflict(site).pk}/").text)
        assert "One value differs." in text
        assert "<td>48.93</td> <td>47.93</td>" in text
        assert "Accept these values as a correction" in text

    def test_a_conflicting_day_stands_beside_the_ledger(self, staff: Client, site: Site) -> None:
        make_entry(site)
        told = {"event": "closed", "fiscal_day": "2026-11-22", "last_sequence": 9}
        told |= {"totals": [{"product": "E10", "count": 1, "volume": "1.000", "amount": "2.00"}]}
        message = make_quarantined(
            site=site,
            raw=json.dumps(told).encode(),
            reason="conflicting_duplicate",
            topic="forecourt/v1/S1/day",
        )
        text = flat(staff.get(f"/quarantine/{message.pk}/").text)
        assert "Last sequence" in text
        assert "E10: volume" in text


class TestWhoMay:
    def test_a_day_that_the_ledger_does_not_know_is_no_link(
        self, staff: Client, site: Site
    ) -> None:
        named = {"site": site, "fiscal_day": datetime.date(2026, 11, 22)}
        message = make_quarantined(**named, reason=Quarantine.Reason.IMPLAUSIBLE_DAY)
        link = f'href="/sites/{site.code}/days/2026-11-22/"'
        assert link not in staff.get(f"/quarantine/{message.pk}/").text
        make_day(site, fiscal_day="2026-11-22")
        assert link in staff.get(f"/quarantine/{message.pk}/").text

    def test_a_manager_reads_their_own_sites_messages(self, client: Client) -> None:
        own, other = make_site("OWN"), make_site("OTHER")
        mine, theirs = make_quarantined(site=own), make_quarantined(site=other)
        nobodys = make_quarantined(reason="unknown_site")
        client.force_login(make_user(Role.MANAGER, own))
        text = client.get("/quarantine/").text
        assert f"message-{mine.pk}" in text
        assert f"message-{theirs.pk}" not in text
        assert f"message-{nobodys.pk}" not in text
        assert client.get(f"/quarantine/{mine.pk}/").status_code == 200
        for hidden in (theirs, nobodys):
            for page in ("", "raw/"):
                assert client.get(f"/quarantine/{hidden.pk}/{page}").status_code == 404

    @pytest.mark.parametrize("role", [Role.MANAGER, Role.AUDITOR])
    def test_some_only_read(self, client: Client, site: Site, role: Role) -> None:
        message = make_quarantined(site=site)
        client.force_login(make_user(role, site))
        assert "What to do about it" not in client.get(f"/quarantine/{message.pk}/").text
        decision = {"action": "dismiss", "note": "x"}
        assert client.post(f"/quarantine/{message.pk}/decide/", decision).status_code == 403
        for page in (f"{message.pk}/mend/", f"{message.pk}/register/", "decide/"):
            assert client.get(f"/quarantine/{page}").status_code == 403
        assert not QuarantineDecision.objects.exists()

    def test_a_number_beyond_all_is_not_there(self, staff: Client) -> None:
        assert staff.get(f"/quarantine/{10**30}/").status_code == 404


class TestADecision:
    def test_it_is_dismissed_with_a_reason(self, staff: Client, site: Site, person: User) -> None:
        message = make_quarantined(site=site)
        url = f"/quarantine/{message.pk}/decide/"
        refused = staff.post(url, {"action": "dismiss", "note": " "}, headers=HTMX)
        assert refused.status_code == 422
        assert "Say why" in refused.text
        answer = staff.post(url, {"action": "dismiss", "note": "a test of the fitter"})
        assert answer.status_code == 303
        message.refresh_from_db()
        assert message.outcome == "dismissed"
        decision = QuarantineDecision.objects.get()
        assert (decision.action, decision.decided_by, decision.note) == (
            "dismiss",
            person,
            "a test of the fitter",
        )
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.site) == ("quarantine.dismissed", person, site)
        text = flat(staff.get(f"/quarantine/{message.pk}/").text)
        assert "Dismissed by Maja Lindqvist" in text
        # It was no last word: it can still be replayed, but not dismissed again.
        assert "Replay unchanged" in text
        assert 'value="dismiss"' not in text

    def test_it_is_decided_once(self, staff: Client, site: Site) -> None:
        message = make_quarantined(site=site)
        url = f"/quarantine/{message.pk}/decide/"
        for _ in range(2):
            assert staff.post(url, {"action": "replay"}).status_code == 303
        assert QuarantineDecision.objects.count() == 1

    def test_what_no_worker_would_take_is_not_replayed(self, staff: Client) -> None:
        for reason in ("unknown_topic", "oversize"):
            message = make_quarantined(reason=reason)
            assert 'value="replay"' not in staff.get(f"/quarantine/{message.pk}/").text
            staff.post(f"/quarantine/{message.pk}/decide/", {"action": "replay"})
        assert not QuarantineDecision.objects.exists()

    def test_a_conflict_is_accepted_as_a_correction(self, staff: Client, site: Site) -> None:
        message = make_conflict(site)
        answer = staff.post(
            f"/quarantine/{message.pk}/decide/", {"action": "accept", "note": "the till is right"}
        )
        assert answer.status_code == 303
        correction = Correction.objects.get()
        assert (correction.reason, str(correction.amount)) == ("conflict", "48.93")
        assert correction.status == Correction.Status.APPROVED
        message.refresh_from_db()
        assert message.outcome == "accepted"
        text = flat(staff.get(f"/quarantine/{message.pk}/").text)
        assert "Revision 1 of entry 7" in text

    def test_one_that_cannot_be_accepted_says_why(self, staff: Client, site: Site) -> None:
        message = make_conflict(site, amount="47.93", volume="32.407")
        answer = staff.post(
            f"/quarantine/{message.pk}/decide/", {"action": "accept", "note": "x"}, headers=HTMX
        )
        assert answer.status_code == 422
        assert "Nothing is changed about entry 7" in answer.text
        message.refresh_from_db()
        assert message.outcome == "waiting"

    def test_a_conflict_is_refused(self, staff: Client, site: Site) -> None:
        message = make_conflict(site)
        staff.post(f"/quarantine/{message.pk}/decide/", {"action": "refuse", "note": "old till"})
        message.refresh_from_db()
        assert message.outcome == "refused"
        assert not Correction.objects.exists()

    def test_a_message_that_waits_for_a_worker_is_looked_at_again(
        self, staff: Client, site: Site
    ) -> None:
        message = make_quarantined(site=site)
        staff.post(f"/quarantine/{message.pk}/decide/", {"action": "replay"})
        course = f"/quarantine/{message.pk}/?course=1"
        assert staff.get(course, headers=HTMX).status_code == 204
        Quarantine.objects.update(
            replayed_at=timezone.now(), replay_stored=1, replay_duplicates=0, replay_quarantined=0
        )
        text = flat(staff.get(course, headers=HTMX).text)
        assert "1 stored" in text
        assert "hx-trigger" not in text


class TestMending:
    def faulty(self, site: Site, **changes: Any) -> Quarantine:
        return make_quarantined(
            site=site,
            raw=bytes_of(**{"amount": "47,931", **changes}),
            reason="invalid",
            detail="amount: 47,931",
        )

    def fields(self, **changes: Any) -> dict[str, Any]:
        fields = {**ENTRY, "unit_price": "1.479", "payment": "", **changes}
        del fields["note_of_the_controller"]
        return fields

    def test_the_fields_are_shown_as_they_came(self, staff: Client, site: Site) -> None:
        text = staff.get(f"/quarantine/{self.faulty(site).pk}/mend/").text
        assert 'value="47,931"' in text
        assert 'value="32.407"' in text

    def test_what_changes_is_shown_before_it_is_sent(self, staff: Client, site: Site) -> None:
        message = self.faulty(site)
        url = f"/quarantine/{message.pk}/mend/"
        answer = staff.post(url, self.fields(step="check"), headers=HTMX)
        assert "<td>47,931</td> <td>47.93</td>" in flat(answer.text)
        assert not QuarantineDecision.objects.exists()
        again = staff.post(url, self.fields(step="edit"), headers=HTMX)
        assert 'value="47.93"' in again.text
        assert staff.post(url, self.fields(step="send", note="a comma")).status_code == 303
        decision = QuarantineDecision.objects.get()
        assert json.loads(bytes(decision.payload or b"")) == ENTRY
        message.refresh_from_db()
        assert b"47,931" in bytes(message.raw)
        assert message.outcome == "released"
        assert AuditEvent.objects.get().action == "quarantine.mended"

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"amount": "47.931"}, "id_amount"),
            ({"occurred_at": "2026-11-22T12:00:00"}, "no time with an offset"),
            ({"sequence": "0"}, "id_sequence"),
            ({"product": ""}, "id_product"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, staff: Client, site: Site, changes: dict[str, Any], said: str
    ) -> None:
        url = f"/quarantine/{self.faulty(site).pk}/mend/"
        answer = staff.post(url, self.fields(step="send", **changes), headers=HTMX)
        assert answer.status_code == 422
        assert said in answer.text
        assert not QuarantineDecision.objects.exists()

    def test_nothing_changed_is_nothing_mended(self, staff: Client, site: Site) -> None:
        message = self.faulty(site, amount="47.93")
        answer = staff.post(f"/quarantine/{message.pk}/mend/", self.fields(step="send"))
        assert answer.status_code == 422
        assert "Nothing is changed yet" in answer.text

    @pytest.mark.parametrize(
        ("changes", "flag"),
        [
            ({"kind": "refund", "amount": "47.93"}, 128),
            ({"amount": "-47.93"}, 128),
            ({"volume": "-32.407", "amount": "47.93"}, 256),
            ({"unit_price": "-1.479", "amount": "47.93"}, 256),
            ({"volume": "0", "amount": "47.93"}, 512),
        ],
    )
    def test_an_odd_sign_is_asked_about_and_taken(
        self, staff: Client, site: Site, changes: dict[str, str], flag: int
    ) -> None:
        url = f"/quarantine/{self.faulty(site).pk}/mend/"
        fields = self.fields(**changes)
        asked = staff.post(url, {**fields, "step": "check"})
        assert asked.status_code == 422
        assert "Is this meant?" in asked.text
        checked = staff.post(url, {**fields, "step": "check", "meant": flag})
        assert checked.status_code == 200
        assert f'type="hidden" name="meant" value="{flag}"' in " ".join(checked.text.split())
        assert staff.post(url, {**fields, "step": "send", "meant": flag}).status_code == 303
        payload = json.loads(bytes(QuarantineDecision.objects.get().payload or b""))
        assert "meant" not in payload

    def test_a_text_is_mended(self, staff: Client, site: Site) -> None:
        message = make_quarantined(site=site, raw=b'{"event": "opened", \xff\n}')
        url = f"/quarantine/{message.pk}/mend/"
        assert "\ufffd" in staff.get(url).text
        wrong = staff.post(url, {"text": '{"event":\n,}', "step": "check"})
        assert wrong.status_code == 422
        assert "Line 2, character 1" in wrong.text
        text = '{"event": "opened"\r\n}'
        checked = staff.post(url, {"text": text, "step": "check"})
        assert "difference__line--new" in checked.text
        assert staff.post(url, {"text": text, "step": "send"}).status_code == 303
        decision = QuarantineDecision.objects.get()
        assert bytes(decision.payload or b"") == b'{"event": "opened"\n}'

    def test_what_was_decided_is_not_mended(self, staff: Client, site: Site) -> None:
        message = make_quarantined(site=site, outcome="refused")
        assert "cannot be mended" in staff.get(f"/quarantine/{message.pk}/mend/").text


class TestAnUnknownSite:
    def test_it_is_registered_and_all_its_messages_released(
        self, staff: Client, site: Site, person: User
    ) -> None:
        strange = {"reason": "unknown_site", "topic": "forecourt/v1/NEW-1/ledger"}
        messages = [make_quarantined(**strange) for _ in range(3)]
        other = make_quarantined(reason="unknown_site", topic="forecourt/v1/NEW-12/ledger")
        url = f"/quarantine/{messages[0].pk}/register/"
        page = flat(staff.get(url).text)
        assert "3 messages of this site wait" in page
        assert f'value="{site.timezone}" selected' in page
        place = {"name": "New Road", "timezone": "Europe/London", "currency": "gbp"}
        assert staff.post(url, place).status_code == 422
        answer = staff.post(url, place | {"currency": "GBP"}, headers=HTMX)
        assert answer["HX-Redirect"] == "/quarantine/?site=NEW-1&outcome=any"
        new = Site.objects.get(code="NEW-1")
        assert set(Quarantine.objects.filter(site=new).values_list("outcome")) == {("released",)}
        assert Quarantine.objects.filter(site=new).count() == 3
        other.refresh_from_db()
        assert (other.site, other.outcome) == (None, "waiting")
        registered = AuditEvent.objects.get(action="site.registered")
        assert (registered.actor, registered.site) == (person, new)
        assert "is registered under this code" in flat(staff.get(url).text)


class TestADayThatCannotBe:
    @pytest.fixture
    def site(self) -> Site:
        return make_forecourt("S1", name="Harbour", first_fiscal_day=datetime.date(2025, 10, 24))

    def _message(self, site: Site, day: str) -> Quarantine:
        return make_quarantined(
            site=site,
            raw=bytes_of(fiscal_day=day),
            reason=Quarantine.Reason.IMPLAUSIBLE_DAY,
            detail=f"the fiscal day {day} is before the site's first, 2025-10-24",
            fiscal_day=datetime.date.fromisoformat(day),
        )

    def test_a_past_one_is_accepted_with_a_reason(self, staff: Client, site: Site) -> None:
        message = self._message(site, "2024-05-01")
        url = f"/quarantine/{message.pk}/"
        text = flat(staff.get(url).text)
        assert "first one, 24 Oct 2025" in text
        assert "begin with 24 Oct 2025. When you accept 1 May 2024, they begin with that" in text
        assert staff.post(f"{url}decide/", {"action": "admit"}).status_code == 422
        decision = {"action": "admit", "note": "the old till"}
        assert staff.post(f"{url}decide/", decision).status_code == 303
        message.refresh_from_db()
        site.refresh_from_db()
        assert (message.outcome, str(site.first_fiscal_day)) == ("released", "2024-05-01")
        assert AuditEvent.objects.filter(site=site, action="site.changed").exists()

    @pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "2099-06-01", "9999-12-31"])
    def test_no_other_can_be_accepted(self, staff: Client, site: Site, day: str) -> None:
        message = self._message(site, day)
        url = f"/quarantine/{message.pk}/"
        text = staff.get(url).text
        assert 'value="mend"' not in text
        assert f"{url}mend/" in text
        assert 'value="admit"' not in text
        staff.post(f"{url}decide/", {"action": "admit", "note": "so be it"})
        message.refresh_from_db()
        site.refresh_from_db()
        assert (message.outcome, str(site.first_fiscal_day)) == ("waiting", "2025-10-24")

    def test_many_are_accepted_together(self, staff: Client, site: Site) -> None:
        days = ("2024-05-03", "2024-05-01", "1970-01-01", "2099-06-01")
        messages = [self._message(site, day) for day in days]
        url = "/quarantine/decide/?reason=implausible_day"
        text = flat(staff.get(url).text)
        assert "Accept the days of 2 and replay" in text
        assert "begins with 1 May 2024 instead of 24 Oct 2025" in text
        decision = {"action": "admit", "note": "the old till", "last_id": messages[-1].pk}
        assert staff.post(url, decision).status_code == 303
        site.refresh_from_db()
        assert str(site.first_fiscal_day) == "2024-05-01"
        outcomes = Quarantine.objects.order_by("pk").values_list("outcome", flat=True)
        assert list(outcomes) == ["released", "released", "waiting", "waiting"]


class TestManyAtOnce:
    def test_all_that_were_seen_are_decided_and_no_later_ones(
        self, staff: Client, site: Site
    ) -> None:
        seen = [make_quarantined(site=site, reason="invalid") for _ in range(3)]
        make_quarantined(site=site, reason="malformed")
        url = "/quarantine/decide/?reason=invalid"
        text = flat(staff.get(url).text)
        assert "3 messages" in text
        assert "Dismiss 3" in text
        late = make_quarantined(site=site, reason="invalid")
        decision = {"action": "dismiss", "note": "test bench", "last_id": seen[-1].pk}
        assert staff.post(url, decision | {"note": ""}).status_code == 422
        assert staff.post(url, decision).status_code == 303
        assert Quarantine.objects.filter(outcome="dismissed").count() == 3
        late.refresh_from_db()
        assert late.outcome == "waiting"
        event = AuditEvent.objects.get()
        assert event.detail["messages"] == [each.pk for each in seen]
        assert "3 messages are dismissed." in staff.get("/quarantine/").text

    def test_an_act_takes_a_limited_number(self, staff: Client, site: Site) -> None:
        one = make_quarantined(site=site)
        Quarantine.objects.bulk_create(
            Quarantine(
                site=site,
                first_received_at=one.first_received_at,
                last_received_at=one.last_received_at,
                topic=one.topic,
                reason=one.reason,
                detail="",
                raw=b"x",
                raw_size=1,
                digest=number.to_bytes(32, "little"),
                outcome="waiting",
            )
            for number in range(DECIDED_MAX)
        )
        last = Quarantine.objects.order_by("pk").last()
        assert last is not None
        url = "/quarantine/decide/"
        assert f"Replay {DECIDED_MAX:,} unchanged" in flat(staff.get(url).text)
        staff.post(url, {"action": "replay", "last_id": last.pk})
        assert list(Quarantine.objects.filter(outcome="waiting")) == [last]

    @pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
    def test_conflicts_are_accepted_each_for_itself_and_each_is_told_of(
        self, staff: Client, site: Site, headers: dict[str, str]
    ) -> None:
        good = [make_conflict(site, sequence=number) for number in (1, 2)]
        same = make_conflict(site, sequence=3, amount="47.93")
        make_correction(Entry.objects.get(sequence=2), needs_approval=True)
        decision = {"action": "accept", "note": "the till is right", "last_id": same.pk}
        answer = staff.post("/quarantine/decide/", decision, headers=headers)
        assert answer.status_code == 200
        assert ("<html" in answer.text) is not bool(headers)
        text = flat(answer.text)
        assert "1 message is accepted" in text
        assert "2 messages could not be accepted and wait as before" in text
        assert [one.message for one in answer.context["accepted"]] == [good[0]]
        refused = answer.context["refused"]
        assert [one.message for one in refused] == [good[1], same]
        for one in refused:
            assert one.refusal
            assert one.refusal in text
            assert f'href="/quarantine/{one.message.pk}/"' in text
        for number in (1, 2, 3):
            assert f'href="/sites/S1/days/2026-11-22/{number}/"' in text
        assert set(Quarantine.objects.values_list("pk", "outcome")) == {
            (good[0].pk, "accepted"),
            (good[1].pk, "waiting"),
            (same.pk, "waiting"),
        }

    def test_what_somebody_else_decided_meanwhile_is_said(self, staff: Client, site: Site) -> None:
        message = make_conflict(site)
        Quarantine.objects.update(outcome="refused")
        decision = {"action": "accept", "note": "x", "last_id": message.pk}
        assert "somebody else has decided" in staff.post("/quarantine/decide/", decision).text
        assert not Correction.objects.exists()


def test_what_came_is_never_changed(site: Site) -> None:
    from django.db import IntegrityError, transaction

    message = make_quarantined(site=site)
    for changed in ({"raw": b"x"}, {"topic": "x"}, {"detail": "x"}):
        with pytest.raises(IntegrityError, match="kept as it came"), transaction.atomic():
            Quarantine.objects.filter(pk=message.pk).update(**changed)
