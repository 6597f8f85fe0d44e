-- What a site had forgotten (an empty retained payload on a pump's or tank's topic). The row goes,
-- and with it its time: what the site says of the device next counts, whatever its clock shows.
-- Run before the round of which it is a part, in its transaction.
WITH pumps AS (
    DELETE FROM pump_state
    USING unnest(%(pump_site_id)s::smallint[], %(pump_fuelling_point)s::smallint[])
        AS forgotten (site_id, fuelling_point)
    WHERE (pump_state.site_id, pump_state.fuelling_point)
        = (forgotten.site_id, forgotten.fuelling_point)
)
DELETE FROM tank_state
USING unnest(%(tank_site_id)s::smallint[], %(tank_tank)s::smallint[]) AS forgotten (site_id, tank)
WHERE (tank_state.site_id, tank_state.tank) = (forgotten.site_id, forgotten.tank)
