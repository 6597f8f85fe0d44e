-- The newest seal of each site is published once more: a broker that does not know the worker may
-- have forgotten what it retained for the sites, too. One that waits to be published is not doubled.
WITH newest AS (
    SELECT DISTINCT ON (site_id) site_id, fiscal_day
    FROM fiscal_day
    WHERE z_number IS NOT NULL
    ORDER BY site_id, z_number DESC
)
INSERT INTO command (site_id, kind, fiscal_day, ranges, asked_count, requested_at)
SELECT site_id, 'seal', fiscal_day, '[]', 0, %(now)s
FROM newest
WHERE NOT EXISTS (
    SELECT
    FROM command
    WHERE command.site_id = newest.site_id AND kind = 'seal' AND sent_at IS NULL
)
