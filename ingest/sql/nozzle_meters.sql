-- Where the meters of some sites' nozzles stood after the newest entry of each.
SELECT site_id, fiscal_day, fuelling_point, nozzle, totalizer
FROM nozzle_state
WHERE site_id = ANY (%(site_ids)s)
