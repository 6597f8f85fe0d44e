-- Closed days of some sites with their entries and every total, as the worker leaves them, with
-- all that differs from sale to sale: what verifying has to read.
INSERT INTO entry (
    occurred_at, received_at, fiscal_day, sequence, device_transaction, site_id, kind, fuelling_point,
    nozzle, tank, payment, product, amount, volume, volume_15c, unit_price, tax_rate
)
SELECT
    day + interval '6 hours' + n * interval '100 seconds',
    day + interval '6 hours' + n * interval '100 seconds' + interval '300 milliseconds',
    day, n, n * 13 %% 65536, site.id, 1, 1 + n %% 8, 1 + n %% 2, 1 + n %% 2, 1 + n %% 5,
    CASE WHEN n %% 2 = 0 THEN 'E10' ELSE 'B7' END,
    round((5000 + n * 7919 %% 60000) * 1.479 / 1000, 2), (5000 + n * 7919 %% 60000) / 1000.0,
    (5000 + n * 7919 %% 60000) / 1010.0, 1.479, 20
FROM (SELECT id FROM site ORDER BY id LIMIT %(sites)s) AS site,
    generate_series(%(first)s::date, %(first)s::date + %(days)s - 1, '1 day') AS day,
    generate_series(1, %(entries)s) AS n
ORDER BY day, site.id, n;

INSERT INTO fiscal_day (
    site_id, fiscal_day, opened_at, closed_at, last_sequence, entry_count, highest_sequence
)
SELECT site_id, fiscal_day, min(occurred_at), max(occurred_at), max(sequence), count(*), max(sequence)
FROM entry GROUP BY site_id, fiscal_day;

INSERT INTO day_total (site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax)
SELECT site_id, fiscal_day, product, kind, tax_rate, count(*), sum(volume), sum(amount),
    sum(round(amount * tax_rate / (100 + tax_rate), 2))
FROM entry GROUP BY 1, 2, 3, 4, 5;

INSERT INTO payment_total (site_id, fiscal_day, payment, kind, count, volume, amount)
SELECT site_id, fiscal_day, payment, kind, count(*), sum(volume), sum(amount)
FROM entry GROUP BY 1, 2, 3, 4;

INSERT INTO hour_total (site_id, fiscal_day, hour, count, volume, amount)
SELECT
    e.site_id, e.fiscal_day, extract(hour FROM e.occurred_at AT TIME ZONE s.timezone)::smallint,
    count(*), sum(e.volume), sum(e.amount)
FROM entry e JOIN site s ON s.id = e.site_id GROUP BY 1, 2, 3;

INSERT INTO declared_total (site_id, fiscal_day, product, count, volume, amount)
SELECT site_id, fiscal_day, product, sum(count), sum(volume), sum(amount)
FROM day_total GROUP BY 1, 2, 3;
