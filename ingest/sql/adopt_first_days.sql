-- What is adopted may be older than a site's first fiscal day, which then moves back; the other
-- workers hear of it. A first day never moves forward here.
WITH moved AS (
    UPDATE site SET first_fiscal_day = told.day
    FROM unnest(%(codes)s::text[], %(days)s::date[]) AS told (code, day)
    WHERE site.code = told.code AND told.day < site.first_fiscal_day
    RETURNING site.id
)
SELECT pg_notify('site_changes', '') FROM (SELECT count(*) FROM moved) AS counted (moved_count)
WHERE moved_count > 0
