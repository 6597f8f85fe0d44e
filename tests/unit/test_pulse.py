"""What a second of a worker adds up to: the lag of live entries, and apart that of late ones."""

from __future__ import annotations

import datetime
import time

from ingest.batch import Batch
from ingest.pulse import LATE_AFTER_S, Meter
from ingest.store import Outcome

DAY_S = 86_400


def metered(*ages_s: float, received_ago_s: float = 0) -> Meter:
    """Commit a batch whose entries were so old when it was received."""
    received_at = time.time() - received_ago_s
    batch = Batch(received_at=datetime.datetime.fromtimestamp(received_at, datetime.UTC))
    batch.occurred_at = [received_at - age_s for age_s in ages_s]
    meter = Meter()
    meter.committed(batch, Outcome(stored=len(ages_s)))
    return meter


def test_resent_entries_say_nothing_of_the_live_lag() -> None:
    row = metered(*[2.0] * 98, DAY_S, 2 * DAY_S).row()
    assert row["lag_ms_p50"] is not None
    assert 2_000 <= row["lag_ms_p50"] < 60_000
    assert row["lag_ms_p99"] is not None
    assert row["lag_ms_p99"] < 60_000
    assert row["late"] == 2
    assert row["late_lag_ms_p50"] is not None
    assert row["late_lag_ms_p50"] >= DAY_S * 1_000
    assert row["late_lag_ms_p99"] is not None
    assert row["late_lag_ms_p99"] >= 2 * DAY_S * 1_000


def test_late_is_judged_at_receipt_so_a_slow_commit_is_the_ingest_s_own_lag() -> None:
    row = metered(1.0, received_ago_s=LATE_AFTER_S * 10).row()
    assert (row["late"], row["late_lag_ms_p99"]) == (0, None)
    assert row["lag_ms_p99"] is not None
    assert row["lag_ms_p99"] >= LATE_AFTER_S * 10 * 1_000


def test_late_begins_after_a_minute() -> None:
    assert metered(LATE_AFTER_S - 1, LATE_AFTER_S + 1).row()["late"] == 1


def test_only_late_entries_leave_the_live_lag_unknown() -> None:
    row = metered(DAY_S).row()
    assert (row["lag_ms_p50"], row["lag_ms_p99"]) == (None, None)


def test_a_clock_that_is_decades_behind_makes_no_lag_of_decades() -> None:
    row = metered(DAY_S, 20 * 365 * DAY_S, 56 * 365 * DAY_S).row()
    assert row["late"] == 3
    assert row["late_lag_ms_p50"] == row["late_lag_ms_p99"]
    assert row["late_lag_ms_p99"] is not None
    assert row["late_lag_ms_p99"] < 2 * DAY_S * 1_000
    assert metered(56 * 365 * DAY_S).row()["late_lag_ms_p99"] is None


def test_a_clock_that_is_ahead_makes_no_lag_below_zero() -> None:
    row = metered(-3_600.0, -3_600.0, 2.0).row()
    assert row["lag_ms_p50"] == 0
    assert row["lag_ms_p99"] is not None
    assert row["lag_ms_p99"] >= 2_000
