-- What the site declared as it closed its day. The caller holds the day's row and has seen that
-- it was not declared before.
WITH day AS (
    UPDATE fiscal_day SET
        closed_at = %(at)s, last_sequence = %(last_sequence)s, closing_digest = %(digest)s
    WHERE site_id = %(site_id)s AND fiscal_day = %(fiscal_day)s
),
meters AS (
    INSERT INTO totalizer (site_id, fiscal_day, fuelling_point, nozzle, product, closing)
    SELECT %(site_id)s, %(fiscal_day)s, fuelling_point, nozzle, product, volume
    FROM jsonb_to_recordset(%(totalizers)s) AS r
        (fuelling_point smallint, nozzle smallint, product text, volume numeric)
    ON CONFLICT (site_id, fiscal_day, fuelling_point, nozzle) DO UPDATE SET
        closing = excluded.closing
),
dips AS (
    INSERT INTO dip (
        site_id, fiscal_day, tank, product, closing_volume, closing_water, closing_temperature
    )
    SELECT %(site_id)s, %(fiscal_day)s, tank, product, volume, water, temperature
    FROM jsonb_to_recordset(%(dips)s) AS r
        (tank smallint, product text, volume numeric, water numeric, temperature numeric)
    ON CONFLICT (site_id, fiscal_day, tank) DO UPDATE SET
        closing_volume = excluded.closing_volume,
        closing_water = excluded.closing_water,
        closing_temperature = excluded.closing_temperature
)
INSERT INTO declared_total (site_id, fiscal_day, product, count, volume, amount)
SELECT %(site_id)s, %(fiscal_day)s, product, count, volume, amount
FROM jsonb_to_recordset(%(totals)s) AS r
    (product text, count integer, volume numeric, amount numeric)
