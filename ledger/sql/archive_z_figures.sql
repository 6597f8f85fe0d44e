-- The figures of Z reports, each a row: a sealed day's totals and what corrections posted to it move.
-- The tax of what states no rate is unknown. Stands behind archive_scope.sql.
, sealed AS MATERIALIZED (
    SELECT site_id, fiscal_day
    FROM fiscal_day
    WHERE (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
        AND fiscal_day BETWEEN %(first)s::date AND %(last)s::date AND sealed_at IS NOT NULL
),
posted AS MATERIALIZED (
    SELECT p.*
    FROM correction_posting p
    JOIN sealed ON sealed.site_id = p.site_id AND sealed.fiscal_day = p.posted_to
),
goods AS MATERIALIZED (
    SELECT site_id, fiscal_day, product, kind, tax_rate, count, volume, amount,
        CASE WHEN tax_rate <> -1 THEN tax END AS tax
    FROM day_total
    JOIN sealed USING (site_id, fiscal_day)
    UNION ALL
    SELECT site_id, posted_to, product, kind, coalesce(tax_rate, -1), count, volume, amount,
        CASE WHEN tax_rate IS NOT NULL THEN tax END
    FROM posted
),
figure AS (
    SELECT site_id, fiscal_day, 'product' AS part, product AS about, kind, count,
        volume, amount, tax
    FROM goods
    UNION ALL
    SELECT site_id, fiscal_day, 'tax rate',
        CASE WHEN tax_rate = -1 THEN 'not stated' ELSE tax_rate::text END, 0, count, volume, amount,
        tax
    FROM goods
    WHERE kind IN (1, 2)
    UNION ALL
    SELECT site_id, fiscal_day, 'payment', payment::text, kind, count, volume, amount, NULL
    FROM payment_total
    JOIN sealed USING (site_id, fiscal_day)
    UNION ALL
    SELECT site_id, posted_to, 'payment', coalesce(payment, 0)::text, kind, count, volume,
        amount, NULL
    FROM posted
    UNION ALL
    SELECT site_id, fiscal_day, 'hour', hour::text, 0, count, volume, amount, NULL
    FROM hour_total
    JOIN sealed USING (site_id, fiscal_day)
    UNION ALL
    SELECT site_id, posted_to, 'hour', hour::text, 0, count, volume, amount, NULL
    FROM posted
    WHERE kind IN (1, 2)
    UNION ALL
    SELECT site_id, fiscal_day, 'nozzle',
        format('%%s/%%s %%s', coalesce(fuelling_point, 0), nozzle, product), kind, 1,
        coalesce(volume, 0), amount, NULL
    FROM entry
    JOIN sealed USING (site_id, fiscal_day)
    WHERE nozzle IS NOT NULL
    UNION ALL
    SELECT site_id, posted_to, 'nozzle',
        format('%%s/%%s %%s', coalesce(fuelling_point, 0), nozzle, product), kind, count, volume,
        amount, NULL
    FROM posted
    WHERE nozzle IS NOT NULL
),
summed AS (
    SELECT site_id, fiscal_day, part, about, kind, sum(count) AS count, sum(volume) AS volume,
        sum(amount) AS amount, sum(tax) AS tax
    FROM figure
    GROUP BY 1, 2, 3, 4, 5
)
SELECT code AS site, fiscal_day, part, about, kind, count, volume, amount, tax
FROM summed
JOIN site ON site.id = site_id
ORDER BY site_id, fiscal_day, part COLLATE "C", about COLLATE "C", kind
