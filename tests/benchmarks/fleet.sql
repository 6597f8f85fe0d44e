-- A fleet as large as a country's: sites with their forecourts, five weeks of fiscal days, today's
-- turnover, live states, and here and there something amiss. Made in SQL, because it is thousands
-- of sites that a benchmark wants to have in seconds. The parameter is how many.
INSERT INTO site (code, name, brand, address, city, postcode, country, timezone, currency, is_closed,
    stale_after_s, cutoff, created_at)
SELECT 'F-' || lpad(n::text, 5, '0'), 'Site number ' || n, 'Brand ' || n %% 7, n || ' Main Road',
    'Town ' || n %% 400, 'ZZ' || n, 'Land',
    (ARRAY['Europe/London', 'Europe/Berlin', 'Europe/Warsaw', 'Europe/Lisbon'])[n %% 4 + 1],
    (ARRAY['GBP', 'EUR', 'PLN', 'EUR'])[n %% 4 + 1], false, 300, '07:00', now()
FROM generate_series(1, %(sites)s) AS n;

INSERT INTO product (site_id, code, name, family)
SELECT id, one.code, one.code, one.family
FROM site
CROSS JOIN (VALUES ('E10', 'petrol'), ('E5', 'petrol_premium'), ('B7', 'diesel'),
    ('HVO', 'renewable'), ('SHOP', 'dry_goods')) AS one (code, family);

INSERT INTO tank (site_id, number, product, capacity, low_mark, high_mark)
SELECT id, n, 'E10', 30000, 4000, 28000 FROM site CROSS JOIN generate_series(1, 4) AS n;

INSERT INTO tank_state (site_id, tank, at, received_at, product, volume, alarms)
SELECT site_id, number, now(), now(), product,
    CASE WHEN site_id %% 61 = number THEN 900 ELSE 18000 END, '[]'
FROM tank;

INSERT INTO pump_state (site_id, fuelling_point, state, since, at, received_at)
SELECT id, n, CASE WHEN id %% 83 = n THEN 'inoperative' ELSE 'idle' END, now(), now(), now()
FROM site CROSS JOIN generate_series(1, 8) AS n;

-- Of every seventh point the last sale was a while ago; of few of those it is news.
INSERT INTO nozzle_state (site_id, fuelling_point, nozzle, fiscal_day, sequence, occurred_at, product,
    volume, amount)
SELECT id, point, nozzle, current_date, CASE WHEN (id + point) %% 7 = 0 THEN 340 ELSE 390 END + nozzle,
    now() - CASE WHEN (id + point) %% 7 = 0 THEN interval '1 hour' ELSE interval '9 minutes' END,
    'E10', 30, 45
FROM site CROSS JOIN generate_series(1, 8) AS point CROSS JOIN generate_series(1, 3) AS nozzle;

INSERT INTO point_silence (site_id, fuelling_point, fiscal_day, sequence, last_sale_at, judged_at,
    look_again_after, sales_elsewhere, usual_every_s)
SELECT site_id, fuelling_point, fiscal_day, sequence, occurred_at, now(), 1000, 50,
    CASE WHEN site_id %% 83 = fuelling_point THEN 300 END
FROM nozzle_state WHERE nozzle = 3 AND sequence = 343;

INSERT INTO site_status (site_id, online, at, since, last_heard_at)
SELECT id, id %% 97 <> 0, now(), now(),
    now() - CASE WHEN id %% 43 = 0 THEN interval '1 hour' ELSE interval '5 s' END
FROM site;

INSERT INTO alarm (site_id, device, number, code, state, severity, text, at)
SELECT id, 'tank', 1, 'high_water', 'started', 'warning', '', now() FROM site WHERE id %% 71 = 0;

INSERT INTO fiscal_day (site_id, fiscal_day, opened_at, closed_at, last_sequence, entry_count,
    highest_sequence, last_received_at)
SELECT id, current_date - ago, now() - ago * interval '1 day',
    CASE WHEN ago > 0 AND NOT (ago = 1 AND id %% 53 = 0) THEN now() END,
    CASE WHEN ago > 0 THEN 400 END,
    CASE WHEN ago = id %% 300 THEN 397 ELSE 400 END, 400, now()
FROM site CROSS JOIN generate_series(0, 34) AS ago
-- As they come in life, day after day.
ORDER BY ago DESC, id;

INSERT INTO day_total (site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax)
SELECT day.site_id, day.fiscal_day, product.code, %(sale)s, 20, 80, 2000 + day.site_id %% 900, 3000, 500
FROM fiscal_day AS day JOIN product USING (site_id)
ORDER BY day.fiscal_day, day.site_id;

INSERT INTO hour_total (site_id, fiscal_day, hour, count, volume, amount)
SELECT site_id, fiscal_day, hour, 16, 400, 600
FROM fiscal_day CROSS JOIN generate_series(0, 23) AS hour
WHERE fiscal_day >= current_date - 1;

INSERT INTO pulse (at, worker, received, stored, duplicates, quarantined, live, live_written, batches,
    backlog, latency_ms_p50, latency_ms_p95, latency_ms_p99, latency_ms_max, lag_ms_p50, lag_ms_p99)
SELECT date_trunc('second', now()) - ago * interval '1 s', 'worker-' || worker, 5000, 3000, 2, 0, 2000,
    500, 50, 40, 4, 9, 20, 60, 400, 1900
FROM generate_series(0, 3700) AS ago CROSS JOIN generate_series(1, 4) AS worker;

INSERT INTO ingest_worker (name, host, process_id, started_at, reported_at, state, state_since, backlog,
    last_received_at, last_committed_at, last_stored_at)
SELECT worker, 'here', 1, min(at), max(at), 'connected', min(at), 40, max(at), max(at), max(at)
FROM pulse GROUP BY worker;

-- As autovacuum leaves it: with the summaries of pages that BRIN indexes read.
VACUUM ANALYZE;
