-- The totals of one fiscal day of all sites, without its entries: a year of three thousand sites is
-- half a billion entries, and what is measured reads none of them. As many rows as a busy site's
-- day has, and the order is that in which the worker would have written them. Arithmetic instead of
-- random(), so that the same ledger comes out each time.
WITH sold AS (
    SELECT site.id AS site_id, one.product, one.kind, one.tax_rate, one.share,
        ((site.id::integer * 104729 + %(number)s * 7919 + one.n * 31) %% 997) AS chance
    FROM site
    CROSS JOIN (VALUES
        (1, 'E10', 1, 20, 190), (2, 'E5', 1, 20, 40), (3, 'B7', 1, 20, 150), (4, 'HVO', 1, 20, 12),
        (5, 'SHOP', 1, 20, 60), (6, 'SHOP', 1, 5, 45), (7, 'E10', 2, 20, 1), (8, 'E10', 3, 20, 1),
        (9, 'B7', 4, 20, 1)
    ) AS one (n, product, kind, tax_rate, share)
    WHERE one.kind = 1 OR (site.id + %(number)s + one.n) %% 3 = 0
), totals AS (
    INSERT INTO day_total (
        site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax
    )
    SELECT site_id, %(day)s::date, product, kind, tax_rate, share,
        CASE WHEN product = 'SHOP' THEN 0 ELSE share * (25 + chance / 100.0) END,
        CASE WHEN kind = 2 THEN -1 ELSE 1 END * round(share * (40 + chance / 50.0), 2),
        CASE WHEN kind = 2 THEN -1 ELSE 1 END
            * round(share * (40 + chance / 50.0) * tax_rate / (100 + tax_rate), 2)
    FROM sold
    ORDER BY site_id, product, kind, tax_rate
), payments AS (
    INSERT INTO payment_total (site_id, fiscal_day, payment, kind, count, volume, amount)
    SELECT id, %(day)s::date, payment, 1, 100, 2000 + (id::integer * %(number)s) %% 900, 4000
    FROM site CROSS JOIN generate_series(1, 5) AS payment
    ORDER BY 1, 3
), hours AS (
    INSERT INTO hour_total (site_id, fiscal_day, hour, count, volume, amount)
    SELECT id, %(day)s::date, hour, 20, 500 + (id::integer * hour) %% 300, 900
    FROM site CROSS JOIN generate_series(0, 23) AS hour
    ORDER BY 1, 3
)
INSERT INTO fiscal_day (
    site_id, fiscal_day, opened_at, closed_at, last_sequence, entry_count, highest_sequence
)
SELECT id, %(day)s::date, %(day)s::timestamp AT TIME ZONE timezone,
    (%(day)s::date + 1)::timestamp AT TIME ZONE timezone, 500, 500, 500
FROM site
ORDER BY id;
