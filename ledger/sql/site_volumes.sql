-- The litres that each site sold today, to sort all sites by; read as in today_totals.sql.
WITH newest AS MATERIALIZED (
    SELECT site_id, max(fiscal_day) AS fiscal_day
    FROM fiscal_day
    JOIN site ON site.id = fiscal_day.site_id
    WHERE fiscal_day BETWEEN %(earliest)s AND %(latest)s
        AND fiscal_day BETWEEN site.first_fiscal_day AND {last_plausible_day}
        AND (%(site_ids)s::integer[] IS NULL OR site_id = ANY(%(site_ids)s::integer[]))
    GROUP BY site_id
)
SELECT site_id, sum(volume)
FROM (
    SELECT newest.site_id, total.volume
    FROM newest
    JOIN day_total AS total
        ON total.site_id = newest.site_id AND total.fiscal_day = newest.fiscal_day
    WHERE total.fiscal_day BETWEEN %(earliest)s AND %(latest)s
        AND total.kind = ANY(%(kinds)s::smallint[])
    UNION ALL
    -- What corrections move in those days.
    SELECT newest.site_id, moved.volume
    FROM newest
    JOIN correction_posting AS moved
        ON moved.site_id = newest.site_id AND moved.posted_to = newest.fiscal_day
    WHERE moved.posted_to BETWEEN %(earliest)s AND %(latest)s
        AND moved.kind = ANY(%(kinds)s::smallint[])
) AS rows
GROUP BY site_id
