"""A day that staff closed, and the site's own closing that comes after all."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from console.models import Role, User
from ledger.models import AuditEvent, DeclaredTotal, Dip, FiscalDay, Quarantine
from ledger.services.days import DayError, day_close
from ledger.services.sealing import seal_propose
from tests.factories import make_day, make_forecourt, make_user
from tests.integration.conftest import Rig
from tests.integration.test_ingest_lanes import SITE, closed
from tests.integration.test_ingest_outcomes import rows

DAY = datetime.date(2026, 11, 20)


@pytest.fixture(autouse=True)
def person(committed_db: None) -> User:
    make_forecourt("LON-1")
    return make_user(Role.STAFF)


def close(person: User, **values: Any) -> FiscalDay:
    day = FiscalDay.objects.get(fiscal_day=DAY)
    return day_close(day=day, closed_by=person, reason="The controller is broken", **values)


def make_open_day(entries: int = 3) -> FiscalDay:
    from ledger.models import Site

    return make_day(Site.objects.get(), fiscal_day=str(DAY), entries=entries)


async def test_the_site_s_closing_completes_one_by_hand(embedded_rig: Rig, person: User) -> None:
    await sync_to_async(make_open_day)()
    await sync_to_async(close)(person)
    rig = embedded_rig
    rig.start_worker()
    await rig.publish(
        (f"{SITE}/day", closed(last_sequence=4)), (f"{SITE}/day", closed(last_sequence=4))
    )
    await rig.until("SELECT sum(duplicates)::int FROM pulse", 1)
    [(last, digest, by, reason)] = await rows(
        FiscalDay, "last_sequence", "closing_digest", "closed_by", "close_reason"
    )
    assert (last, digest is None, by) == (4, False, person.pk)
    assert reason == "The controller is broken"
    assert await rows(FiscalDay, "closed_at") == [
        (datetime.datetime(2026, 11, 21, 0, 0, 1, tzinfo=datetime.UTC),)
    ]
    assert len(await rows(DeclaredTotal, "product")) == 1
    assert len(await rows(Dip, "tank")) == 1
    trail = await rows(AuditEvent, "action", "actor_name", "detail")
    action, actor, detail = trail[-1]
    assert (action, actor) == ("day.declared", "ingest")
    assert (detail["before"]["last_sequence"], detail["after"]["last_sequence"]) == (3, 4)


async def test_it_takes_back_a_proposal_that_had_not_seen_it(
    embedded_rig: Rig, person: User
) -> None:
    day = await sync_to_async(make_open_day)(entries=0)
    await sync_to_async(close)(person)
    await sync_to_async(seal_propose)(day=day, proposed_by=person)
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((f"{SITE}/day", closed(last_sequence=0, totals=[])))
    await rig.until("SELECT count(*) FROM fiscal_day WHERE closing_digest IS NOT NULL", 1)
    assert await rows(FiscalDay, "seal_proposed_by", "seal_proposed_at") == [(None, None)]


async def test_a_closing_of_a_sealed_day_goes_to_quarantine(
    embedded_rig: Rig, person: User
) -> None:
    day = await sync_to_async(make_open_day)()
    await sync_to_async(close)(person)
    await FiscalDay.objects.filter(pk=day.pk).aupdate(
        sealed_at=datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    )
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((f"{SITE}/day", closed()))
    await rig.until("SELECT count(*) FROM quarantine", 1)
    assert await rows(Quarantine, "reason") == [("day_sealed",)]
    assert await rows(FiscalDay, "last_sequence", "closing_digest") == [(3, None)]


def test_what_counted_or_was_stated_is_the_last(person: User) -> None:
    make_open_day()
    with pytest.raises(DayError, match="Entry 3 was received"):
        close(person, last_sequence=2)
    day = close(person, last_sequence=5)
    assert (day.last_sequence, day.missing_count, day.closed_by_id) == (5, 2, person.pk)
    assert day.is_closed_by_hand
    with pytest.raises(DayError, match="closed already"):
        close(person)
    [event] = AuditEvent.objects.filter(action="day.closed")
    assert (event.actor_id, event.detail["last_sequence"]) == (person.pk, 5)
