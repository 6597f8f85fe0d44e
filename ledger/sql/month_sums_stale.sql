-- Which months of sites hold another number of entries than when they were summed up
-- (month_totals.sql). Asked only after a report found that some do.
SELECT held.site_id, held.month
FROM (
    SELECT site_id, date_trunc('month', fiscal_day)::date AS month, sum(entry_count) AS entries
    FROM fiscal_day
    WHERE fiscal_day >= %(first)s AND fiscal_day < %(until)s
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2
) AS held
LEFT JOIN month_sum ON month_sum.site_id = held.site_id AND month_sum.month = held.month
WHERE held.entries IS DISTINCT FROM month_sum.entries
