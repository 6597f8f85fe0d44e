-- What the site declared as it opened its day. The caller holds the day's row and has seen that
-- it was not declared before.
WITH day AS (
    UPDATE fiscal_day SET opened_at = %(at)s, opening_digest = %(digest)s
    WHERE site_id = %(site_id)s AND fiscal_day = %(fiscal_day)s
),
meters AS (
    INSERT INTO totalizer (site_id, fiscal_day, fuelling_point, nozzle, product, opening)
    SELECT %(site_id)s, %(fiscal_day)s, fuelling_point, nozzle, product, volume
    FROM jsonb_to_recordset(%(totalizers)s) AS r
        (fuelling_point smallint, nozzle smallint, product text, volume numeric)
    ON CONFLICT (site_id, fiscal_day, fuelling_point, nozzle) DO UPDATE SET
        opening = excluded.opening
)
INSERT INTO dip (
    site_id, fiscal_day, tank, product, opening_volume, opening_water, opening_temperature
)
SELECT %(site_id)s, %(fiscal_day)s, tank, product, volume, water, temperature
FROM jsonb_to_recordset(%(dips)s) AS r
    (tank smallint, product text, volume numeric, water numeric, temperature numeric)
ON CONFLICT (site_id, fiscal_day, tank) DO UPDATE SET
    opening_volume = excluded.opening_volume,
    opening_water = excluded.opening_water,
    opening_temperature = excluded.opening_temperature
