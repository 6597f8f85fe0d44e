"""Plain factories: each makes one row with believable defaults and returns it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from itertools import count
from typing import Any

from console.models import Role, SiteAssignment, User
from ledger.models import (
    Correction,
    DayTotal,
    Entry,
    EntryValues,
    FiscalDay,
    FuellingPoint,
    HourTotal,
    IngestWorker,
    Kind,
    Nozzle,
    PaymentTotal,
    Product,
    Pulse,
    Quarantine,
    Site,
    SiteStatus,
    Tank,
)
from ledger.models.day import NO_PAYMENT, NO_TAX_RATE

_numbers = count(1)
PASSWORD = "a long enough password"


def make_site(code: str = "", **values: Any) -> Site:
    """Make a bare site, in London and pounds."""
    number = next(_numbers)
    values.setdefault("name", f"Site {number}")
    # Tests name fixed days, which stay plausible whenever they run.
    values.setdefault("first_fiscal_day", datetime.date(2020, 1, 1))
    return Site.objects.create(code=code or f"SITE-{number}", **values)


def make_forecourt(code: str = "", *, fuelling_points: int = 2, **values: Any) -> Site:
    """Make a site with E10 and B7, two tanks, and fuelling points that have a nozzle of each."""
    site = make_site(code, **values)
    for product, family, price in (("E10", "petrol", "1.4790"), ("B7", "diesel", "1.5490")):
        Product.objects.create(
            site=site,
            code=product,
            name=product,
            family=family,
            unit_price=Decimal(price),
            tax_rate=Decimal(20),
        )
    for number, product in ((1, "E10"), (2, "B7")):
        Tank.objects.create(
            site=site,
            number=number,
            product=product,
            capacity=Decimal(30000),
            low_mark=Decimal(4000),
            high_mark=Decimal(28000),
        )
    for point in range(1, fuelling_points + 1):
        FuellingPoint.objects.create(site=site, number=point, bay=(point + 1) // 2)
        for number, product in ((1, "E10"), (2, "B7")):
            Nozzle.objects.create(
                site=site, fuelling_point=point, number=number, product=product, tank=number
            )
    return site


def make_entry(
    site: Site, *, fiscal_day: str = "2026-11-22", sequence: int = 1, **values: Any
) -> Entry:
    """Write one sale past the worker, without its totals: for tests that read a single row."""
    day = datetime.date.fromisoformat(fiscal_day)
    FiscalDay.objects.get_or_create(site=site, fiscal_day=day)
    noon = datetime.datetime.combine(day, datetime.time(12), datetime.UTC)
    defaults = {
        "kind": Kind.SALE,
        "occurred_at": noon,
        "received_at": noon,
        "product": "E10",
        "amount": Decimal("47.93"),
        "volume": Decimal("32.407"),
        "unit_price": Decimal("1.4790"),
    }
    return Entry.objects.create(site=site, fiscal_day=day, sequence=sequence, **defaults | values)


def make_correction(entry: Entry, *, author: User | None = None, **values: Any) -> Correction:
    """Write a revision past the services: proposed if a second person is needed, else approved.

    It states what the entry states, but for the given values, and moves no totals.
    """
    author = author or make_user()
    stated = {field.name: getattr(entry, field.name) for field in EntryValues._meta.fields}
    needs_approval = values.setdefault("needs_approval", False)
    at = datetime.datetime.now(datetime.UTC)
    defaults = {
        "site": entry.site,
        "fiscal_day": entry.fiscal_day,
        "sequence": entry.sequence,
        "revision": 1,
        "action": Correction.Action.CORRECT,
        "reason": Correction.Reason.WRONG_PRICE,
        "author": author,
        "proposed_at": at,
        "status": Correction.Status.PROPOSED,
    }
    if not needs_approval:
        defaults |= {
            "status": Correction.Status.APPROVED,
            "decided_by": author,
            "decided_at": at,
            "posted_to": entry.fiscal_day,
        }
    return Correction.objects.create(**stated | defaults | values)


def make_day(
    site: Site, *, fiscal_day: str = "2026-11-22", entries: int = 3, **values: Any
) -> FiscalDay:
    """Make a fiscal day of equal sales of E10, numbered from 1, with its totals.

    One that is `sealed_at` some time has no seal: see `tests.sealing` for days that do.
    """
    sealed_at = values.pop("sealed_at", None)
    date = datetime.date.fromisoformat(fiscal_day)
    day = FiscalDay.objects.create(
        site=site,
        fiscal_day=date,
        **{"entry_count": entries, "highest_sequence": entries} | values,
    )
    rows = [
        make_entry(site, fiscal_day=fiscal_day, sequence=number) for number in range(1, entries + 1)
    ]
    if rows:
        sums: dict[str, Any] = {
            "count": entries,
            "volume": sum(row.volume or 0 for row in rows),
            "amount": sum(row.amount for row in rows),
        }
        key = {"site": site, "fiscal_day": date}
        DayTotal.objects.create(
            **key,
            product="E10",
            kind=Kind.SALE,
            tax_rate=NO_TAX_RATE,
            tax=Decimal(0),
            **sums,
        )
        PaymentTotal.objects.create(**key, payment=NO_PAYMENT, kind=Kind.SALE, **sums)
        HourTotal.objects.create(**key, hour=12, **sums)
    if sealed_at is not None:
        day.sealed_at = sealed_at
        day.save(update_fields=["sealed_at"])
    return day


def make_status(site: Site, *, seconds_ago: int = 5, online: bool = True) -> SiteStatus:
    """Let a site be heard from."""
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    return SiteStatus.objects.create(site=site, online=online, at=at, since=at, last_heard_at=at)


def make_quarantined(*, site: Site | None = None, **values: Any) -> Quarantine:
    """Keep a message that the ledger did not take."""
    raw = values.pop("raw", b"not JSON")
    now = datetime.datetime.now(datetime.UTC)
    defaults = {
        "first_received_at": now,
        "last_received_at": now,
        "topic": f"forecourt/v1/{site.code if site else 'NOBODY'}/ledger",
        "reason": Quarantine.Reason.MALFORMED,
        "detail": "JSON is malformed: invalid character (byte 0)",
        "raw_size": len(raw),
        "digest": next(_numbers).to_bytes(32, "big"),
    }
    return Quarantine.objects.create(site=site, raw=raw, **defaults | values)


def make_worker(name: str = "ingest", *, reported_at: datetime.datetime, **values: Any) -> None:
    """Let a worker report, or report again; it is connected unless said otherwise."""
    started_at = reported_at - datetime.timedelta(minutes=1)
    defaults = {
        "host": "here",
        "process_id": 4711,
        "started_at": started_at,
        "state": IngestWorker.State.CONNECTED,
        "state_since": started_at,
        "backlog": 0,
    }
    IngestWorker.objects.update_or_create(
        name=name,
        defaults={"reported_at": reported_at, **values},
        create_defaults={"reported_at": reported_at, **defaults, **values},
    )


def make_pulse(worker: str, at: datetime.datetime, **values: Any) -> None:
    """Store a second of a worker as it would: its row, and what moved. Zeros by default."""
    counts = dict.fromkeys(
        ("received", "stored", "duplicates", "quarantined", "live", "live_written", "batches"), 0
    )
    row = {**counts, "backlog": 0, **values}
    Pulse.objects.create(worker=worker, at=at, **row)
    moved = {
        "received": "last_received_at",
        "batches": "last_committed_at",
        "stored": "last_stored_at",
        "duplicates": "last_duplicate_at",
        "quarantined": "last_quarantined_at",
    }
    known = IngestWorker.objects.filter(name=worker).first()
    if known is None or known.reported_at <= at:
        times = {column: at for name, column in moved.items() if row[name]}
        make_worker(worker, reported_at=at, backlog=row["backlog"], **times)


def make_user(role: Role = Role.STAFF, *sites: Site, username: str = "", **values: Any) -> User:
    """Make a person who can sign in with PASSWORD and looks after the given sites."""
    user = User.objects.create_user(
        username or f"{role}-{next(_numbers)}", password=PASSWORD, role=role, **values
    )
    SiteAssignment.objects.bulk_create(SiteAssignment(user=user, site=site) for site in sites)
    return user
