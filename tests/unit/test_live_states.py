"""Live states between two rounds, and after a round that could not be written."""

from __future__ import annotations

import datetime

from ingest.contract import Pump, TankGauge
from ingest.live import LiveStates

MORNING = datetime.datetime(2026, 11, 20, 8, tzinfo=datetime.UTC)
SITE, DEVICE = 1, 2
KEY = (SITE, DEVICE)


def pump(state: str, second: int) -> Pump:
    return Pump(state=state, at=MORNING + datetime.timedelta(seconds=second))  # type: ignore[arg-type]


def states_after_a_failed_round(*rounds: list[Pump]) -> LiveStates:
    """Collect pumps in rounds of which only the last one has not failed yet."""
    states = LiveStates()
    *failed, last = rounds
    for pumps in failed:
        for one in pumps:
            states.pump(*KEY, one)
        failed_round = states.next_round()
    for one in last:
        states.pump(*KEY, one)
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
    states.tank(*KEY, TankGauge(at=MORNING + datetime.timedelta(seconds=5)))
    failed = states.next_round()
    states.tank(*KEY, TankGauge(at=MORNING))
    states.tank(SITE, 9, TankGauge(at=MORNING))
    states.heard(7)
    states.put_back(failed)
    merged = states.next_round()
    assert merged.tanks[KEY].at == MORNING + datetime.timedelta(seconds=5)
    assert merged.tanks.keys() == {KEY, (SITE, 9)}
    assert merged.heard == {7}
