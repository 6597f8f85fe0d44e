-- Book stock and variance of a site's tanks, day by day: what the dips of each fiscal day say beside
-- what was delivered into the tank and what the pumps took from it. Pump tests return to the tank.
-- Corrections count in the day that they were posted to. Reads the site's part of the ledger's key.
SELECT dip.fiscal_day, dip.tank, dip.product, dip.opening_volume, coalesce(delivered.volume, 0),
    coalesce(taken.volume, 0), dip.closing_volume
FROM dip
JOIN fiscal_day AS day ON day.site_id = dip.site_id AND day.fiscal_day = dip.fiscal_day
LEFT JOIN LATERAL (
    SELECT sum(volume) AS volume
    FROM delivery
    WHERE delivery.site_id = dip.site_id AND delivery.tank = dip.tank
        AND delivery.at >= day.opened_at AND delivery.at < coalesce(day.closed_at, now())
) AS delivered ON true
LEFT JOIN (
    SELECT fiscal_day, tank, sum(volume) AS volume
    FROM (
        SELECT fiscal_day, tank, volume
        FROM entry
        WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
            AND kind <> %(test)s
        UNION ALL
        SELECT posted_to, tank, volume
        FROM correction_posting
        WHERE site_id = %(site_id)s AND posted_to BETWEEN %(first)s AND %(last)s
            AND kind <> %(test)s
    ) AS moved
    WHERE tank IS NOT NULL
    GROUP BY 1, 2
) AS taken ON taken.fiscal_day = dip.fiscal_day AND taken.tank = dip.tank
WHERE dip.site_id = %(site_id)s AND dip.fiscal_day BETWEEN %(first)s AND %(last)s
ORDER BY dip.tank, dip.fiscal_day
