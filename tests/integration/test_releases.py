"""What people release from quarantine is stored by a real worker, as a fresh message is."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from console.models import User
from ledger.models import AuditEvent, DayTotal, Entry, PumpState, Quarantine, Site, SiteStatus
from ledger.services.quarantine import (
    quarantine_admit,
    quarantine_mend,
    quarantine_replay,
    site_register_and_release,
)
from ledger.specs import ProductSpec, SiteSpec
from tests.conftest import BrokerAddress, free_port
from tests.factories import make_forecourt, make_quarantined, make_user
from tests.integration.conftest import Rig, RigMaker
from tests.integration.test_ingest_outcomes import LEDGER, entry, rows

REPLAYED = "SELECT count(*) FROM quarantine WHERE replayed_at IS NOT NULL"
OUTCOME = ("outcome", "replay_stored", "replay_duplicates", "replay_quarantined")


@pytest.fixture(autouse=True)
def person(committed_db: None) -> User:
    make_forecourt("LON-1")
    return make_user(first_name="Maja", last_name="Lindqvist")


@sync_to_async
def quarantined(payload: Any, *, topic: str = LEDGER, known: bool = True, **values: Any) -> int:
    """Keep a message as the worker would have; returns its number."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    site = Site.objects.get(code="LON-1") if known else None
    try:
        return make_quarantined(site=site, topic=topic, raw=raw, **values).pk
    finally:
        connection.close()


@sync_to_async
def replay(person: User, *ids: int) -> int:
    try:
        messages = Quarantine.objects.filter(pk__in=ids) if ids else Quarantine.objects.all()
        return quarantine_replay(messages=messages, decided_by=person)
    finally:
        connection.close()


@sync_to_async
def mend(person: User, message_id: int, payload: Any) -> bool:
    try:
        return quarantine_mend(
            message=Quarantine.objects.get(pk=message_id),
            payload=json.dumps(payload).encode(),
            decided_by=person,
            note="the point is a comma",
        )
    finally:
        connection.close()


async def test_a_mended_message_is_stored_and_what_came_is_kept(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((LEDGER, entry(1)), (LEDGER, entry(2, amount="47,93")))
    await rig.until("SELECT count(*) FROM quarantine", 1)
    [(message_id, raw)] = await rows(Quarantine, "pk", "raw")
    assert await mend(person, message_id, entry(2))
    await rig.until(REPLAYED, 1)
    assert await rows(Quarantine, *OUTCOME, "replayed_by") == [("released", 1, 0, 0, rig.name)]
    assert await rows(Quarantine, "raw") == [(raw,)]
    assert await rows(Entry, "sequence") == [(1,), (2,)]
    assert await rows(DayTotal, "count") == [(2,)]
    # The worker says so as it does of every message.
    await rig.until("SELECT sum(stored) FROM pulse", 2)


async def test_one_that_is_refused_again_waits_anew(embedded_rig: Rig, person: User) -> None:
    rig = embedded_rig
    message_id = await quarantined(entry(1, amount="47,93"), reason="invalid", detail="amount")
    rig.start_worker()
    assert await mend(person, message_id, entry(1, amount="47.931"))
    await rig.until(REPLAYED, 1)
    (first, second) = await rows(Quarantine, *OUTCOME, "reason", "replay_of", "detail")
    assert first[:-1] == ("released", 0, 0, 1, "invalid", None)
    assert second[:-1] == ("waiting", None, None, None, "invalid", message_id)
    assert "more than 2 decimal places" in second[-1]


async def test_each_item_of_a_released_array_has_its_outcome(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    items = [entry(1), entry(2), entry(2), entry(2, amount="1.00"), entry(3, kind="gift")]
    await quarantined(items, reason="unknown_site")
    rig.start_worker()
    assert await replay(person) == 1
    await rig.until(REPLAYED, 1)
    assert (await rows(Quarantine, *OUTCOME))[0] == ("released", 2, 1, 2)
    assert sorted(await rows(Quarantine, "reason", "item_index", outcome="waiting")) == [
        ("conflicting_duplicate", 3),
        ("invalid", 4),
    ]


async def test_a_site_is_registered_and_its_messages_arrive(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    rig.start_worker()
    topic = "forecourt/v1/NEW-9/{}".format
    state = {"state": "idle", "at": "2026-11-20T12:00:00Z"}
    await rig.publish(
        (topic("ledger"), [entry(n) for n in range(1, 4)]),
        (topic("ledger"), entry(4)),
        (topic("pumps/3"), state),
        (topic("status"), {"online": True, "at": "2026-11-20T12:00:00Z"}),
    )
    await rig.until("SELECT count(*) FROM quarantine WHERE reason = 'unknown_site'", 4)
    spec = SiteSpec(
        code="NEW-9",
        name="New Road",
        timezone="Europe/London",
        currency="GBP",
        products=(ProductSpec(code="E10", name="E10", family="petrol"),),
    )

    @sync_to_async
    def register() -> int:
        try:
            return site_register_and_release(spec=spec, decided_by=person)[1]
        finally:
            connection.close()

    assert await register() == 4
    await rig.until(REPLAYED, 4)
    assert sorted(await rows(Quarantine, *OUTCOME)) == [
        ("released", 1, 0, 0),
        ("released", 1, 0, 0),
        ("released", 1, 0, 0),
        ("released", 3, 0, 0),
    ]
    assert await rows(Entry, "sequence", site__code="NEW-9") == [(n,) for n in range(1, 5)]
    assert await rows(PumpState, "fuelling_point", "state") == [(3, "idle")]
    assert await rows(SiteStatus, "online", site__code="NEW-9") == [(True,)]
    assert await rows(Quarantine, "site__code") == [("NEW-9",)] * 4
    assert await rows(AuditEvent, "action", "site__code") == [
        ("site.registered", "NEW-9"),
        ("quarantine.released", "NEW-9"),
    ]


async def test_a_live_state_that_postgresql_refuses_is_quarantined_again(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    await quarantined(
        {"state": "idle", "at": "2026-11-20T12:00:00Z", "product": "E10", "volume": "1e999"},
        topic="forecourt/v1/LON-1/pumps/3",
    )
    rig.start_worker()
    assert await replay(person) == 1
    await rig.until(REPLAYED, 1)
    assert await rows(Quarantine, "outcome", "reason") == [
        ("released", "malformed"),
        ("waiting", "invalid"),
    ]


@pytest.mark.parametrize("how", ["group", "share"])
async def test_several_workers_take_each_message_once(
    make_rig: RigMaker, mosquitto: BrokerAddress, person: User, how: str
) -> None:
    # On Mosquitto: when a member of a group leaves, the embedded broker's router may panic.
    rig = await make_rig(mosquitto)
    for number in range(1, 81):
        await quarantined(entry(number), reason="unknown_site")
    for number in (1, 2):
        options = ("--group", rig.name) if how == "group" else ("--share", f"{number}/2")
        rig.start_worker("--name", f"{rig.name}-{number}", *options)
    await rig.until("SELECT count(DISTINCT worker) FROM pulse", 2)
    assert await replay(person) == 80
    await rig.until(REPLAYED, 80)
    assert set(await rows(Quarantine, *OUTCOME)) == {("released", 1, 0, 0)}
    assert await rows(DayTotal, "count") == [(80,)]


async def test_it_needs_no_broker(embedded_rig: Rig, person: User) -> None:
    rig = embedded_rig
    await quarantined(entry(1), reason="unknown_site")
    rig.start_worker(mqtt_url=f"mqtt://127.0.0.1:{free_port()}")
    assert await replay(person) == 1
    await rig.until("SELECT count(*) FROM entry", 1)


async def test_a_worker_that_is_killed_leaves_none_claimed(embedded_rig: Rig, person: User) -> None:
    rig = embedded_rig
    for number in range(1, 201):
        await quarantined(entry(number), reason="unknown_site")
    assert await replay(person) == 200
    first = rig.start_worker()
    await rig.until(f"SELECT ({REPLAYED}) > 0", True)
    first.kill()
    rig.start_worker()
    await rig.until(REPLAYED, 200)
    assert set(await rows(Quarantine, *OUTCOME)) == {("released", 1, 0, 0)}
    assert await rows(DayTotal, "count") == [(200,)]


async def test_an_adopted_row_of_a_later_site_happened_by_that_site_s_clock(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    topic = "forecourt/v1/BERLIN-1/ledger"
    raw = {"adopted": "old/1"} | entry(1, occurred_at="2026-07-01T06:00:00")
    message_id = await quarantined(
        json.dumps(raw, separators=(",", ":")).encode(),
        topic=topic,
        known=False,
        reason=Quarantine.Reason.UNKNOWN_SITE,
    )
    rig.start_worker()
    await sync_to_async(make_forecourt)("BERLIN-1", timezone="Europe/Berlin")
    await replay(person, message_id)
    await rig.until(REPLAYED, 1)
    assert await rows(Quarantine, *OUTCOME) == [("released", 1, 0, 0)]
    assert await rows(Entry, "occurred_at") == [
        (datetime.datetime(2026, 7, 1, 4, tzinfo=datetime.UTC),)
    ]


@sync_to_async
def admit(person: User) -> int:
    try:
        return quarantine_admit(
            messages=Quarantine.objects.all(), decided_by=person, note="the old till came late"
        )
    finally:
        connection.close()


@sync_to_async
def first_day() -> str:
    try:
        return Site.objects.get(code="LON-1").first_fiscal_day.isoformat()
    finally:
        connection.close()


async def test_a_past_day_is_accepted_and_the_site_begins_with_it(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    rig.start_worker()
    days = ("2012-08-24", "2012-08-23", "1970-01-01", "2099-06-01")
    await rig.publish(*((LEDGER, entry(n, fiscal_day=day)) for n, day in enumerate(days, 1)))
    await rig.until("SELECT count(*) FROM quarantine WHERE reason = 'implausible_day'", 4)
    assert await admit(person) == 2
    await rig.until(REPLAYED, 2)
    assert await first_day() == "2012-08-23"
    found = await rows(Entry, "fiscal_day", "sequence")
    assert [(str(day), sequence) for day, sequence in found] == [
        ("2012-08-23", 2),
        ("2012-08-24", 1),
    ]
    events = await rows(AuditEvent, "action", "actor_name", "detail")
    assert [action for action, *_ in events] == ["quarantine.day_accepted", "site.changed"]
    assert events[1][2] == {
        "before": {"first_fiscal_day": "2020-01-01"},
        "after": {"first_fiscal_day": "2012-08-23"},
        "note": "the old till came late",
    }
    # From now on the site may send of these days, and the worker knows.
    await rig.publish((LEDGER, entry(3, fiscal_day="2012-08-23")))
    await rig.until("SELECT count(*) FROM entry", 3)


async def test_a_day_that_came_too_early_stays_so_when_its_time_has_come(
    embedded_rig: Rig, person: User
) -> None:
    rig = embedded_rig
    long_ago = datetime.datetime(2026, 11, 10, tzinfo=datetime.UTC)
    early = entry(1, fiscal_day="2026-11-20")
    times = {"first_received_at": long_ago, "last_received_at": long_ago}
    message_id = await quarantined(early, reason="implausible_day", **times)
    rig.start_worker()
    await replay(person)
    await rig.until(REPLAYED, 1)
    waiting = await rows(Quarantine, "reason", "replay_of", outcome="waiting")
    assert waiting == [("implausible_day", message_id)]
    assert await mend(person, message_id, early) is False


async def test_a_mended_day_is_taken(embedded_rig: Rig, person: User) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((LEDGER, entry(1, fiscal_day="2099-06-01")))
    await rig.until("SELECT count(*) FROM quarantine", 1)
    [(message_id,)] = await rows(Quarantine, "pk")
    assert await mend(person, message_id, entry(1))
    await rig.until(REPLAYED, 1)
    assert await rows(Quarantine, *OUTCOME) == [("released", 1, 0, 0)]
    assert [str(day) for (day,) in await rows(Entry, "fiscal_day")] == ["2026-11-20"]
