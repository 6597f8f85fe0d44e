"""Tampering behind Django's back is found, and named, whatever row it is done to."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from console.models import Role
from ledger.copy_verification import SealCopy
from ledger.models import (
    Command,
    Correction,
    DaySeal,
    DeclaredTotal,
    Delivery,
    Dip,
    FiscalDay,
    Nozzle,
    Quarantine,
    Site,
    Totalizer,
)
from ledger.selectors.reconciliation import reconciliation
from ledger.selectors.reports_day import day_report
from ledger.services.corrections import (
    Draft,
    correction_approve,
    correction_propose,
    correction_reject,
)
from ledger.services.month_totals import months_sum_up
from ledger.services.quarantine import quarantine_dismiss
from ledger.sql import statement
from ledger.verification import guards_verify, ledger_verify
from tests.factories import make_day, make_forecourt, make_quarantined, make_user
from tests.sealing import explain_all, forget_signatures, record_anew, sealed, tamper

pytestmark = pytest.mark.django_db

FIRST, SECOND, OPEN = "2026-11-20", "2026-11-21", "2026-11-22"


@pytest.fixture
def site() -> Site:
    """Two sealed days with one of everything in them, and an open one."""
    site = make_forecourt("HILL")
    staff, approver = make_user(), make_user(Role.APPROVER)
    first = make_day(site, fiscal_day=FIRST, entries=5)
    opened = datetime.datetime(2026, 11, 21, 5, tzinfo=datetime.UTC)
    second = make_day(site, fiscal_day=SECOND, entries=4, opened_at=opened)
    drop = {"site": site, "product": "E10", "volume": Decimal(5000), "document": "D-7"}
    Delivery.objects.create(**drop, tank=1, at=opened, received_at=opened)
    key = {"site": site, "fiscal_day": second.fiscal_day}
    now = datetime.datetime(2026, 11, 22, 6, tzinfo=datetime.UTC)
    DeclaredTotal.objects.create(
        **key, product="E10", count=4, volume=Decimal("129.628"), amount=Decimal("191.72")
    )
    Totalizer.objects.create(
        **key, fuelling_point=1, nozzle=1, product="E10", opening=Decimal(7), closing=Decimal(7)
    )
    Dip.objects.create(
        **key, tank=1, product="E10", opening_volume=Decimal(900), closing_volume=Decimal(900)
    )
    sealed(first, by=(staff, approver))
    # The day that takes the correction of the sealed one: its totals are not the declared ones.
    FiscalDay.objects.filter(pk=second.pk).update(
        closed_at=now, last_sequence=4, closing_digest=bytes(32)
    )
    second.refresh_from_db()
    correction = correction_propose(
        draft=Draft(
            site=site,
            fiscal_day=first.fiscal_day,
            sequence=2,
            action=Correction.Action.VOID,
            reason=Correction.Reason.SOLD_TWICE,
        ),
        author=staff,
    )
    correction_approve(correction=correction, decided_by=approver)
    explain_all(second, staff)
    sealed(second, by=(staff, approver))
    make_day(site, fiscal_day=OPEN, entries=2)
    return site


def faults(site: Site, **options: Any) -> list[str]:
    return [str(fault) for fault in ledger_verify(sites=[site], **options).faults]


def test_an_untouched_ledger_has_no_fault(site: Site) -> None:
    verdict = ledger_verify(sites=[site])
    assert (verdict.faults, verdict.days, verdict.sealed, verdict.entries) == ([], 3, 2, 11)


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        # Entries: changed, removed, added, swapped; in a sealed day they are named.
        (f"UPDATE entry SET amount = 1 WHERE fiscal_day = '{FIRST}' AND sequence = 4",
         f"HILL {FIRST}: entry 4 is not as it was sealed"),
        (f"UPDATE entry SET payment = 1 WHERE fiscal_day = '{SECOND}' AND sequence = 2",
         f"HILL {SECOND}: entry 2 is not as it was sealed"),
        (f"UPDATE entry SET flags = 1 WHERE fiscal_day = '{FIRST}' AND sequence = 1",
         f"HILL {FIRST}: entry 1 is not as it was sealed"),
        (f"DELETE FROM entry WHERE fiscal_day = '{FIRST}' AND sequence = 3",
         f"HILL {FIRST}: entry 3 is not as it was sealed"),
        (f"UPDATE entry SET sequence = 9 WHERE fiscal_day = '{FIRST}' AND sequence = 5",
         f"HILL {FIRST}: entry 5 is not as it was sealed"),
        ((f"UPDATE entry SET fiscal_day = '{SECOND}', sequence = 9"
         f" WHERE fiscal_day = '{FIRST}' AND sequence = 5"),
         f"HILL {FIRST}: entry 5 is not as it was sealed"),
        # In an open day only the totals can tell.
        (f"UPDATE entry SET amount = 1 WHERE fiscal_day = '{OPEN}' AND sequence = 1",
         f"HILL {OPEN}: the total of E10, kind 1, is not that of its entries"),
        (f"DELETE FROM entry WHERE fiscal_day = '{OPEN}' AND sequence = 1",
         f"HILL {OPEN}: the day counts 2 entries up to 2, there are 1 up to 2"),
        # Totals, of a sealed and of an open day.
        (f"UPDATE day_total SET tax = 1 WHERE fiscal_day = '{FIRST}'", f"HILL {FIRST}: sealed was"),
        (f"UPDATE day_total SET amount = 1 WHERE fiscal_day = '{OPEN}'",
         f"HILL {OPEN}: the total of E10"),
        (f"UPDATE payment_total SET amount = 1 WHERE fiscal_day = '{OPEN}'",
         f"HILL {OPEN}: the total of payment 0"),
        (f"UPDATE hour_total SET count = 1 WHERE fiscal_day = '{OPEN}'",
         f"HILL {OPEN}: the total of hour 12"),
        (f"DELETE FROM hour_total WHERE fiscal_day = '{FIRST}'", f'{FIRST}: sealed was ["hour"'),
        # What was declared, read and explained.
        ("UPDATE declared_total SET amount = 1", f'{SECOND}: sealed was ["declared"'),
        ("DELETE FROM declared_total", f'{SECOND}: sealed was ["declared"'),
        ("UPDATE totalizer SET closing = 8", f'{SECOND}: sealed was ["totalizer"'),
        ("UPDATE dip SET closing_water = 8", f'{SECOND}: sealed was ["dip"'),
        ("UPDATE dip SET opening_volume = NULL", f'{SECOND}: sealed was ["dip"'),
        ("DELETE FROM totalizer", f'{SECOND}: sealed was ["totalizer"'),
        ("UPDATE explanation SET note = 'x'", f'{SECOND}: sealed was ["explanation"'),
        ("DELETE FROM explanation", f'{SECOND}: sealed was ["explanation"'),
        # Deliveries: changed, removed, moved to another time or day, added.
        ("UPDATE delivery SET volume = 4000", f'{SECOND}: sealed was ["delivery"'),
        ("UPDATE delivery SET product = 'B7'", f'{SECOND}: sealed was ["delivery"'),
        ("UPDATE delivery SET document = 'D-8'", f'{SECOND}: sealed was ["delivery"'),
        ("UPDATE delivery SET received_at = now()", f'{SECOND}: sealed was ["delivery"'),
        ("UPDATE delivery SET tank = 2", f'{SECOND}: sealed was ["delivery"'),
        ("DELETE FROM delivery", f'{SECOND}: sealed was ["delivery"'),
        ("UPDATE delivery SET fiscal_day = NULL", f'{SECOND}: sealed was ["delivery"'),
        (f"UPDATE delivery SET fiscal_day = '{FIRST}'", f'{FIRST}: sealed was ["metering"'),
        (("INSERT INTO delivery (site_id, tank, at, product, volume, document, received_at,"
          f" fiscal_day) SELECT site_id, 2, at, 'B7', 900, '', received_at, '{SECOND}'"
          " FROM delivery"), f'{SECOND}: sealed was ["correction"'),
        # Corrections and their postings.
        ("UPDATE correction SET note = 'x'", f'{SECOND}: sealed was ["correction"'),
        ("DELETE FROM correction", f'{SECOND}: sealed was ["correction"'),
        ("UPDATE correction_posting SET amount = -1", f'{SECOND}: sealed was ["posting"'),
        ("DELETE FROM correction_posting", f'{SECOND}: sealed was ["posting"'),
        # The day and the seal themselves.
        (f"UPDATE fiscal_day SET close_reason = 'x' WHERE fiscal_day = '{FIRST}'",
         f'{FIRST}: sealed was ["day"'),
        ((f"UPDATE fiscal_day SET seal = decode(repeat('00', 32), 'hex')"
         f" WHERE fiscal_day = '{FIRST}'"), f"{FIRST}: the seal is not that of its document"),
        ((f"UPDATE fiscal_day SET previous_seal = decode(repeat('01', 32), 'hex')"
         f" WHERE fiscal_day = '{SECOND}'"), f"{SECOND}: the previous seal is not the one"),
        (f"UPDATE fiscal_day SET perpetual_total = 1 WHERE fiscal_day = '{SECOND}'",
         f"{SECOND}: the perpetual total is not the one"),
        (f"UPDATE fiscal_day SET z_number = 7 WHERE fiscal_day = '{SECOND}'",
         f"{SECOND}: the Z number is not the one"),
        (f"UPDATE fiscal_day SET sealed_by_id = sealed_by_id + 900 WHERE fiscal_day = '{SECOND}'",
         f'{SECOND}: sealed was ["seal", 2, 2'),
        ((f"UPDATE fiscal_day SET seal_proposed_at = sealed_at WHERE fiscal_day = '{SECOND}'"),
         f'{SECOND}: sealed was ["seal", 2, 2'),
        (f"UPDATE fiscal_day SET sealed_at = now() WHERE fiscal_day = '{SECOND}'",
         f'{SECOND}: sealed was ["seal", 2, 2'),
        (f"UPDATE fiscal_day SET closing_digest = NULL WHERE fiscal_day = '{SECOND}'",
         f'{SECOND}: sealed was ["declarations"'),
        # A document that claims another form or setup, or goes by another site's facts.
        ("UPDATE day_seal SET document = replace(document, '\"seal\", 2', '\"seal\", 1')",
         f"{SECOND}: the seal is not that of its document"),
        ("UPDATE day_seal SET document = replace(document, '20.000', '90.000')",
         f"{SECOND}: the seal is not that of its document"),
        ("UPDATE site SET currency = 'EUR'", f'{FIRST}: sealed was ["day"'),
        ("UPDATE site SET code = 'HILT'", f'{FIRST}: sealed was ["day"'),
        (f"UPDATE day_seal SET document = document || 'x' WHERE fiscal_day = '{FIRST}'",
         f"{FIRST}: the sealed document was changed"),
        (f"DELETE FROM day_seal WHERE fiscal_day = '{FIRST}'",
         f"{FIRST}: the sealed document was changed"),
        (f"DELETE FROM fiscal_day WHERE fiscal_day = '{FIRST}'",
         f"{FIRST}: the fiscal day is gone; its seal is there"),
    ],
)  # fmt: skip
def test_tampering_is_named(site: Site, tampering: str, said: str) -> None:
    tamper(tampering)
    found = faults(site)
    assert any(said in fault for fault in found), found


def test_one_broken_day_does_not_break_those_after_it(site: Site) -> None:
    tamper(f"UPDATE entry SET amount = 1 WHERE fiscal_day = '{FIRST}' AND sequence = 4")
    assert not [fault for fault in faults(site) if SECOND in fault]


def test_an_unsealed_day_that_was_sealed_breaks_the_chain(site: Site) -> None:
    tamper(
        "UPDATE fiscal_day SET sealed_at = NULL, seal = NULL, z_number = NULL, sealed_by_id = NULL,"
        f" perpetual_total = NULL WHERE fiscal_day = '{FIRST}'"
    )
    tamper(f"DELETE FROM day_seal WHERE fiscal_day = '{FIRST}'")
    assert any(SECOND in fault for fault in faults(site))


def test_a_posting_of_an_open_day_is_what_its_correction_states(site: Site) -> None:
    staff = make_user()
    correction_propose(
        draft=Draft(
            site=site,
            fiscal_day=datetime.date.fromisoformat(OPEN),
            sequence=1,
            action=Correction.Action.VOID,
            reason=Correction.Reason.SOLD_TWICE,
        ),
        author=staff,
    )
    assert faults(site) == []
    tamper(f"UPDATE correction_posting SET amount = -1 WHERE posted_to = '{OPEN}'")
    assert faults(site) == [
        (
            f"HILL {OPEN}: the postings of revision 1 of entry 1 of {OPEN} are not what it states:"
            " amount"
        )
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE entry DISABLE TRIGGER entry_append_only", "guard entry_append_only of entry"),
        ("ALTER TABLE entry_2026_11 DISABLE TRIGGER ALL", "of entry_2026_11 is disabled"),
        ("DROP TRIGGER day_seal_append_only ON day_seal", "append_only of day_seal is gone"),
        ("ALTER TABLE fiscal_day DISABLE TRIGGER fiscal_day_sealed", "fiscal_day is disabled"),
    ],
)
def test_a_guard_that_was_taken_away_is_found(site: Site, statement: str, said: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)
    assert any(said in fault for fault in faults(site))


class TestTheCopyOfTheSite:
    def copy(self, **changes: Any) -> dict[str, SealCopy]:
        day = FiscalDay.objects.get(fiscal_day=SECOND)
        values = {"fiscal_day": day.fiscal_day, "z_number": 2, "seal": day.seal_hex}
        return {"HILL": SealCopy(**values | changes)}

    def test_it_agrees(self, site: Site) -> None:
        assert faults(site, copies=self.copy()) == []

    def test_a_chain_that_was_made_anew_does_not(self, site: Site) -> None:
        found = faults(site, copies=self.copy(seal="00" * 32))
        assert found == [f"HILL {SECOND}: the site holds another seal of this day"]

    def test_a_seal_that_is_gone_is_missed(self, site: Site) -> None:
        later = datetime.date(2026, 11, 22)
        assert faults(site, copies=self.copy(fiscal_day=later)) == [
            "HILL 2026-11-22: the site holds a seal of a day that is not sealed"
        ]

    def test_a_site_without_one_is_noted_until_one_was_published(self, site: Site) -> None:
        verdict = ledger_verify(sites=[site], copies={})
        assert verdict.faults == []
        assert verdict.notes == ["HILL holds no copy of its seal; none was published yet"]
        hour_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        Command.objects.update(sent_at=hour_ago)
        said = "the site holds no copy of a seal, though this day's was published"
        assert faults(site, copies={}) == [f"HILL {SECOND}: {said}"]
        # One that waits to be published again may take the place of what a broker forgot.
        Command.objects.filter(fiscal_day=SECOND).update(sent_at=None)
        assert faults(site, copies={}) == []

    def test_an_older_one_is_noted(self, site: Site) -> None:
        hour_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        Command.objects.filter(fiscal_day=FIRST).update(sent_at=hour_ago)
        Command.objects.filter(fiscal_day=SECOND).update(sent_at=hour_ago)
        first = FiscalDay.objects.get(fiscal_day=FIRST)
        copies = self.copy(fiscal_day=first.fiscal_day, z_number=1, seal=first.seal_hex)
        verdict = ledger_verify(sites=[site], copies=copies)
        assert verdict.faults == []
        assert verdict.notes == [
            f"HILL holds an older seal than that of {SECOND}, which was published"
        ]


class TestTheCommand:
    def verify(self, *arguments: str) -> str:
        out = io.StringIO()
        call_command("verify_ledger", *arguments, stdout=out)
        return out.getvalue()

    def test_it_says_what_it_looked_at(self, site: Site) -> None:
        said = self.verify()
        assert "11 entries of 3 fiscal days, 2 of them sealed (2 signatures)" in said
        assert "Everything agrees." in said

    def test_it_fails_and_names_the_first_fault(self, site: Site) -> None:
        tamper(f"UPDATE entry SET amount = 1 WHERE fiscal_day = '{FIRST}' AND sequence = 4")
        with pytest.raises(CommandError, match="entry 4 is not as it was sealed") as caught:
            self.verify()
        assert caught.value.returncode == 1

    def test_a_range_is_verified_from_the_seal_before_it(self, site: Site) -> None:
        assert "4 entries of 1 fiscal day" in self.verify("--from", SECOND, "--to", SECOND)

    def test_one_site(self, site: Site) -> None:
        make_day(make_forecourt("VALE"), entries=1)
        assert "1 entry of 1 fiscal day" in self.verify("--site", "VALE")

    @pytest.mark.parametrize(
        "arguments",
        [["--site", "NOBODY"], ["--from", "yesterday"], ["--from", OPEN, "--to", FIRST]],
    )
    def test_what_cannot_be_asked_is_refused(self, site: Site, arguments: list[str]) -> None:
        with pytest.raises(CommandError) as caught:
            self.verify(*arguments)
        assert caught.value.returncode == 2


def test_every_guard_of_the_database_is_looked_for(site: Site) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgparentid = 0"
            " AND tgrelid NOT IN (SELECT inhrelid FROM pg_inherits)"
        )
        guards = cursor.fetchall()
        assert len(guards) > 50
        for table, name in guards:
            cursor.execute(f"DROP TRIGGER {name} ON {table}")
            assert f"the guard {name} of {table} is gone" in map(str, guards_verify())


def test_a_delivery_that_came_after_the_seal_moves_nothing_whatever_its_time_says(
    site: Site,
) -> None:
    day = FiscalDay.objects.get(fiscal_day=SECOND)
    before = day_report(day).deliveries
    told = Delivery.objects.get()
    Delivery.objects.create(
        site=site, tank=2, at=told.at, product="B7", volume=900, received_at=told.received_at
    )
    assert day_report(day).deliveries == before == [told]
    assert faults(site) == []


def test_a_sealed_day_is_judged_by_what_it_was_sealed_with(site: Site) -> None:
    day = FiscalDay.objects.select_related("site").get(fiscal_day=SECOND)
    before = reconciliation(day)
    assert [one.subject for one in before.explained] == ["tank", "tank_month"]
    Site.objects.update(wet_stock_daily_litres=0, wet_stock_monthly_litres=Decimal(30_000))
    Nozzle.objects.update(tank=2)
    day.refresh_from_db()
    assert reconciliation(day) == before
    assert faults(site) == []


def test_a_day_that_was_heard_of_late_is_sealed_behind_later_ones(site: Site) -> None:
    day = FiscalDay.objects.select_related("site").get(fiscal_day=SECOND)
    before = reconciliation(day)
    late = make_day(site, fiscal_day="2026-11-19", entries=1)
    Dip.objects.create(
        site=site, fiscal_day=late.fiscal_day, tank=1, product="E10", opening_volume=900,
        closing_volume=700,
    )  # fmt: skip
    sealed(late)
    assert reconciliation(day) == before
    assert faults(site) == []
    assert faults(site, first=datetime.date(2026, 11, 20)) == []
    tamper("UPDATE day_total SET tax = 1 WHERE fiscal_day = '2026-11-19'")
    assert [fault.split(":")[0] for fault in faults(site)] == ["HILL 2026-11-19"] * 2


def test_a_day_sealed_in_the_first_version_is_verified_in_it(site: Site) -> None:
    """What such a document said: no declarations, deliveries, setup, nor who sealed it."""
    later = (
        '["declarations"',
        '["delivery"',
        '["metering"',
        '["allowance"',
        '["nozzle"',
        '["tank"',
    )
    previous = "00" * 32
    for day in FiscalDay.objects.filter(sealed_at__isnull=False).order_by("fiscal_day"):
        lines = DaySeal.objects.get(pk=day.pk).document.splitlines(keepends=True)
        number, total = day.z_number, f"{day.perpetual_total:.2f}"
        document = json.dumps(["seal", 1, number, previous, total]) + "\n"
        document += "".join(line for line in lines[1:] if not line.startswith(later))
        seal = hashlib.sha256(document.encode()).hexdigest()
        tamper("UPDATE day_seal SET document = %s WHERE fiscal_day = %s", document, day.fiscal_day)
        before = None if number == 1 else previous
        tamper(
            "UPDATE fiscal_day SET seal = decode(%s, 'hex'), previous_seal = decode(%s, 'hex')"
            " WHERE fiscal_day = %s",
            *(seal, before, day.fiscal_day),
        )
        previous = seal
    forget_signatures()
    # Nor did seals take deliveries; the migration lets them.
    tamper("UPDATE delivery SET fiscal_day = NULL")
    tamper(statement("seal_old_deliveries"))
    record_anew()
    assert Delivery.objects.get().fiscal_day == datetime.date.fromisoformat(SECOND)
    assert faults(site) == []
    sealed(FiscalDay.objects.get(fiscal_day=OPEN))
    assert faults(site) == []
    tamper(f"UPDATE dip SET closing_water = 8 WHERE fiscal_day = '{SECOND}'")
    assert faults(site)[0].startswith(f'HILL {SECOND}: sealed was ["dip"')


class TestTheSumsOfAMonth:
    """Copies of the totals, which reports of long periods read."""

    @pytest.fixture(autouse=True)
    def summed_up(self, site: Site) -> None:
        first, last = datetime.date(2026, 9, 1), datetime.date(2026, 11, 30)
        assert months_sum_up(sites=[site], first=first, last=last, today=datetime.date(2027, 2, 1))

    @pytest.mark.parametrize(
        ("tampering", "said"),
        [
            ("UPDATE month_total SET tax = 1", "sum of E10, kind 1,"),
            ("DELETE FROM month_total", "sum of E10, kind 1,"),
            ("UPDATE month_total SET tax_rate = 7", "sum of E10, kind 1,"),
            ("UPDATE month_payment_total SET amount = 1", "sum of payment 0, kind 1,"),
            ("UPDATE month_hour_total SET count = 1", "sum of hour 12"),
        ],
    )
    def test_another_one_is_named(self, site: Site, tampering: str, said: str) -> None:
        assert faults(site) == []
        tamper(tampering)
        told = f"HILL 2026-11-01: the month's {said} is not that of its days"
        assert set(faults(site)) == {told}
        assert set(faults(site, first=datetime.date.fromisoformat(SECOND))) == {told}

    def test_one_that_is_out_of_date_is_made_anew_before_it_is_read(self, site: Site) -> None:
        make_day(site, fiscal_day="2026-11-28", entries=2)
        assert faults(site) == []

    def test_counts_of_two_months_that_cancel_out_are_named(self, site: Site) -> None:
        make_day(site, fiscal_day="2026-10-28", entries=2)
        ends = {"first": datetime.date(2026, 9, 1), "last": datetime.date(2026, 11, 30)}
        months_sum_up(sites=[site], **ends, today=datetime.date(2027, 2, 1))
        assert faults(site) == []
        tamper("UPDATE month_total SET amount = amount + 100 WHERE month = '2026-10-01'")
        tamper("UPDATE month_sum SET entries = entries + 1 WHERE month = '2026-10-01'")
        tamper("UPDATE month_sum SET entries = entries - 1 WHERE month = '2026-11-01'")
        assert {
            "HILL 2026-10-01: the month sums up 3 entries, there are 2",
            "HILL 2026-10-01: the month's sum of E10, kind 1, is not that of its days",
            "HILL 2026-11-01: the month sums up 10 entries, its sums of products 11",
        } <= set(faults(site))


def test_what_keeps_a_statement_from_its_end_is_named(site: Site) -> None:
    tamper(f"UPDATE entry SET tax_rate = -100 WHERE fiscal_day = '{OPEN}' AND sequence = 1")
    tamper("UPDATE site SET name = 'Mill'")
    assert faults(site) == [
        "HILL: it cannot be verified: division by zero",
        f"HILL: site {site.pk} is not as it was recorded: name",
    ]


def test_a_time_zone_that_is_none_is_named(site: Site) -> None:
    tamper("UPDATE site SET timezone = 'Nowhere'")
    assert faults(Site.objects.get()) == [
        'HILL: it cannot be verified: time zone "Nowhere" not recognized',
        f"HILL: site {site.pk} is not as it was recorded: timezone",
    ]


def test_a_function_that_lets_everything_through_is_named(site: Site) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN NEW; END $$"
        )
    assert faults(site) == ["the function refuse_change of the database is not the project's"]


def test_a_decision_whose_record_was_falsified_too_is_told_by_the_trail(site: Site) -> None:
    staff = make_user()
    messages = [make_quarantined(site=site) for _ in range(2)]
    for message in messages:
        quarantine_dismiss(
            messages=Quarantine.objects.filter(pk=message.pk), decided_by=staff, note="A test."
        )
    draft = Draft(
        site=site,
        fiscal_day=datetime.date.fromisoformat(OPEN),
        sequence=1,
        action=Correction.Action.VOID,
        reason=Correction.Reason.SOLD_TWICE,
    )
    proposal = correction_propose(draft=draft, author=staff, wants_approval=True)
    correction_reject(correction=proposal, decided_by=make_user(Role.APPROVER), note="No.")
    assert faults(site) == []
    first, second = (message.pk for message in messages)
    tamper("UPDATE quarantine_decision SET note = 'x' WHERE quarantine_id = %s", first)
    tamper("DELETE FROM quarantine_decision WHERE quarantine_id = %s", second)
    tamper("UPDATE correction SET needs_approval = false WHERE status = 'rejected'")
    tamper("UPDATE correction SET note = 'x' WHERE status = 'approved'")
    record_anew()
    decided = "the audit trail tells otherwise of what was decided on message"
    revision = "the audit trail tells otherwise of revision 1 of entry"
    found = faults(site)
    assert {f"{decided} {first}", f"{decided} {second}"} <= set(found)
    assert {f"HILL {OPEN}: {revision} 1", f"HILL {FIRST}: {revision} 2"} <= set(found)
