"""The lanes beside the ledger: days, deliveries, alarms, status, pumps and tanks."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from ledger.models import (
    Alarm,
    AlarmEvent,
    DeclaredTotal,
    Delivery,
    Dip,
    FiscalDay,
    PumpState,
    Quarantine,
    SiteStatus,
    TankState,
    Totalizer,
)
from tests.factories import make_forecourt
from tests.integration.conftest import Rig
from tests.integration.test_ingest_outcomes import rows

SITE = "forecourt/v1/LON-1"
STRANGER = "forecourt/v1/NOBODY"


@pytest.fixture(autouse=True)
def site(committed_db: None) -> None:
    make_forecourt("LON-1")


def opened(**changes: Any) -> dict[str, Any]:
    return {
        "event": "opened",
        "fiscal_day": "2026-11-20",
        "at": "2026-11-20T00:00:05Z",
        "totalizers": [
            {"fuelling_point": 1, "nozzle": 2, "product": "E10", "volume": "123456.780"}
        ],
        "dips": [{"tank": 1, "product": "E10", "volume": "18250.000", "temperature": "11.2"}],
        **changes,
    }


def closed(**changes: Any) -> dict[str, Any]:
    return opened() | {
        "event": "closed",
        "at": "2026-11-21T00:00:01Z",
        "last_sequence": 3,
        "totals": [{"product": "E10", "count": 3, "volume": "61.440", "amount": "90.11"}],
        **changes,
    }


async def test_a_day_opens_and_closes_with_what_it_declares(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((f"{SITE}/day", closed()), (f"{SITE}/day", opened()))
    await rig.until("SELECT count(*) FROM fiscal_day WHERE opened_at < closed_at", 1)
    assert await rows(FiscalDay, "last_sequence", "entry_count") == [(3, 0)]
    assert await rows(Totalizer, "nozzle", "opening", "closing") == [
        (2, Decimal("123456.780"), Decimal("123456.780"))
    ]
    assert [
        (str(a), str(b), c) for a, b, c in await rows(
            Dip, "opening_volume", "opening_temperature", "opening_water"
        )
    ] == [("18250.000", "11.2", None)]  # fmt: skip
    assert await rows(DeclaredTotal, "product", "count") == [("E10", 3)]


async def test_a_day_declared_again_is_a_repeat_or_a_contradiction(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish(
        (f"{SITE}/day", closed()),
        (f"{SITE}/day", closed()),
        (f"{SITE}/day", closed(last_sequence=4)),
        (f"{SITE}/day", closed(dips=[{"tank": 1, "product": "E10", "volume": 1}] * 2)),
        (f"{SITE}/day", opened(event="paused")),
    )
    await rig.until("SELECT count(*) FROM quarantine", 3)
    await rig.until("SELECT sum(duplicates) FROM pulse", 1)
    assert sorted(await rows(Quarantine, "reason", "detail")) == [
        ("conflicting_duplicate", "the ledger holds another message of the same key"),
        ("invalid", "Invalid value 'paused' - at `$.event`"),
        ("invalid", "dips: tank 1 stands there twice"),
    ]
    assert await rows(FiscalDay, "last_sequence") == [(3,)]


async def test_a_delivery_is_stored_once(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    drop = {"at": "2026-11-20T05:00:00Z", "tank": 1, "product": "E10", "volume": "15000.000"}
    again = drop | {"volume_15c": "0", "unheard_of": True}
    await rig.publish(
        (f"{SITE}/deliveries", drop),
        (f"{SITE}/deliveries", again),
        (f"{SITE}/deliveries", drop | {"volume": "15001.000"}),
    )
    await rig.until("SELECT count(*) FROM quarantine", 1)
    await rig.until("SELECT sum(duplicates) FROM pulse", 1)
    assert [str(volume) for (volume,) in await rows(Delivery, "volume")] == ["15000.000"]


async def test_an_alarm_follows_its_newest_event(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()

    def alarm(state: str, minute: int) -> dict[str, Any]:
        at = f"2026-11-20T05:{minute:02}:00Z"
        return {"at": at, "device": "tank", "number": 1, "code": "low_product", "state": state}

    await rig.publish(
        (f"{SITE}/alarms", alarm("finished", 30)),
        (f"{SITE}/alarms", alarm("started", 10)),
        (f"{SITE}/alarms", alarm("started", 10)),
    )
    await rig.until("SELECT count(*) FROM alarm_event", 2)
    await rig.until("SELECT sum(duplicates) FROM pulse", 1)
    assert await rows(Alarm, "state") == [("finished",)]
    assert await rows(AlarmEvent, "state") == [("started",), ("finished",)]


async def test_a_last_will_takes_a_site_offline_though_its_time_is_old(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    online = {"online": True, "controller": "PTS-2", "at": "2026-11-20T05:00:00Z"}
    await rig.publish((f"{SITE}/status", online))
    await rig.until("SELECT online FROM site_status", True)
    await rig.publish((f"{SITE}/status", online | {"online": False}))
    await rig.until("SELECT online FROM site_status", False)
    assert await rows(SiteStatus, "controller") == [("PTS-2",)]


async def test_live_lanes_keep_the_newest_value(embedded_rig: Rig) -> None:
    rig = embedded_rig

    def pump(state: str, second: int, **more: Any) -> str:
        return json.dumps({"state": state, "at": f"2026-11-20T05:00:{second:02}Z", **more})

    rig.start_worker()
    await rig.publish(
        (f"{SITE}/pumps/1", pump("idle", 0).encode()),
        (f"{SITE}/pumps/1", pump("fuelling", 5, nozzle=1, product="E10", volume=1.5).encode()),
        (f"{SITE}/pumps/1", pump("fuelling", 9, nozzle=1, product="E10", volume="12.31").encode()),
        (f"{SITE}/pumps/1", pump("calling", 3).encode()),
        (f"{SITE}/pumps/2", b'{"state": "dancing", "at": "2026-11-20T05:00:00Z"}'),
        (f"{SITE}/pumps/x", pump("idle", 0).encode()),
        (f"{SITE}/tanks/1", b'{"at": "2026-11-20T05:00:00Z", "volume": 18250, "alarms": ["low"]}'),
    )
    await rig.until("SELECT count(*) FROM tank_state", 1)
    await rig.until("SELECT count(*) FROM quarantine", 2)
    state, volume, since, at = (await rows(PumpState, "state", "volume", "since", "at"))[0]
    assert (state, str(volume)) == ("fuelling", "12.310")
    assert (since.second, at.second) == (5, 9)
    assert await rows(TankState, "alarms") == [(["low"],)]
    # A state that goes on keeps its beginning from one round to the next.
    await rig.publish((f"{SITE}/pumps/1", pump("fuelling", 20, volume="30").encode()))
    await rig.until("SELECT volume::text FROM pump_state", "30.000")
    assert (await rows(PumpState, "since"))[0][0].second == 5


async def test_a_clock_that_jumped_ahead_does_not_freeze_a_pump(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish((f"{SITE}/pumps/1", {"state": "idle", "at": "2036-11-20T05:00:00Z"}))
    await rig.until("SELECT state FROM pump_state", "idle")
    await rig.publish((f"{SITE}/pumps/1", {"state": "calling", "at": "2026-11-20T05:00:00Z"}))
    await rig.until("SELECT state FROM pump_state", "calling")


async def test_clearing_retained_topics_is_no_fault_and_takes_the_states_away(
    embedded_rig: Rig,
) -> None:
    rig = embedded_rig
    rig.start_worker()
    at = "2026-11-20T05:00:00Z"
    await rig.publish(
        (f"{SITE}/pumps/1", {"state": "idle", "at": at}),
        (f"{SITE}/tanks/1", {"at": at, "volume": 18250}),
        (f"{SITE}/status", {"online": True, "at": at}),
    )
    await rig.until("SELECT count(*) FROM pump_state, tank_state, site_status WHERE online", 1)
    lanes = ("pumps/1", "tanks/1", "status")
    await rig.publish(*[(f"{site}/{lane}", b"") for lane in lanes for site in (SITE, STRANGER)])
    await rig.until(
        "SELECT (SELECT count(*) FROM pump_state) + (SELECT count(*) FROM tank_state) "
        "+ (SELECT count(online) FROM site_status)",
        0,
    )
    await rig.publish((f"{SITE}/alarms", b""))
    await rig.until("SELECT count(*) FROM quarantine", 1)
    assert await rows(Quarantine, "topic", "reason") == [(f"{SITE}/alarms", "malformed")]


async def test_a_stranger_who_talks_all_the_time_is_one_row_a_topic(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.publish(
        *[
            ("forecourt/v1/NOBODY/pumps/1", {"state": "idle", "at": f"2026-11-20T05:00:{n:02}Z"})
            for n in range(10)
        ]
    )
    await rig.until("SELECT sum(seen) FROM quarantine", 10)
    assert await rows(Quarantine, "reason") == [("unknown_site",)]


async def test_a_site_is_known_as_soon_as_it_is_registered(embedded_rig: Rig) -> None:
    rig = embedded_rig
    rig.start_worker()
    await rig.until("SELECT count(*) > 0 FROM pulse", True)
    await register("LON-2")
    status = {"online": True, "at": "2026-11-20T05:00:00Z"}
    await rig.publish(("forecourt/v1/LON-2/status", status))
    await rig.until("SELECT online FROM site_status", True)
    assert await rows(Quarantine, "reason") == []


async def register(code: str) -> None:
    from asgiref.sync import sync_to_async
    from django.db import connection

    def make() -> None:
        make_forecourt(code)
        connection.close()

    await sync_to_async(make)()
