"""What is committed while a day is being sealed is in its seal or too late, never in between."""

from __future__ import annotations

import datetime

import psycopg

from console.models import Role
from ledger.models import Delivery
from ledger.selectors.reports_day import day_report
from ledger.services.sealing import day_seal, seal_propose
from ledger.verification import ledger_verify
from tests.factories import make_day, make_forecourt, make_user
from tests.sealing import closed

NINE = datetime.datetime(2026, 11, 22, 9, tzinfo=datetime.UTC)


def test_a_delivery_on_its_way_is_not_half_in_the_seal(
    committed_db: None, database_url: str
) -> None:
    site, staff, approver = make_forecourt("HILL"), make_user(), make_user(Role.APPROVER)
    day = make_day(site, opened_at=NINE.replace(hour=5))
    told = {"site": site, "product": "E10", "volume": 100, "received_at": NINE}
    in_time = Delivery.objects.create(**told, tank=1, at=NINE)
    closed(day, staff)
    seal_propose(day=day, proposed_by=staff)
    with psycopg.connect(database_url) as worker:
        # Received before the seal by any clock, and committed after it.
        worker.execute(
            "INSERT INTO delivery (site_id, tank, at, product, volume, document, received_at)"
            " VALUES (%s, 2, %s, 'E10', 100, '', %s)",
            (site.pk, NINE, NINE),
        )
        done = day_seal(day=day, sealed_by=approver)
    assert Delivery.objects.count() == 2
    assert day_report(done).deliveries == [in_time]
    assert ledger_verify(sites=[site]).faults == []
