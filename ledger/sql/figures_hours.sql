-- The turnover of a fiscal day by hour of its site's clock: that of its entries and what corrections
-- posted to it move.
SELECT hour, sum(count)::bigint, sum(volume), sum(amount)
FROM (
    SELECT hour, count, volume, amount
    FROM hour_total
    WHERE site_id = %(site_id)s AND fiscal_day = %(fiscal_day)s
    UNION ALL
    SELECT hour, count, volume, amount
    FROM correction_posting
    WHERE site_id = %(site_id)s AND posted_to = %(fiscal_day)s AND kind = ANY (%(kinds)s::smallint[])
) AS counted
GROUP BY hour
