"""The simulated forecourt keeps the promises of the contract, whatever the seed and the pace."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import decode
from ingest.contract import Alarm, DayClosed, DayOpened, Delivery, LedgerEntry, Pump, encode
from ingest.simulator.forecourt import (
    DEAD_STOCK_ML,
    WITH_FAULTS,
    WITHOUT_FAULTS,
    Behaviour,
    Forecourt,
    Happening,
    cut_over_ms,
    fiscal_day_at,
)
from ingest.simulator.state import DAY_MS, HOUR, MINUTE, SECOND, ForecourtState
from ledger.demo_sites import DemoSite, demo_sites

SITES = demo_sites(10)
DAY = datetime.date(2026, 11, 20)
TROUBLED = Behaviour(
    lost_share=0.1, outages_per_day=5, point_faults_per_day=10, stand_alone_per_day=20
)
DECODERS = {
    "ledger": decode.decode_entry,
    "day": decode.decode_day,
    "deliveries": decode.decode_delivery,
    "alarms": decode.decode_alarm,
    "pumps": decode.decode_pump,
    "tanks": decode.decode_tank,
}
#: Which state may follow which; while fuelling the volume is said again and again.
FOLLOWS = {
    "idle": {"calling", "offline"},
    "offline": {"idle"},
    "calling": {"authorised"},
    "authorised": {"started"},
    "started": {"suspended_started", "fuelling"},
    "suspended_started": {"fuelling"},
    "fuelling": {"fuelling", "suspended_fuelling", "idle"},
    "suspended_fuelling": {"fuelling"},
}
slow = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def lived(
    site: DemoSite,
    *,
    days: int = 2,
    seed: int = 1,
    pace: float = 1.0,
    behaviour: Behaviour = WITH_FAULTS,
    step_ms: int = DAY_MS,
    live: bool = False,
) -> tuple[Forecourt, list[Happening]]:
    """Return a forecourt after some days, and all that happened, the last day's end included."""
    forecourt, happenings = Forecourt.fresh(site, seed=seed, fiscal_day=DAY, behaviour=behaviour)
    end = cut_over_ms(site, DAY + datetime.timedelta(days=days))
    while forecourt.state.now < end:
        now = min(end, forecourt.state.now + step_ms)
        happenings += forecourt.advance(now, pace=pace, live=live)
    return forecourt, happenings


def entries_of(happenings: list[Happening]) -> list[LedgerEntry]:
    return [h.message for h in happenings if isinstance(h.message, LedgerEntry)]


def closings_of(happenings: list[Happening]) -> list[DayClosed]:
    return [h.message for h in happenings if isinstance(h.message, DayClosed)]


@slow
@given(
    site=st.sampled_from(SITES),
    seed=st.integers(0, 2**32),
    pace=st.sampled_from([0.5, 1.0, 4.0]),
    behaviour=st.sampled_from([WITH_FAULTS, WITHOUT_FAULTS, TROUBLED]),
)
def test_every_day_adds_up(site: DemoSite, seed: int, pace: float, behaviour: Behaviour) -> None:
    forecourt, happenings = lived(site, seed=seed, pace=pace, behaviour=behaviour)
    entries, closings = entries_of(happenings), closings_of(happenings)
    assert [closed.fiscal_day for closed in closings] == [DAY, DAY + datetime.timedelta(days=1)]
    for closed in closings:
        of_day = [entry for entry in entries if entry.fiscal_day == closed.fiscal_day]
        assert [entry.sequence for entry in of_day] == list(range(1, closed.last_sequence + 1))
        declared = {t.product: (t.count, t.volume, t.amount) for t in closed.totals}
        assert declared == turnover(of_day)
    for entry in entries:
        if entry.volume is not None and entry.unit_price is not None:
            exact = (entry.volume * entry.unit_price).quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert entry.amount == exact
    assert all(tank.ml >= DEAD_STOCK_ML * 9 // 10 for tank in forecourt.state.tanks.values())


def turnover(entries: list[LedgerEntry]) -> dict[str, tuple[int, Decimal, Decimal]]:
    totals: dict[str, tuple[int, Decimal, Decimal]] = {}
    for entry in entries:
        if entry.kind in {"sale", "refund"}:
            count, volume, amount = totals.get(entry.product, (0, Decimal(0), Decimal(0)))
            totals[entry.product] = (
                count + 1, volume + (entry.volume or 0), amount + entry.amount,
            )  # fmt: skip
    return totals


@slow
@given(site=st.sampled_from(SITES), seed=st.integers(0, 2**32))
def test_meters_run_on_across_sales_and_days(site: DemoSite, seed: int) -> None:
    _, happenings = lived(site, seed=seed, behaviour=TROUBLED)
    meters: dict[tuple[int | None, int | None], Decimal] = {}
    transactions: dict[int | None, int | None] = {}
    for happening in happenings:
        message = happening.message
        if isinstance(message, DayOpened | DayClosed):
            readings = {(r.fuelling_point, r.nozzle): r.volume for r in message.totalizers}
            assert all(readings[key] == meter for key, meter in meters.items())
            meters = dict(readings)  # type: ignore[arg-type]
        elif isinstance(message, LedgerEntry) and message.fuelling_point is not None:
            key = (message.fuelling_point, message.nozzle)
            assert message.volume is not None
            assert message.totalizer == meters[key] + message.volume
            meters[key] = message.totalizer
            last = transactions.get(message.fuelling_point)
            if last is not None:
                assert message.device_transaction == (last + 1) % 65_536
            transactions[message.fuelling_point] = message.device_transaction


@slow
@given(site=st.sampled_from(SITES), seed=st.integers(0, 1000), data=st.data())
def test_it_does_not_matter_in_how_many_steps_time_is_told(
    site: DemoSite, seed: int, data: st.DataObject
) -> None:
    step_ms = data.draw(st.integers(MINUTE, 3 * HOUR))
    restarts = data.draw(st.booleans())
    _, at_once = lived(site, seed=seed, days=1)
    forecourt, in_steps = Forecourt.fresh(site, seed=seed, fiscal_day=DAY)
    end = cut_over_ms(site, DAY + datetime.timedelta(days=1))
    while forecourt.state.now < end:
        in_steps += forecourt.advance(min(end, forecourt.state.now + step_ms))
        if restarts:
            written = msgspec.json.encode(forecourt.state)
            state = msgspec.json.decode(written, type=ForecourtState)
            forecourt = Forecourt(site, seed=seed, state=state)
    assert in_steps == at_once


def test_showing_it_live_changes_nothing_that_is_kept() -> None:
    site = SITES[4]
    _, quiet = lived(site, days=1)
    _, shown = lived(site, days=1, live=True, step_ms=MINUTE)
    assert [h for h in shown if h.lane not in {"pumps", "tanks"}] == quiet


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.spec.code)
def test_every_message_passes_the_contract_and_lies_in_the_past(site: DemoSite) -> None:
    forecourt, happenings = Forecourt.fresh(
        site, seed=3, fiscal_day=DAY, behaviour=replace(TROUBLED, outages_per_day=0)
    )
    lanes = set()
    for _ in range(30 * 60):
        now = forecourt.state.now + 48 * SECOND
        happenings += forecourt.advance(now, live=True)
        for happening in happenings:
            lanes.add(happening.lane)
            DECODERS[happening.lane](encode(happening.message))
            moment = getattr(happening.message, "at", None) or happening.message.occurred_at  # type: ignore[attr-defined]
            assert moment.timestamp() * SECOND <= now
            assert moment.utcoffset() == moment.astimezone(ZoneInfo(site.spec.timezone)).utcoffset()
        happenings = []
    assert lanes >= {"ledger", "day", "alarms", "pumps", "tanks"}


def test_a_point_walks_through_its_states() -> None:
    forecourt, _ = Forecourt.fresh(SITES[0], seed=1, fiscal_day=DAY, behaviour=WITHOUT_FAULTS)
    seen: dict[int, list[Pump]] = defaultdict(list)
    for _ in range(10 * 60 * 60):
        for happening in forecourt.advance(forecourt.state.now + SECOND, live=True):
            if isinstance(happening.message, Pump) and happening.device is not None:
                seen[happening.device].append(happening.message)
    assert len(seen) == len(SITES[0].spec.fuelling_points or ())
    for pumps in seen.values():
        assert {"calling", "authorised", "started", "fuelling", "idle"} <= {p.state for p in pumps}
        for before, after in pairwise(pumps):
            assert after.state in FOLLOWS[before.state]
            if before.state == after.state == "fuelling":
                assert before.volume is not None
                assert after.volume is not None
                assert before.volume <= after.volume
                assert (after.at - before.at).total_seconds() <= 1


def test_a_tank_that_runs_low_is_refilled_and_says_so() -> None:
    lows = deliveries = 0
    for seed in range(3):
        for site in SITES[:4]:
            forecourt, happenings = lived(site, days=6, seed=seed)
            messages = [happening.message for happening in happenings]
            deliveries += sum(isinstance(message, Delivery) for message in messages)
            states: dict[int, str] = {}
            for message in messages:
                if isinstance(message, Alarm) and message.code == "low_product":
                    assert states.get(message.number, "finished") != message.state
                    states[message.number] = message.state
                    lows += 1
            low = {number for number, tank in forecourt.state.tanks.items() if tank.is_low}
            assert {number for number, state in states.items() if state == "started"} == low
    assert deliveries > 20
    assert lows > 5


def test_every_kind_of_entry_occurs() -> None:
    entries = [e for site in SITES for e in entries_of(lived(site, days=3)[1])]
    assert {entry.kind for entry in entries} == {"sale", "refund", "test", "drive_off"}
    assert any(entry.offline for entry in entries)
    assert any(entry.volume is None for entry in entries)
    assert any(entry.volume_15c is None for entry in entries if entry.volume)
    assert {entry.payment for entry in entries} >= {"cash", "card", "fuel_card", "account", "app"}
    assert all(entry.amount < 0 for entry in entries if entry.kind == "refund")
    assert all(entry.tax_rate is not None for entry in entries)


def test_customers_come_when_people_are_on_the_road() -> None:
    hours: dict[int, int] = defaultdict(int)
    for entry in entries_of(lived(SITES[0], days=5)[1]):
        hours[entry.occurred_at.hour] += 1
    assert min(hours[8], hours[17]) > 2 * max(hours[2], 1)
    assert hours[8] > hours[10]
    assert hours[17] > hours[14]


def test_more_pace_is_more_trade() -> None:
    ordinary = len(entries_of(lived(SITES[2], days=1)[1]))
    lively = len(entries_of(lived(SITES[2], days=1, pace=5.0)[1]))
    assert 3 * ordinary < lively < 7 * ordinary


def test_an_outage_keeps_the_site_silent_and_the_ledger_whole() -> None:
    forecourt, _ = Forecourt.fresh(SITES[0], seed=1, fiscal_day=DAY, behaviour=TROUBLED)
    went_down = False
    while not went_down:
        forecourt.advance(forecourt.state.now + SECOND, live=True)
        went_down = not forecourt.link_is_up
    until = forecourt.state.link_down_until
    assert until is not None
    during = forecourt.advance(until - 1, live=True)
    assert not [h for h in during if h.lane in {"pumps", "tanks"}]
    forecourt.advance(until, live=True)
    assert forecourt.link_is_up


def test_after_a_long_absence_it_was_shut() -> None:
    site = SITES[0]
    forecourt, _ = Forecourt.fresh(site, seed=1, fiscal_day=DAY)
    before = entries_of(forecourt.advance(forecourt.state.now + 9 * HOUR))
    back = cut_over_ms(site, DAY + datetime.timedelta(days=30)) + 9 * HOUR
    closed, opened = (happening.message for happening in forecourt.rest_until(back))
    assert isinstance(closed, DayClosed)
    assert isinstance(opened, DayOpened)
    assert (closed.fiscal_day, closed.last_sequence) == (DAY, len(before))
    assert opened.fiscal_day == fiscal_day_at(site, back) == datetime.date(2026, 12, 20)
    assert entries_of(forecourt.advance(back + HOUR))[0].sequence == 1


@pytest.mark.parametrize(
    ("moment", "fiscal_day"),
    [
        ("2026-11-22T04:59:59+00:00", "2026-11-21"),
        ("2026-11-22T05:00:00+00:00", "2026-11-22"),
        ("2026-11-22T23:59:59+00:00", "2026-11-22"),
    ],
)
def test_the_fiscal_day_is_that_of_the_cut_over(moment: str, fiscal_day: str) -> None:
    at = int(datetime.datetime.fromisoformat(moment).timestamp()) * SECOND
    assert fiscal_day_at(SITES[1], at) == datetime.date.fromisoformat(fiscal_day)


def test_a_day_of_25_hours_is_one_day() -> None:
    site = SITES[0]
    first = datetime.date(2026, 10, 25)
    then = first + datetime.timedelta(days=1)
    assert cut_over_ms(site, then) - cut_over_ms(site, first) == 25 * HOUR
