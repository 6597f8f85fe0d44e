-- The newest states since the last round, one statement for all pumps. Newest is by the site's
-- own time; but a stored time that lies in the future (a controller's clock jumped) gives way,
-- else the pump would stand still until that time has come. `steady` says that the pump was in one
-- state for the whole round; if it is the stored state too, `since` goes on counting.
INSERT INTO pump_state (
    site_id, fuelling_point, state, since, at, received_at, nozzle, product, volume, amount,
    unit_price
)
SELECT
    site_id, fuelling_point, newest.state,
    CASE
        WHEN newest.steady AND newest.state = stored.state THEN stored.since
        ELSE newest.since
    END,
    newest.at, %(received_at)s, newest.nozzle, newest.product, newest.volume, newest.amount,
    newest.unit_price
FROM unnest(
    %(site_id)s::smallint[], %(fuelling_point)s::smallint[], %(state)s::text[],
    %(since)s::timestamptz[], %(at)s::timestamptz[], %(nozzle)s::smallint[],
    %(product)s::text[], %(volume)s::numeric[], %(amount)s::numeric[],
    %(unit_price)s::numeric[], %(steady)s::boolean[]
) AS newest (
    site_id, fuelling_point, state, since, at, nozzle, product, volume, amount, unit_price, steady
)
LEFT JOIN pump_state stored USING (site_id, fuelling_point)
ORDER BY site_id, fuelling_point
ON CONFLICT (site_id, fuelling_point) DO UPDATE SET
    state = excluded.state,
    since = excluded.since,
    at = excluded.at,
    received_at = excluded.received_at,
    nozzle = excluded.nozzle,
    product = excluded.product,
    volume = excluded.volume,
    amount = excluded.amount,
    unit_price = excluded.unit_price
WHERE excluded.at >= pump_state.at OR pump_state.at > excluded.received_at
