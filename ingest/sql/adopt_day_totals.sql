-- Where a day's totals are not what its entries add up to: what moving in twice, or by half, would
-- leave. Asked of the days that a table has touched.
SELECT site.code, wanted.fiscal_day
FROM unnest(%(site_ids)s::smallint[], %(fiscal_days)s::date[]) AS wanted (site_id, fiscal_day)
JOIN site ON site.id = wanted.site_id
CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum(amount), 0) AS amount
    FROM entry
    WHERE (entry.site_id, entry.fiscal_day) = (wanted.site_id, wanted.fiscal_day)
) entries
CROSS JOIN LATERAL (
    SELECT coalesce(sum(count), 0) AS count, coalesce(sum(amount), 0) AS amount
    FROM day_total
    WHERE (day_total.site_id, day_total.fiscal_day) = (wanted.site_id, wanted.fiscal_day)
) totals
WHERE (entries.count, entries.amount) <> (totals.count, totals.amount)
ORDER BY site.code, wanted.fiscal_day
