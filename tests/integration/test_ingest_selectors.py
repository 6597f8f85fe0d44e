"""The figures of the ingest: the same shape with zeros whatever is there."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from ledger.models import IngestWorker, Site
from ledger.selectors.attention import Severity, attention
from ledger.selectors.ingest import MINUTES_SHOWN, WorkerState, ingest_pulse
from tests.factories import make_pulse, make_worker

pytestmark = pytest.mark.django_db
SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def now() -> datetime.datetime:
    """Half past a minute, so that nothing depends on when the test runs."""
    return timezone.now().replace(second=30)


def test_without_anything_all_is_there_and_zero(now: datetime.datetime) -> None:
    pulse = ingest_pulse(now=now)
    assert (pulse.now.received_per_s, pulse.hour.received, pulse.held) == (0, 0, 0)
    assert pulse.latest.latency_ms_p99 is None
    assert len(pulse.minutes) == MINUTES_SHOWN
    assert pulse.received_line == [None] * MINUTES_SHOWN
    assert (pulse.workers, pulse.last_at, pulse.is_silent) == ([], None, True)


def test_now_is_the_average_of_the_last_seconds(now: datetime.datetime) -> None:
    make_pulse("a", now - 2 * SECOND, received=100, stored=40, backlog=7)
    make_pulse("b", now - 3 * SECOND, received=200, stored=10, backlog=5)
    make_pulse("b", now - 30 * SECOND, received=7_000)
    pulse = ingest_pulse(now=now)
    assert (pulse.now.received_per_s, pulse.now.stored_per_s) == (30, 5)
    assert pulse.held == 12
    assert pulse.hour.received == 7_300
    assert pulse.is_silent is False


def test_times_are_the_worst_second_s_and_medians_the_mean(now: datetime.datetime) -> None:
    for ago, (p50, p99) in enumerate(((4.0, 90.0), (8.0, 10.0), (None, None)), 1):
        make_pulse("a", now - ago * SECOND, latency_ms_p50=p50, latency_ms_p99=p99)
    make_pulse("b", now - SECOND, latency_ms_p50=12.0, latency_ms_p99=20.0)
    pulse = ingest_pulse(now=now)
    for span in (pulse.now, pulse.hour, pulse.latest):
        assert (span.latency_ms_p50, span.latency_ms_p99) == (8.0, 90.0)
        assert span.lag_ms_p50 is None


def test_the_lag_of_late_entries_is_apart(now: datetime.datetime) -> None:
    make_pulse("a", now - SECOND, latency_ms_p50=4.0, lag_ms_p50=900.0, lag_ms_p99=1_200.0)
    make_pulse("b", now - SECOND, latency_ms_p50=4.0, late=2, late_lag_ms_p99=86_400_000.0)
    make_pulse("a", now - 2 * MINUTE, latency_ms_p50=4.0, late=3, late_lag_ms_p99=7_200_000.0)
    pulse = ingest_pulse(now=now)
    for span in (pulse.now, pulse.latest, pulse.hour):
        assert (span.lag_ms_p50, span.lag_ms_p99) == (900.0, 1_200.0)
        assert span.late_lag_ms_p99 == 86_400_000.0
    assert (pulse.now.late, pulse.hour.late) == (2, 5)
    assert set(pulse.lag_line) == {None}


def test_minutes_are_whole_ones_oldest_first(now: datetime.datetime) -> None:
    make_pulse("a", now - MINUTE, received=60, duplicates=3)
    make_pulse("a", now - 59 * MINUTE, received=1_000_000)
    make_pulse("a", now - 2 * datetime.timedelta(hours=1), received=5)
    make_pulse("a", now - SECOND, received=9)
    pulse = ingest_pulse(now=now)
    assert [minute.received for minute in pulse.minutes if minute.reports] == [1_000_000, 60]
    assert pulse.minutes[-1].received_per_s == 1
    assert pulse.minutes[-1].duplicates == 3
    assert pulse.hour.received == 1_000_069


def test_the_hour_is_read_anew_after_each_report(now: datetime.datetime) -> None:
    make_pulse("a", now - 3 * SECOND, received=1)
    assert ingest_pulse(now=now).hour.received == 1
    make_pulse("a", now - 2 * SECOND, received=1)
    assert ingest_pulse(now=now).hour.received == 2


def test_a_figure_says_when_it_moved_last(now: datetime.datetime) -> None:
    at = (now - 10 * MINUTE).replace(microsecond=0)
    make_pulse("a", at, received=5, stored=2, batches=1, latency_ms_p50=3.0, latency_ms_p99=12.0)
    make_pulse("a", now - SECOND)
    make_pulse("b", now - SECOND)
    pulse = ingest_pulse(now=now)
    assert pulse.last_received_at == pulse.last_stored_at == pulse.last_committed_at == at
    assert pulse.last_duplicate_at is pulse.last_quarantined_at is None
    assert pulse.now.latency_ms_p99 is None
    assert (pulse.latest.latency_ms_p99, pulse.latest.at) == (12.0, at)


def states(now: datetime.datetime) -> dict[str, tuple[WorkerState, datetime.datetime | None]]:
    return {
        health.worker.name: (health.state, health.since) for health in ingest_pulse(now=now).workers
    }


def test_what_each_worker_does(now: datetime.datetime) -> None:
    ago = now - 5 * MINUTE
    make_pulse("busy", now - SECOND, received=3)
    make_pulse("quiet", now - SECOND)
    make_worker("quiet", reported_at=now, last_received_at=ago)
    make_worker("new", reported_at=now)
    make_worker("stuck", reported_at=now, state="standing_still", last_committed_at=ago, backlog=9)
    make_worker("cut-off", reported_at=now, state="disconnected", state_since=ago)
    make_worker("dead", reported_at=ago)
    make_worker("gone", reported_at=ago, state="stopped")
    found = states(now)
    assert found["busy"][0] == WorkerState.WORKING
    assert found["quiet"] == (WorkerState.QUIET, ago)
    assert found["new"] == (WorkerState.QUIET, None)
    assert found["stuck"] == (WorkerState.STANDING_STILL, ago)
    assert found["cut-off"] == (WorkerState.DISCONNECTED, ago)
    assert found["dead"] == (WorkerState.SILENT, ago)
    assert found["gone"] == (WorkerState.STOPPED, ago)


def test_whoever_stands_by_is_known_while_it_says_so(now: datetime.datetime) -> None:
    make_worker("a", reported_at=now, standby_at=now - 3 * SECOND)
    make_worker("b", reported_at=now, standby_at=now - MINUTE)
    has = {health.worker.name: health.has_standby for health in ingest_pulse(now=now).workers}
    assert has == {"a": True, "b": False}


def amiss(now: datetime.datetime) -> list[tuple[str, Severity]]:
    found = attention(Site.objects.none(), pulse=ingest_pulse(now=now), names_workers=True, now=now)
    return [
        (item.rows[0].worker.name if item.rows else "all", item.severity) for item in found.ingest
    ]


def test_workers_in_trouble_need_attention(now: datetime.datetime) -> None:
    ago = now - 5 * MINUTE
    make_worker("dead", reported_at=ago)
    make_worker("forgotten", reported_at=now - datetime.timedelta(days=2))
    assert amiss(now) == [("all", Severity.CRITICAL)]
    make_worker("well", reported_at=now)
    make_worker("stuck", reported_at=now, state="standing_still", last_committed_at=ago)
    make_worker("away", reported_at=now, state="disconnected", state_since=ago)
    make_worker("blink", reported_at=now, state="disconnected", state_since=now - SECOND)
    make_worker("gone", reported_at=ago, state="stopped")
    assert sorted(amiss(now)) == [
        ("away", Severity.CRITICAL),
        ("dead", Severity.CRITICAL),
        ("stuck", Severity.CRITICAL),
    ]


def test_the_number_of_queries_is_that_of_one_worker(
    now: datetime.datetime, django_assert_num_queries
) -> None:
    make_pulse("a", now - SECOND, received=1, batches=1, latency_ms_p50=1.0)
    with django_assert_num_queries(3):
        ingest_pulse(now=now)
    for number in range(20):
        make_pulse(f"w{number}", now - SECOND, received=1, batches=1, latency_ms_p50=1.0)
    with django_assert_num_queries(3):
        ingest_pulse(now=now)
    # The hour is at hand while nobody reported.
    with django_assert_num_queries(2):
        ingest_pulse(now=now)
    assert IngestWorker.objects.count() == 21
