-- What sites sold today, by currency and product: on each site's newest fiscal day, if it is one of
-- the last days. Each site's newest day, and that day's totals, are a step down the keys (LATERAL,
-- which OFFSET 0 keeps the planner from turning into a scan of all days there ever were), so that it
-- costs the same after years. A row without a product says how many sites a currency has.
WITH newest AS MATERIALIZED (
    SELECT site.id, site.currency, day.fiscal_day
    FROM site
    CROSS JOIN LATERAL (
        SELECT fiscal_day.fiscal_day
        FROM fiscal_day
        WHERE fiscal_day.site_id = site.id AND fiscal_day.fiscal_day <= %(latest)s
        ORDER BY fiscal_day.fiscal_day DESC
        LIMIT 1
    ) AS day
    WHERE day.fiscal_day >= %(earliest)s
        AND (%(site_ids)s::integer[] IS NULL OR site.id = ANY(%(site_ids)s::integer[]))
),
sold AS (
    SELECT
        newest.currency,
        total.product,
        sum(total.volume) AS volume,
        sum(total.amount) AS amount,
        sum(total.count) AS entries
    FROM newest
    CROSS JOIN LATERAL (
        SELECT day_total.product, day_total.volume, day_total.amount, day_total.count
        FROM day_total
        WHERE day_total.site_id = newest.id
            AND day_total.fiscal_day = newest.fiscal_day
            AND day_total.kind = ANY(%(kinds)s::smallint[])
        OFFSET 0
    ) AS total
    GROUP BY newest.currency, total.product
)
SELECT currency, NULL AS product, '' AS family, 0 AS volume, 0 AS amount, 0 AS entries, count(*) AS sites
FROM newest
GROUP BY currency
UNION ALL
SELECT
    currency,
    product,
    -- Sites may see a product differently; its chip has one colour.
    coalesce((SELECT family FROM product WHERE product.code = sold.product LIMIT 1), ''),
    volume,
    amount,
    entries,
    0
FROM sold
