-- The newest states since the last round: all pumps, all tanks, which sites were heard from, and
-- the ring at the doorbell of the web processes, in one statement, so that however many messages
-- came the database has a few statements a second to do.
--
-- `newest_wins` says what is newer. `steady` says that a pump was in one state for the whole round;
-- if it is the stored state too, `since` goes on counting. In the same way `low_since` goes on
-- while a tank's readings lie below its low mark; a reading without a volume tells nothing new.
WITH pumps AS (
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
        newest.at, newest.received_at, newest.nozzle, newest.product, newest.volume, newest.amount,
        newest.unit_price
    FROM unnest(
        %(pump_site_id)s::smallint[], %(pump_fuelling_point)s::smallint[],
        %(pump_state)s::text[], %(pump_since)s::timestamptz[], %(pump_at)s::timestamptz[],
        %(pump_nozzle)s::smallint[], %(pump_product)s::text[], %(pump_volume)s::numeric[],
        %(pump_amount)s::numeric[], %(pump_unit_price)s::numeric[], %(pump_steady)s::boolean[],
        %(pump_received_at)s::timestamptz[]
    ) AS newest (
        site_id, fuelling_point, state, since, at, nozzle, product, volume, amount, unit_price,
        steady, received_at
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
    WHERE newest_wins(
        excluded.at, excluded.received_at, pump_state.at, pump_state.received_at
    )
),
tanks AS (
    INSERT INTO tank_state (
        site_id, tank, at, received_at, product, volume, ullage, capacity, water, temperature,
        status, alarms, low_since
    )
    SELECT
        newest.site_id, newest.tank, newest.at, newest.received_at, newest.product, newest.volume,
        newest.ullage, newest.capacity, newest.water, newest.temperature, newest.status,
        newest.alarms,
        CASE WHEN newest.volume <= tank.low_mark THEN least(newest.at, newest.received_at) END
    FROM unnest(
        %(tank_site_id)s::smallint[], %(tank_tank)s::smallint[], %(tank_at)s::timestamptz[],
        %(tank_product)s::text[], %(tank_volume)s::numeric[], %(tank_ullage)s::numeric[],
        %(tank_capacity)s::numeric[], %(tank_water)s::numeric[], %(tank_temperature)s::numeric[],
        %(tank_status)s::text[], %(tank_alarms)s::jsonb[], %(tank_received_at)s::timestamptz[]
    ) AS newest (
        site_id, tank, at, product, volume, ullage, capacity, water, temperature, status, alarms,
        received_at
    )
    LEFT JOIN tank ON tank.site_id = newest.site_id AND tank.number = newest.tank
    ORDER BY newest.site_id, newest.tank
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
        alarms = excluded.alarms,
        low_since = CASE
            WHEN excluded.volume IS NULL THEN tank_state.low_since
            WHEN excluded.low_since IS NULL THEN NULL
            ELSE coalesce(tank_state.low_since, excluded.low_since)
        END
    WHERE newest_wins(
        excluded.at, excluded.received_at, tank_state.at, tank_state.received_at
    )
),
heard AS (
    INSERT INTO site_status (site_id, last_heard_at)
    SELECT site_id, %(received_at)s FROM unnest(%(heard_site_id)s::smallint[]) AS heard (site_id)
    ORDER BY site_id
    ON CONFLICT (site_id) DO UPDATE SET
        last_heard_at = greatest(site_status.last_heard_at, excluded.last_heard_at)
)
SELECT pg_notify('ledger_changes', %(announcement)s)
