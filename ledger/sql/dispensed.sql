-- What entries say of each nozzle in a site's fiscal days, by the day of the entry, the day that it
-- is posted to, nozzle, tank, product and kind: reports, totalizers and wet stock read it. Entries
-- and, beside them, what corrections moved in these days or of the entries of these days.
SELECT
    fiscal_day, posted_to, fuelling_point, nozzle, tank, product, kind, sum(volume), sum(amount),
    sum(count)::integer
FROM (
    SELECT
        fiscal_day, fiscal_day AS posted_to, fuelling_point, nozzle, tank, product, kind,
        coalesce(sum(volume), 0) AS volume, sum(amount) AS amount, count(*) AS count
    FROM entry
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
        AND kind = ANY (%(kinds)s) AND (volume IS NOT NULL OR nozzle IS NOT NULL)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    UNION ALL
    SELECT
        fiscal_day, posted_to, fuelling_point, nozzle, tank, product, kind, volume, amount, count
    FROM correction_posting
    WHERE site_id = %(site_id)s AND kind = ANY (%(kinds)s)
        AND (
            fiscal_day BETWEEN %(first)s AND %(last)s OR posted_to BETWEEN %(first)s AND %(last)s
        )
) AS dispensed
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY 1, 2, 3, 4, 5, 6, 7
