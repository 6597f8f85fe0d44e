"""What a worker counts for monitoring."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingest.metrics import Distribution, Tally, TallyCollector
from ingest.pulse import Meter


def values_of(tally: Tally) -> dict[tuple[str, str], float]:
    """Each sample by its name and what tells it apart."""
    registry = CollectorRegistry()
    registry.register(TallyCollector(tally, worker="w", reasons=("malformed", "invalid")))
    text = generate_latest(registry).decode()
    return {
        (sample.name, sample.labels.get("reason") or sample.labels.get("le") or ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels["worker"] == "w"
    }


def test_before_anything_happened_all_is_there_and_zero() -> None:
    values = values_of(Tally())
    assert values["forecourt_ingest_received_total", ""] == 0
    assert values["forecourt_ingest_quarantined_total", "invalid"] == 0
    assert values["forecourt_ingest_latency_seconds_count", ""] == 0
    assert values["forecourt_ingest_connected", ""] == 0
    assert set(values.values()) == {0}


def test_seconds_add_up() -> None:
    tally = Tally()
    for _ in range(2):
        tally.add(
            Meter(
                received=10,
                stored=7,
                duplicates=2,
                quarantined=1,
                batches=1,
                commit_retries=3,
                quarantined_by_reason=Counter(malformed=1),
                batch_messages=[10],
                latencies=[(4.0, 9), (700.0, 1)],
                lags=[90.0, -5.0, 3_000.0],
                late=2,
                late_lags=[86_000_000.0, 61_000.0],
            )
        )
    values = values_of(tally)
    assert values["forecourt_ingest_received_total", ""] == 20
    assert values["forecourt_ingest_commit_retries_total", ""] == 6
    assert values["forecourt_ingest_quarantined_total", "malformed"] == 2
    assert values["forecourt_ingest_latency_seconds_bucket", "0.005"] == 18
    assert values["forecourt_ingest_latency_seconds_count", ""] == 20
    assert values["forecourt_ingest_lag_seconds_bucket", "0.05"] == 2
    assert values["forecourt_ingest_lag_seconds_bucket", "5.0"] == 6
    assert values["forecourt_ingest_lag_seconds_sum", ""] == 6.18
    assert values["forecourt_ingest_late_total", ""] == 4
    assert values["forecourt_ingest_late_lag_seconds_bucket", "300.0"] == 2
    assert values["forecourt_ingest_late_lag_seconds_count", ""] == 4
    assert values["forecourt_ingest_batch_messages_bucket", "10.0"] == 2


@given(st.lists(st.integers(-10_000, 1_000_000)))
def test_many_at_once_are_counted_like_each_alone(values: list[int]) -> None:
    at_once, alone = Distribution((0.5, 1.0, 250.0)), Distribution((0.5, 1.0, 250.0))
    at_once.add_sorted(sorted(map(float, values)), scale=1.0)
    for value in values:
        alone.add(float(max(value, 0)))
    assert (at_once.counts, at_once.sum) == (alone.counts, alone.sum)
