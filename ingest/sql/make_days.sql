-- A day may be heard of by its entries before the site says that it opened it. Those that are there
-- are locked, the others made, all in the order of the key: as `lock_days` does, so that nobody
-- waits in a circle. Nothing is written to a day that is there: WHERE false only locks it.
INSERT INTO fiscal_day (site_id, fiscal_day)
SELECT site_id, fiscal_day
FROM unnest(%(site_ids)s::smallint[], %(fiscal_days)s::date[]) AS wanted (site_id, fiscal_day)
ORDER BY site_id, fiscal_day
ON CONFLICT (site_id, fiscal_day) DO UPDATE SET entry_count = fiscal_day.entry_count WHERE false
