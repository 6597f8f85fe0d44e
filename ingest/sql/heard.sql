-- When anything was last heard from each site, whatever it was.
INSERT INTO site_status (site_id, last_heard_at)
SELECT site_id, %(received_at)s FROM unnest(%(site_ids)s::smallint[]) AS heard (site_id)
ORDER BY site_id
ON CONFLICT (site_id) DO UPDATE SET
    last_heard_at = greatest(site_status.last_heard_at, excluded.last_heard_at)
