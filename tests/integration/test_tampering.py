"""Whatever is done to any row of a guarded table is named, or listed with the reason why not.

Tables and columns come from the database's catalogue; what is not named, from docs/verification.md.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from console.models import Role, User
from ledger.models import (
    AlarmAcknowledgement,
    AuditLink,
    Correction,
    DaySeal,
    DeclaredTotal,
    Delivery,
    Dip,
    Entry,
    FiscalDay,
    Site,
    Totalizer,
)
from ledger.selectors.corrections import values_of
from ledger.services.audit import audit_record
from ledger.services.corrections import (
    Draft,
    correction_approve,
    correction_propose,
    correction_reject,
)
from ledger.services.month_totals import months_sum_up
from ledger.services.quarantine import quarantine_dismiss, quarantine_mend, quarantine_replay
from ledger.services.trail import trail_link
from ledger.verification import ledger_verify
from tests.factories import make_day, make_forecourt, make_quarantined, make_user
from tests.sealing import explain_all, sealed, tamper
from tests.tampering import Row, Table, Undone, tamperings

pytestmark = pytest.mark.django_db

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "verification.md"
FIRST, SECOND, CLOSED, OPEN = "2026-10-30", "2026-10-31", "2026-11-20", "2026-11-21"
#: A table, what was done to it, and whether that was in a sealed day.
Case = tuple[str, str, str]
SEALED, UNSEALED, UNLINKED, ALWAYS = "sealed", "unsealed", "unlinked", "any"


@pytest.fixture
def site() -> Site:
    """Days in every state, and of everything that the ledger keeps something in each."""
    site = make_forecourt("HILL", correction_limit=Decimal(500))
    make_day(make_forecourt("VALE"), fiscal_day=OPEN, entries=1)
    staff, approver = make_user(), make_user(Role.APPROVER)
    by = (staff, approver)
    first, second = (day_of(site, day) for day in (FIRST, SECOND))
    closed_by_site(second)
    # A correction of a sealed day, posted to one that is sealed later.
    sealed(first, by=by)
    approve(void(first, 2), staff, approver)
    for sequence in (1, 2):
        correct(second, sequence, staff, approver)
    correction_reject(
        correction=correction_propose(draft=void(second, 3), author=staff),
        decided_by=approver,
        note="It was sold.",
    )
    explain_all(second, staff)
    sealed(second, by=by)
    deliver(second, tank=2, hour=8)
    closed, open_day = (day_of(site, day) for day in (CLOSED, OPEN))
    closed_by_site(closed)
    approve(void(second, 4), staff, approver)
    for day in (closed, open_day):
        correct(day, 1, staff, approver)
        correct(day, 2, staff, approver)
        correction_reject(
            correction=correction_propose(draft=void(day, 3), author=staff, wants_approval=True),
            decided_by=approver,
            note="It was sold.",
        )
        correction_propose(draft=void(day, 3), author=staff, wants_approval=True)
    explain_all(closed, staff)
    quarantine(site, staff)
    AlarmAcknowledgement.objects.bulk_create(
        AlarmAcknowledgement(
            site=site, device="tank", number=number, code="leak", at=at(OPEN, 7),
            acknowledged_by=staff, acknowledged_at=at(OPEN, 7 + number),
        )
        for number in (1, 2)
    )  # fmt: skip
    months_sum_up(
        sites=[site],
        first=datetime.date(2026, 9, 1),
        last=datetime.date(2026, 11, 30),
        today=datetime.date(2027, 2, 1),
    )
    trail_link()
    audit_record(action="site.changed", actor="a program", site=site)
    return site


def at(day: Any, hour: int) -> datetime.datetime:
    date = datetime.date.fromisoformat(str(day))
    return datetime.datetime.combine(date, datetime.time(hour), datetime.UTC)


def day_of(site: Site, day: str) -> FiscalDay:
    """Make a day whose entries are not all alike, so that two can be swapped."""
    made = make_day(site, fiscal_day=day, entries=4, opened_at=at(day, 5))
    tamper("UPDATE entry SET device_transaction = sequence WHERE fiscal_day = %s", day)
    return made


def closed_by_site(day: FiscalDay) -> None:
    """Let the site close a day and declare two of each, and two deliveries come before."""
    key = {"site": day.site, "fiscal_day": day.fiscal_day}
    for number, product in ((1, "E10"), (2, "B7")):
        DeclaredTotal.objects.create(**key, product=product, count=4, volume=number, amount=number)
        Totalizer.objects.create(
            **key, fuelling_point=1, nozzle=number, product=product, opening=7, closing=7 + number
        )
        Dip.objects.create(
            **key, tank=number, product=product, opening_volume=900, closing_volume=900 + number
        )
        deliver(day, tank=number, hour=6)
    FiscalDay.objects.filter(pk=day.pk).update(
        closed_at=at(day.fiscal_day, 22), last_sequence=4, closing_digest=bytes(32)
    )
    day.refresh_from_db()


def deliver(day: FiscalDay, *, tank: int, hour: int) -> None:
    then = at(day.fiscal_day, hour)
    Delivery.objects.create(
        site=day.site, tank=tank, at=then, product="E10", volume=5000 + tank, document="D-7",
        received_at=then,
    )  # fmt: skip


def void(day: FiscalDay, sequence: int) -> Draft:
    return Draft(
        site=day.site, fiscal_day=day.fiscal_day, sequence=sequence,
        action=Correction.Action.VOID, reason=Correction.Reason.SOLD_TWICE,
        based_on=Correction.objects.filter(
            site=day.site, fiscal_day=day.fiscal_day, sequence=sequence
        ).count(),
    )  # fmt: skip


def correct(day: FiscalDay, sequence: int, author: User, approver: User) -> None:
    """Correct an entry to values that use every column of a posting."""
    entry = Entry.objects.get(site=day.site, fiscal_day=day.fiscal_day, sequence=sequence)
    values = values_of(entry) | {
        "amount": Decimal(60 + sequence), "tax_rate": Decimal(20), "payment": 2,
        "fuelling_point": 1, "nozzle": 2, "tank": 2, "product": "B7",
    }  # fmt: skip
    draft = Draft(
        site=day.site, fiscal_day=day.fiscal_day, sequence=sequence,
        action=Correction.Action.CORRECT, reason=Correction.Reason.WRONG_PRODUCT, values=values,
    )  # fmt: skip
    approve(draft, author, approver)


def approve(draft: Draft, author: User, approver: User) -> None:
    correction = correction_propose(draft=draft, author=author, wants_approval=True)
    correction_approve(correction=correction, decided_by=approver)


def quarantine(site: Site, staff: User) -> None:
    """Messages of the site and of nobody: waiting, dismissed, mended, released."""
    for of in (site, None):
        kept = [make_quarantined(site=of, fiscal_day=OPEN, sequence=9) for _ in range(4)]
        messages = [type(one).objects.filter(pk=one.pk) for one in kept]
        quarantine_dismiss(messages=messages[1], decided_by=staff, note="A test.")
        quarantine_mend(message=kept[2], payload=b"{}", decided_by=staff, note="A comma.")
        quarantine_replay(messages=messages[3], decided_by=staff)


def tables() -> set[str]:
    """The tables of the ledger, without the parts that a table is divided into."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        names = {name for (name,) in cursor.fetchall()}
    others = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label != "ledger"
    }
    return names - others - {"django_migrations"}


def rows_of(table: str, site: Site) -> list[tuple[str, list[Row]]]:
    """Rows of each kind that a table has, with the state that the document lists them by.

    The first of each kind is tampered with, the others are what it may be swapped with.
    """
    sealed_days = {seal.fiscal_day for seal in DaySeal.objects.filter(site=site)}
    linked = set(AuditLink.objects.values_list("event_id", flat=True))
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in Table(table).rows():
        of_site = row["id"] if table == "site" else row.get("site_id")
        if of_site not in (site.pk, None):
            continue
        state = ALWAYS
        if table in DATED:
            day = row.get("posted_to") or row["fiscal_day"]
            state = SEALED if day in sealed_days else UNSEALED
        elif table == "audit_event" and row["id"] not in linked:
            state = UNLINKED
        kind = [row.get(name) for name in ("status", "outcome", "side")]
        if table == "row_record":
            kind = [row["number"] > 1]
        found.setdefault((state, *kind), []).append(row)
    # What no seal takes comes first: a rejected correction before an approved one.
    kinds = sorted(found, key=str, reverse=True)
    return [(state, found[state, *kind][::-1]) for state, *kind in kinds]


#: The tables whose rows are under the seal of their day, once it is sealed.
DATED = {
    "entry", "fiscal_day", "day_total", "payment_total", "hour_total", "declared_total",
    "totalizer", "dip", "explanation", "correction", "correction_posting", "delivery",
}  # fmt: skip


def documented(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the document, without their reasons."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    text = text.partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


#: A posting's side is -1 or 1, and its count is its side: the constraints allow no other row.
REFUSED = {("correction_posting", "side"), ("correction_posting", "count")}


# Hundreds of verifications, which on a busy machine take longer than a test usually may.
@pytest.mark.timeout(400)
def test_every_tampering_is_named_or_listed(site: Site) -> None:
    unguarded = {name.strip("`") for name, _why in documented("Tables that are not guarded")}
    assert unguarded <= tables()
    assert [str(fault) for fault in ledger_verify(sites=[site]).faults] == []
    unnoticed: set[Case] = set()
    refused: set[tuple[str, str]] = set()
    for name in sorted(tables() - unguarded):
        table = Table(name)
        every = {column.name for column in table.columns}
        tried: set[str] = set()
        done: dict[str, set[str]] = {}
        for state, rows in rows_of(name, site):
            done_here = done.setdefault(state, set())
            # Each column once in each state; of further kinds of rows whole ones.
            for what, ways in tamperings(
                table, rows, columns=every - done_here, emptied=state == UNSEALED
            ):
                tried.add(what)
                for way in ways:
                    with Undone() as undone:
                        way()
                        if not ledger_verify(sites=[site]).faults:
                            unnoticed.add((name, what, state))
                    if not undone.is_refused:
                        done_here.add(what)
                        break
        assert tried >= every, f"there is no row of {name} to tamper with"
        refused |= {(name, what) for what in tried - set().union(*done.values())}
    listed = {
        (table.strip("`"), column.strip(" `"), state)
        for table, columns, state, _why in documented("Columns that are not guarded")
        for column in columns.split(", ")
    }
    assert sorted(unnoticed) == sorted(listed)
    assert refused == REFUSED


def test_a_row_s_records_are_found_by_their_key_alone() -> None:
    """However many there are: a flood of messages that nobody can read is recorded one by one."""
    for _ in range(20):
        make_quarantined()
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq_scan FROM pg_stat_xact_all_tables WHERE relname = 'row_record'")
        assert cursor.fetchone() == (0,)
