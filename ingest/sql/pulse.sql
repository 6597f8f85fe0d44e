-- One row a second and worker; a second that is written twice (a clock set back) adds up.
INSERT INTO pulse (
    at, worker, received, stored, duplicates, quarantined, live, live_written, batches, backlog,
    latency_ms_p50, latency_ms_p95, latency_ms_p99, latency_ms_max, lag_ms_p50, lag_ms_p99
) VALUES (
    date_trunc('second', %(at)s::timestamptz), %(worker)s, %(received)s, %(stored)s,
    %(duplicates)s, %(quarantined)s, %(live)s, %(live_written)s, %(batches)s, %(backlog)s,
    %(latency_ms_p50)s, %(latency_ms_p95)s, %(latency_ms_p99)s, %(latency_ms_max)s,
    %(lag_ms_p50)s, %(lag_ms_p99)s
)
ON CONFLICT (at, worker) DO UPDATE SET
    received = pulse.received + excluded.received,
    stored = pulse.stored + excluded.stored,
    duplicates = pulse.duplicates + excluded.duplicates,
    quarantined = pulse.quarantined + excluded.quarantined,
    live = pulse.live + excluded.live,
    live_written = pulse.live_written + excluded.live_written,
    batches = pulse.batches + excluded.batches,
    backlog = excluded.backlog,
    latency_ms_p50 = coalesce(excluded.latency_ms_p50, pulse.latency_ms_p50),
    latency_ms_p95 = coalesce(excluded.latency_ms_p95, pulse.latency_ms_p95),
    latency_ms_p99 = greatest(excluded.latency_ms_p99, pulse.latency_ms_p99),
    latency_ms_max = greatest(excluded.latency_ms_max, pulse.latency_ms_max),
    lag_ms_p50 = coalesce(excluded.lag_ms_p50, pulse.lag_ms_p50),
    lag_ms_p99 = greatest(excluded.lag_ms_p99, pulse.lag_ms_p99)
