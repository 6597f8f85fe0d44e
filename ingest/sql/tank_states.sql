-- The newest gauge readings since the last round, one statement for all tanks; see
-- pump_states.sql for what newest means.
INSERT INTO tank_state (
    site_id, tank, at, received_at, product, volume, ullage, capacity, water, temperature, status,
    alarms
)
SELECT
    site_id, tank, at, %(received_at)s, product, volume, ullage, capacity, water, temperature,
    status, alarms
FROM unnest(
    %(site_id)s::smallint[], %(tank)s::smallint[], %(at)s::timestamptz[], %(product)s::text[],
    %(volume)s::numeric[], %(ullage)s::numeric[], %(capacity)s::numeric[], %(water)s::numeric[],
    %(temperature)s::numeric[], %(status)s::text[], %(alarms)s::jsonb[]
) AS newest (
    site_id, tank, at, product, volume, ullage, capacity, water, temperature, status, alarms
)
ORDER BY site_id, tank
ON CONFLICT (site_id, tank) DO UPDATE SET
    at = excluded.at,
    received_at = excluded.received_at,
    product = excluded.product,
    volume = excluded.volume,
    ullage = excluded.ullage,
    capacity = excluded.capacity,
    water = excluded.water,
    temperature = excluded.temperature,
    status = excluded.status,
    alarms = excluded.alarms
WHERE excluded.at >= tank_state.at OR tank_state.at > excluded.received_at
