-- How many sales each fuelling point made in each hour of the site's clock (`{site_hour}` stands for
-- site_hour.sql), over some fiscal days.
-- Reads those days' part of the key once; it is asked only for a point that may be dead.
SELECT
    fuelling_point,
    {site_hour} AS hour,
    count(*)
FROM entry
WHERE site_id = %(site_id)s
    AND fiscal_day >= %(first_day)s AND fiscal_day <= %(last_day)s
    AND fuelling_point IS NOT NULL AND kind = %(sale)s
GROUP BY 1, 2
