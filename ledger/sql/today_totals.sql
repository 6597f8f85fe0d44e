-- What sites sold today, by currency and product: each site's newest fiscal day, if it is one of the
-- last days. The newest day of each site is one step down its key (LATERAL), which no GROUP BY over
-- all days comes near; and both groupings come from one pass, so that they agree.
SELECT
    newest.currency,
    total.product,
    product.family,
    sum(total.volume) AS volume,
    sum(total.amount) AS amount,
    sum(total.count) AS entries,
    count(DISTINCT newest.id) AS sites
FROM (
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
) AS newest
JOIN day_total AS total
    ON total.site_id = newest.id
    AND total.fiscal_day = newest.fiscal_day
    AND total.kind = ANY(%(kinds)s::smallint[])
LEFT JOIN product ON product.site_id = newest.id AND product.code = total.product
GROUP BY GROUPING SETS ((newest.currency, total.product, product.family), (newest.currency))
ORDER BY newest.currency, total.product NULLS FIRST, product.family
