-- One fiscal day of all sites at once, as the worker would have left it: the entries in the order
-- in which they occurred over the whole network (so that a site's entries lie scattered over the
-- table, which is what a page has to live with), and every total in the transaction of the
-- entries. Arithmetic instead of random(), so that the same ledger comes out each time.
WITH drawn AS (
    SELECT sequence, site.id AS site_id, site.timezone,
        (sequence * 7919 + site.id * 104729 + %(number)s * 1299709) %% 60013 AS chance
    FROM generate_series(1, %(entries)s) AS sequence, site
    -- One day in five hundred lacks three entries.
    WHERE (site.id + %(number)s * 31) %% 500 <> 0 OR sequence NOT BETWEEN 200 AND 202
    ORDER BY sequence, site.id
), placed AS (
    SELECT drawn.*,
        CASE WHEN chance %% 400 = 7 THEN 2 WHEN chance %% 300 = 8 THEN 3
            WHEN chance %% 900 = 9 THEN 4 ELSE 1 END AS kind,
        chance %% 10 = 3 AS is_shop,
        (%(day)s::date + interval '86399 seconds' * %(share)s * sequence / %(entries)s)
            AT TIME ZONE timezone AS occurred_at,
        (5000 + chance)::numeric / 1000 AS litres
    FROM drawn
), sold AS (
    SELECT placed.*, nozzle.*,
        CASE WHEN is_shop THEN 'SHOP' ELSE nozzle.product END AS sold_product,
        CASE WHEN kind = 2 THEN -1 ELSE 1 END * CASE
            WHEN is_shop THEN round(1 + litres / 4, 2) ELSE round(litres * nozzle.unit_price, 2)
        END AS gross,
        CASE WHEN is_shop THEN NULL WHEN kind = 2 THEN -litres ELSE litres END AS volume
    FROM placed
    JOIN bench_nozzle AS nozzle
        ON nozzle.nozzle_site = site_id AND nozzle.place = chance %% nozzle.nozzles
), written AS (
    INSERT INTO entry (
        occurred_at, received_at, fiscal_day, sequence, device_transaction, site_id, kind, flags,
        fuelling_point, nozzle, tank, payment, product, amount, volume, volume_15c, unit_price,
        tax_rate, totalizer
    )
    SELECT occurred_at, occurred_at + interval '300 milliseconds', %(day)s::date, sequence,
        sequence * 13 %% 65536, site_id, kind, CASE WHEN chance %% 200 = 5 THEN 1 ELSE 0 END,
        CASE WHEN NOT is_shop THEN fuelling_point END, CASE WHEN NOT is_shop THEN number END,
        CASE WHEN NOT is_shop THEN tank END, 1 + chance %% 5, sold_product, gross, volume,
        round(volume * 0.9912, 3), CASE WHEN NOT is_shop THEN unit_price END, tax_rate,
        CASE WHEN NOT is_shop THEN 250000 + %(number)s * 900 + sequence * 1.75 END
    FROM sold
    RETURNING site_id, product, kind, payment, amount, volume, tax_rate, occurred_at
), by_product AS (
    INSERT INTO day_total (
        site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax
    )
    SELECT site_id, %(day)s::date, product, kind, coalesce(tax_rate, -1), count(*),
        coalesce(sum(volume), 0), sum(amount), coalesce(sum(round(amount * tax_rate / (100 + tax_rate), 2)), 0)
    FROM written
    GROUP BY site_id, product, kind, tax_rate
    RETURNING site_id, product, kind, count, volume, amount
), by_payment AS (
    INSERT INTO payment_total (site_id, fiscal_day, payment, kind, count, volume, amount)
    SELECT site_id, %(day)s::date, coalesce(payment, 0), kind, count(*), coalesce(sum(volume), 0),
        sum(amount)
    FROM written
    GROUP BY site_id, payment, kind
), by_hour AS (
    INSERT INTO hour_total (site_id, fiscal_day, hour, count, volume, amount)
    SELECT site_id, %(day)s::date, extract(hour FROM occurred_at AT TIME ZONE timezone), count(*),
        coalesce(sum(volume), 0), sum(amount)
    FROM written JOIN site ON site.id = site_id
    WHERE kind IN (1, 2)
    GROUP BY 1, 3
), declared AS (
    INSERT INTO declared_total (site_id, fiscal_day, product, count, volume, amount)
    SELECT site_id, %(day)s::date, product, sum(count), sum(volume), sum(amount)
    FROM by_product
    WHERE kind IN (1, 2) AND %(is_closed)s
    GROUP BY site_id, product
), meters AS (
    INSERT INTO totalizer (site_id, fiscal_day, fuelling_point, nozzle, product, opening, closing)
    SELECT nozzle_site, %(day)s::date, fuelling_point, number, product,
        250000 + %(number)s * 900, CASE WHEN %(is_closed)s THEN 250900 + %(number)s * 900 END
    FROM bench_nozzle
), dips AS (
    INSERT INTO dip (
        site_id, fiscal_day, tank, product, opening_volume, opening_water, opening_temperature,
        closing_volume, closing_water, closing_temperature
    )
    SELECT site_id, %(day)s::date, number, product, capacity * 0.7, 4.2, 11.5,
        CASE WHEN %(is_closed)s THEN capacity * 0.6 END, 4.2, 11.3
    FROM tank
), counted AS (
    SELECT site_id, sum(count) AS entries FROM by_product GROUP BY site_id
)
INSERT INTO fiscal_day (
    site_id, fiscal_day, opened_at, closed_at, last_sequence, entry_count, highest_sequence,
    last_entry_at, last_received_at
)
SELECT site_id, %(day)s::date, %(day)s::timestamp AT TIME ZONE timezone,
    CASE WHEN %(is_closed)s THEN (%(day)s::date + 1)::timestamp AT TIME ZONE timezone END,
    CASE WHEN %(is_closed)s THEN %(entries)s END, entries, %(entries)s,
    (%(day)s::date + interval '86399 seconds' * %(share)s) AT TIME ZONE timezone,
    (%(day)s::date + interval '86399 seconds' * %(share)s) AT TIME ZONE timezone
FROM counted JOIN site ON site.id = site_id
