-- What the entries of a site's days say was metered, by day, fuelling point, nozzle, tank and
-- kind, with what corrections posted to the day move in it. Dry goods have no litres and are left
-- out; a drive-off left the tank like a sale.
SELECT fiscal_day, fuelling_point, nozzle, tank, kind, sum(volume)
FROM (
    SELECT fiscal_day, fuelling_point, nozzle, tank, kind, volume
    FROM entry
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s AND volume <> 0
    UNION ALL
    SELECT posted_to, fuelling_point, nozzle, tank, kind, volume
    FROM correction_posting
    WHERE site_id = %(site_id)s AND posted_to BETWEEN %(first)s AND %(last)s AND volume <> 0
) AS volumes
GROUP BY fiscal_day, fuelling_point, nozzle, tank, kind
