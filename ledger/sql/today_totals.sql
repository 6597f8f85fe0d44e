-- What sites sold today, by currency and product: on each site's newest fiscal day, if it is one of
-- the last days. Days come one after the other, so both tables are read by their summaries of which
-- pages hold the last ones (BRIN); that costs the same after years, and less than thousands of steps
-- down the keys. A row without a product says how many sites a currency has.
WITH newest AS MATERIALIZED (
    SELECT site_id, currency, max(fiscal_day) AS fiscal_day
    FROM fiscal_day
    JOIN site ON site.id = fiscal_day.site_id
    WHERE fiscal_day BETWEEN %(earliest)s AND %(latest)s
        AND (%(site_ids)s::integer[] IS NULL OR site_id = ANY(%(site_ids)s::integer[]))
    GROUP BY site_id, currency
),
sold AS (
    SELECT
        newest.currency,
        total.product,
        sum(total.volume) AS volume,
        sum(total.amount) AS amount,
        sum(total.count) AS entries
    FROM newest
    JOIN day_total AS total
        ON total.site_id = newest.site_id
        AND total.fiscal_day = newest.fiscal_day
    WHERE total.fiscal_day BETWEEN %(earliest)s AND %(latest)s
        AND total.kind = ANY(%(kinds)s::smallint[])
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
