-- What is true now at every site, with times of now: written before each measurement, because a
-- network that nobody has heard from since the ledger was filled would be an unusual one.
TRUNCATE site_status, pump_state, nozzle_state, tank_state, alarm, quarantine, pulse;

INSERT INTO site_status (site_id, online, controller, at, since, last_heard_at)
SELECT id, id % 100 <> 0, 'bench 1.0', now(), now() - interval '2 days',
    now() - CASE WHEN id % 80 = 0 THEN interval '2 hours' ELSE interval '3 seconds' END
FROM site;

INSERT INTO pump_state (
    site_id, fuelling_point, state, since, at, received_at, nozzle, product, volume, amount,
    unit_price
)
SELECT point.site_id, point.number, drawn.state, now() - interval '40 seconds', now(), now(),
    nozzle.number, nozzle.product, 31.5, 46.59, 1.479
FROM fuelling_point AS point
CROSS JOIN LATERAL (
    SELECT CASE WHEN (point.site_id * 7 + point.number) % 300 = 0 THEN 'inoperative'
        WHEN (point.site_id + point.number) % 3 = 0 THEN 'fuelling' ELSE 'idle' END AS state
) AS drawn
LEFT JOIN nozzle ON nozzle.site_id = point.site_id AND nozzle.fuelling_point = point.number
    AND nozzle.number = 1 AND drawn.state = 'fuelling';

INSERT INTO nozzle_state (
    site_id, fuelling_point, nozzle, fiscal_day, sequence, occurred_at, product, volume, amount,
    totalizer
)
SELECT nozzle.site_id, fuelling_point, nozzle.number, day.fiscal_day, 400 + nozzle.number,
    now() - interval '5 minutes', product, 28.41, 41.99, 251234.5
FROM nozzle
JOIN (SELECT site_id, max(fiscal_day) AS fiscal_day FROM fiscal_day GROUP BY site_id) AS day
    ON day.site_id = nozzle.site_id;

INSERT INTO tank_state (
    site_id, tank, at, received_at, product, volume, capacity, water, temperature, alarms
)
SELECT site_id, number, now(), now(), product,
    capacity * CASE WHEN (site_id + number) % 97 = 0 THEN 0.1 ELSE 0.55 END, capacity, 4.2, 11.4, '[]'
FROM tank;

INSERT INTO alarm (site_id, device, number, code, state, at, severity, text)
SELECT id, 'pump', number, 'leak_test', CASE WHEN number = 1 AND id % 25 = 0 THEN 'started' ELSE 'finished' END,
    now() - interval '3 hours' * number, CASE WHEN id % 50 = 0 THEN 'critical' ELSE 'warning' END,
    'Reported by the pump'
FROM site, generate_series(1, 6) AS number;

INSERT INTO quarantine (
    first_received_at, last_received_at, topic, site_id, reason, detail, raw, raw_size, digest,
    outcome
)
SELECT now() - interval '1 minute' * number, now() - interval '1 minute' * number,
    'forecourt/v1/' || code || '/ledger', id,
    CASE WHEN number % 3 = 0 THEN 'malformed' ELSE 'invalid' END, 'sequence: must be at least 1',
    convert_to(repeat('{"sequence": 0, "kind": "sale"} ', 1 + number % 40), 'UTF8'),
    32 * (1 + number % 40), sha256(number::text::bytea),
    CASE WHEN number % 10 = 0 THEN 'waiting' ELSE 'dismissed' END
FROM generate_series(1, 5000) AS number
JOIN (SELECT id, code, row_number() OVER (ORDER BY id) - 1 AS place FROM site) AS site
    ON site.place = number % (SELECT count(*) FROM site);

-- A day of one worker's seconds, at what a network of this size sends.
INSERT INTO pulse (
    at, worker, received, stored, duplicates, quarantined, live, live_written, batches, backlog,
    latency_ms_p50, latency_ms_p95, latency_ms_p99, latency_ms_max, lag_ms_p50, lag_ms_p99
)
SELECT date_trunc('second', now()) - interval '1 second' * ago, 'bench', 60, 58, 1, 1, 900, 400, 8, 3,
    4, 9, 14 + ago % 9, 22, 300, 900
FROM generate_series(0, 86399) AS ago;

-- The day that is open began this morning, however long ago the ledger was filled.
UPDATE fiscal_day SET opened_at = now() - interval '9 hours' WHERE closed_at IS NULL
