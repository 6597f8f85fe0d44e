-- What sites sold today, by currency and product: on each site's newest fiscal day, if it is one of
-- the last days. Days come one after the other, so both tables are read by their summaries of which
-- pages hold the last ones (BRIN); that costs the same after years, and less than thousands of steps
-- down the keys. A row without a product says how many sites a currency has.
WITH newest AS MATERIALIZED (
    SELECT site_id, currency, max(fiscal_day) AS fiscal_day
    FROM fiscal_day
    JOIN site ON site.id = fiscal_day.site_id
    WHERE fiscal_day BETWEEN %(earliest)s AND %(latest)s
        AND fiscal_day BETWEEN site.first_fiscal_day AND {last_plausible_day}
        AND (%(site_ids)s::integer[] IS NULL OR site_id = ANY(%(site_ids)s::integer[]))
    GROUP BY site_id, currency
),
sold AS (
    SELECT currency, product, sum(volume) AS volume, sum(amount) AS amount, sum(count) AS entries
    FROM (
        SELECT newest.currency, total.product, total.volume, total.amount, total.count
        FROM newest
        JOIN day_total AS total
            ON total.site_id = newest.site_id
            -- Plus nothing: the planner takes equal sites and equal days for two coincidences,
            -- expects next to no rows and would sort all of them to merge them.
            AND total.fiscal_day + 0 = newest.fiscal_day
        WHERE total.fiscal_day BETWEEN %(earliest)s AND %(latest)s
            AND total.kind = ANY(%(kinds)s::smallint[])
        UNION ALL
        -- What corrections move in those days.
        SELECT newest.currency, moved.product, moved.volume, moved.amount, moved.count
        FROM newest
        JOIN correction_posting AS moved
            ON moved.site_id = newest.site_id AND moved.posted_to = newest.fiscal_day
        WHERE moved.posted_to BETWEEN %(earliest)s AND %(latest)s
            AND moved.kind = ANY(%(kinds)s::smallint[])
    ) AS rows
    GROUP BY currency, product
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
