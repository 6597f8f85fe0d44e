-- What a site had forgotten (an empty retained payload on a pump's or tank's topic). The row goes,
-- and with it its time: what the site says of the device next counts, whatever its clock shows.
-- Run before the round of which it is a part, in its transaction. The rows are locked in the order
-- of the key, in which rounds write them.
WITH locked_pumps AS (
    SELECT site_id, fuelling_point
    FROM pump_state
    JOIN unnest(%(pump_site_id)s::smallint[], %(pump_fuelling_point)s::smallint[])
        AS forgotten (site_id, fuelling_point) USING (site_id, fuelling_point)
    ORDER BY site_id, fuelling_point
    FOR UPDATE OF pump_state
),
pumps AS (
    DELETE FROM pump_state
    WHERE (site_id, fuelling_point) IN (SELECT site_id, fuelling_point FROM locked_pumps)
),
locked_tanks AS (
    SELECT site_id, tank
    FROM tank_state
    JOIN unnest(%(tank_site_id)s::smallint[], %(tank_tank)s::smallint[])
        AS forgotten (site_id, tank) USING (site_id, tank)
    ORDER BY site_id, tank
    FOR UPDATE OF tank_state
)
DELETE FROM tank_state
WHERE (site_id, tank) IN (SELECT site_id, tank FROM locked_tanks)
