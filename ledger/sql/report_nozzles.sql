-- What a fiscal day's entries and the corrections posted to it add up to by nozzle and product: day
-- totals do not know nozzles. Reads one day's part of the ledger's key.
SELECT fuelling_point, nozzle, product, kind, sum(count)::bigint, sum(volume), sum(amount)
FROM (
    SELECT fuelling_point, nozzle, product, kind, 1 AS count, coalesce(volume, 0) AS volume, amount
    FROM entry
    WHERE site_id = %(site_id)s AND fiscal_day = %(fiscal_day)s AND nozzle IS NOT NULL
    UNION ALL
    SELECT fuelling_point, nozzle, product, kind, count, volume, amount
    FROM correction_posting
    WHERE site_id = %(site_id)s AND posted_to = %(fiscal_day)s AND nozzle IS NOT NULL
) AS sold
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
