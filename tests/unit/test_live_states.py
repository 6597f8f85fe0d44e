"""Live states between two rounds, and after a round that could not be written."""

from __future__ import annotations

import datetime

import pytest

from ingest.contract import Pump, TankGauge
from ingest.live import LiveStates

MORNING = datetime.datetime(2026, 11, 20, 8, tzinfo=datetime.UTC)
SITE, DEVICE = 1, 2
KEY = (SITE, DEVICE)


#: Long after the times that the devices tell, which are then none of the future.
EVENING = MORNING + datetime.timedelta(hours=12)
IN_2031 = datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)


def pump(state: str, second: int) -> Pump:
    return pump_at(state, MORNING + datetime.timedelta(seconds=second))


def pump_at(state: str, at: datetime.datetime) -> Pump:
    return Pump(state=state, at=at)  # type: ignore[arg-type]


def states_after_a_failed_round(*rounds: list[Pump]) -> LiveStates:
    """Collect pumps in rounds of which only the last one has not failed yet."""
    states = LiveStates()
    *failed, last = rounds
    for pumps in failed:
        for one in pumps:
            states.pump(*KEY, one, EVENING)
        failed_round = states.next_round()
    for one in last:
        states.pump(*KEY, one, EVENING)
    states.put_back(failed_round)
    return states


def test_a_change_in_the_failed_round_is_not_forgotten() -> None:
    """Idle, fuelling, idle; and idle still: since the last change and not since the first."""
    states = states_after_a_failed_round(
        [pump("idle", 0), pump("fuelling", 1), pump("idle", 2)], [pump("idle", 3)]
    )
    known = states.next_round().pumps[KEY]
    assert known.newest == pump("idle", 3)
    assert known.since == pump("idle", 2).at
    assert not known.steady


def test_a_change_between_the_rounds_is_one() -> None:
    known = states_after_a_failed_round([pump("idle", 0)], [pump("calling", 1), pump("calling", 2)])
    state = known.next_round().pumps[KEY]
    assert (state.newest, state.since, state.steady) == (
        pump("calling", 2),
        pump("calling", 1).at,
        False,
    )


def test_a_steady_state_stays_steady() -> None:
    state = states_after_a_failed_round([pump("idle", 0)], [pump("idle", 1)]).next_round()
    assert state.pumps[KEY].steady
    assert state.pumps[KEY].since == MORNING


def test_what_is_newer_in_the_failed_round_stays() -> None:
    state = states_after_a_failed_round([pump("fuelling", 5)], [pump("idle", 1)]).next_round()
    assert state.pumps[KEY].newest == pump("fuelling", 5)


def test_the_newer_gauge_reading_stays() -> None:
    states = LiveStates()
    states.tank(*KEY, TankGauge(at=MORNING + datetime.timedelta(seconds=5)), EVENING)
    failed = states.next_round()
    states.tank(*KEY, TankGauge(at=MORNING), EVENING)
    states.tank(SITE, 9, TankGauge(at=MORNING), EVENING)
    states.heard(7)
    states.put_back(failed)
    merged = states.next_round()
    assert merged.tanks[KEY].newest.at == MORNING + datetime.timedelta(seconds=5)
    assert merged.tanks.keys() == {KEY, (SITE, 9)}
    assert merged.heard == {7}


# --- times in the future -------------------------------------------------------------------------


def told(*states_and_receipts: tuple[str, datetime.datetime, datetime.datetime]) -> LiveStates:
    """Collect a pump's states by (state, its own time, when it was received)."""
    states = LiveStates()
    for state, at, received_at in states_and_receipts:
        states.pump(*KEY, pump_at(state, at), received_at)
    return states


def a_second_after(at: datetime.datetime, seconds: int = 1) -> datetime.datetime:
    return at + datetime.timedelta(seconds=seconds)


def test_a_time_in_the_future_gives_way_within_a_round() -> None:
    states = told(("idle", IN_2031, EVENING), ("calling", EVENING, a_second_after(EVENING)))
    known = states.next_round().pumps[KEY]
    assert (known.newest.state, known.since) == ("calling", EVENING)


def test_a_time_in_the_future_gives_way_where_both_were_received_at_once() -> None:
    states = told(("idle", IN_2031, EVENING), ("calling", MORNING, EVENING))
    assert states.next_round().pumps[KEY].newest.state == "calling"


def test_what_began_in_the_future_began_when_it_was_received() -> None:
    states = told(("idle", MORNING, EVENING), ("fuelling", IN_2031, a_second_after(EVENING)))
    assert states.next_round().pumps[KEY].since == a_second_after(EVENING)


@pytest.mark.parametrize("failed_first", [True, False])
def test_a_failed_round_with_a_time_in_the_future_gives_way_to_the_later_receipt(
    failed_first: bool,
) -> None:
    ahead = (pump_at("idle", IN_2031), EVENING)
    right = (pump_at("calling", EVENING), a_second_after(EVENING))
    first, second = (ahead, right) if failed_first else (right, ahead)
    states = LiveStates()
    states.pump(*KEY, *first)
    failed = states.next_round()
    states.pump(*KEY, *second)
    states.put_back(failed)
    assert states.next_round().pumps[KEY].newest.state == "calling"


def test_a_gauge_whose_clock_was_ahead_gives_way() -> None:
    states = LiveStates()
    states.tank(*KEY, TankGauge(at=IN_2031), EVENING)
    failed = states.next_round()
    states.tank(*KEY, TankGauge(at=EVENING), a_second_after(EVENING))
    states.put_back(failed)
    assert states.next_round().tanks[KEY].newest.at == EVENING


# --- states that are forgotten -------------------------------------------------------------------


def test_what_came_before_is_forgotten_and_what_comes_after_counts() -> None:
    states = told(("fuelling", EVENING, EVENING))
    states.forget_pump(*KEY)
    states.forget_tank(*KEY)
    forgotten = states.next_round()
    assert (forgotten.pumps, forgotten.forgotten_pumps) == ({}, {KEY})
    assert (forgotten.tanks, forgotten.forgotten_tanks) == ({}, {KEY})
    assert forgotten.sites == {SITE}
    states.forget_pump(*KEY)
    states.pump(*KEY, pump("idle", 0), EVENING)
    again = states.next_round()
    assert again.pumps[KEY].newest.state == "idle"
    assert again.forgotten_pumps == {KEY}


def test_what_was_forgotten_while_a_round_failed_stays_forgotten() -> None:
    states = told(("fuelling", EVENING, EVENING))
    states.tank(*KEY, TankGauge(at=EVENING), EVENING)
    failed = states.next_round()
    states.forget_pump(*KEY)
    states.forget_tank(*KEY)
    states.put_back(failed)
    merged = states.next_round()
    assert (merged.pumps, merged.tanks) == ({}, {})
    assert merged.forgotten_pumps == merged.forgotten_tanks == {KEY}


def test_a_round_that_forgets_is_not_forgotten_itself() -> None:
    states = LiveStates()
    states.forget_pump(*KEY)
    failed = states.next_round()
    states.pump(*KEY, pump("idle", 0), EVENING)
    states.put_back(failed)
    merged = states.next_round()
    assert merged.forgotten_pumps == {KEY}
    assert merged.pumps[KEY].newest.state == "idle"
    assert [len(part) for part in merged.split()] == [1, 1]
