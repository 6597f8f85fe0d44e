-- One row a second and worker; a second that is written twice (a clock set back) adds up. With it
-- goes where the worker stands, one row by name: it keeps when what last happened, so that nobody
-- has to look for it in days of pulses. One statement, because both are one report.
WITH report AS (
    INSERT INTO ingest_worker (
        name, host, process_id, started_at, reported_at, state, state_since, backlog,
        last_received_at, last_committed_at, last_stored_at, last_duplicate_at, last_quarantined_at,
        connected_at
    ) VALUES (
        %(worker)s, %(host)s, %(process_id)s, %(started_at)s, %(at)s, %(state)s, %(at)s, %(backlog)s,
        CASE WHEN %(received)s > 0 THEN date_trunc('second', %(at)s::timestamptz) END,
        CASE WHEN %(batches)s > 0 THEN date_trunc('second', %(at)s::timestamptz) END,
        CASE WHEN %(stored)s > 0 THEN date_trunc('second', %(at)s::timestamptz) END,
        CASE WHEN %(duplicates)s > 0 THEN date_trunc('second', %(at)s::timestamptz) END,
        CASE WHEN %(quarantined)s > 0 THEN date_trunc('second', %(at)s::timestamptz) END,
        CASE WHEN %(is_connected)s THEN %(at)s::timestamptz END
    )
    ON CONFLICT (name) DO UPDATE SET
        host = excluded.host,
        process_id = excluded.process_id,
        started_at = excluded.started_at,
        reported_at = excluded.reported_at,
        state = excluded.state,
        state_since = CASE
            WHEN ingest_worker.state = excluded.state
                AND ingest_worker.started_at = excluded.started_at
            THEN ingest_worker.state_since
            ELSE excluded.state_since
        END,
        backlog = excluded.backlog,
        last_received_at = coalesce(excluded.last_received_at, ingest_worker.last_received_at),
        last_committed_at = coalesce(excluded.last_committed_at, ingest_worker.last_committed_at),
        last_stored_at = coalesce(excluded.last_stored_at, ingest_worker.last_stored_at),
        last_duplicate_at = coalesce(excluded.last_duplicate_at, ingest_worker.last_duplicate_at),
        last_quarantined_at = coalesce(
            excluded.last_quarantined_at, ingest_worker.last_quarantined_at
        ),
        connected_at = coalesce(excluded.connected_at, ingest_worker.connected_at)
)
INSERT INTO pulse (
    at, worker, received, stored, duplicates, quarantined, late, live, live_written, batches,
    backlog, latency_ms_p50, latency_ms_p95, latency_ms_p99, latency_ms_max, lag_ms_p50, lag_ms_p99,
    late_lag_ms_p50, late_lag_ms_p99
) VALUES (
    date_trunc('second', %(at)s::timestamptz), %(worker)s, %(received)s, %(stored)s,
    %(duplicates)s, %(quarantined)s, %(late)s, %(live)s, %(live_written)s, %(batches)s, %(backlog)s,
    %(latency_ms_p50)s, %(latency_ms_p95)s, %(latency_ms_p99)s, %(latency_ms_max)s,
    %(lag_ms_p50)s, %(lag_ms_p99)s, %(late_lag_ms_p50)s, %(late_lag_ms_p99)s
)
ON CONFLICT (at, worker) DO UPDATE SET
    received = pulse.received + excluded.received,
    stored = pulse.stored + excluded.stored,
    duplicates = pulse.duplicates + excluded.duplicates,
    quarantined = pulse.quarantined + excluded.quarantined,
    late = pulse.late + excluded.late,
    live = pulse.live + excluded.live,
    live_written = pulse.live_written + excluded.live_written,
    batches = pulse.batches + excluded.batches,
    backlog = excluded.backlog,
    latency_ms_p50 = coalesce(excluded.latency_ms_p50, pulse.latency_ms_p50),
    latency_ms_p95 = coalesce(excluded.latency_ms_p95, pulse.latency_ms_p95),
    latency_ms_p99 = greatest(excluded.latency_ms_p99, pulse.latency_ms_p99),
    latency_ms_max = greatest(excluded.latency_ms_max, pulse.latency_ms_max),
    lag_ms_p50 = coalesce(excluded.lag_ms_p50, pulse.lag_ms_p50),
    lag_ms_p99 = greatest(excluded.lag_ms_p99, pulse.lag_ms_p99),
    late_lag_ms_p50 = coalesce(excluded.late_lag_ms_p50, pulse.late_lag_ms_p50),
    late_lag_ms_p99 = greatest(excluded.late_lag_ms_p99, pulse.late_lag_ms_p99)
