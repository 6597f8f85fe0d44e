"""The audit trail is a chain, the seals stand in it, and their signatures cover it."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django import Settings

from ledger import signing
from ledger.models import AuditEvent, AuditLink, AuditUnlinked, DaySeal, FiscalDay, Site
from ledger.services.audit import audit_event, audit_record, audit_record_all
from ledger.services.days import DayError
from ledger.services.sealing import seal_propose
from ledger.services.trail import trail_link
from ledger.trail import Head
from ledger.trail_verification import trail_verify
from ledger.verification import ledger_verify
from tests.factories import make_day, make_forecourt, make_user
from tests.sealing import forget_signatures, link_anew, sealed, tamper, undone

FIRST, SECOND = "2026-11-20", "2026-11-21"
UNSEAL = (
    "UPDATE fiscal_day SET sealed_at = NULL, seal = NULL, z_number = NULL, sealed_by_id = NULL,"
    " perpetual_total = NULL, previous_seal = NULL WHERE fiscal_day = %s"
)


def record(action: str = "site.changed", **values: Any) -> AuditEvent:
    return audit_record(action=action, actor="a program", **values)


def link() -> Head:
    with transaction.atomic():
        return trail_link()


def links() -> list[tuple[int, int]]:
    return list(AuditLink.objects.order_by("number").values_list("number", "event_id"))


def faults(site: Site) -> list[str]:
    return [str(fault) for fault in trail_verify(sites=[site]).faults]


@pytest.fixture
def site(db: None) -> Site:
    """Two sealed days, and an event of no site after them."""
    site = make_forecourt("HILL")
    for day in (FIRST, SECOND):
        sealed(make_day(site, fiscal_day=day))
    record("sites.imported", subject='Zoë\'s \N{FUEL PUMP} \x1f "list"\n', detail={"new": 2})
    link()
    return site


class TestTheChain:
    def test_a_third_party_makes_the_same(self, site: Site) -> None:
        """From the documented form and the rows as they are exported, with no code of ours."""
        before = bytes(32)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT e.id, e.at::text, e.actor_id, e.actor_name, e.action, s.code,"
                " e.fiscal_day::text, e.sequence, e.subject, e.detail::text, l.number,"
                " l.event_digest, l.digest"
                " FROM audit_event e JOIN audit_link l ON l.event_id = e.id"
                " LEFT JOIN site s ON s.id = e.site_id ORDER BY l.number"
            )
            rows = cursor.fetchall()
        assert len(rows) == AuditEvent.objects.count() == 7
        for number, (*event, stated, event_digest, digest) in enumerate(rows, start=1):
            line = json.dumps(["event", *event], ensure_ascii=False) + "\n"
            made = hashlib.sha256(line.encode()).digest()
            link_line = json.dumps(["link", number, before.hex(), made.hex()]) + "\n"
            before = hashlib.sha256(link_line.encode()).digest()
            assert (stated, event_digest, digest) == (number, made, before)
        assert trail_verify(sites=[site]).head == (7, before)

    def test_an_event_is_linked_once(self, db: None) -> None:
        assert link() == Head()
        first, second = record(), record()
        assert link().number == 2
        assert link().number == 2
        third = record()
        assert link().number == 3
        assert links() == [(1, first.pk), (2, second.pk), (3, third.pk)]
        assert not AuditUnlinked.objects.exists()

    def test_many_at_once_a_piece_at_a_time(self, db: None) -> None:
        audit_record_all(audit_event(action="site.changed", actor="x") for _ in range(5))
        with connection.cursor() as cursor:
            for linked in (2, 2, 1, 0):
                cursor.execute("SELECT audit_link_events(false, 2)")
                assert cursor.fetchone() == (linked,)

    def test_the_seal_s_own_event_is_linked_with_it(self, db: None) -> None:
        day = sealed(make_day(make_forecourt("HILL")))
        newest = AuditLink.objects.select_related("event").latest("number")
        assert newest.event.action == "day.sealed"
        assert newest.event.detail["seal"] == day.seal_hex
        seal = DaySeal.objects.get()
        assert (seal.trail_number, newest.number) == (2, 3)
        assert seal.key_id == newest.event.detail["signed_with"] == signing.newest_key()

    @pytest.mark.parametrize(
        "statement", ["UPDATE audit_link SET digest = event_digest", "DELETE FROM audit_link"]
    )
    def test_it_only_grows(self, site: Site, statement: str) -> None:
        with (
            connection.cursor() as cursor,
            pytest.raises(Exception, match="append-only"),
            transaction.atomic(),
        ):
            cursor.execute(statement)


@pytest.mark.usefixtures("committed_db")
class TestWritersDoNotWait:
    """Each with a connection of its own, as in two processes."""

    def run(self, work: Any) -> None:
        """Do it on another connection; what it raises is raised here."""
        raised: list[BaseException] = []

        def done() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 it is raised by who waits
                raised.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=done)
        thread.start()
        thread.join()
        if raised:
            raise raised[0]

    def test_who_records_an_event_while_another_links(self) -> None:
        def record_quickly() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1ms'")
                record("site.registered")

        def link_if_free() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT audit_link_events(false)")
                assert cursor.fetchone() == (0,)

        with transaction.atomic():
            record()
        with transaction.atomic():
            assert trail_link().number == 1
            self.run(record_quickly)
            self.run(link_if_free)
        assert link().number == 2

    def test_an_event_that_is_committed_late_is_linked_late(self) -> None:
        late = []

        def record_and_link() -> None:
            with transaction.atomic():
                late.append(record("site.registered").pk)
            assert link().number == 1

        with transaction.atomic():
            first = record()
            self.run(record_and_link)
        assert first.pk < late[0]
        assert link().number == 2
        assert links() == [(1, late[0]), (2, first.pk)]


TAMPERINGS = [
    ("UPDATE audit_event SET subject = 'x' WHERE action = 'sites.imported'",
     "event {last} (sites.imported) of the audit trail is not as it was recorded"),
    ("UPDATE audit_event SET site_id = 32000 WHERE action = 'sites.imported'",
     "event {last} (sites.imported) of the audit trail is not as it was recorded"),
    ("UPDATE audit_event SET at = at - interval '1 s' WHERE action = 'sites.imported'",
     "event {last} (sites.imported) of the audit trail is not as it was recorded"),
    ("UPDATE audit_event SET site_id = NULL WHERE action = 'day.closed'",
     "event {first} (day.closed) of the audit trail is not as it was recorded"),
    ("DELETE FROM audit_event WHERE action = 'day.closed'",
     "event {first} of the audit trail is gone"),
    ("DELETE FROM audit_event WHERE action = 'sites.imported'",
     "event {last} of the audit trail is gone"),
    ("INSERT INTO audit_event (actor_name, action, subject, detail) VALUES ('x', 'y', '', '{}')",
     "of the audit trail came past its chain"),
    ("DELETE FROM audit_link WHERE number = 2", "link 2 of the audit trail is missing"),
    ("DELETE FROM audit_link WHERE number IN (2, 3)",
     "links 2 to 3 of the audit trail are missing"),
    ("DELETE FROM audit_link WHERE number = 7",
     "event {last} of the audit trail came past its chain"),
    ("INSERT INTO audit_unlinked SELECT max(id) FROM audit_event",
     "event {last} of the audit trail waits for a link, though it has one"),
    ("INSERT INTO audit_unlinked SELECT max(id) + 1 FROM audit_event",
     "which waited for its link, is gone"),
    ("UPDATE audit_link SET digest = event_digest WHERE number = 4",
     "link 4 of the audit trail does not follow from the one before"),
    (("UPDATE audit_link SET number = CASE number WHEN 6 THEN 1008 ELSE 1009 END"
      " WHERE number IN (6, 7)"), "links 6 to 1007 of the audit trail are missing"),
    # Of two events that were swapped, each is named.
    (("UPDATE audit_event a SET detail = b.detail FROM audit_event b"
      " WHERE a.action = 'day.sealed' AND b.action = 'day.sealed' AND a.id <> b.id"),
     f"HILL {FIRST}: event"),
]  # fmt: skip


def test_tampering_with_the_trail_is_named(site: Site) -> None:
    ids = AuditEvent.objects.order_by("id").values_list("id", flat=True)
    first, last = ids[0], ids[len(ids) - 1]
    assert faults(site) == []
    for tampering, told in TAMPERINGS:
        said = told.format(first=first, last=last)
        with undone():
            tamper(tampering)
            found = faults(site)
            assert any(said in fault for fault in found), (tampering, found)
    assert faults(site) == []


class TestSealsStandInTheTrail:
    def test_each_says_the_same(self, site: Site) -> None:
        for tampering, said in (
            (UNSEAL % f"'{SECOND}'", "holds a seal of this day, which is not sealed"),
            (
                (f"UPDATE fiscal_day SET seal = sha256(seal) WHERE fiscal_day = '{SECOND}'"),
                "holds another seal of this day",
            ),
            (
                f"UPDATE fiscal_day SET z_number = 5 WHERE fiscal_day = '{SECOND}'",
                "holds another seal of this day",
            ),
            (
                f"DELETE FROM audit_event WHERE action = 'day.sealed' AND fiscal_day = '{SECOND}'",
                "its seal does not stand in the audit trail",
            ),
            (
                (
                    "INSERT INTO audit_event"
                    " (actor_name, action, site_id, fiscal_day, subject, detail)"
                    " SELECT actor_name, action, site_id, fiscal_day, subject, detail"
                    " FROM audit_event"
                    f" WHERE action = 'day.sealed' AND fiscal_day = '{SECOND}'"
                ),
                "is one of 2 that say that the day was sealed",
            ),
            (f"DELETE FROM day_seal WHERE fiscal_day = '{SECOND}'", "another key signed its seal"),
            (
                (
                    "UPDATE day_seal SET signature = NULL, key_id = '', trail_number = NULL,"
                    f" trail_digest = NULL WHERE fiscal_day = '{SECOND}'"
                ),
                "another key signed its seal",
            ),
            (
                f"UPDATE day_seal SET signature = sha512('x') WHERE fiscal_day = '{SECOND}'",
                "the signature is not that of its seal",
            ),
            (
                f"UPDATE day_seal SET trail_number = 3 WHERE fiscal_day = '{SECOND}'",
                "the signature is not that of its seal",
            ),
        ):
            with undone():
                tamper(tampering)
                found = faults(site)
                assert any(f"HILL {SECOND}: " in one and said in one for one in found), found

    def test_a_trail_made_anew_is_not_the_one_that_was_signed(self, site: Site) -> None:
        tamper("UPDATE audit_event SET actor_name = 'x' WHERE action = 'day.closed'")
        link_anew()
        heads = DaySeal.objects.order_by("fiscal_day").values_list("fiscal_day", "trail_number")
        assert faults(site) == [
            f"HILL {day}: it was sealed when the audit trail had another link {number}"
            for day, number in heads
        ]

    def test_a_day_is_not_sealed_twice(self, site: Site) -> None:
        """What two people would do after somebody unsealed it and changed an entry."""
        tamper(UNSEAL, SECOND)
        tamper("DELETE FROM day_seal WHERE fiscal_day = %s", SECOND)
        day = FiscalDay.objects.get(fiscal_day=SECOND)
        with pytest.raises(DayError, match="The audit trail holds a seal of this day"):
            seal_propose(day=day, proposed_by=make_user())

    def test_the_ledger_is_verified_with_it(self, site: Site) -> None:
        verdict = ledger_verify(sites=[site])
        assert (verdict.faults, verdict.signatures, verdict.events) == ([], 2, 7)
        tamper(UNSEAL, SECOND)
        assert any(
            "which is not sealed" in str(fault) for fault in ledger_verify(sites=[site]).faults
        )


class TestWithoutTheKey:
    def test_a_seal_that_was_made_anew_is_not_signed(
        self, site: Site, settings: Settings, tmp_path: Path
    ) -> None:
        """Somebody makes the newest seal, its event and the chain anew, with a key of their own."""
        tamper(UNSEAL, SECOND)
        tamper("DELETE FROM day_seal WHERE fiscal_day = %s", SECOND)
        tamper("DELETE FROM audit_event WHERE action = 'day.sealed' AND fiscal_day = %s", SECOND)
        tamper("UPDATE entry SET note = 'x'") if False else None
        link_anew()
        ours, settings.SEAL_KEYS = settings.SEAL_KEYS, tmp_path
        sealed(FiscalDay.objects.get(fiscal_day=SECOND))
        settings.SEAL_KEYS = ours
        [theirs] = [path.stem for path in tmp_path.glob("*.key")]
        found = faults(site)
        said = f"its seal is signed with the key {theirs}, whose public key is not there"
        assert f"HILL {SECOND}: {said}" in found, found

    def test_the_day_is_not_sealed(self, db: None, settings: Settings, tmp_path: Path) -> None:
        settings.SEAL_KEYS = tmp_path / "file" / "keys"
        (tmp_path / "file").touch()
        with pytest.raises(DayError, match="cannot be signed, so the day is not sealed"):
            sealed(make_day(make_forecourt("HILL")))
        assert FiscalDay.objects.get().sealed_at is None

    def test_keys_that_cannot_be_read_are_named(
        self, site: Site, settings: Settings, tmp_path: Path
    ) -> None:
        (tmp_path / "a.pub").write_text("no key")
        settings.SEAL_KEYS = tmp_path
        [said] = faults(site)
        assert said.startswith(f"no signature can be verified: {tmp_path}/a.pub cannot be read")


def test_what_was_sealed_before_signatures_is_only_told(site: Site) -> None:

    forget_signatures()
    verdict = trail_verify(sites=[site])
    assert (verdict.faults, verdict.signatures) == ([], 0)
    assert verdict.notes == ["Seals older than the first that was signed: 2"]
    sealed(make_day(site, fiscal_day="2026-11-22"))
    verdict = trail_verify(sites=[site])
    assert (verdict.faults, verdict.signatures) == ([], 1)
    # From then on all are.
    tamper("UPDATE fiscal_day SET z_number = 4 WHERE fiscal_day = %s", SECOND)
    tamper(
        "UPDATE audit_event SET detail = detail || '{\"z_number\": 4}' WHERE fiscal_day = %s"
        " AND action = 'day.sealed'",
        SECOND,
    )
    assert f"HILL {SECOND}: its seal is not signed" in faults(site)


def test_a_new_key_is_listed_signs_and_is_on_record(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.SEAL_KEYS = tmp_path

    def keys(*arguments: str) -> str:
        out = io.StringIO()
        call_command("seal_keys", *arguments, stdout=out)
        return out.getvalue()

    assert "one is made when the first day is sealed" in keys()
    first = signing.key_make()
    assert f"{first}" in keys()
    said = keys("--new")
    [event] = AuditEvent.objects.filter(action="key.made")
    assert event.subject == signing.newest_key() > first
    assert event.detail["public_key"] == signing.public_keys()[event.subject].hex()
    assert f"{first}  {signing.public_keys()[first].hex()}\n" in said
    assert said.endswith(f"{event.subject}  {event.detail['public_key']}  signs\n")
    (tmp_path / "b.pub").write_text("")
    with pytest.raises(CommandError, match=r"b\.pub cannot be read"):
        keys()
