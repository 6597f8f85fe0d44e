-- What the meters counted in a site's fiscal days, by day, nozzle, tank and kind: wet stock and
-- totalizers are compared with it. Entries and, beside them, what corrections moved that were
-- posted up to the last of these days; each belongs to the day of its entry, when the fuel flowed.
-- Refunds give money back and no fuel, so they are left out. `days` of null are all of them, else
-- those that a sealed day was sealed after: what becomes of others later is not for its eyes.
SELECT fiscal_day, fuelling_point, nozzle, tank, product, kind, sum(volume), sum(count)::integer
FROM (
    SELECT
        fiscal_day, fuelling_point, nozzle, tank, product, kind, sum(volume) AS volume,
        count(*) AS count
    FROM entry
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
        AND kind = ANY (%(metered_kinds)s) AND volume IS NOT NULL
        AND (%(days)s::date[] IS NULL OR fiscal_day = ANY (%(days)s::date[]))
    GROUP BY 1, 2, 3, 4, 5, 6
    UNION ALL
    SELECT fiscal_day, fuelling_point, nozzle, tank, product, kind, volume, count
    FROM correction_posting
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
        AND posted_to <= %(last)s AND kind = ANY (%(metered_kinds)s)
        AND (%(days)s::date[] IS NULL OR posted_to = ANY (%(days)s::date[]))
) AS metered
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
