-- The litres that each site sold on its newest fiscal day, to sort all sites by. A step down the keys
-- for each site, as in today_totals.sql.
SELECT site.id, sold.volume
FROM site
CROSS JOIN LATERAL (
    SELECT fiscal_day.fiscal_day
    FROM fiscal_day
    WHERE fiscal_day.site_id = site.id AND fiscal_day.fiscal_day <= %(latest)s
    ORDER BY fiscal_day.fiscal_day DESC
    LIMIT 1
) AS day
CROSS JOIN LATERAL (
    SELECT sum(day_total.volume) AS volume
    FROM day_total
    WHERE day_total.site_id = site.id
        AND day_total.fiscal_day = day.fiscal_day
        AND day_total.kind = ANY(%(kinds)s::smallint[])
) AS sold
WHERE sold.volume IS NOT NULL
    AND (%(site_ids)s::integer[] IS NULL OR site.id = ANY(%(site_ids)s::integer[]))
