-- The litres that each site sold today, to sort all sites by; read as in today_totals.sql.
WITH newest AS MATERIALIZED (
    SELECT site_id, max(fiscal_day) AS fiscal_day
    FROM fiscal_day
    WHERE fiscal_day BETWEEN %(earliest)s AND %(latest)s
        AND (%(site_ids)s::integer[] IS NULL OR site_id = ANY(%(site_ids)s::integer[]))
    GROUP BY site_id
)
SELECT newest.site_id, sum(total.volume)
FROM newest
JOIN day_total AS total ON total.site_id = newest.site_id AND total.fiscal_day = newest.fiscal_day
WHERE total.fiscal_day BETWEEN %(earliest)s AND %(latest)s
    AND total.kind = ANY(%(kinds)s::smallint[])
GROUP BY newest.site_id
