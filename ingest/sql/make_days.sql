-- A day may be heard of by its entries before the site says that it opened it.
INSERT INTO fiscal_day (site_id, fiscal_day)
SELECT site_id, fiscal_day
FROM unnest(%(site_ids)s::smallint[], %(fiscal_days)s::date[]) AS wanted (site_id, fiscal_day)
ORDER BY site_id, fiscal_day
ON CONFLICT DO NOTHING
